"""`convoy serve`: a model server over the workspace's repository."""

import os
import shutil
import socket
from collections.abc import Sequence

from pipeline import quiet
from pipeline.errors import ConvoyError, UsageError
from pipeline.workspace import Workspace
from serving import running
from serving.repository import Repository

BINARY = "tensorflow_model_server"


def serve(workspace: Workspace, engine: str, host: str, port: int, flags: Sequence[str]) -> None:
    """Serves until a signal.

    Args:
      workspace: Whose repository.
      engine: `embedded`, `tensorflow_model_server`, or `auto`: the binary where it is on PATH.
      host: Address to listen at, for the embedded server.
      port: For gRPC.
      flags: More flags, as TF Serving names them.

    Raises:
      UsageError: The binary isn't there.
      ConvoyError: The port is in use, nothing is published yet, or the workspace is served already.
    """
    config = Repository(workspace.repository).config_path
    if not config.is_file():
        raise ConvoyError(
            f"A published model is required. Received: {config.parent} without one; run `convoy run` first."
        )
    if other := running.find(workspace.server_file):
        raise ConvoyError(f"One server a workspace is required. Received: another, at {other}; stop it first.")
    binary = _binary(engine)
    check_free(host, port)
    settings = {
        "port": port,
        "model_config_file": config,
        "model_config_file_poll_wait_seconds": 1,
        # Labels in the first config would otherwise stop the start: their versions aren't loaded yet.
        "allow_version_labels_for_unavailable_models": "true",
    }
    arguments = [*(f"--{name}={value}" for name, value in settings.items()), *flags]
    if binary:
        running.announce(workspace.server_file, f"127.0.0.1:{port}")
        os.execv(binary, [binary, *arguments])
    from serving.server import app

    arguments.append(f"--host={host}")
    app.command.make_context("convoy serve", [*arguments])  # Refuses a wrong flag before seconds of imports.
    with running.announced(workspace.server_file, f"{host}:{port}"):
        with quiet.without_noise():
            import tensorflow as tf

            tf.config.list_physical_devices()  # Its search for a GPU has the last of the known lines.
        app.main(arguments)


def _binary(engine: str) -> str | None:
    found = shutil.which(BINARY)
    if engine == BINARY and not found:
        raise UsageError(f"`{BINARY}` must be on PATH. Received: none; install it, or use --engine embedded.")
    return found if engine != "embedded" else None


def check_free(host: str, port: int) -> None:
    """Refuses a port in use, long before TensorFlow is imported.

    Raises:
      ConvoyError: It is in use, or not to be had.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConvoyError(
                f"A free port is required. Received: {host}:{port} ({error.strerror}); "
                "stop what listens there, or choose another --port or --host."
            ) from error
