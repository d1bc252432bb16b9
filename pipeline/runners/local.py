"""The local runner: TFX's launcher, node by node, each in a child of a preloaded fork server, branches in parallel."""

import dataclasses
import math
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from components.progress import Event
from pipeline import quiet
from pipeline.errors import ConvoyError, ExitCode
from pipeline.runners import node as child
from pipeline.runners.node import Compiled, Failure, NodeResult

STOP_TIMEOUT_S = 4.0
FIRST_PAUSE_S = 1.0


@dataclasses.dataclass
class NodeRecord:
    """One node in one run.

    Attributes:
      state: waiting, running, then ran, cached, failed or skipped.
      seconds: Wall time, from the start of its process to its end.
      error: Why it failed, and where its log is; or why it was skipped, or starts again.
      outputs: URIs of its output artifacts by key.
      uncached: Why it had to run though nothing may have changed.
      attempts: How often it was started.
    """

    id: str
    state: str = "waiting"
    seconds: float = 0.0
    error: str = ""
    outputs: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    uncached: str = ""
    attempts: int = 0


Listener = Callable[[NodeRecord, Event | None], None]


class Children:
    """Child processes of one fork server, each with its log file."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._context = multiprocessing.get_context("forkserver")
        self._running: dict[Connection, BaseProcess] = {}
        self._start_server()

    def start(self, name: str, work: Callable[..., Any], *arguments: Any) -> Connection:
        """Starts `work(*arguments)` in a child; its messages come through the connection."""
        ours, theirs = self._context.Pipe(duplex=False)
        target = (theirs, self._logs / f"{name}.log", work, *arguments)
        process = self._context.Process(target=child.in_child, args=target, name=name)
        process.start()
        theirs.close()
        self._running[ours] = process
        return ours

    def receive(self, connection: Connection) -> tuple[str, Any]:
        """Receives the next message: `("progress", event)`, or `("done", result)` after which the child is gone."""
        try:
            kind, content = connection.recv()
        except EOFError:
            process = self._running[connection]
            process.join()
            kind, content = "done", Failure(_died(process.exitcode), 1)
        if kind == "done":
            process = self._running.pop(connection)
            process.join(STOP_TIMEOUT_S)
            process.kill()
            connection.close()
        return kind, content

    def end(self, connection: Connection) -> None:
        """Ends a child at once."""
        process = self._running.pop(connection)
        process.kill()
        process.join()
        connection.close()

    def call(self, name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Runs `work(*arguments)` in a child and waits for it.

        Raises:
          ConvoyError: It failed.
        """
        connection = self.start(name, work, *arguments)
        while True:
            kind, content = self.receive(connection)
            if kind == "done" and isinstance(content, Failure):
                raise ConvoyError(f"{content.message} (log: {self.log(name)})", ExitCode(content.code))
            if kind == "done":
                return content

    def log(self, name: str) -> Path:
        """Returns the log file of a child."""
        return self._logs / f"{name}.log"

    def stop(self) -> None:
        """Ends every child: asks first, then kills."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in self._running.values():
            process.join(max(0.0, deadline - time.monotonic()))
            process.kill()
        self._running.clear()

    def _start_server(self) -> None:
        """Starts the fork server; what its imports say goes into a log file, not on the screen."""
        self._context.set_forkserver_preload(["pipeline.runners.preload"])
        self._logs.mkdir(parents=True, exist_ok=True)
        with quiet.output_to(self._logs / "forkserver.log"):
            forkserver.ensure_running()


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a node may take.

    Attributes:
      seconds: From the start of its process; a node that takes longer is ended, and has failed.
      retries: How often it starts again after a failure in passing.
    """

    seconds: float = math.inf
    retries: int = 0


def run(compiled: Compiled, children: Children, jobs: int, listener: Listener, limits: Limits) -> list[NodeRecord]:
    """Runs every node whose upstream nodes succeeded; one that fails costs only what depends on it.

    Args:
      compiled: The pipeline.
      children: Where nodes run.
      jobs: How many at a time.
      listener: Hears of every change of a record, and of the progress inside a node.
      limits: Of every node.

    Returns:
      The records in topological order.
    """
    records = {name: NodeRecord(name, uncached=compiled.uncached.get(name, "")) for name in compiled.upstream}
    running: dict[Connection, tuple[NodeRecord, float]] = {}
    resting: dict[str, float] = {}  # Until when: what failed in passing and starts again.
    threads = max(1, cores() // jobs)

    def end(connection: Connection, result: NodeResult | Failure) -> None:
        record, started = running.pop(connection)
        now = time.monotonic()
        record.seconds = now - started
        _finish(record, result, children.log(record.id), limits.retries)
        if record.state == "waiting":
            resting[record.id] = now + FIRST_PAUSE_S * 2 ** (record.attempts - 1)
        listener(record, None)

    while True:
        _skip(records, compiled.upstream, listener)
        now = time.monotonic()
        ready = [record for record in _ready(records, compiled.upstream) if resting.get(record.id, now) <= now]
        for record in ready[: jobs - len(running)]:
            record.state, record.error, record.attempts = "running", "", record.attempts + 1
            resting.pop(record.id, None)
            listener(record, None)
            connection = children.start(record.id, child.launch, compiled.ir, record.id, threads)
            running[connection] = (record, now)
        if not running and not resting:
            return list(records.values())
        nearest = min([*(started + limits.seconds for _, started in running.values()), *resting.values()])
        for answered in wait(list(running), None if nearest == math.inf else max(0.0, nearest - time.monotonic())):
            assert isinstance(answered, Connection)
            kind, content = children.receive(answered)
            if kind == "done":
                end(answered, content)
            else:
                listener(running[answered][0], content)
        for connection, (_, started) in list(running.items()):
            if time.monotonic() - started > limits.seconds:
                children.end(connection)
                end(connection, Failure(f"It took longer than the {limits.seconds / 60:g} minutes that it may.", 1))


def cores() -> int:
    """Counts the cores that this process may use: as many nodes run at a time, unless told."""
    return len(os.sched_getaffinity(0))


def _ready(records: dict[str, NodeRecord], upstream: dict[str, list[str]]) -> list[NodeRecord]:
    done = {name for name, record in records.items() if record.state in ("ran", "cached")}
    return [record for name, record in records.items() if record.state == "waiting" and done.issuperset(upstream[name])]


def _skip(records: dict[str, NodeRecord], upstream: dict[str, list[str]], listener: Listener) -> None:
    """Skips what depends on a failure; records are in topological order, so one pass reaches everything."""
    for name, record in records.items():
        lost = [before for before in upstream[name] if records[before].state in ("failed", "skipped")]
        if record.state == "waiting" and lost:
            record.state, record.error = "skipped", f"needs {lost[0]}"
            listener(record, None)


def _finish(record: NodeRecord, result: NodeResult | Failure, log: Path, retries: int) -> None:
    """Takes down how a node ended; one that failed in passing waits to start again."""
    if isinstance(result, NodeResult):
        record.state, record.outputs = result.state, result.outputs
    else:
        record.state = "waiting" if result.passing and record.attempts <= retries else "failed"
        record.error = f"{result.message} (log: {log})"


def _died(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"The process was ended by signal {-exit_code}{' (out of memory?)' if exit_code == -9 else ''}."
    return f"The process ended with exit code {exit_code}, without a result."
