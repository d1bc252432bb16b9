"""A gRPC client for TensorFlow Serving and for Convoy's own server; starts without TensorFlow.

    with Client("127.0.0.1:8500") as client:
        for row in client.predict("digits_lenet5", image_bytes=["seven.png"]):
            print(row.class_name, row.probability)

Errors; each carries the server's own words in `details`:
    ConvoyClientError
     ├─ ServerUnavailableError   nobody answers at this address, or the server has no room for the request
     ├─ DeadlineExceededError    the answer did not come in time
     ├─ ModelNotFoundError       the server serves no such model, version or label
     ├─ InvalidRequestError      the request is not one that the model takes
     ├─ LoadFailedError          the server gave up loading a version
     └─ ServerError              anything else that the server did
"""

from serving.client._client import Client
from serving.client._errors import (
    ConvoyClientError,
    DeadlineExceededError,
    InvalidRequestError,
    LoadFailedError,
    ModelNotFoundError,
    ServerError,
    ServerUnavailableError,
)
from serving.client._types import Metadata, Prediction, Row, Signature, TensorInfo, VersionStatus

__all__ = [
    "Client",
    "ConvoyClientError",
    "DeadlineExceededError",
    "InvalidRequestError",
    "LoadFailedError",
    "Metadata",
    "ModelNotFoundError",
    "Prediction",
    "Row",
    "ServerError",
    "ServerUnavailableError",
    "Signature",
    "TensorInfo",
    "VersionStatus",
]
