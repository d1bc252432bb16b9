"""What every RPC shares: errors become statuses, and a request may be refused before any work."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import grpc

from serving.server.errors import Code, ServingError, as_serving_error, invalid_argument

logger = logging.getLogger(__name__)

Handler = Callable[[Any, Any, grpc.ServicerContext], Any]


def answered(handler: Handler) -> Handler:
    """Wraps a servicer's method, so that whatever it raises reaches the client as a status (W8, W11)."""

    @functools.wraps(handler)
    def answer(servicer: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            if not context.is_active():
                raise ServingError(Code.CANCELLED, "The client is gone")
            return handler(servicer, request, context)
        except ServingError as refusal:
            error = refusal
        except Exception as failure:
            logger.exception("Unforeseen error rpc=%s", handler.__name__)
            error = as_serving_error(failure)
        return context.abort(grpc.StatusCode[error.code.name], error.details)

    return answer


def time_left(context: grpc.ServicerContext) -> float | None:
    """Returns the seconds until the request's deadline; None without one."""
    left: float | None = context.time_remaining()
    return left


def require_model_spec(request: Any) -> Any:
    """Returns the request's ModelSpec.

    Raises:
        ServingError: INVALID_ARGUMENT, the field is not there (P1).
    """
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return request.model_spec
