"""The artifact types of ours."""

from tfx.types import artifact


class RegisteredModel(artifact.Artifact):
    """A model version in MLflow: its name, number and SHA-256; the folder holds `registration.json`."""

    TYPE_NAME = "RegisteredModel"
    PROPERTIES = {  # noqa: RUF012 -- TFX declares properties so
        "model_name": artifact.Property(type=artifact.PropertyType.STRING),
        "model_version": artifact.Property(type=artifact.PropertyType.INT),
        "sha256": artifact.Property(type=artifact.PropertyType.STRING),
    }


class Ingestion(artifact.Artifact):
    """What became of a source's images (see `components.ingestion`): counts by split, and the quarantine."""

    TYPE_NAME = "Ingestion"


class DataReport(artifact.Artifact):
    """What the data look like, as a page and a picture, and what speaks against them (see `components.data_report`)."""

    TYPE_NAME = "DataReport"


class DataBlessing(artifact.Artifact):
    """Data that passed the gate: the fingerprint of their source, and the id of their statistics in MLMD."""

    TYPE_NAME = "DataBlessing"
    PROPERTIES = {  # noqa: RUF012
        "fingerprint": artifact.Property(type=artifact.PropertyType.STRING),
        "statistics_id": artifact.Property(type=artifact.PropertyType.INT),
    }
