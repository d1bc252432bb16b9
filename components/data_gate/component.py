"""DataGate: stops the run when the data are not fit to train on."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import artifacts
from components.data_gate import executor


class DataGateSpec(component_spec.ComponentSpec):
    """Reads the data report; writes a blessing."""

    PARAMETERS: dict[str, component_spec.ExecutionParameter] = {}  # noqa: RUF012 -- TFX declares it so
    INPUTS = {  # noqa: RUF012
        "data_report": component_spec.ChannelParameter(type=artifacts.DataReport),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
    }
    OUTPUTS = {"blessing": component_spec.ChannelParameter(type=artifacts.DataBlessing)}  # noqa: RUF012


class DataGate(base_component.BaseComponent):
    """Fails with what speaks against the data as its message, so that everything after it is skipped.

    ExampleValidator and DataReport report and succeed, whatever they find; training must not start on such data. Writes
    `blessing` where nothing speaks against them: later data are compared with these.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, data_report: BaseChannel, statistics: BaseChannel) -> None:
        """Declares the gate over DataReport's findings, and the statistics that it blesses."""
        blessing = Channel(type=artifacts.DataBlessing)
        super().__init__(DataGateSpec(data_report=data_report, statistics=statistics, blessing=blessing))
