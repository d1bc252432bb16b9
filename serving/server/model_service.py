"""ModelService: the state of a model's versions, and the replacement of the config."""

from __future__ import annotations

from typing import Any

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

from serving.server.core import ServerCore
from serving.server.errors import Code, ServingError, invalid_argument
from serving.server.rpc import answered, require_model_spec, time_left
from serving.server.versions import Status

# The part of a client's deadline that a reload waits for: it is to hear what did not load, not that time is up.
_WAITED_SHARE = 0.9


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """The RPCs of whoever runs the server."""

    def __init__(self, core: ServerCore, reload_timeout: float) -> None:
        self._core = core
        self._reload_timeout = reload_timeout

    @answered
    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Answers with the states of one version or of all; a version label is ignored, as upstream ignores it (S4)."""
        spec = require_model_spec(request)
        statuses = self._core.statuses(spec.name)
        if not statuses:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        if spec.WhichOneof("version_choice") == "version":
            number = spec.version.value
            statuses = [status for status in statuses if status.number == number]
            if not statuses:
                raise ServingError(Code.NOT_FOUND, f"Could not find version {number} of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.extend(_version_status(status) for status in statuses)
        return response

    @answered
    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Replaces the config; answers once each newly named model serves, or says which does not (C6 to C8)."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        left = time_left(context)
        timeout = self._reload_timeout if left is None else min(self._reload_timeout, left * _WAITED_SHARE)
        self._core.reload(request.config, timeout)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = Code.OK
        return response


def _version_status(status: Status) -> Any:
    message = get_model_status_pb2.ModelVersionStatus(version=status.number, state=int(status.state))
    message.status.error_code = status.error.code if status.error else Code.OK
    message.status.error_message = status.error.message if status.error else ""
    return message
