"""The server as a process: TF Serving's flags, one ready line, and a drain on SIGTERM.

Exit status: 0 after a signal, 1 when the server cannot start, 2 for a flag that is unknown or malformed.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from serving.server.errors import ServingError, invalid_argument
from serving.server.options import ServerOptions
from serving.server.server import Server

_DEFAULTS = ServerOptions()


def _flag(name: str, text: str, kind: Any = str, default: Any = None) -> click.Option:
    """Declares one flag; its default is the option's of the same name."""
    default = getattr(_DEFAULTS, name) if default is None else default
    # TF Serving takes both `--flag` and `--flag=false`.
    spelling: dict[str, Any] = {"is_flag": False, "flag_value": True} if kind is bool else {}
    return click.Option([f"--{name}"], type=kind, default=default, show_default=True, help=text, **spelling)


_FLAGS = [
    _flag("port", "TCP port for gRPC. 0: none. -1: any free one.", click.IntRange(-1, 65535)),
    _flag("host", "Address to listen at."),
    _flag("grpc_socket_path", "Unix domain socket for gRPC."),
    _flag("grpc_max_threads", "Requests at work at once. 0: four for each CPU.", click.IntRange(0)),
    _flag("model_name", "Name of the one model. Ignored with --model_config_file."),
    _flag("model_base_path", "Absolute path of the one model's versions. Ignored with --model_config_file."),
    _flag("model_config_file", "Text ModelServerConfig with all models."),
    _flag("model_config_file_poll_wait_seconds", "Seconds between readings of that file. 0: read once.", float),
    _flag("file_system_poll_wait_seconds", "Seconds between looks for new versions. 0: one look. <0: none.", float),
    _flag("max_num_load_retries", "How often a failed load is tried again.", click.IntRange(0)),
    _flag("load_retry_interval_micros", "Microseconds between two tries.", int),
    _flag("allow_version_labels_for_unavailable_models", "Let new labels point at versions not yet loaded.", bool),
    _flag("enable_model_warmup", "Replay a version's warm-up requests before it serves.", bool),
    _flag("saved_model_tags", "Comma-separated tags of the graph to load.", str, ",".join(_DEFAULTS.saved_model_tags)),
    click.Option(["--port_file"], type=click.Path(path_type=Path), help="File to write the port to, once it is open."),
]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the server until a signal, and exits; `argv` are the flags, those of the command line by default.

    Also the target of a `multiprocessing` child: nothing of TensorFlow is imported before the flags are understood.
    """
    command(None if argv is None else list(argv), prog_name="python -m serving.server")
    raise AssertionError("click exits by itself")


def run(options: ServerOptions, port_file: Path | None = None) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status."""
    _quiet_tensorflow()
    server = Server(options)
    # A thread starts the server, so that a signal is heard while models load; a handler may put into a SimpleQueue.
    events: queue.SimpleQueue[int | ServingError] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: events.put(0))
    starting = threading.Thread(target=_start, args=(server, options, port_file, events), name="start")
    starting.start()
    event = events.get()
    server.stop()
    starting.join()  # the interpreter must not go down while TensorFlow is being imported
    if isinstance(event, ServingError):
        click.echo(f"Failed to start server. Error: {event}", err=True)
        return 1
    return event


def _start(server: Server, options: ServerOptions, port_file: Path | None, events: queue.SimpleQueue[Any]) -> None:
    try:
        port = server.start()
        if port_file is not None:
            _write_port(port_file, port)
        where = f"{options.host}:{port}" if port else f"unix:{options.grpc_socket_path}"
        click.echo(f"Running gRPC ModelServer at {where}")
    except ServingError as error:
        events.put(error)
    except BaseException:
        logging.getLogger(__name__).exception("The server could not start")
        events.put(1)


def _write_port(path: Path, port: int) -> None:
    """Writes a file that is whole from the moment it has its name."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with hidden.open("w", encoding="utf-8") as file:
            file.write(f"{port}\n")
            file.flush()
            os.fsync(file.fileno())
        hidden.rename(path)
    except OSError as error:
        text = f"`port_file` must be a file that can be written. Received: {path} ({error}). Choose another."
        raise invalid_argument(text) from error


def _quiet_tensorflow() -> None:
    """Keeps TensorFlow's start-up notices out of the log; its errors stay. Must come before its import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _command(**flags: Any) -> None:
    port_file = flags.pop("port_file")
    flags["port"] = {0: None, -1: 0}.get(flags["port"], flags["port"])
    flags["saved_model_tags"] = tuple(flags["saved_model_tags"].split(","))
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    sys.exit(run(ServerOptions(**flags), port_file))


command = click.Command("serve", params=list(_FLAGS), callback=_command, help="Serves SavedModels over gRPC.")
command = click.version_option(package_name="convoy", message="Convoy model server %(version)s")(command)
