"""What a model must reach, in the terms of a config, and in those of TFMA."""

import dataclasses
import json
from collections.abc import Sequence

import tensorflow_model_analysis as tfma

from components import names
from components.evaluation.facts import METRICS, OVERALL, SLICES

# Of the two models that TFMA compares; without a baseline, TFMA calls the one by nothing.
CANDIDATE, BASELINE = "candidate", "baseline"
# What a value may miss a bound by: 0.95 is 0.01 less than 0.96, but not as floating-point numbers.
SLACK = 1e-9


@dataclasses.dataclass(frozen=True)
class Threshold:
    """One bound.

    Attributes:
      metric: Its name.
      slice: `feature=value`; empty for all of the test split.
      kind: `min`, `max` or `max_regression`.
      bound: Of the metric's value, or of how much worse than the champion's it may be.
    """

    metric: str
    slice: str
    kind: str
    bound: float

    @property
    def required(self) -> str:
        """Says it in words."""
        words = {"min": "at least {:.4g}", "max": "at most {:.4g}"}
        return words.get(self.kind, "no more than {:.4g} worse than the champion's").format(self.bound)

    @property
    def relative(self) -> bool:
        """Whether it is a bound of how much worse than the champion's the metric may be."""
        return self.kind == "max_regression"

    def room(self, value: float, baseline: float | None) -> float:
        """Returns how far a value is on the right side, below 0 on the wrong one; as TFMA reckons it."""
        if self.kind == "min":
            return value - self.bound + SLACK
        if self.kind == "max":
            return self.bound + SLACK - value
        assert baseline is not None
        worse = baseline - value if METRICS[self.metric] else value - baseline
        return self.bound + SLACK - worse


def thresholds(gate: str) -> list[Threshold]:
    """Lists the bounds of the config's table `gate`, as JSON."""
    told = json.loads(gate)
    overall = {"accuracy": {"min": told["min_accuracy"], "max_regression": told["max_regression"]}, **told["metrics"]}
    return [
        Threshold(metric, place, kind, bound)
        for place, metrics in {OVERALL: overall, **told["slices"]}.items()
        for metric, bounds in metrics.items()
        for kind, bound in bounds.items()
        if bound is not None
    ]


def eval_config(gate: str) -> tfma.EvalConfig:
    """Says what the Evaluator measures, and what a model must reach.

    Args:
      gate: The config's table, as JSON.
    """
    spec = tfma.MetricsSpec(
        metrics=[
            tfma.MetricConfig(class_name="ExampleCount"),
            tfma.MetricConfig(class_name="Classification", module="components.evaluation.metrics"),
        ]
    )
    bounds = thresholds(gate)
    for metric, place in sorted({(one.metric, one.slice) for one in bounds}):
        found = _threshold([one for one in bounds if (one.metric, one.slice) == (metric, place)])
        feature, _, value = place.partition("=")
        # Of all of the test split as of a slice, since TFMA holds every slice to a threshold of the metric itself.
        where = tfma.SlicingSpec(feature_values={feature: value} if feature else {})
        spec.per_slice_thresholds[metric].thresholds.add(slicing_specs=[where], threshold=found)
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name=names.CLASSIFY, label_key=names.LABEL, prediction_key="scores")],
        slicing_specs=[tfma.SlicingSpec(), *(tfma.SlicingSpec(feature_keys=[feature]) for feature in SLICES)],
        metrics_specs=[spec],
    )


def _threshold(bounds: Sequence[Threshold]) -> tfma.MetricThreshold:
    """Says the same to TFMA: the bounds of one metric in one slice."""
    found = tfma.MetricThreshold()
    for one in bounds:
        if one.kind == "min":
            found.value_threshold.lower_bound.value = one.bound - SLACK
        elif one.kind == "max":
            found.value_threshold.upper_bound.value = one.bound + SLACK
        elif METRICS[one.metric]:
            found.change_threshold.direction = tfma.MetricDirection.HIGHER_IS_BETTER
            found.change_threshold.absolute.value = -(one.bound + SLACK)
        else:
            found.change_threshold.direction = tfma.MetricDirection.LOWER_IS_BETTER
            found.change_threshold.absolute.value = one.bound + SLACK
    return found
