"""The server itself: one port, both services, from the first load to the last answer."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc

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
        options = self._options
        _check_listening(options)
        self._core = core = _core(options)
        if self._stopped:
            core.close(0.0)
        try:
            core.start()
            self._grpc, self.port = _listen(options, core)
        except BaseException:
            self.stop()
            raise
        return self.port

    def stop(self) -> None:
        """Takes no more requests, lets those in flight finish within the grace time, and unloads every model.

        Safe to call again, and from another thread than the one in `start`, which then raises.
        """
        self._stopped = True
        grace = self._options.shutdown_grace_seconds
        if self._grpc is not None:
            self._grpc.stop(grace).wait()
        if self._core is not None:
            self._core.close(grace)


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
                raise _port_error(options, error) from error


def _port_error(options: ServerOptions, error: Exception) -> ServingError:
    where = f"{options.host}:{options.port}"
    text = f"`port` must be free. Received: {where} ({error}). Stop what listens there, or choose another port."
    return ServingError(Code.UNAVAILABLE, text)


def _core(options: ServerOptions) -> ServerCore:
    from serving.server.core import ServerCore
    from serving.server.engine import SavedModel

    def load(path: Path) -> SavedModel:
        return SavedModel.load(path, options.saved_model_tags)

    return ServerCore(options, load)


def _listen(options: ServerOptions, core: ServerCore) -> tuple[grpc.Server, int]:
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    from serving.server.model_service import ModelService
    from serving.server.prediction import PredictionService

    threads = options.grpc_max_threads or 4 * (os.cpu_count() or 1)
    server = grpc.server(ThreadPoolExecutor(threads, thread_name_prefix="grpc"), options=_GRPC_OPTIONS)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(core), server)
    service = ModelService(core, options.reload_timeout_seconds)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    port = 0
    try:
        if options.port is not None:
            port = server.add_insecure_port(f"{options.host}:{options.port}")
        if options.grpc_socket_path:
            server.add_insecure_port(f"unix:{options.grpc_socket_path}")
    except RuntimeError as error:
        raise _port_error(options, error) from error
    server.start()
    return server, port
