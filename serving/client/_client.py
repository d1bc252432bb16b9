"""The client itself."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf import text_format
from numpy.typing import ArrayLike

from serving.client import _images
from serving.client._errors import (
    DeadlineExceededError,
    InvalidRequestError,
    LoadFailedError,
    ModelNotFoundError,
    ServerError,
    ServerUnavailableError,
    translate,
)
from serving.client._tensors import decode, encode
from serving.client._types import Metadata, Prediction, VersionStatus, signatures
from serving.protos import POOL, message, service

_OPTIONS = (
    # gRPC's own limit is 4 MiB, less than thirty raw images of 224 x 224.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that restarts is found again within a second, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_POLL_SECONDS = 0.1

_ModelSpec = message("tensorflow.serving.ModelSpec")
_PredictRequest = message("tensorflow.serving.PredictRequest")
_StatusRequest = message("tensorflow.serving.GetModelStatusRequest")
_MetadataRequest = message("tensorflow.serving.GetModelMetadataRequest")
_ReloadRequest = message("tensorflow.serving.ReloadConfigRequest")
_SignatureDefMap = message("tensorflow.serving.SignatureDefMap")
_State = message("tensorflow.serving.ModelVersionStatus").State


class Client:
    """Asks one model server; may be shared between threads.

    Args:
        target: The server's address, `host:port` or `unix:path`.
        timeout: Seconds that each call may take.
        credentials: For a server that speaks TLS.

    Raises:
        InvalidRequestError: The port of the address is none.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:8500",
        *,
        timeout: float = 60.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        # gRPC would take any number, and ask the port that its last 16 bits name.
        if (port := target.rpartition(":")[2]).isdecimal() and not 0 < int(port) < 2**16:
            raise InvalidRequestError(f"The port of a server must be from 1 to 65535. Received: {target!r}.")
        self.target = target
        self.timeout = timeout
        if credentials is None:
            self._channel = grpc.insecure_channel(target, _OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, credentials, _OPTIONS)
        self._methods = {
            method.name: self._channel.unary_unary(
                f"/{name}/{method.name}",
                request_serializer=message(method.input_type.full_name).SerializeToString,
                response_deserializer=message(method.output_type.full_name).FromString,
            )
            for name in ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
            for method in service(name).methods
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and with it the calls under way."""
        self._channel.close()

    def predict(
        self,
        model: str,
        *,
        images: ArrayLike | None = None,
        image_bytes: _images.Encoded | Sequence[_images.Encoded] | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
    ) -> Prediction:
        """Classifies images.

        Args:
            model: The model's name.
            images: Raw images, uint8 [N, H, W, C], for the signature `pixels`.
            image_bytes: Encoded images, as bytes or as paths, one or many, for the signature `serving_default`.
            version: The version to ask; the newest if neither this nor `label` is given.
            label: The label to ask, e.g. `stable`.
            signature: Another signature that takes the same input.

        Raises:
            InvalidRequestError: The images are none, or none that the model takes.
            ConvoyClientError: The server did not answer; the subclass tells why.
        """
        inputs: dict[str, Any]
        if image_bytes is not None and images is None:
            inputs, default = {"image_bytes": _images.encoded(image_bytes)}, "serving_default"
        elif images is not None and image_bytes is None:
            inputs, default = {"images": _images.pixels(images)}, "pixels"
        else:
            raise InvalidRequestError(
                "One of `images` and `image_bytes` must be given. Received: both or none. Pass one."
            )
        return _prediction(model, self._predict(model, inputs, version, label, signature or default))

    def predict_raw(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
    ) -> dict[str, Any]:
        """Runs any signature of any model.

        Args:
            model: The model's name.
            inputs: An array, or (nested lists of) numbers, bytes or str, for each input; dtypes are sent as they are.
            version: The version to ask.
            label: The label to ask.
            signature: The signature to run; `serving_default` if not given.

        Returns:
            Each output: an array, or (nested lists of) bytes if it is of strings.

        Raises:
            ConvoyClientError: As `predict` does.
        """
        return _outputs(self._predict(model, inputs, version, label, signature or ""))

    def status(self, model: str, *, version: int | None = None) -> list[VersionStatus]:
        """Returns where each version that the server knows of stands, the newest first.

        Raises:
            ModelNotFoundError: The server has never seen the model, or this version.
        """
        return self._status(model, version, self.timeout)

    def metadata(self, model: str, *, version: int | None = None, label: str | None = None) -> Metadata:
        """Returns the signatures of a model.

        Raises:
            ModelNotFoundError: The server serves no such model, version or label.
        """
        request = _MetadataRequest(model_spec=_spec(model, version, label), metadata_field=["signature_def"])
        response = self._call("GetModelMetadata", request)
        found = _SignatureDefMap()
        if not response.metadata["signature_def"].Unpack(found):
            raise ServerError(f"{self.target} must send signatures. Received: something else. Look into its log.")
        return Metadata(model, response.model_spec.version.value, signatures(found))

    def reload_config(self, config: Path | str, *, timeout: float | None = None) -> None:
        """Makes the server apply a `models.config`: it replaces the whole set of models and labels.

        Returns once each newly named model serves; versions new to a known model are still loading.

        Args:
            config: The file, e.g. `Repository.config_path`.
            timeout: Seconds to wait; a new model takes its time to load.

        Raises:
            InvalidRequestError: The file is no config, or one that the server cannot apply, e.g. as a label moves to a
                version that it has not loaded.
        """
        request = _ReloadRequest()
        try:
            text_format.Parse(Path(config).read_text(encoding="utf-8"), request.config, descriptor_pool=POOL)
        except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
            raise InvalidRequestError(
                f"`{config}` must be a ModelServerConfig in text form. Received: {error}. Name another file."
            ) from error
        self._call("HandleReloadConfigRequest", request, timeout)

    def wait_until_available(self, model: str, version: int, *, timeout: float | None = None) -> None:
        """Waits until the server serves a version; a server that is not up yet is waited for too.

        Raises:
            LoadFailedError: The server gave up loading it.
            DeadlineExceededError: It is not available after `timeout` seconds, by default the client's.
        """
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        while (found := self._state(model, version, seconds)) != "AVAILABLE":
            if time.monotonic() > deadline:
                raise DeadlineExceededError(
                    f"{self.target} must serve `{model}` version {version} within {seconds:g} s. Received: {found}. "
                    "Look into its log, or wait longer."
                )
            time.sleep(_POLL_SECONDS)

    def _status(self, model: str, version: int | None, timeout: float) -> list[VersionStatus]:
        response = self._call("GetModelStatus", _StatusRequest(model_spec=_spec(model, version, None)), timeout)
        return [
            VersionStatus(entry.version, _State.Name(entry.state), entry.status.error_message)
            for entry in response.model_version_status
        ]

    def _state(self, model: str, version: int, timeout: float) -> str:
        """Returns a version's state, or why the server cannot tell it yet."""
        try:
            (status,) = self._status(model, version, timeout)
        except (ServerUnavailableError, ModelNotFoundError) as error:
            return error.details
        if status.state == "END" and status.error:
            raise LoadFailedError(
                f"{self.target} must load `{model}` version {version}. Received: {status.error}. Publish another.",
                status.error,
            )
        return status.state

    def _predict(
        self, model: str, inputs: Mapping[str, Any], version: int | None, label: str | None, signature: str
    ) -> Any:
        request = _PredictRequest(model_spec=_spec(model, version, label))
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(encode(name, value))
        return self._call("Predict", request)

    def _call(self, method: str, request: Any, timeout: float | None = None) -> Any:
        try:
            return self._methods[method](request, timeout=self.timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise translate(error, method, self.target) from error


def _spec(model: str, version: int | None, label: str | None) -> Any:
    if version is not None and label is not None:
        raise InvalidRequestError(
            f"One of `version` and `label` must be left out. Received: {version} and {label!r}. Drop one."
        )
    spec = _ModelSpec(name=model)
    if version is not None:
        spec.version.value = version
    elif label is not None:
        spec.version_label = label
    return spec


def _outputs(response: Any) -> dict[str, Any]:
    return {name: decode(name, proto) for name, proto in response.outputs.items()}


def _prediction(model: str, response: Any) -> Prediction:
    outputs = _outputs(response)
    try:
        return Prediction(
            model=model,
            version=response.model_spec.version.value,
            class_id=outputs["class_id"],
            class_name=[name.decode() for name in outputs["class_name"]],
            probabilities=outputs["probabilities"],
        )
    except KeyError as error:
        raise InvalidRequestError(
            f"`{model}` must answer with probabilities, class_id and class_name. Received: {sorted(outputs)}. "
            "Ask it with `predict_raw`."
        ) from error
