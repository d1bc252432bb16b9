"""Classify, Regress and MultiInference: tf.Examples through signatures of fixed form (contract P24 to P33)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from serving.server import tensors
from serving.server.engine import Signature, TensorSpec, shape_text
from serving.server.errors import Code, ServingError, invalid_argument
from serving.server.predict import DEFAULT_SIGNATURE, resolved_spec
from serving.server.tensors import Array
from serving.server.versions import Servable

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

Outputs = Mapping[str, TensorSpec]
Arrays = Mapping[str, Array]


def classify(servable: Servable, request: Any, timeout: float | None = None) -> Any:
    """Answers a ClassificationRequest: for each example, each column's class and score, in order, unsorted (P29).

    Raises:
        ServingError: The signature is not of the classify form, the examples do not fit it, or the run fails.
    """
    result = _infer(servable, request, _classify_outputs, _classification_result, timeout)
    return classification_pb2.ClassificationResponse(
        model_spec=resolved_spec(servable, request.model_spec), result=result
    )


def regress(servable: Servable, request: Any, timeout: float | None = None) -> Any:
    """Answers a RegressionRequest: one value for each example (P30).

    Raises:
        ServingError: The signature is not of the regress form, the examples do not fit it, or the run fails.
    """
    result = _infer(servable, request, _regress_outputs, _regression_result, timeout)
    return regression_pb2.RegressionResponse(model_spec=resolved_spec(servable, request.model_spec), result=result)


def multi_inference(servable: Servable, request: Any, timeout: float | None = None) -> Any:
    """Answers a MultiInferenceRequest: all its tasks in one run over the same examples, results in the tasks' order.

    Raises:
        ServingError: A task is refused (P32, P33), the examples do not fit its signature, or the run fails.
    """
    signatures = _task_signatures(servable, request.tasks)
    outputs = [_task_outputs(task, signature) for task, signature in zip(request.tasks, signatures, strict=True)]
    examples = serialized_examples(request.input)
    inputs = {spec.name: spec for signature in signatures for spec in signature.inputs.values()}
    fetches = {spec.name: spec for picked in outputs for spec in picked.values()}
    arrays = servable.model.run([(spec, examples) for spec in inputs.values()], list(fetches.values()), timeout)
    by_name = dict(zip(fetches, arrays, strict=True))
    response = inference_pb2.MultiInferenceResponse()
    for task, picked in zip(request.tasks, outputs, strict=True):
        result = response.results.add(model_spec=resolved_spec(servable, task.model_spec))
        found = {alias: by_name[spec.name] for alias, spec in picked.items()}
        if task.method_name == CLASSIFY:
            result.classification_result.CopyFrom(_classification_result(found, len(examples)))
        else:
            result.regression_result.CopyFrom(_regression_result(found, len(examples)))
    return response


def serialized_examples(given: Any) -> Array:
    """Reads an Input as a string array [N]: each tf.Example serialized, after the shared context's bytes if any (P24).

    Raises:
        ServingError: INVALID_ARGUMENT, there is no example.
    """
    context = b""
    examples = given.example_list.examples
    if given.WhichOneof("kind") == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
        examples = given.example_list_with_context.examples
    if not examples:
        raise invalid_argument("Input is empty.")
    return np.array([context + example.SerializeToString() for example in examples], dtype=object)


def _infer(
    servable: Servable,
    request: Any,
    pick_outputs: Callable[[Signature], Outputs],
    build_result: Callable[[Arrays, int], Any],
    timeout: float | None,
) -> Any:
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.model.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    outputs = pick_outputs(signature)
    examples = serialized_examples(request.input)
    arrays = servable.model.run([(signature.inputs["inputs"], examples)], list(outputs.values()), timeout)
    return build_result(dict(zip(outputs, arrays, strict=True)), len(examples))


def _task_signatures(servable: Servable, tasks: Any) -> list[Signature]:
    """Finds each task's signature; tasks name one model and no signature twice (P32)."""
    picked: dict[str, Signature] = {}
    for task in tasks:
        spec = task.model_spec
        if not spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        if spec.name != tasks[0].model_spec.name:
            raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = spec.signature_name or DEFAULT_SIGNATURE
        if name in picked:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        if name not in servable.model.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        picked[name] = servable.model.signatures[name]
    return list(picked.values())


def _task_outputs(task: Any, signature: Signature) -> Outputs:
    if task.method_name == CLASSIFY:
        return _classify_outputs(signature)
    if task.method_name == REGRESS:
        return _regress_outputs(signature)
    raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")


def _classify_outputs(signature: Signature) -> Outputs:
    """Checks the classify form: `inputs` to `classes`, `scores` or both (P25)."""
    _check_input(signature, "classification")
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    outputs = {alias: spec for alias, spec in signature.outputs.items() if alias in ("classes", "scores")}
    if not outputs:
        text = 'Expected classification signature outputs to contain at least one of "classes" or "scores"'
        raise invalid_argument(f"{text}. Signature was: {signature.name}")
    return outputs


def _regress_outputs(signature: Signature) -> Outputs:
    """Checks the regress form: `inputs` to `outputs` (P25)."""
    _check_input(signature, "regression")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    if "outputs" not in signature.outputs:
        raise invalid_argument(f"No regression outputs found in SignatureDef: {signature.name}")
    return signature.outputs


def _check_input(signature: Signature, form: str) -> None:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid_argument(f"No {form} inputs found in SignatureDef: {signature.name}")


def _classification_result(arrays: Arrays, count: int) -> Any:
    _check_classification(arrays, count)
    classes, scores = arrays.get("classes"), arrays.get("scores")
    shape = next(iter(arrays.values())).shape
    labels: Any = np.full(shape, b"", object) if classes is None else classes
    values: Any = np.zeros(shape, np.float32) if scores is None else scores
    result = classification_pb2.ClassificationResult()
    for row_labels, row_values in zip(labels.tolist(), values.tolist(), strict=True):
        classifications = result.classifications.add()
        for label, score in zip(row_labels, row_values, strict=True):
            classifications.classes.add(label=label.decode("utf-8", "replace"), score=score)
    return result


def _check_classification(arrays: Arrays, count: int) -> None:
    """Refuses outputs that are not one row of classes and scores for each example (P28)."""
    for alias, array in arrays.items():
        if array.ndim != 2:
            text = f"Expected Tensor shape: [batch_size num_classes] but got {shape_text(array.shape)}"
            raise invalid_argument(text)
        _check_dtype(alias, array, "string" if alias == "classes" else "float")
        if array.shape[0] != count:
            raise invalid_argument(f"Expected {alias} output batch size of {count}. Got: {array.shape[0]}")
    widths = [array.shape[1] for array in arrays.values()]
    if len(set(widths)) > 1:
        raise invalid_argument(f"Tensors class and score should match in dim_size(1). Got {widths[0]} vs. {widths[1]}")


def _regression_result(arrays: Arrays, count: int) -> Any:
    output = arrays["outputs"]
    if output.ndim != 1 and output.shape[1:] != (1,):
        text = "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got"
        raise invalid_argument(f"{text} {shape_text(output.shape)}")
    if output.shape[0] != count:
        raise invalid_argument(
            f"Input batch size did not match output batch size. Expected: {count} Got: {output.shape[0]}"
        )
    _check_dtype("output", output, "float")
    result = regression_pb2.RegressionResult()
    for value in output.reshape(-1).tolist():
        result.regressions.add(value=value)
    return result


def _check_dtype(alias: str, array: Array, expected: str) -> None:
    given = tensors.dtype_name(tensors.dtype_of(array))
    if given != expected:
        raise invalid_argument(f"Expected {alias} Tensor of DT_{expected.upper()}. Got: DT_{given.upper()}")
