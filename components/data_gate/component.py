"""DataGate: stops the run when the data have anomalies."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel

from components.data_gate import executor


class DataGateSpec(component_spec.ComponentSpec):
    """Reads anomalies; writes nothing."""

    PARAMETERS: dict[str, component_spec.ExecutionParameter] = {}  # noqa: RUF012 -- TFX declares it so
    INPUTS = {  # noqa: RUF012
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }
    OUTPUTS: dict[str, component_spec.ChannelParameter] = {}  # noqa: RUF012


class DataGate(base_component.BaseComponent):
    """Fails with the anomalies as its message, so that everything after it is skipped.

    ExampleValidator reports anomalies and succeeds, whatever they are; training must not start on such data.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, anomalies: BaseChannel) -> None:
        """Declares the gate over ExampleValidator's `anomalies`."""
        super().__init__(DataGateSpec(anomalies=anomalies))
