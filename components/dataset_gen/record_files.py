"""TFRecord files of tf.Example: their image, label and split features found by type."""

import dataclasses
import functools
import hashlib
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from google.protobuf.message import DecodeError

from components import names
from components.dataset_gen import index, inspection, splits, tfrecords
from components.dataset_gen.errors import DatasetError, UnfitSourceError
from components.dataset_gen.facts import DatasetFacts, Settings, image_shape
from components.dataset_gen.inspection import Unfit
from components.dataset_gen.units import Row, Unit

# Records whose features are looked at, to find which is which.
SAMPLE = 20
# More classes than this, told by numbers alone, are a label that went wrong.
MOST_CLASSES = 100_000
CHUNK = 1 << 20


class Features(NamedTuple):
    """Which feature is which; `split` is empty where none says it."""

    image: str
    label: str
    split: str


@dataclasses.dataclass(frozen=True)
class RecordUnit(Unit):
    """One file.

    Attributes:
      key: Sorts the units.
      name: To tell people.
      path: Of the file.
      features: Which is which.
      split: Of all its records, where no feature says it.
      labels: Index of each class, by what its records have in their label.
    """

    key: str
    name: str
    path: str
    features: Features
    split: str
    labels: Mapping[str, int]

    def rows(self) -> Iterator[Row]:
        """Reads the records.

        Raises:
          UnfitSourceError: The file is torn or damaged.
        """
        for number, found in enumerate(_examples(self.path)):
            yield self._row(f"{self.name}[{number}]", found)

    def _row(self, name: str, found: Mapping[str, list[tfrecords.Value]]) -> Row:
        split = _split(found, self.features.split) or self.split
        image, label = found.get(self.features.image, []), found.get(self.features.label, [])
        if len(label) != 1:
            return Row(name, b"", -1, split, Unfit("no label", f"{len(label)} values"))
        told = _text(label[0])
        if told not in self.labels:
            return Row(name, b"", -1, split, Unfit("label out of range", f"{told}, of {len(self.labels)} classes"))
        encoded = image[0] if len(image) == 1 and isinstance(image[0], bytes) else b""
        return Row(name, encoded, self.labels[told], split)


class RecordSource:
    """Reads a folder of TFRecord files."""

    def __init__(self, settings: Settings) -> None:
        """Lists the files, and finds which feature is which."""
        self._settings = settings
        self._root = Path(settings.path)
        self._files = record_files(self._root)
        self._features = _features(settings, list(itertools.islice(_examples(self._files[0]), SAMPLE)))

    @functools.cached_property
    def facts(self) -> DatasetFacts:
        """What training and serving need to know."""
        sizes: Counter[tuple[int, int, int]] = Counter()
        for entry in self._entries:
            sizes.update({(height, width, channels): count for height, width, channels, count in entry.facts["sizes"]})
        if not sizes:
            raise DatasetError(f"TFRecord files with images are required. Received: {self._root}, with no image in it.")
        shape = image_shape(self._settings, sizes)
        told = index.fingerprint(self._entries, self._class_names)
        return DatasetFacts(self._settings.title, str(self._root), shape, self._class_names, told)

    @property
    def available(self) -> tuple[str, ...]:
        """The splits that it has; others are carved from `train`."""
        if self._features.split:
            return tuple({split for entry in self._entries for split in entry.facts["splits"]})
        return tuple({_split_of(self._root, path) for path in self._files})

    @property
    def count(self) -> int:
        """How many images of known size it has."""
        return sum(count for entry in self._entries for *_, count in entry.facts["sizes"])

    @property
    def left_out(self) -> Mapping[str, int]:
        """Nothing: all records are read."""
        return {}

    def prepare(self) -> None:
        """Does nothing: records are read as they are."""

    def units(self, pipeline: beam.Pipeline) -> Any:
        """Returns its units, a PCollection."""
        labels = self._labels
        parts = [
            RecordUnit(
                f"{number:06d}", entry.name, entry.path, self._features, _split_of(self._root, entry.path), labels
            )
            for number, entry in enumerate(self._entries)
        ]
        return pipeline | "Files" >> beam.Create(parts) | "Spread" >> beam.Reshuffle()

    @functools.cached_property
    def _entries(self) -> list[index.Entry]:
        look = functools.partial(_look, self._features)
        return index.scan(self._root, self._files, look, self._settings.index, f"records by {self._features}")

    @property
    def _found(self) -> set[str | int]:
        return {label for entry in self._entries for label in entry.facts["labels"]}

    @property
    def _class_names(self) -> tuple[str, ...]:
        if self._settings.class_names:
            return self._settings.class_names
        if any(isinstance(label, str) for label in self._found):
            return tuple(sorted(map(str, self._found)))
        most = max((int(label) for label in self._found), default=-1)
        if most >= MOST_CLASSES:
            raise DatasetError(
                f"Labels that count classes from 0 are required, or `dataset.class_names`. Received: {most} in "
                f"{self._root}, feature {self._features.label!r}."
            )
        return tuple(str(label) for label in range(most + 1))

    @property
    def _labels(self) -> dict[str, int]:
        """Index of each class, by what records have in their label: its name, or its number."""
        by_name = any(isinstance(label, str) for label in self._found)
        return {name if by_name else str(label): label for label, name in enumerate(self._class_names)}


def record_files(folder: Path) -> list[str]:
    """Lists the TFRecord files below a folder: those that have `tfrecord` in their names."""
    found = (
        f"{place}/{name}"
        for place, _, files in os.walk(folder, followlinks=True)
        for name in files
        if "tfrecord" in name.lower() and not name.startswith(".")
    )
    return sorted(found)


def _split_of(root: Path, path: str) -> str:
    words = re.split(r"[^A-Za-z]+", os.path.relpath(path, root))
    return next((split for word in words if (split := splits.called(word))), names.TRAIN)


def _examples(path: str) -> Iterator[dict[str, list[tfrecords.Value]]]:
    for number, record in enumerate(tfrecords.read(Path(path))):
        try:
            yield tfrecords.features(record)
        except DecodeError as error:
            raise UnfitSourceError(
                f"Records of tf.Example are required. Received: another kind in {path}, record {number}."
            ) from error


def _features(settings: Settings, sample: Sequence[Mapping[str, list[tfrecords.Value]]]) -> Features:
    """Finds which feature is which by its type, where the settings don't say it."""
    single = {key for row in sample for key in row if all(len(other.get(key, [])) == 1 for other in sample)}
    values = {key: [row[key][0] for row in sample] for key in sorted(single)}
    images = [
        key for key, found in values.items() if all(isinstance(one, bytes) and inspection.size(one) for one in found)
    ]
    said = [
        key
        for key, found in values.items()
        if all(isinstance(one, bytes) and splits.called(_text(one)) for one in found)
    ]
    labels = [
        key
        for key, found in values.items()
        if key not in (*images, *said) and all(isinstance(one, bytes | int) for one in found)
    ]
    keys = sorted({key for row in sample for key in row})
    image, label = _one("image", settings.image, images, keys), _one("label", settings.label, labels, keys)
    return Features(image, label, _one("split", settings.split, said, keys) if said or settings.split else "")


def _one(key: str, told: str, found: Sequence[str], keys: Sequence[str]) -> str:
    if told in keys or (len(found) == 1 and not told):
        return told or found[0]
    raise DatasetError(
        f"`dataset.{key}` must name the records' feature with the {key}. Received: {told or 'nothing'}; "
        f"{', '.join(found if not told and found else keys) or 'none'} could be it."
    )


def _split(found: Mapping[str, list[tfrecords.Value]], feature: str) -> str | None:
    value = found.get(feature, [])
    return splits.called(_text(value[0])) if value else None


def _text(value: tfrecords.Value) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _look(features: Features, path: str) -> tuple[str, Any]:
    total = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    labels: set[str | int] = set()
    found: set[str] = set()
    sizes: Counter[tuple[int, int, int]] = Counter()
    for row in _examples(path):
        if len(label := row.get(features.label, [])) == 1:
            labels.add(label[0] if isinstance(label[0], int) else _text(label[0]))
        if isinstance((image := row.get(features.image, [b""])[0]), bytes) and (size := inspection.size(image)):
            sizes[size] += 1
        if split := _split(row, features.split):
            found.add(split)
    told = {
        "labels": sorted(labels, key=str),
        "splits": sorted(found),
        "sizes": [[*size, count] for size, count in sizes.items()],
    }
    return total.hexdigest(), told
