"""Predict: a request's tensors through one signature (contract P7 to P22); knows the protos, but not gRPC."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tensorflow_serving.apis import model_pb2, predict_pb2

from serving.server import tensors
from serving.server.engine import Signature, TensorSpec
from serving.server.errors import Code, ServingError, invalid_argument
from serving.server.tensors import Array
from serving.server.versions import Servable

DEFAULT_SIGNATURE = "serving_default"


def predict(servable: Servable, request: Any, timeout: float | None = None) -> Any:
    """Answers a PredictRequest within `timeout` seconds; the checks stand in upstream's order (P14).

    Raises:
        ServingError: The request does not fit the signature, or the run fails.
    """
    signature = _signature(servable, request.model_spec.signature_name)
    inputs = _inputs(signature, request.inputs)
    outputs = _outputs(signature, request.output_filter)
    arrays = servable.model.run(inputs, outputs, timeout)
    response = predict_pb2.PredictResponse(model_spec=resolved_spec(servable, request.model_spec))
    for spec, array in zip(outputs, arrays, strict=True):
        response.outputs[spec.alias].CopyFrom(_encoded(spec, array))
    return response


def resolved_spec(servable: Servable, requested: Any) -> Any:
    """Builds the response's ModelSpec: the name as asked, the version and signature that answered (P15)."""
    spec = model_pb2.ModelSpec(name=requested.name, signature_name=requested.signature_name or DEFAULT_SIGNATURE)
    spec.version.value = servable.number
    return spec


def _signature(servable: Servable, name: str) -> Signature:
    name = name or DEFAULT_SIGNATURE
    signature = servable.model.signatures.get(name)
    if signature is None:
        known = ", ".join(sorted(servable.model.signatures))
        raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found. Available: {known}')
    return signature


def _inputs(signature: Signature, given: Any) -> list[tuple[TensorSpec, Array]]:
    _check_count(signature, given)
    inputs = []
    for alias, spec in signature.inputs.items():
        if alias in given:
            inputs.append((spec, _decoded(alias, given[alias])))
        elif alias in signature.defaults:
            inputs.append((spec, signature.defaults[alias]))
        else:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {spec.name}) not found in request and no default value "
                f"provided. Inputs expected to be in the request {_set(signature.inputs)}, or default input alias set: "
                f"{','.join(signature.defaults)}"
            )
    unknown = set(given) - set(signature.inputs)
    if unknown:
        used = _set(set(given) - unknown)
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {used}, request input: {_set(given)}"
        )
    return inputs


def _check_count(signature: Signature, given: Any) -> None:
    got, want = set(given), set(signature.inputs)
    if len(got) > len(want) or (len(got) < len(want) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(got)}!={len(want)} len({_set(got)}) != len({_set(want)}). "
            f"Sent extra: {_set(got - want)}. Missing but required: {_set(want - got)}."
        )


def _decoded(alias: str, proto: Any) -> Array:
    try:
        return tensors.decode(proto)
    except (ValueError, OverflowError) as error:
        raise invalid_argument(f"tensor parsing error: {alias} ({error})") from error


def _outputs(signature: Signature, output_filter: Iterable[str]) -> list[TensorSpec]:
    """Picks the outputs to fetch: the named ones, or all where none is named (P13)."""
    picked: dict[str, TensorSpec] = {}
    for alias in output_filter:
        if alias not in signature.outputs:
            expected = f"Outputs expected to be in the set {_set(signature.outputs)}."
            raise invalid_argument(f"output tensor alias not found in signature: {alias} {expected}")
        if alias in picked:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        picked[alias] = signature.outputs[alias]
    return list((picked or signature.outputs).values())


def _encoded(spec: TensorSpec, array: Array) -> Any:
    try:
        return tensors.encode(array)
    except ValueError as error:
        raise ServingError(Code.UNIMPLEMENTED, f"Output `{spec.alias}` cannot be sent: {error}") from error


def _set(aliases: Iterable[str]) -> str:
    return "{" + ",".join(sorted(aliases)) + "}"
