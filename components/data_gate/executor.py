"""The work of DataGate."""

from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils


class DataGateError(RuntimeError):
    """The data have anomalies."""


class Executor(base_executor.BaseExecutor):
    """Reads the anomalies of every split."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Checks that no split has anomalies.

        Raises:
          DataGateError: One has; the message names split, feature and reason.
        """
        found = []
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        for split in artifact_utils.decode_split_names(anomalies.split_names):
            found += _read(Path(artifact_utils.get_split_uri([anomalies], split)), split)
        if found:
            raise DataGateError(
                f"Data without anomalies are required. Received: {'; '.join(found)}. "
                "Mend the data, or curate the schema if the data are right."
            )


def _read(directory: Path, split: str) -> list[str]:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    found = anomalies_pb2.Anomalies()
    found.ParseFromString((directory / "SchemaDiff.pb").read_bytes())
    described = [f"{split}/{feature}: {info.description}" for feature, info in sorted(found.anomaly_info.items())]
    if found.HasField("dataset_anomaly_info"):
        described.append(f"{split}: {found.dataset_anomaly_info.description}")
    return [sentence.rstrip(".") for sentence in described]
