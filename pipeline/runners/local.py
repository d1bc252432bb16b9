"""The local runner: TFX's launcher, node by node, each in a child of a preloaded fork server, branches in parallel."""

import contextlib
import dataclasses
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
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
      work: When its executor began and ended, in seconds since the first node could start; nothing where it was cached.
      error: Why it failed, and where its log is; or why it was skipped, or starts again.
      outputs: URIs of its output artifacts by key.
      uncached: Why it had to run though nothing may have changed.
      attempts: How often it was started.
    """

    id: str
    state: str = "waiting"
    seconds: float = 0.0
    work: tuple[float, ...] = ()
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

    def start(
        self, name: str, work: Callable[..., Any], *arguments: Any, gpus: Sequence[str] | None = None
    ) -> Connection:
        """Starts `work(*arguments)` in a child; its messages come through the connection.

        Args:
          name: Of the process, and of its log.
          work: Found by its import path.
          *arguments: Of `work`.
          gpus: Ids of those that it sees; None for all.
        """
        ours, theirs = self._context.Pipe(duplex=False)
        target = (theirs, self._logs / f"{name}.log", gpus, work, *arguments)
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

    def call(
        self, name: str, work: Callable[..., Any], *arguments: Any, heard: Callable[[Event], None] | None = None
    ) -> Any:
        """Runs `work(*arguments)` in a child and waits for it.

        Args:
          name: Of the process, and of its log.
          work: Found by its import path.
          *arguments: Of `work`.
          heard: Is told what it reports.

        Raises:
          ConvoyError: It failed.
        """
        connection = self.start(name, work, *arguments)
        while True:
            kind, content = self.receive(connection)
            if kind == "progress" and heard:
                heard(content)
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


@contextlib.contextmanager
def opened(logs: Path) -> Iterator[Children]:
    """Gives child processes for a block; whatever ends it, SIGTERM included, ends them."""
    children = Children(logs)
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield children
    finally:
        signal.signal(signal.SIGTERM, previous)
        children.stop()


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
    return _Run(compiled, children, jobs, listener, limits).to_the_end()


@dataclasses.dataclass(frozen=True)
class _Started:
    """A node that runs: its record, when it started, and the GPUs that it has."""

    record: NodeRecord
    at: float
    gpus: list[str]


class _Run:
    """One run: what waits, runs and rests, and which GPUs are free."""

    def __init__(self, compiled: Compiled, children: Children, jobs: int, listener: Listener, limits: Limits) -> None:
        self._compiled, self._children, self._jobs = compiled, children, jobs
        self._listener, self._limits = listener, limits
        self._began = time.monotonic()
        self._records = {name: NodeRecord(name, uncached=compiled.uncached.get(name, "")) for name in compiled.upstream}
        self._running: dict[Connection, _Started] = {}
        self._resting: dict[str, float] = {}  # Until when: what failed in passing and starts again.
        self._free = list(compiled.gpus)

    def to_the_end(self) -> list[NodeRecord]:
        """Starts, hears and ends nodes until none is left that could run."""
        while True:
            self._skip()
            self._start_ready()
            if not self._running and not self._resting:
                return list(self._records.values())
            self._hear()
            self._end_late()

    def _start_ready(self) -> None:
        now = time.monotonic()
        threads = max(1, cores() // self._jobs)
        for record in self._ready(now):
            wanted = self._compiled.share if record.id in self._compiled.training else 0
            if len(self._running) >= self._jobs or wanted > len(self._free):
                continue
            gpus, self._free = self._free[:wanted], self._free[wanted:]
            self._resting.pop(record.id, None)
            record.state, record.error, record.attempts = "running", "", record.attempts + 1
            self._listener(record, None)
            arguments = (self._compiled.ir, record.id, threads, self._compiled.tracking)
            connection = self._children.start(record.id, child.launch, *arguments, gpus=gpus)
            self._running[connection] = _Started(record, now, gpus)

    def _ready(self, now: float) -> list[NodeRecord]:
        done = {name for name, record in self._records.items() if record.state in ("ran", "cached")}
        return [
            record
            for name, record in self._records.items()
            if record.state == "waiting"
            and done.issuperset(self._compiled.upstream[name])
            and self._resting.get(name, now) <= now
        ]

    def _hear(self) -> None:
        """Waits for the next message, for the limit of a node, or for the end of a rest."""
        limits = [started.at + self._limits.seconds for started in self._running.values()]
        nearest = min([*limits, *self._resting.values()])
        patience = None if nearest == math.inf else max(0.0, nearest - time.monotonic())
        for answered in wait(list(self._running), patience):
            assert isinstance(answered, Connection)
            kind, content = self._children.receive(answered)
            if kind == "done":
                self._end(answered, content)
            else:
                self._listener(self._running[answered].record, content)

    def _end_late(self) -> None:
        limit = self._limits.seconds
        for connection, started in list(self._running.items()):
            if time.monotonic() - started.at > limit:
                self._children.end(connection)
                self._end(connection, Failure(f"It took longer than the {limit / 60:g} minutes that it may.", 1))

    def _end(self, connection: Connection, result: NodeResult | Failure) -> None:
        ended = self._running.pop(connection)
        self._free += ended.gpus
        now = time.monotonic()
        ended.record.seconds = now - ended.at
        _finish(ended.record, result, self._children.log(ended.record.id), self._limits.retries)
        if isinstance(result, NodeResult):
            ended.record.work = tuple(moment - self._began for moment in result.work)
        if ended.record.state == "waiting":
            self._resting[ended.record.id] = now + FIRST_PAUSE_S * 2 ** (ended.record.attempts - 1)
        self._listener(ended.record, None)

    def _skip(self) -> None:
        """Skips what depends on a failure; records are in topological order, so one pass reaches everything."""
        for name, record in self._records.items():
            before = self._compiled.upstream[name]
            lost = [one for one in before if self._records[one].state in ("failed", "skipped")]
            if record.state == "waiting" and lost:
                record.state, record.error = "skipped", f"needs {lost[0]}"
                self._listener(record, None)


def cores() -> int:
    """Counts the cores that this process may use: as many nodes run at a time, unless told."""
    return len(os.sched_getaffinity(0))


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
