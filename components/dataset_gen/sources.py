"""Where images come from: what the graph must know of a data set before it is read, and how it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import apache_beam as beam

from components.dataset_gen.errors import DatasetError
from components.dataset_gen.facts import DatasetFacts, Settings


class Source(Protocol):
    """A data set that can be read.

    Attributes:
      facts: What training and serving need to know; reading them checks that it can be used.
      available: The splits that it has; known once it is prepared.
      count: How many images it has, or about; known likewise.
      left_out: How many images lie in splits that are none of ours; known likewise.
    """

    @property
    def facts(self) -> DatasetFacts:
        """What training and serving need to know."""

    @property
    def available(self) -> tuple[str, ...]:
        """The splits that it has."""

    @property
    def count(self) -> int:
        """How many images it has, or about."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many images lie in splits that are none of ours, by the split's name."""

    def prepare(self) -> None:
        """Does what must be done once before it can be read."""

    def units(self, pipeline: beam.Pipeline) -> Any:
        """Returns the PCollection of its units (`components.dataset_gen.units`)."""


def opened(settings: Settings, known: str = "") -> Source:
    """Opens a data set.

    Args:
      settings: Where it is, and how to read it.
      known: Fingerprint that it had when the run began; what has changed since shows when it is read.

    Raises:
      DatasetError: There is no such data set.
    """
    if not settings.path:
        from components.dataset_gen.tfds_source import TfdsSource

        return TfdsSource(settings)
    folder = Path(settings.path)
    if not folder.is_dir():
        raise DatasetError(f"`dataset.path` must be a folder of images or of TFRecord files. Received: {folder}.")
    from components.dataset_gen.folder import FolderSource
    from components.dataset_gen.record_files import RecordSource, record_files

    return RecordSource(settings) if record_files(folder) else FolderSource(settings, known)
