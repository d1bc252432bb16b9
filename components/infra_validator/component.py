"""InfraValidator: loads a model in a server of its own and asks it real requests."""

from collections.abc import Sequence

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import names
from components.infra_validator import executor
from components.source import source_digest


class InfraValidatorSpec(component_spec.ComponentSpec):
    """Reads a model and examples; writes an infra blessing."""

    PARAMETERS = {  # noqa: RUF012 -- TFX declares specs so
        "model_name": component_spec.ExecutionParameter(type=str),
        "max_latency_ms": component_spec.ExecutionParameter(type=float),
        "image_shape": component_spec.ExecutionParameter(type=list[int]),
        names.SOURCE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {  # noqa: RUF012
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)
    }


class InfraValidator(base_component.BaseComponent):
    """Serves the candidate from a process of its own and asks it through all three signatures.

    TFX's own InfraValidator needs Docker or Kubernetes; this one starts `tensorflow_model_server` where it is on PATH,
    and our own server where it isn't. Reads `model` and `examples` (the test split). Writes `blessing`: its custom
    property `blessed`, `infra_validation.json` with what was measured, and `servable/`, the SavedModel with the warm-up
    requests beside it, which is what is registered and published from here on. A model that doesn't load, doesn't
    answer, answers differently by signature or otherwise than it was evaluated, or is too slow isn't blessed, with the
    server's own words; the node itself fails only when it can't do its work.
    """

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: BaseChannel,
        examples: BaseChannel,
        *,
        model_name: str,
        image_shape: Sequence[int],
        max_latency_ms: float,
    ) -> None:
        """Declares the component.

        Args:
          model: The candidate.
          examples: The questions: of the test split.
          model_name: To serve it under.
          image_shape: Height, width and channels of the pixels that it takes.
          max_latency_ms: Bound on the median of single-image requests.
        """
        spec = InfraValidatorSpec(
            model=model,
            examples=examples,
            model_name=model_name,
            image_shape=list(image_shape),
            max_latency_ms=max_latency_ms,
            source_digest=source_digest("components.infra_validator", "serving.server"),
            blessing=Channel(type=standard_artifacts.InfraBlessing),
        )
        super().__init__(spec)
