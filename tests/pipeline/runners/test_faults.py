"""Nodes that hang, die, eat and stumble: real processes of the real fork server."""

import os
import signal
import threading
from pathlib import Path

import pytest

from pipeline.runners import local
from pipeline.runners.node import Compiled

GRAPH = {
    "Transform": [],
    "Trainer.a": ["Transform"],
    "Publisher.a": ["Trainer.a"],
    "Trainer.b": ["Transform"],
    "Publisher.b": ["Trainer.b"],
}


@pytest.fixture
def children(tmp_path):
    found = local.Children(tmp_path / "logs")
    found.call("first", os.getpid)  # The fork server has imported what it imports.
    yield found
    found.stop()


@pytest.fixture
def drive(children, monkeypatch):
    """Runs the graph; returns the records by name. `todo` says what a node does that is not well."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import misbehaving

    monkeypatch.setattr(local.child, "launch", misbehaving.launch)
    monkeypatch.setattr(local, "FIRST_PAUSE_S", 0.01)

    def run(limits=None, **todo):
        ir = "\n".join(f"Trainer.{name}={what}" for name, what in todo.items()).encode()
        records = local.run(Compiled(ir, GRAPH), children, 2, lambda *_: None, limits or local.Limits())
        return {record.id: record for record in records}

    return run


def assert_only_branch_a_is_lost(records, why):
    states = {name: record.state for name, record in records.items()}
    assert states == {
        "Transform": "ran",
        "Trainer.a": "failed",
        "Publisher.a": "skipped",
        "Trainer.b": "ran",
        "Publisher.b": "ran",
    }
    assert records["Trainer.a"].error.startswith(why)
    assert "Trainer.a.log" in records["Trainer.a"].error


@pytest.mark.parametrize("how", ["hang", "deaf"])
def test_a_node_that_hangs_is_ended_at_its_limit_and_costs_its_branch_alone(drive, how):
    records = drive(local.Limits(seconds=3.0), a=how)
    assert_only_branch_a_is_lost(records, "It took longer than the 0.05 minutes that it may.")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (f"signal:{int(signal.SIGKILL)}", "The process was ended by signal 9 (out of memory?)."),
        (f"signal:{int(signal.SIGSEGV)}", "The process was ended by signal 11."),
        ("exit:0", "The process ended with exit code 0, without a result."),
        ("exit:3", "The process ended with exit code 3, without a result."),
        ("eat", "MemoryError: no memory for 8 TiB"),
        ("hoard", "MemoryError: Out of memory."),
    ],
)
def test_a_node_that_dies_costs_its_branch_alone(drive, how, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_only_branch_a_is_lost(drive(a=how), why)


@pytest.mark.parametrize(("times", "state"), [(1, "ran"), (2, "ran"), (3, "failed")])
def test_a_failure_in_passing_is_tried_again(drive, tmp_path, times, state):
    records = drive(local.Limits(retries=2), a=f"lock:{tmp_path / 'tries'}:{times}")
    assert (records["Trainer.a"].state, records["Publisher.a"].state == "ran") == (state, state == "ran")
    assert (records["Trainer.a"].attempts, records["Trainer.b"].attempts) == (min(times, 2) + 1, 1)
    assert len((tmp_path / "tries").read_text()) == records["Trainer.a"].attempts
    assert ("database is locked" in records["Trainer.a"].error) == (state == "failed")


def test_other_failures_are_not_tried_again(drive):
    assert drive(local.Limits(retries=2), a="exit:3")["Trainer.a"].attempts == 1


def test_a_node_is_a_likelier_victim_of_short_memory_than_its_runner(drive, children, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drive(a="eat")
    assert (tmp_path / "oom").read_text().strip() == "500"


def test_stopping_leaves_no_child_even_a_deaf_one(drive, children):
    """What Ctrl-C comes to: the runner is interrupted in the middle, and the children are ended."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # In the background of a shell it is ignored.
    alarm = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT))
    alarm.start()
    with pytest.raises(KeyboardInterrupt):
        drive(a="deaf", b="hang")
    signal.signal(signal.SIGINT, before)
    processes = list(children._running.values())
    children.stop()
    assert len(processes) == 2
    for process in processes:
        process.join()
        assert process.exitcode in (-signal.SIGTERM, -signal.SIGKILL)
