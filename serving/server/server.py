"""The server itself: one port, both services, from the first load to the last answer."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import grpc

from serving.server import config
from serving.server.errors import Code, ServingError, invalid_argument
from serving.server.options import ServerOptions

if TYPE_CHECKING:
    from serving.server.core import ServerCore
    from serving.server.engine import SavedModel

_GRPC_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second server on the port fails, instead of taking half its requests (W12)
    ("grpc.max_receive_message_length", -1),  # gRPC's own limit is 4 MiB (W9)
    ("grpc.max_send_message_length", -1),
]


class Server:
    """A model server inside this process.

    TensorFlow is imported by `start`, not before. Use it as a context manager, or call `start` and `stop`. `port` is
    the open TCP port, or 0.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._core: ServerCore | None = None
        self._grpc: grpc.Server | None = None
        self._threads = ThreadPoolExecutor(options.grpc_max_threads or 4 * (os.cpu_count() or 1), "grpc")
        self._lock = threading.Lock()
        self._stopped = False
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> int:
        """Loads every configured model, then opens the port, and returns its number (0 where there is none).

        Raises:
            ServingError: The options or the config are refused, a model cannot serve, or the port is taken.
        """
        try:
            first = _first_config(self._options)
            core = _core(self._options)
            with self._unless_stopped():
                self._core = core
            core.start(first)
            with self._unless_stopped():
                self._grpc = _grpc_server(self._threads, core, self._options)
                self.port = _listen(self._grpc, self._options)
        except BaseException:
            self.stop()
            raise
        return self.port

    def stop(self) -> None:
        """Takes no more requests, lets those in flight finish within the grace time, and unloads every model.

        Safe to call again, and from another thread than the one in `start`, which then raises.
        """
        with self._lock:
            self._stopped = True
        deadline = time.monotonic() + self._options.shutdown_grace_seconds
        if self._grpc is not None:
            self._grpc.stop(self._options.shutdown_grace_seconds).wait()
        if self._core is not None:
            self._core.close(max(0.0, deadline - time.monotonic()))
        self._threads.shutdown(wait=False)

    @contextlib.contextmanager
    def _unless_stopped(self) -> Iterator[None]:
        """Guards a step of the start: what it sets up, a stop either sees or prevents."""
        with self._lock:
            if self._stopped:
                raise ServingError(Code.CANCELLED, "The server was stopped before it had started")
            yield


def _first_config(options: ServerOptions) -> Any:
    """Reads the config and checks all that can be checked before TensorFlow is imported and models are loaded."""
    _check_listening(options)
    first = config.from_options(options.model_name, options.model_base_path, options.model_config_file)
    config.models(first)
    return first


def _check_listening(options: ServerOptions) -> None:
    """Refuses at once what would otherwise fail only after minutes of loading."""
    if options.port is None and not options.grpc_socket_path:
        raise invalid_argument("At least one of port or grpc_socket_path must be set")
    if options.port:
        with socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((options.host, options.port))
            except OSError as error:
                raise _cannot_listen(_address(options), error) from error


def _address(options: ServerOptions) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"{host}:{options.port}"


def _cannot_listen(address: str, error: Exception) -> ServingError:
    text = f"`port` must be free. Received: {address} ({error}). Stop what listens there, or choose another."
    return ServingError(Code.UNAVAILABLE, text)


def _core(options: ServerOptions) -> ServerCore:
    from serving.server.core import ServerCore
    from serving.server.engine import SavedModel
    from serving.server.warmup import warm_up

    def load(path: Path) -> SavedModel:
        model = SavedModel.load(path, options.saved_model_tags)
        try:
            if options.enable_model_warmup:
                warm_up(model, path)
        except BaseException:
            model.close()
            raise
        return model

    return ServerCore(options, load)


def _grpc_server(threads: ThreadPoolExecutor, core: ServerCore, options: ServerOptions) -> grpc.Server:
    # W1: of the generated service modules, only the _grpc ones can be imported.
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    from serving.server.model_service import ModelService
    from serving.server.prediction import PredictionService

    server = grpc.server(threads, options=_GRPC_OPTIONS)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(core), server)
    service = ModelService(core, options.reload_timeout_seconds)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    return server


def _listen(server: grpc.Server, options: ServerOptions) -> int:
    """Opens the port, the socket or both, and returns the port."""
    addresses = [] if options.port is None else [_address(options)]
    addresses += [f"unix:{options.grpc_socket_path}"] if options.grpc_socket_path else []
    ports = []
    for address in addresses:
        try:
            ports.append(server.add_insecure_port(address))
        except RuntimeError as error:
            raise _cannot_listen(address, error) from error
    server.start()
    return 0 if options.port is None else int(ports[0])
