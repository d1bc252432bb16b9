"""DataReport: what the data look like, and what speaks against them."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components import artifacts, names
from components.data_report import executor
from components.source import source_digest


class DataReportSpec(component_spec.ComponentSpec):
    """Reads examples and all that is known of them; writes a report."""

    PARAMETERS = {  # noqa: RUF012 -- TFX declares specs so
        "max_bad_fraction": component_spec.ExecutionParameter(type=float),
        "max_drift": component_spec.ExecutionParameter(type=float),
        names.SOURCE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "ingestion": component_spec.ChannelParameter(type=artifacts.Ingestion),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "previous": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
    }
    OUTPUTS = {"data_report": component_spec.ChannelParameter(type=artifacts.DataReport)}  # noqa: RUF012


class DataReport(base_component.BaseComponent):
    """Draws the data, and judges them.

    It does not stop the run, whatever it finds, so that there is a report of what DataGate then stops. Reads all that
    the components before it wrote. Writes `data_report`: `data_report.html`, one file that needs nothing beside it,
    `data_report.png`, and `findings.json`, what speaks against training (see `components.data_report.findings`).
    """

    SPEC_CLASS = DataReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        ingestion: BaseChannel,
        statistics: BaseChannel,
        schema: BaseChannel,
        anomalies: BaseChannel,
        previous: BaseChannel | None,
        max_bad_fraction: float,
        max_drift: float,
    ) -> None:
        """Declares the component.

        Args:
          examples: DatasetGen's.
          ingestion: DatasetGen's account of the images.
          statistics: StatisticsGen's.
          schema: Inferred or curated; its drift comparators go before `max_drift`.
          anomalies: ExampleValidator's.
          previous: Statistics of the data before, if any (see `components.previous_data`).
          max_bad_fraction: How large a part of the images may be kept out.
          max_drift: How far a feature may move from the data before, 0 to 1.
        """
        spec = DataReportSpec(
            examples=examples,
            ingestion=ingestion,
            statistics=statistics,
            schema=schema,
            anomalies=anomalies,
            previous=previous,
            max_bad_fraction=max_bad_fraction,
            max_drift=max_drift,
            source_digest=source_digest(
                "components.data_report",
                "components.drawing",
                "components.ingestion",
                "components.pages",
                "components.words",
            ),
            data_report=Channel(type=artifacts.DataReport),
        )
        super().__init__(spec)
