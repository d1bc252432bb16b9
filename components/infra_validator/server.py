"""A model server in a process of its own, for as long as a `with` block lasts."""

import contextlib
import ctypes
import functools
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from components import twin

BINARY, EMBEDDED = "tensorflow_model_server", "embedded"
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 10.0
# Of prctl(2): which signal a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


class ServerError(RuntimeError):
    """The server didn't come up; the message is its own."""


@contextlib.contextmanager
def running(model_name: str, base_path: Path, scratch: Path) -> Iterator[tuple[str, str]]:
    """Serves the versions below `base_path`, by `tensorflow_model_server` where it is on PATH, else by our own server.

    Args:
      model_name: The name to serve under.
      base_path: Holds version directories.
      scratch: Where to leave the server's log.

    Yields:
      Which of the two it is, and `host:port`.

    Raises:
      ServerError: The server ended, or wasn't ready in time.
    """
    log = scratch / "server.log"
    flags = {"model_name": model_name, "model_base_path": base_path, "max_num_load_retries": "0"}
    if binary := shutil.which(BINARY):
        port = _free_port()
        process = twin.start(_execute, binary, _arguments({**flags, "port": port}), str(log))
        ready = functools.partial(_listening, port)
    else:
        port_file = scratch / "port"
        process = twin.start(_serve, _arguments({**flags, "port": -1, "port_file": port_file}), str(log))
        ready = functools.partial(_written, port_file)
    try:
        yield BINARY if binary else EMBEDDED, f"127.0.0.1:{_port(ready, process, log)}"
    finally:
        process.terminate()
        process.join(STOP_TIMEOUT_S)
        process.kill()
        process.join()


def _arguments(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _execute(binary: str, arguments: list[str], log_file: str) -> None:
    """Becomes the binary; where the parent ends without a word, the kernel kills it."""
    _log_to(log_file)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execv(binary, [binary, *arguments])


def _serve(arguments: list[str], log_file: str) -> None:
    _log_to(log_file)
    from serving.server.app import main

    main(arguments)


def _log_to(log_file: str) -> None:
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> int | None:
    """Tells the port once somebody listens there: TF Serving does when its models are loaded."""
    with socket.socket() as probe:
        return port if probe.connect_ex(("127.0.0.1", port)) == 0 else None


def _written(port_file: Path) -> int | None:
    return int(port_file.read_text(encoding="utf-8")) if port_file.exists() else None


def _port(ready: Callable[[], int | None], process: BaseProcess, log: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if (port := ready()) is not None:
            return port
        if process.exitcode is not None:
            raise ServerError(f"The server ended with exit code {process.exitcode}: {_last_words(log)}")
        time.sleep(0.02)
    raise ServerError(f"The server wasn't ready within {START_TIMEOUT_S:.0f} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return " ".join(lines[-3:]) or "it said nothing"
