"""Warm-up: replays the requests that a version brings along, before it serves (contract M1 to M5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.server.engine import SavedModel
from serving.server.errors import Code, ServingError, invalid_argument
from serving.server.examples import classify, multi_inference, regress
from serving.server.predict import predict
from serving.server.versions import Servable

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000

_REPLAYS = {
    "predict_log": predict,
    "classify_log": classify,
    "regress_log": regress,
    "multi_inference_log": multi_inference,
}


def warm_up(model: SavedModel, path: Path) -> int:
    """Runs each request recorded in the version's directory `path`; returns how many records there were.

    The recorded model name and version do not matter, the signature does.

    Raises:
        ServingError: A record cannot be read, is of another kind, is one too many, or its request fails.
    """
    file = path / REQUESTS
    if not file.exists():
        return 0
    servable = Servable("", 0, model)
    count = 0
    for count, record in enumerate(_records(file), start=1):
        _replay(servable, record)
        if count > MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS})")
    return count


def _records(file: Path) -> Iterator[bytes]:
    try:
        yield from tf.compat.v1.io.tf_record_iterator(str(file))
    except tf.errors.DataLossError as error:
        text = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise ServingError(Code.DATA_LOSS, text) from error


def _replay(servable: Servable, record: bytes) -> None:
    log = _parsed(record)
    kind = log.WhichOneof("log_type")
    if kind is None:
        return
    if kind not in _REPLAYS:
        number = log.DESCRIPTOR.fields_by_name[kind].number
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
    _REPLAYS[kind](servable, getattr(log, kind).request)


def _parsed(record: bytes) -> Any:
    try:
        return prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record: {error}") from error
