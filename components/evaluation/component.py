"""Evaluator: measures a candidate and its baseline on the test split, and judges the one by the other."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import names
from components.evaluation import executor
from components.source import source_digest


class EvaluatorSpec(component_spec.ComponentSpec):
    """Reads examples, a model and perhaps a baseline; writes an evaluation and a blessing."""

    PARAMETERS = {  # noqa: RUF012 -- TFX declares specs so
        "gate": component_spec.ExecutionParameter(type=str),
        "class_names": component_spec.ExecutionParameter(type=list[str]),
        names.SOURCE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """TFX's Evaluator, told what to measure by a config's `gate`, with what people look at beside TFMA's files.

    Reads `examples` (the test split), `model` and `baseline_model`, which may be none. Writes `evaluation`: TFMA's
    results and `evaluation.json` (`components.evaluation.facts`); and `blessing`, TFMA's verdict. Each model answers
    each image once.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        baseline_model: BaseChannel | None,
        *,
        gate: Mapping[str, Any],
        class_names: Sequence[str],
    ) -> None:
        """Declares the component.

        Args:
          examples: Of whose test split.
          model: The candidate.
          baseline_model: What it must beat.
          gate: The config's table, in terms of JSON: `min_accuracy`, `max_regression`, `metrics`, `slices`.
          class_names: In the order of the labels.
        """
        spec = EvaluatorSpec(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            gate=json.dumps(gate, sort_keys=True),
            class_names=list(class_names),
            source_digest=source_digest("components.evaluation"),
            evaluation=Channel(type=standard_artifacts.ModelEvaluation),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
