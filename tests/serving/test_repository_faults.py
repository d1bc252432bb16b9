"""Publishers that are watched, killed, starved of room, and set against each other."""

import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from serving.repository import DigestMismatchError, Repository, RepositoryBusyError, digest, manifest

PUBLISH = """
import os, signal, sys
from serving.repository import Repository, digest

root, source, version, label, effects = sys.argv[1:]
repository = Repository(root, lock_timeout=60)
left = int(effects)

def hook(event, arguments):
    global left
    if event in {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.copyfile", "shutil.rmtree"}:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

print("ready", flush=True)
sys.stdin.readline()
sys.addaudithook(hook)
repository.publish("m", int(version), source, label=label or None, keep_versions=2, sha256=digest(source))
"""


@pytest.fixture
def saved_model(tmp_path):
    """Returns a function that writes the files of version `n`: some small ones, and one of 1 MB."""

    def write(n, assets=20):
        directory = tmp_path / "sources" / str(n)
        (directory / "variables").mkdir(parents=True)
        (directory / "assets").mkdir()
        (directory / "saved_model.pb").write_bytes(f"graph {n}".encode() * 1000)
        (directory / "variables" / "variables.data").write_bytes(random.Random(n).randbytes(1_000_000))
        for i in range(assets):
            (directory / "assets" / f"{i}.txt").write_text(f"asset {i} of {n}")
        return directory

    return write


@pytest.fixture
def publisher():
    """Returns a function that starts a process which publishes once it reads a line; ends what still runs.

    `effects`: the process kills itself before its so-manieth effect on the file system.
    """
    processes = []

    def start(root, source, version, label="", effects=0):
        command = [sys.executable, "-c", PUBLISH, str(root), str(source), str(version), label, str(effects)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


class Watcher(threading.Thread):
    """Looks at a repository every millisecond as a model server would, and notes each version that is not whole."""

    def __init__(self, repository):
        super().__init__()
        self.repository = repository
        self.faults = []
        self.seen = set()
        self.looks = 0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.001):
            self.looks += 1
            for version in self.repository.versions("m"):
                self.check(version)
            self.check_config()

    def check(self, version):
        if version in self.seen:
            return
        path = self.repository.path("m", version)
        try:
            recorded = path.with_name(f"{version}.sha256").read_text()
            problem = "torn" if manifest(path) != recorded else ""
        except Exception as error:
            problem = repr(error)
        if problem and path.exists():
            self.faults.append((version, problem))
        self.seen.add(version)

    def check_config(self):
        if not self.repository.config_path.exists():
            return
        on_disk = set(self.repository.versions("m"))
        listed = versions_in(self.repository.config_path.read_text())
        self.faults += [(version, "listed without files") for version in listed - on_disk if version < max(on_disk)]


def versions_in(text):
    return {int(line.split()[1]) for line in text.splitlines() if line.strip().startswith("versions:")}


def test_a_watching_server_never_sees_half_a_version(tmp_path, saved_model):
    repository = Repository(tmp_path / "repository")
    sources = {n: saved_model(n) for n in range(1, 31)}
    watcher = Watcher(repository)
    watcher.start()
    for version, source in sources.items():
        repository.publish("m", version, source, label="stable", keep_versions=2)
    time.sleep(0.1)
    watcher.done.set()
    watcher.join()
    assert watcher.faults == []
    assert watcher.looks > 30
    assert 30 in watcher.seen


def test_the_watcher_sees_a_plain_copy_as_torn(tmp_path, saved_model):
    # The check that the check can fail: what TFX's Pusher does is caught.
    repository = Repository(tmp_path / "repository")
    source = saved_model(1)
    target = repository.path("m", 1)
    target.mkdir(parents=True)
    watcher = Watcher(repository)
    watcher.start()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        copy.mkdir() if path.is_dir() else shutil.copyfile(path, copy)
        time.sleep(0.002)
    watcher.done.set()
    watcher.join()
    assert watcher.faults


def check_mends(repository, version, source):
    """Checks what a killed publisher left for the servers, and that publishing again completes its work."""
    assert all(repository.verify("m", number) == [] for number in repository.versions("m"))
    assert repository.labels("m")["stable"] in repository.versions("m")
    published = repository.publish("m", version, source, label="stable", keep_versions=2, sha256=digest(source))
    assert published.sha256 == digest(published.path)
    kept = [version - 1, version]
    assert repository.versions("m") == kept
    assert versions_in(repository.config_path.read_text()) == set(kept)
    assert [path.name for path in repository.root.rglob(".*") if path.name != ".lock"] == []
    assert {path.name for path in (repository.root / "m").glob("*.sha256")} == {f"{number}.sha256" for number in kept}


def test_a_publisher_killed_at_a_random_moment_is_mended_by_the_next(tmp_path, saved_model, publisher):
    repository = Repository(tmp_path / "repository")
    repository.publish("m", 1, saved_model(1), label="stable")
    moments = random.Random(0)
    for version in range(2, 12):
        source = saved_model(version)
        process = publisher(repository.root, source, version, "stable")
        go(process)
        time.sleep(moments.uniform(0, 0.04))
        process.send_signal(signal.SIGKILL)
        process.wait()
        check_mends(repository, version, source)


def test_a_publisher_killed_before_any_of_its_effects_is_mended_by_the_next(tmp_path, saved_model, publisher):
    repository = Repository(tmp_path / "repository")
    for version in (1, 2):
        repository.publish("m", version, saved_model(version, assets=1), label="stable", keep_versions=2)
    outcomes = []
    for effects in range(1, 40):
        version = effects + 2
        source = saved_model(version, assets=1)
        process = publisher(repository.root, source, version, "stable", effects)
        go(process)
        outcomes.append(process.wait(timeout=30))
        check_mends(repository, version, source)
        if outcomes[-1] == 0:
            break
    assert outcomes == [-signal.SIGKILL] * (len(outcomes) - 1) + [0]
    assert len(outcomes) > 15


def test_a_repair_killed_before_any_of_its_effects_is_mended_by_the_next(tmp_path, saved_model, publisher):
    repository = Repository(tmp_path / "repository")
    source = saved_model(2, assets=1)
    repository.publish("m", 1, saved_model(1), label="stable")
    outcomes = []
    for effects in range(1, 30):
        published = repository.publish("m", 2, source, label="stable")
        (published.path / "saved_model.pb").write_bytes(b"damaged")
        process = publisher(repository.root, source, 2, "stable", effects)
        go(process)
        outcomes.append(process.wait(timeout=30))
        repository.publish("m", 2, source, label="stable", sha256=digest(source))
        assert repository.verify("m", 2) == []
        assert [path.name for path in repository.root.rglob(".*") if path.name != ".lock"] == []
        if outcomes[-1] == 0:
            break
    assert outcomes == [-signal.SIGKILL] * (len(outcomes) - 1) + [0]
    assert len(outcomes) > 8


def test_two_publishers_of_one_version_both_succeed(tmp_path, saved_model, publisher):
    source = saved_model(1)
    root = tmp_path / "repository"
    processes = [publisher(root, source, 1, label) for label in ("stable", "canary")]
    for process in processes:
        go(process)
    assert [process.wait(timeout=30) for process in processes] == [0, 0]
    assert Repository(root).verify("m", 1) == []
    assert Repository(root).labels("m") == {"stable": 1, "canary": 1}


def test_of_two_publishers_with_different_bytes_one_is_refused(tmp_path, saved_model, publisher):
    root = tmp_path / "repository"
    processes = [publisher(root, saved_model(n), 1) for n in (1, 2)]
    for process in processes:
        go(process)
    outcomes = sorted(
        (process.wait(timeout=30), "VersionConflictError" in process.stderr.read()) for process in processes
    )
    assert outcomes == [(0, False), (1, True)]
    assert Repository(root).verify("m", 1) == []


def test_a_held_lock_is_named(tmp_path, saved_model):
    holding, waiting = Repository(tmp_path / "r"), Repository(tmp_path / "r", lock_timeout=0.1)
    source = saved_model(1)
    held, done = threading.Event(), threading.Event()

    def hold():
        with holding._locked():
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        with pytest.raises(RepositoryBusyError, match=r"another publisher has held .*/r/\.lock` for 0\.1 s"):
            waiting.publish("m", 1, source)
    finally:
        done.set()
        thread.join()
    assert waiting.publish("m", 1, source).changed


FULL = """
import sys
from pathlib import Path
from serving.repository import DiskFullError, Repository
root, small, large = sys.argv[1:]
repository = Repository(root)
repository.publish("m", 1, small, label="stable")
before = sorted(str(path) for path in Path(root).rglob("*"))
try:
    repository.publish("m", 2, large, label="stable")
except DiskFullError as error:
    print(error)
assert sorted(str(path) for path in Path(root).rglob("*")) == before, "left something behind"
assert repository.verify("m", 1) == [] and repository.labels("m") == {"stable": 1}
"""


FILL = """
with Path(root, "filler").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
try:
    repository.set_label("m", "canary", 1)
except DiskFullError as error:
    print(error)
assert repository.labels("m") == {"stable": 1}, "models.config is damaged"
"""


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path, saved_model):
    small, large = saved_model(1), saved_model(2)
    (large / "variables" / "variables.data").write_bytes(bytes(5_000_000))
    disk = tmp_path / "disk"
    disk.mkdir()
    # In a mount namespace of its own, so that the tiny disk ends with the process.
    script = 'mount -t tmpfs -o size=4m tmpfs "$1" && echo mounted && shift && exec "$@"'
    publish = [sys.executable, "-c", FULL + FILL, str(disk / "repository"), str(small), str(large)]
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(disk), *publish]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if "mounted" not in run.stdout:
        pytest.skip(f"this machine lets us mount no small disk: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
    _, publishing, labelling = run.stdout.splitlines()
    assert re.search(r"must have room for 5,0\d\d,\d{3} bytes more. Received: [23],\d{3},\d{3} free", publishing)
    assert "must have room for 4,096 bytes more. Received: 0 free (No space left on device)" in labelling


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\n" + FULL


def test_a_file_too_large_for_the_user_is_told_the_same_way(tmp_path, saved_model):
    small, large = saved_model(1), saved_model(2)
    (large / "variables" / "variables.data").write_bytes(bytes(5_000_000))
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "repository"), str(small), str(large)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "File too large" in run.stdout


def test_a_source_that_changes_while_it_is_copied_is_refused(tmp_path, saved_model):
    repository = Repository(tmp_path / "repository")
    source = saved_model(1)
    changed = []

    def change_once(event, arguments):
        """Changes the source between the look at it and its copy: when the folder for the copy is made."""
        if event == "os.mkdir" and not changed and str(arguments[0]).startswith(str(repository.root / "m" / ".")):
            changed.append(arguments[0])
            (source / "assets" / "0.txt").write_text("other bytes")

    sys.addaudithook(change_once)  # Cannot be taken back: it does nothing after the first time.
    with pytest.raises(DigestMismatchError, match="must not change while it is published"):
        repository.publish("m", 1, source)
    assert changed
    assert list((repository.root / "m").iterdir()) == []
