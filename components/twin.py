"""A process to run something in, that starts at once with everything imported.

Importing TensorFlow costs seconds, and forking a process that has threads, as TFX's launcher and TensorFlow start them,
is not safe. So a runner calls `prepare` first thing in each child, while it has one thread: that forks a twin, which
waits. `start` hands it one function to run. Where nobody prepared one (another engine), or it works already, `start`
makes a fresh process.
"""

import dataclasses
import multiprocessing
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any


@dataclasses.dataclass
class _Twin:
    process: BaseProcess
    connection: Connection  # While it is open, the twin knows that this process lives.
    waits: bool = True


_twin: ContextVar[_Twin | None] = ContextVar("twin", default=None)


def prepare(*unwanted: Connection) -> None:
    """Forks the twin of this process; `unwanted` are connections that it must not hold open."""
    context = multiprocessing.get_context("fork")
    theirs, ours = context.Pipe(duplex=False)
    process = context.Process(target=_wait_for_work, args=(theirs, ours, unwanted), daemon=True)
    process.start()
    theirs.close()
    _twin.set(_Twin(process, ours))


def start(work: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Starts `work(*arguments)` in the twin, or in a fresh process; both end when this process does."""
    if (twin := _twin.get()) is not None and twin.waits:
        twin.waits = False
        twin.connection.send((work, arguments))
        return twin.process
    fresh = multiprocessing.get_context("spawn").Process(target=_work_below, args=(work, arguments), daemon=True)
    fresh.start()
    return fresh


def end_with(parent: Connection | int) -> None:
    """Ends this process, at once, when `parent` (a connection or the sentinel of a process) reports its end."""

    def watch() -> None:
        multiprocessing.connection.wait([parent])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _wait_for_work(theirs: Connection, ours: Connection, unwanted: tuple[Connection, ...]) -> None:
    for connection in (ours, *unwanted):
        connection.close()
    try:
        work, arguments = theirs.recv()
    except EOFError:
        os._exit(0)
    end_with(theirs)
    work(*arguments)


def _work_below(work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        end_with(parent.sentinel)
    work(*arguments)
