"""The main job end to end, as a newcomer runs it: real data, real processes, real sockets, one workspace.

One run of the demo feeds all the tests here; they go on in the order in which they stand, as its user would.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
ARCHITECTURES = {"lenet5", "allcnn_c", "resnet20", "mobilenet"}


def convoy(workspace: Path, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "convoy"), verb, *arguments, f"--workspace={workspace}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)


def run_demo(workspace: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.demo"],
        env=os.environ | {"CONVOY_WORKSPACE": str(workspace)},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )


@contextlib.contextmanager
def serving(workspace: Path) -> Iterator[None]:
    """Serves the workspace as its user would, in another terminal."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(BIN / "convoy"), "serve", f"--workspace={workspace}", f"--port={port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not listens(port):
                assert process.poll() is None, "The server ended before it could be asked."
                time.sleep(0.05)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def summary(workspace: Path) -> dict[str, Any]:
    return dict(json.loads(sorted(workspace.glob("runs/*/summary.json"))[-1].read_text()))


def ran(workspace: Path) -> set[str]:
    return {node["id"] for node in summary(workspace)["nodes"] if node["state"] == "ran"}


def statuses(workspace: Path) -> list[dict[str, Any]]:
    return list(json.loads(convoy(workspace, "status", "--json").stdout))


def why(workspace: Path) -> dict[str, tuple[str, str]]:
    """What `convoy explain` says of the newest run: state and reason by node."""
    explained = json.loads(convoy(workspace, "explain", "--json").stdout)
    return {found["node"]: (found["state"], found["why"]) for found in explained}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journey") / "workspace"


@pytest.fixture(scope="module")
def demo(workspace: Path) -> subprocess.CompletedProcess[str]:
    done = run_demo(workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_demo_trains_publishes_and_serves_all_four(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    rows = {row["architecture"]: row for row in summary(workspace)["rows"]}
    assert set(rows) == ARCHITECTURES
    for row in rows.values():
        assert (row["state"], row["version"], row["label"]) == ("published", 1, "stable"), row
        assert row["accuracy"] >= 0.95
        assert min(row[key] for key in ("params", "macs", "train_seconds", "size_bytes", "p50_ms")) > 0
    accuracies = [row["accuracy"] for row in summary(workspace)["rows"]]
    assert accuracies == sorted(accuracies, reverse=True)


def test_demo_shows_answers_table_and_three_next_steps(demo: subprocess.CompletedProcess[str]) -> None:
    right = next(line for line in demo.stdout.splitlines() if "right classes" in line).split()[3:]
    for name in ARCHITECTURES:
        answered = next(line for line in demo.stdout.splitlines() if f"digits_{name} version 1:" in line).split()[3:]
        assert len(answered) == len(right)
        assert sum(a == b for a, b in zip(answered, right, strict=True)) >= len(right) - 2
    assert len(demo.stdout.partition("Try next")[2].strip().splitlines()) == 4  # Three lines, and the seconds.
    assert demo.stderr == ""


def test_demo_explains_that_all_is_new(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    assert set(why(workspace).values()) == {("ran", "no earlier run finished it")}


def processes(workspace: Path) -> list[int]:
    """Lists the processes that have a file of the workspace open, or name it in their command: ours and children's."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            files = {str(file.readlink()) for file in process.glob("fd/*")}
            named = str(workspace).encode() in (process / "cmdline").read_bytes()
            if process.name.isdigit() and (named or any(file.startswith(str(workspace)) for file in files)):
                found.append(int(process.name))
    return [pid for pid in found if pid not in {os.getpid(), os.getppid()}]


def assert_all_gone(workspace: Path) -> None:
    """The fork server, which holds all of TensorFlow, ends a moment after its runner."""
    deadline = time.monotonic() + 5
    while left := processes(workspace):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_demo_stops_what_it_started(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    assert_all_gone(workspace)
    assert not (workspace / "server.json").exists()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Lets SIGINT end what is started: in the background of a shell it would be ignored, by all descendants too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_all_of_a_run_and_nothing_is_half_done(
    demo: subprocess.CompletedProcess[str], workspace: Path
) -> None:
    known = set(workspace.glob("runs/*"))
    long = ["--architectures", "lenet5", "--set", "architectures.lenet5.epochs=20000"]
    process = subprocess.Popen(
        [str(BIN / "convoy"), "run", "digits", *long, f"--workspace={workspace}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not [log for log in workspace.glob("runs/*/logs/Trainer.lenet5.log") if log.parents[1] not in known]:
        assert process.poll() is None, "The run ended before it could be interrupted."
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(3)
    assert len(processes(workspace)) >= 3, "the runner, its fork server, the Trainer"
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does: to all of them.
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (130, 1)
    assert "stopped; what was done is kept" in err
    assert_all_gone(workspace)
    assert [(s["version"], s["problems"]) for s in statuses(workspace)] == [(1, [])] * 4


def test_one_number_one_hash(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    found = statuses(workspace)
    assert {version["model"] for version in found} == {f"digits_{name}" for name in ARCHITECTURES}
    for version in found:
        assert version["problems"] == []
        assert len(set(version["sha256"].values())) == 1
        assert (version["labels"], version["aliases"]) == (["stable"], ["champion"])
        served = workspace / "model_repository" / version["model"] / str(version["version"])
        subprocess.run(
            ["sha256sum", "--check", "--quiet", "--strict", f"../{served.name}.sha256"], cwd=served, check=True
        )
        manifest = subprocess.run(["sha256sum", f"{served}.sha256"], capture_output=True, text=True, check=True).stdout
        assert manifest.split()[0] == version["sha256"]["mlmd"]


def test_served_version_leads_back_to_its_examples(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    for version in statuses(workspace):
        nodes = [step["node"] for step in version["lineage"]]
        assert nodes[0] == "Registrar"
        assert {"Trainer", "Evaluator", "InfraValidator", "Transform", "DatasetGen"} <= set(nodes)
        trainer = next(step for step in version["lineage"] if step["node"] == "Trainer")
        inputs = {artifact["type"]: artifact["uri"] for artifact in trainer["inputs"]}
        assert (Path(inputs["Examples"]) / "Split-train").is_dir()


def test_nothing_changed_nothing_runs_and_a_server_that_is_there_is_asked(
    demo: subprocess.CompletedProcess[str], workspace: Path
) -> None:
    with serving(workspace):
        done = run_demo(workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "digits_lenet5 version 1:" in done.stdout
    first = min(workspace.glob("runs/*/summary.json")).parent.name
    assert {node["state"] for node in summary(workspace)["nodes"]} == {"cached"}
    assert set(why(workspace).values()) == {("cached", f"nothing changed since run {first}")}
    assert len(done.stdout.split("cached seconds=")) == 1 + len(summary(workspace)["nodes"])
    assert [version["version"] for version in statuses(workspace)] == [1, 1, 1, 1]


@pytest.mark.parametrize("damage", ["deleted", "emptied file", "wiped repository"])
def test_damaged_repository_is_published_again(
    demo: subprocess.CompletedProcess[str], workspace: Path, damage: str
) -> None:
    repository = workspace / "model_repository"
    version = repository / "digits_lenet5" / "1"
    before = {status["model"]: status["sha256"]["repository"] for status in statuses(workspace)}
    if damage == "deleted":
        shutil.rmtree(version)
    elif damage == "emptied file":
        (version / "saved_model.pb").write_bytes(b"")
        assert any("digits_lenet5" in problem for s in statuses(workspace) for problem in s["problems"])
        assert convoy(workspace, "status").returncode == 1
    else:
        shutil.rmtree(repository)
    assert convoy(workspace, "run", "digits").returncode == 0
    damaged = ARCHITECTURES if damage == "wiped repository" else {"lenet5"}
    assert ran(workspace) == {f"Publisher.{name}" for name in damaged}
    assert why(workspace)["Publisher.lenet5"] == ("ran", "what it published was damaged or gone")
    assert {s["model"]: s["sha256"]["repository"] for s in statuses(workspace)} == before
    assert all(status["problems"] == [] and status["labels"] == ["stable"] for status in statuses(workspace))


def test_killed_at_any_moment_the_next_run_finishes(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    """A new recipe makes one new version, however often the run that makes it is killed, and wherever."""
    run = ["run", "digits", "--architectures", "lenet5", "--set", "architectures.lenet5.epochs=14", "--jobs", "1"]
    for node in ("Trainer.lenet5", "Registrar.lenet5", "Publisher.lenet5"):
        known = set(workspace.glob("runs/*"))
        process = subprocess.Popen([str(BIN / "convoy"), *run, f"--workspace={workspace}"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not [
            log for log in set(workspace.glob("runs/*/logs/*")) if log.stem == node and log.parents[1] not in known
        ]:
            assert process.poll() is None, "The run ended before it could be killed."
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finished = convoy(workspace, *run)
    assert finished.returncode in (0, 4), finished.stdout + finished.stderr
    lenets = [status for status in statuses(workspace) if status["model"] == "digits_lenet5"]
    assert [status["version"] for status in lenets] == [1, 2]
    assert all(status["problems"] == [] for status in lenets)


def test_second_candidate_was_judged_against_its_own_champion(
    demo: subprocess.CompletedProcess[str], workspace: Path
) -> None:
    """The new LeNet-5 of the test above has exactly one baseline: the first LeNet-5."""
    second = next(s for s in statuses(workspace) if s["model"] == "digits_lenet5" and s["version"] == 2)
    evaluator = next(step for step in second["lineage"] if step["node"] == "Evaluator")
    models = sorted(artifact["uri"] for artifact in evaluator["inputs"] if artifact["type"] == "Model")
    assert len(models) == 2
    assert all("/Trainer.lenet5/" in uri for uri in models)


def test_branch_that_fails_sinks_only_itself(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    live = next(s["version"] for s in statuses(workspace) if s["model"] == "digits_lenet5" and s["labels"])
    done = convoy(workspace, "run", "digits", "--set", "architectures.allcnn_c.learning_rate=1e30")
    assert done.returncode == 1
    assert (f"lenet5 published: stable moved from v{live} to v1" in done.stdout) == (live != 1)
    rows = {row["architecture"]: row for row in summary(workspace)["rows"]}
    assert rows["allcnn_c"]["state"] == "failed"
    assert "A finite loss is required" in rows["allcnn_c"]["note"]
    reasons = why(workspace)
    assert reasons["Trainer.allcnn_c"][0] == "failed"
    assert "A finite loss is required" in reasons["Trainer.allcnn_c"][1]
    assert reasons["Publisher.allcnn_c"] == ("skipped", "needs Registrar.allcnn_c")
    assert {rows[name]["state"] for name in ARCHITECTURES - {"allcnn_c"}} == {"published"}
    assert "Traceback" not in done.stdout + done.stderr


def test_nothing_blessed_is_exit_code_4(demo: subprocess.CompletedProcess[str], workspace: Path) -> None:
    """A gate that nobody passes: the version is registered all the same, the champion stays."""
    gate = ["--architectures", "lenet5", "--set", "gate.min_accuracy=1.0", "--set", "architectures.lenet5.epochs=1"]
    done = convoy(workspace, "run", "digits", *gate)
    assert (done.returncode, "lenet5 withheld: accuracy must be at least 1. Received: 0." in done.stdout) == (4, True)
    assert why(workspace)["Trainer.lenet5"] == ("ran", "`recipe.epochs` 14 -> 1")
    assert "another `model`" in why(workspace)["Evaluator.lenet5"][1]
    withheld = [status for status in statuses(workspace) if status["model"] == "digits_lenet5"][-1]
    assert (withheld["published"], withheld["aliases"], withheld["problems"]) == (False, [], [])


def test_people_promote_and_roll_back_under_a_running_server(
    demo: subprocess.CompletedProcess[str], workspace: Path
) -> None:
    """The version that the test above has withheld, forced live and taken back; the next run leaves it at that."""
    model, image = "digits_lenet5", str(workspace / "samples" / "24-is-4.png")

    def live() -> int:
        asked = convoy(workspace, "predict", model, image, "--label", "stable", "--json")
        return int(json.loads(asked.stdout)[0]["version"])

    withheld = [status["version"] for status in statuses(workspace) if status["model"] == model][-1]
    refused = convoy(workspace, "promote", model, str(withheld))
    assert (refused.returncode, "accuracy must be at least 1. Received: 0." in refused.stderr) == (4, True)
    with serving(workspace):
        assert live() == 1
        forced = convoy(workspace, "promote", model, str(withheld), "--force", "--reason", "to see it fail")
        assert (forced.returncode, forced.stdout.count(f"from v1 to v{withheld}")) == (0, 1), forced.stderr
        assert live() == withheld
        assert convoy(workspace, "rollback", model).returncode == 0
        assert live() == 1
    newest, forced_one, *_ = json.loads(convoy(workspace, "history", model, "--json").stdout)
    assert [newest["verb"], forced_one["forced"], forced_one["why"]] == ["rollback", True, "to see it fail"]
    assert convoy(workspace, "run", "digits", "--architectures", "lenet5").returncode == 0
    labels = {status["version"]: status["labels"] for status in statuses(workspace) if status["model"] == model}
    assert [version for version, its in labels.items() if its] == [1]
    assert all(status["problems"] == [] for status in statuses(workspace))
