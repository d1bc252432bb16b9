"""PredictionService: finds the servable that a request names, and has it answered."""

from __future__ import annotations

from typing import Any

import grpc
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2, prediction_service_pb2_grpc

from serving.server.core import ServerCore
from serving.server.errors import invalid_argument
from serving.server.examples import classify, multi_inference, regress
from serving.server.predict import predict
from serving.server.rpc import answered, require_model_spec, time_left

_SIGNATURE_DEF = "signature_def"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The RPCs of inference, and of what a model's signatures are."""

    def __init__(self, core: ServerCore) -> None:
        self._core = core

    @answered
    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Answers tensors with tensors."""
        with self._core.borrow(require_model_spec(request)) as servable:
            return predict(servable, request, time_left(context))

    @answered
    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Answers tf.Examples with classes and scores."""
        with self._core.borrow(require_model_spec(request)) as servable:
            return classify(servable, request, time_left(context))

    @answered
    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Answers tf.Examples with one value each."""
        with self._core.borrow(require_model_spec(request)) as servable:
            return regress(servable, request, time_left(context))

    @answered
    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Answers tf.Examples through several signatures at once; the first task alone says which servable (P32)."""
        spec = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        with self._core.borrow(spec) as servable:
            return multi_inference(servable, request, time_left(context))

    @answered
    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Answers with every signature of the model, as its saved_model.pb has them (P34, P35)."""
        spec = require_model_spec(request)
        _check_fields(request.metadata_field)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self._core.borrow(spec) as servable:
            response.model_spec.name = spec.name
            response.model_spec.version.value = servable.number
            signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.model.signature_defs)
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        return response


def _check_fields(fields: Any) -> None:
    if not fields:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for name in fields:
        if name != _SIGNATURE_DEF:
            raise invalid_argument(f"Metadata field {name} is not supported")
