"""Processes that end when the one that started them does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# `work` is importable code: what a fresh process runs must be.
PARENT = """
import sys, time
from components import twin

if __name__ == "__main__":
    if "prepared" in sys.argv:
        twin.prepare()
    print(*(twin.start(time.sleep, 60).pid for _ in range(2)), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def parent(tmp_path):
    """Starts a process that starts two others; returns it and their numbers."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    processes = []

    def start(*arguments):
        processes.append(subprocess.Popen([sys.executable, script, *arguments], stdout=subprocess.PIPE, text=True))
        return processes[-1], [int(pid) for pid in processes[-1].stdout.readline().split()]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def alive(pid):
    """Whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", ["prepared", "fresh"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_both_end_with_their_parent(parent, how, end):
    process, children = parent(how)
    time.sleep(0.5)
    assert len(set(children)) == 2
    assert all(alive(pid) for pid in children)
    process.send_signal(end)
    process.wait()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in children):
        assert time.monotonic() < deadline, "a child outlives its parent"
        time.sleep(0.02)


def test_the_twin_works_once_and_a_fresh_process_after_it(in_child, tmp_path):
    first, second = in_child(start_two, tmp_path)
    assert first != second
    assert (tmp_path / "first").is_dir()
    assert (tmp_path / "second").is_dir()


def start_two(root):
    from components import twin

    started = [twin.start(os.mkdir, root / name) for name in ("first", "second")]
    for process in started:
        process.join(60)
    return [process.pid for process in started]
