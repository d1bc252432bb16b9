"""What can go wrong between a client and a model server, in sentences."""

import grpc


class ConvoyClientError(Exception):
    """A request failed.

    Attributes:
        details: The server's own words, or gRPC's where no server answered; empty if nothing was sent.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class ServerUnavailableError(ConvoyClientError):
    """Nobody answers at this address, or the server has no room for the request; the same request may succeed later."""


class DeadlineExceededError(ConvoyClientError):
    """The answer did not come in time."""


class ModelNotFoundError(ConvoyClientError):
    """The server serves no such model, version or label."""


class InvalidRequestError(ConvoyClientError):
    """The request is not one that the model takes; it fails again unless it is mended."""


class LoadFailedError(ConvoyClientError):
    """The server gave up loading a version."""


class ServerError(ConvoyClientError):
    """The server failed, or answered what no model server answers."""


_UNAVAILABLE = (
    ServerUnavailableError,
    "A model server must answer at {target}. Received: {details}. Start it, or ask at another address.",
)
_FULL = (
    ServerUnavailableError,
    "The server at {target} must have room for the request. Received: {details}. Try again, or send less at once.",
)
_LATE = (
    DeadlineExceededError,
    "The server at {target} must answer in time. Received: {details}. Send less at once, or raise `timeout`.",
)
_NOT_FOUND = (
    ModelNotFoundError,
    "The request must name what {target} serves. Received: {details}. Ask for a version that is available there.",
)
_INVALID = (
    InvalidRequestError,
    "The request must be one that {target} can carry out. Received: {details}. Ask `metadata` what the model takes.",
)
_REFUSED_CONFIG = (
    InvalidRequestError,
    "The config must be one that {target} can apply. Received: {details}. Correct it; no label moves to a version "
    "that is not loaded.",
)
_FAILED = (ServerError, "The server at {target} must answer. Received: {code}: {details}. Look into its log.")
_BY_CODE = {
    grpc.StatusCode.UNAVAILABLE: _UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: _FULL,
    grpc.StatusCode.DEADLINE_EXCEEDED: _LATE,
    grpc.StatusCode.NOT_FOUND: _NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT: _INVALID,
    grpc.StatusCode.FAILED_PRECONDITION: _INVALID,
    grpc.StatusCode.OUT_OF_RANGE: _INVALID,
}


def translate(error: grpc.RpcError, method: str, target: str) -> ConvoyClientError:
    """Returns gRPC's error as one of ours, with the server's words in one line."""
    details = " ".join((error.details() or "no explanation").split()).rstrip(".")
    kind, sentence = _BY_CODE.get(error.code(), _FAILED)
    if details.startswith("Unrecognized servable version label"):
        kind, sentence = _NOT_FOUND  # TensorFlow Serving calls this one INVALID_ARGUMENT.
    elif kind is InvalidRequestError and method == "HandleReloadConfigRequest":
        kind, sentence = _REFUSED_CONFIG
    return kind(sentence.format(target=target, details=details, code=error.code().name), error.details() or "")
