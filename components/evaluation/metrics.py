"""The metrics of a classifier, as one metric of TFMA: a single pass, and memory by the kinds of mistakes made."""

from collections.abc import Iterable

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluation.facts import METRICS
from components.evaluation.tally import Tally


class Classification(tfma.metrics.Metric):
    """All of `components.evaluation.facts.METRICS`, of integer labels and float predictions [C]."""

    def __init__(self, name: str = "classification") -> None:
        """Names it, as TFMA wants; its values have names of their own."""
        super().__init__(_computations, name=name)


metric_types.register_metric(Classification)


def _computations(
    name: str,
    eval_config: tfma.EvalConfig | None = None,
    model_names: Iterable[str] = ("",),
    output_names: Iterable[str] = ("",),
    example_weighted: bool = False,
) -> metric_types.MetricComputations:
    del name, example_weighted
    return [
        metric_types.MetricComputation(
            keys=[_key(metric, model, output) for metric in METRICS],
            preprocessors=None,
            combiner=_Combiner(model, output, eval_config),
        )
        for model in model_names
        for output in output_names
    ]


def _key(name: str, model: str, output: str) -> metric_types.MetricKey:
    # Thresholds by name are for keys that say nothing of weights.
    return metric_types.MetricKey(name, model, output, example_weighted=None)


class _Combiner(beam.CombineFn):
    """Counts the answers of one model in one slice."""

    def __init__(self, model: str, output: str, eval_config: tfma.EvalConfig | None) -> None:
        self._model, self._output, self._eval_config = model, output, eval_config

    def create_accumulator(self) -> Tally:
        return Tally()

    def add_input(self, accumulator: Tally, element: metric_types.StandardMetricInputs) -> Tally:
        ((label, prediction, _),) = metric_util.to_label_prediction_example_weight(
            element, self._eval_config, self._model, self._output, flatten=False
        )
        accumulator.add(int(label.item()), prediction.reshape(-1))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        merged = Tally()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Tally) -> dict[metric_types.MetricKey, float]:
        values = accumulator.values()
        return {_key(name, self._model, self._output): values[name] for name in METRICS}
