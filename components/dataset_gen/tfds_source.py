"""A data set that TFDS knows, or ours (`digits`): read with `tfds.beam`."""

import dataclasses
import difflib
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
import tensorflow_datasets as tfds

from components import names
from components.dataset_gen import archives, digits, splits
from components.dataset_gen.errors import DatasetError
from components.dataset_gen.facts import DatasetFacts, Settings, image_shape, require_unset
from components.dataset_gen.units import Row, Unit

del digits  # Its import registers the builder.
# Most of a unit, which becomes one file of examples a split.
UNIT_ROWS, UNIT_BYTES = 4_096, 32 << 20


@dataclasses.dataclass(frozen=True)
class Batch(Unit):
    """Some rows of a split, as they come from TFDS."""

    key: str
    split: str
    ids: tuple[str, ...]
    encoded: tuple[bytes, ...]
    labels: tuple[int, ...]

    def rows(self) -> Iterator[Row]:
        """Returns the rows."""
        for name, encoded, label in zip(self.ids, self.encoded, self.labels, strict=True):
            yield Row(name, encoded, label, self.split)


class TfdsSource:
    """Reads a data set of TFDS."""

    def __init__(self, settings: Settings) -> None:
        """Finds its builder.

        Raises:
          DatasetError: TFDS doesn't know it.
        """
        require_unset(settings, "a data set of TFDS", "split", "class_names")
        self._settings = settings
        self._builder = builder(settings)

    @functools.cached_property
    def facts(self) -> DatasetFacts:
        """What training and serving need to know.

        Raises:
          DatasetError: It isn't one of images with one label each; or it lacks an archive that can't be fetched.
        """
        image = self._builder.info.features[self._image]
        label = self._builder.info.features[self._label]
        if not self._is_prepared:
            archives.require(self._builder, self._settings.manual_dir)
        height, width, channels = image.shape
        settings = dataclasses.replace(self._settings, channels=self._settings.channels or channels or 3)
        if settings.image_size is None and None in (height, width):
            raise DatasetError(
                "`dataset.image_size` is required where images have several sizes, such as image_size = [224, 224]. "
                f"Received: {settings.name!r} with images of shape {image.shape}."
            )
        shape = image_shape(settings, {(height, width, channels): 1})
        full_name = self._builder.info.full_name
        return DatasetFacts(settings.title, full_name.replace("/", ":"), shape, tuple(label.names), self._fingerprint())

    @property
    def available(self) -> tuple[str, ...]:
        """The splits that it has; others are carved from `train`."""
        return tuple(self._splits)

    @property
    def count(self) -> int:
        """How many images it has in the splits that are read."""
        return sum(int(self._builder.info.splits[name].num_examples) for name in self._splits.values())

    @property
    def left_out(self) -> Mapping[str, int]:
        """Counts the images of the splits that serve another purpose, such as `unlabelled`."""
        found = self._builder.info.splits
        return {name: int(found[name].num_examples) for name in found if name not in self._splits.values()}

    def prepare(self) -> None:
        """Makes TFDS's own files, once."""
        config = tfds.download.DownloadConfig(manual_dir=self._settings.manual_dir or None, try_download_gcs=False)
        self._builder.download_and_prepare(download_config=config)

    def units(self, pipeline: beam.Pipeline) -> Any:
        """Returns its units, a PCollection."""
        parts = [self._read(pipeline, split, name) for split, name in self._splits.items()]
        return parts | "AllSplits" >> beam.Flatten()

    def _read(self, pipeline: beam.Pipeline, split: str, name: str) -> Any:
        info = self._builder.info.splits[name]
        row_bytes = max(1, info.num_bytes // max(1, info.num_examples))
        skip = tfds.decode.SkipDecoding()  # The encoded bytes pass through as they are.
        reader = tfds.beam.ReadFromTFDS(
            self._builder,
            split=name,
            batch_size=max(1, min(UNIT_ROWS, UNIT_BYTES // row_bytes)),
            decoders=tfds.decode.PartialDecoding({self._image: True, self._label: True}, {self._image: skip}),
            read_config=tfds.ReadConfig(add_tfds_id=True),
        )
        batch = functools.partial(_batch, split, self._image, self._label)
        return pipeline | f"ReadFromTFDS.{split}" >> reader | f"Batch.{split}" >> beam.Map(batch)

    @property
    def _splits(self) -> Mapping[str, str]:
        """The builder's name of each split; what has another purpose, such as unlabelled images, isn't read."""
        found = {split: name for name in self._builder.info.splits if (split := splits.called(name))}
        if names.TRAIN not in found:
            had = ", ".join(self._builder.info.splits) or "none"
            raise DatasetError(
                f"A data set with a `train` split is required. Received: {self._settings.name!r} with {had}."
            )
        return found

    @functools.cached_property
    def _image(self) -> str:
        return _feature(self._builder, tfds.features.Image, "image", self._settings.image)

    @functools.cached_property
    def _label(self) -> str:
        return _feature(self._builder, tfds.features.ClassLabel, "label", self._settings.label)

    @property
    def _is_prepared(self) -> bool:
        return bool(self._builder.info.splits)

    def _fingerprint(self) -> str:
        sums = sorted((url, info.checksum) for url, info in archives.known(self._builder).items())
        return hashlib.sha256(json.dumps([self._builder.info.full_name, sums]).encode()).hexdigest()


def builder(settings: Settings) -> tfds.core.DatasetBuilder:
    """Finds the builder of a data set, ours or TFDS's own.

    Raises:
      DatasetError: There is none.
    """
    try:
        return tfds.builder(settings.name, data_dir=settings.data_dir or settings.work_dir)
    except (ValueError, tfds.core.DatasetNotFoundError, AssertionError) as error:
        raise DatasetError(_unknown(settings.name)) from error


def _unknown(name: str) -> str:
    """Says that TFDS doesn't know a data set, or not that version or config of it."""
    bare = name.partition(":")[0].partition("/")[0]
    known = [*tfds.list_builders(with_community_datasets=False), "digits"]
    if bare in known:
        return f"`dataset.name` must name a version and config that TFDS has. Received: {name!r}; {_had(bare)}."
    near = difflib.get_close_matches(bare, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    rule = "`dataset.name` must be a data set that TFDS knows, or `dataset.path` say where it is."
    return f"{rule} Received: {name!r}.{hint}"


def _had(name: str) -> str:
    """Says which versions and configs a data set has."""
    kind = tfds.builder_cls(name)
    versions = [str(version) for version in (kind.VERSION, *kind.SUPPORTED_VERSIONS) if version]
    kinds = {"version": versions, "config": list(kind.builder_configs)}
    return "it has " + " and ".join(f"{what} {', '.join(found)}" for what, found in kinds.items() if found)


def _feature(found_in: tfds.core.DatasetBuilder, kind: type, key: str, told: str) -> str:
    """Finds a feature by type, or checks the one that is told."""
    found = [name for name, feature in found_in.info.features.items() if isinstance(feature, kind)]
    if told in found or (len(found) == 1 and not told):
        return told or found[0]
    if not found:
        raise DatasetError(
            f"A data set with a feature of type {kind.__name__} is required. Received: {found_in.name!r} with none."
        )
    raise DatasetError(
        f"`dataset.{key}` must name one of the data set's features of type {kind.__name__}. "
        f"Received: {told or 'nothing'}, for {found_in.name!r} with {', '.join(found)}."
    )


def _batch(split: str, image: str, label: str, rows: Mapping[str, Any]) -> Batch:
    found = tfds.as_numpy(rows)
    ids = tuple(one.decode() for one in found["tfds_id"])
    file, _, number = ids[0].rpartition("__")
    return Batch(f"{file}-{int(number):09d}", split, ids, tuple(found[image]), tuple(map(int, found[label])))
