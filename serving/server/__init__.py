"""The embedded model server: a drop-in for `tensorflow_model_server`, over gRPC, in Python.

`python -m serving.server` runs it with TF Serving's own flags; `Server(ServerOptions(...))` runs it inside a process.
"""

from serving.server.errors import Code, ServingError
from serving.server.options import ServerOptions
from serving.server.server import Server

__all__ = ["Code", "Server", "ServerOptions", "ServingError"]
