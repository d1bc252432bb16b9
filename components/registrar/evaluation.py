"""What the Evaluator found, read back from what TFMA wrote."""

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2


def metrics(uri: str) -> dict[str, float]:
    """Reads the metrics over the whole test split, by name: those of the candidate, and as `…_diff` to its baseline."""
    found = tfma.load_eval_result(uri).get_metrics_for_slice(())
    return {name: float(value["doubleValue"]) for name, value in found.items() if "doubleValue" in value}


def objections(uri: str) -> list[str]:
    """Says of each threshold that was missed which metric it was, what was required and what came; none if all held."""
    result = tfma.load_validation_result(uri)
    return [
        f"{_where(checked.slice_key)}{_objection(failure)}"
        for checked in result.metric_validations_per_slice
        for failure in checked.failures
    ]


def _where(key: "tfma.proto.metrics_for_slice_pb2.SliceKey") -> str:
    names = [f"{one.column}={one.bytes_value.decode() or one.int64_value}" for one in key.single_slice_keys]
    return f"{', '.join(names)}: " if names else ""


def _objection(failure: validation_result_pb2.ValidationFailure) -> str:
    name, value = failure.metric_key.name, failure.metric_value.double_value.value
    if failure.metric_threshold.HasField("change_threshold"):
        change = failure.metric_threshold.change_threshold
        better = -1 if change.direction == tfma.MetricDirection.LOWER_IS_BETTER else 1
        gain, required = better * value, better * change.absolute.value
        rule = f"{required:.4g} better" if required > 0 else f"no more than {-required:.4g} worse"
        received = f"{abs(gain):.4f} {'better' if gain > 0 else 'worse'}"
        return f"{name} must be {rule} than the champion's. Received: {received}"
    bounds = failure.metric_threshold.value_threshold
    rules = [f"at least {bounds.lower_bound.value:.4g}"] * bounds.HasField("lower_bound")
    rules += [f"at most {bounds.upper_bound.value:.4g}"] * bounds.HasField("upper_bound")
    return f"{name} must be {' and '.join(rules)}. Received: {value:.4f}"
