"""A process to run something in, that starts at once with everything imported.

Importing TensorFlow costs seconds, and forking a process that has threads, as TFX's launcher and TensorFlow start them, is
not safe. So a runner calls `prepare` first thing in each child, while it has one thread: that forks a twin, which waits.
`start` hands it one function to run. Where nobody prepared one (another engine), `start` makes a fresh process.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

_waiting: ContextVar[tuple[BaseProcess, Connection] | None] = ContextVar("waiting", default=None)


def prepare(*unwanted: Connection) -> None:
    """Forks the twin of this process; `unwanted` are connections that it must not hold open."""
    context = multiprocessing.get_context("fork")
    theirs, ours = context.Pipe(duplex=False)
    process = context.Process(target=_wait_for_work, args=(theirs, ours, unwanted), daemon=True)
    process.start()
    theirs.close()
    _waiting.set((process, ours))


def start(work: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Starts `work(*arguments)` in the twin, or in a fresh process; both end when this process does."""
    if (prepared := _waiting.get()) is None:
        process: BaseProcess = multiprocessing.get_context("spawn").Process(target=work, args=arguments, daemon=True)
        process.start()
        return process
    process, connection = prepared
    connection.send((work, arguments))
    return process


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
