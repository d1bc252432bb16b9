"""The work of DataReport."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components import names
from components.ingestion import Ingestion

ANOMALIES_FILE = "SchemaDiff.pb"


class Executor(base_executor.BaseExecutor):
    """Reads what the components before it found, and draws it."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the page, the picture and the findings."""
        from components.data_report import overview, page, subject

        inputs = {key: found[0] for key, found in input_dict.items() if found}
        drawn: subject.Subject = _subject(inputs, exec_properties["max_bad_fraction"], exec_properties["max_drift"])
        folder = Path(artifact_utils.get_single_uri(output_dict["data_report"]))
        folder.mkdir(parents=True, exist_ok=True)
        drawn.findings.write(folder)
        overview.write(drawn, folder / names.OVERVIEW_FILE)
        page.write(drawn, folder / names.REPORT_FILE)


def _subject(inputs: Mapping[str, Artifact], max_bad_fraction: float, max_drift: float) -> Any:
    """Gathers all that the report is about."""
    from components.data_report import drift, findings, numbers, samples, subject

    ingestion = Ingestion.read(Path(inputs["ingestion"].uri))
    statistics, previous = inputs["statistics"], inputs.get("previous")
    drifts = drift.measure(statistics, previous, _schema(inputs["schema"]), max_drift) if previous else []
    before = None
    if previous:
        earlier = artifact_utils.decode_split_names(previous.split_names)
        before = {split: numbers.read(drift.read_statistics(previous, split)) for split in earlier}
    train = Path(artifact_utils.get_split_uri([inputs["examples"]], names.TRAIN))
    return subject.Subject(
        ingestion=ingestion,
        ingestion_folder=Path(inputs["ingestion"].uri),
        numbers={split: numbers.read(drift.read_statistics(statistics, split)) for split in ingestion.splits},
        before=before,
        drifts=drifts,
        samples=samples.draw(train, ingestion.splits[names.TRAIN].classes),
        findings=findings.judge(ingestion, _anomalies(inputs["anomalies"]), drifts, max_bad_fraction),
    )


def _schema(artifact: Artifact) -> Any:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    return text_format.Parse((Path(artifact.uri) / names.SCHEMA_FILE).read_bytes(), schema_pb2.Schema())


def _anomalies(artifact: Artifact) -> dict[str, list[str]]:
    """Reads ExampleValidator's sentences, by split."""
    return {
        split: _described(Path(artifact_utils.get_split_uri([artifact], split)))
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def _described(folder: Path) -> list[str]:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    found = anomalies_pb2.Anomalies.FromString((folder / ANOMALIES_FILE).read_bytes())
    described = [f"{feature}: {info.description}" for feature, info in sorted(found.anomaly_info.items())]
    if found.HasField("dataset_anomaly_info"):
        described.append(f"all of it: {found.dataset_anomaly_info.description}")
    return [" ".join(sentence.split()).rstrip(".") for sentence in described]
