"""A model server in a process of its own, for as long as a `with` block lasts."""

import contextlib
import os
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

from components import twin

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 10.0


class ServerError(RuntimeError):
    """The server didn't come up; the message is its own."""


@contextlib.contextmanager
def running(model_name: str, base_path: Path, scratch: Path) -> Iterator[str]:
    """Serves the versions below `base_path`.

    Args:
      model_name: The name to serve under.
      base_path: Holds version directories.
      scratch: Where to leave the server's log and port.

    Yields:
      `host:port`.

    Raises:
      ServerError: The server ended, or wasn't ready in time.
    """
    port_file, log_file = scratch / "port", scratch / "server.log"
    flags = {
        "port": "-1",
        "port_file": port_file,
        "model_name": model_name,
        "model_base_path": base_path,
        "max_num_load_retries": "0",
    }
    process = twin.start(_serve, [f"--{name}={value}" for name, value in flags.items()], str(log_file))
    try:
        yield f"127.0.0.1:{_wait_for_port(process, port_file, log_file)}"
    finally:
        process.terminate()
        process.join(STOP_TIMEOUT_S)
        process.kill()
        process.join()


def _serve(arguments: list[str], log_file: str) -> None:
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    from serving.server.app import main

    main(arguments)


def _wait_for_port(process: BaseProcess, port_file: Path, log_file: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if port_file.exists():
            return int(port_file.read_text(encoding="utf-8"))
        if process.exitcode is not None:
            raise ServerError(f"The server ended with exit code {process.exitcode}: {_last_words(log_file)}")
        time.sleep(0.02)
    raise ServerError(f"The server wasn't ready within {START_TIMEOUT_S:.0f} s: {_last_words(log_file)}")


def _last_words(log_file: Path) -> str:
    lines = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log_file.exists() else []
    return " ".join(lines[-3:]) or "it said nothing"
