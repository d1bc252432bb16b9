import threading
import time
from multiprocessing import Pipe
from pathlib import Path

import pytest

from pipeline.runners import local
from pipeline.runners.node import Compiled, Failure, NodeResult

# Two branches over shared data, as a run has them: in topological order, with what each node waits for.
GRAPH = {
    "DatasetGen": [],
    "DataGate": ["DatasetGen"],
    "Trainer.a": ["DataGate"],
    "Evaluator.a": ["Trainer.a", "DatasetGen"],
    "Publisher.a": ["Evaluator.a"],
    "Trainer.b": ["DataGate"],
    "Evaluator.b": ["Trainer.b", "DatasetGen"],
    "Publisher.b": ["Evaluator.b"],
}


class Threads:
    """Children that are threads: their messages come through real connections, as those of processes do."""

    def __init__(self, play):
        self._play = play
        self.started, self.running, self.most, self.gpus = [], 0, 0, {}

    def start(self, name, work, *arguments, gpus):
        ours, theirs = Pipe(duplex=False)
        self.started.append(name)
        self.gpus[name] = gpus
        self.running += 1
        self.most = max(self.most, self.running)
        threading.Thread(target=self._play, args=(name, theirs.send)).start()
        return ours

    def receive(self, connection):
        kind, content = connection.recv()
        if kind == "done":
            self.running -= 1
            connection.close()
        return kind, content

    def log(self, name):
        return Path("/logs") / f"{name}.log"


def succeed(name, send):
    send(("done", NodeResult("ran", {"output": [f"/tfx/{name}"]})))


def diverge_in_a(name, send):
    if name == "Trainer.a":
        send(("done", Failure("A finite loss is required.", 1)))
    else:
        succeed(name, send)


@pytest.fixture
def drive():
    """Runs the graph; returns the records by name, and all that the listener heard."""

    def run(children, jobs=2, **machine):
        heard = []
        records = local.run(
            Compiled(b"ir", GRAPH, **machine),
            children,
            jobs,
            lambda record, event: heard.append((record.id, record.state, event)),
            local.Limits(),
        )
        assert [record.id for record in records] == list(GRAPH)
        return {record.id: record for record in records}, heard

    return run


def test_every_node_runs_once_and_after_what_it_needs(drive):
    children = Threads(succeed)
    records, heard = drive(children)
    assert {record.state for record in records.values()} == {"ran"}
    assert records["Trainer.b"].outputs == {"output": ["/tfx/Trainer.b"]}
    assert sorted(children.started) == sorted(GRAPH)
    for name, upstream in GRAPH.items():
        begun = heard.index((name, "running", None))
        assert all(heard.index((before, "ran", None)) < begun for before in upstream)


@pytest.mark.parametrize("jobs", [1, 2, 8])
def test_no_more_nodes_run_at_a_time_than_jobs(drive, jobs):
    together = threading.Barrier(min(jobs, 2))

    def play(name, send):
        if name.startswith("Trainer"):
            together.wait(10)  # Goes on when as many branches train as may.
        succeed(name, send)

    children = Threads(play)
    drive(children, jobs)
    assert children.most == min(jobs, 2)


def test_a_failure_costs_what_depends_on_it_and_nothing_else(drive):
    records, heard = drive(Threads(diverge_in_a))
    assert records["Trainer.a"].state == "failed"
    assert records["Trainer.a"].error.startswith("A finite loss is required.")
    assert "/logs/Trainer.a.log" in records["Trainer.a"].error
    assert {name: record.state for name, record in records.items() if name.endswith(".b")} == {
        "Trainer.b": "ran",
        "Evaluator.b": "ran",
        "Publisher.b": "ran",
    }
    assert records["Evaluator.a"].error == "needs Trainer.a"
    assert records["Publisher.a"].error == "needs Evaluator.a"
    assert ("Publisher.a", "skipped", None) in heard


def test_a_failed_gate_stops_every_branch(drive):
    def play(name, send):
        send(("done", Failure("Data without anomalies are required.", 1))) if name == "DataGate" else succeed(
            name, send
        )

    children = Threads(play)
    records, _ = drive(children)
    assert children.started == ["DatasetGen", "DataGate"]
    assert [record.state for record in records.values()] == ["ran", "failed"] + ["skipped"] * 6


def test_what_was_cached_counts_as_done_and_progress_is_passed_on(drive):
    def play(name, send):
        for epoch in (1, 2):
            send(("progress", {"epoch": epoch, "of": name}))
        send(("done", NodeResult("cached", {})))

    records, heard = drive(Threads(play))
    assert {record.state for record in records.values()} == {"cached"}
    for name in GRAPH:
        assert [(state, event and event["epoch"]) for told, state, event in heard if told == name] == [
            ("running", None),
            ("running", 1),
            ("running", 2),
            ("cached", None),
        ]


def test_the_work_of_a_node_is_told_from_the_start_of_the_run(drive):
    def play(name, send):
        now = time.monotonic()
        send(("done", NodeResult("ran", {}, (now, now + 5.0))))

    records, _ = drive(Threads(play))
    begins = [record.work[0] for record in records.values()]
    assert 0 <= begins[0] < 60
    assert all(record.work[1] == pytest.approx(record.work[0] + 5.0) for record in records.values())


TRAINING = frozenset({"Trainer.a", "Trainer.b"})


def test_each_training_has_gpus_of_its_own_and_nothing_else_sees_one(drive):
    together = threading.Barrier(2)

    def play(name, send):
        if name in TRAINING:
            together.wait(10)
        succeed(name, send)

    children = Threads(play)
    drive(children, jobs=4, training=TRAINING, gpus=("0", "1", "2"), share=1)
    assert {name: children.gpus[name] for name in TRAINING} == {"Trainer.a": ["0"], "Trainer.b": ["1"]}
    assert all(children.gpus[name] == [] for name in set(GRAPH) - TRAINING)


def test_a_training_waits_for_its_gpu_and_others_do_not_wait_for_it(drive):
    at_once, most = set(), []
    evaluated = threading.Event()

    def play(name, send):
        if name in TRAINING:
            at_once.add(name)
            most.append(len(at_once))
            if name == "Trainer.b":
                assert evaluated.wait(10)  # The other branch goes on beside it.
            at_once.discard(name)
        if name == "Evaluator.a":
            evaluated.set()
        succeed(name, send)

    children = Threads(play)
    records, _ = drive(children, jobs=4, training=TRAINING, gpus=("GPU-1f", "GPU-2e"), share=2)
    assert most == [1, 1]
    assert {children.gpus[name][0] for name in TRAINING} == {"GPU-1f"}
    assert {record.state for record in records.values()} == {"ran"}


def test_a_training_that_fails_gives_its_gpu_back(drive):
    children = Threads(diverge_in_a)
    records, _ = drive(children, training=TRAINING, gpus=("0",), share=1)
    assert records["Publisher.b"].state == "ran"
    assert children.gpus["Trainer.b"] == ["0"]
