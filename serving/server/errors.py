"""Errors that carry a TensorFlow status code, which is the gRPC status code as well (contract W8)."""

from __future__ import annotations

import enum

_MAX_MESSAGE = 1024


class Code(enum.IntEnum):
    """The status codes that TensorFlow, Abseil and gRPC share, by their one number."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(Exception):
    """A refusal or failure, as a client or an operator is to see it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @property
    def details(self) -> str:
        """The message as it goes over the wire: cut after 1024 characters, as upstream cuts it."""
        if len(self.message) <= _MAX_MESSAGE:
            return self.message
        return self.message[:_MAX_MESSAGE] + "...TRUNCATED"


def invalid_argument(message: str) -> ServingError:
    """Builds the error of a request that can never succeed as it stands."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def as_serving_error(error: Exception) -> ServingError:
    """Returns the error itself, or INTERNAL for one that nobody foresaw (W11)."""
    if isinstance(error, ServingError):
        return error
    return ServingError(Code.INTERNAL, f"{type(error).__name__}: {error}")
