"""A folder of images: `train/<class>/…` with `test/` or `validation/`, or `<class>/…` alone."""

import dataclasses
import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from components import names
from components.dataset_gen import index, inspection, splits
from components.dataset_gen.errors import DatasetError, UnfitSourceError
from components.dataset_gen.facts import DatasetFacts, Settings, image_shape, require_unset
from components.dataset_gen.inspection import Unfit
from components.dataset_gen.units import Row, Unit

# Most of a unit, which becomes one file of examples a split.
UNIT_FILES, UNIT_BYTES = 2_048, 64 << 20


class File(NamedTuple):
    """One image file; `class_name` is empty where it lies in no class's folder."""

    path: str
    split: str
    class_name: str


class Piece(NamedTuple):
    """One image file, as a worker needs to know it."""

    name: str
    path: str
    digest: str
    label: int
    split: str


@dataclasses.dataclass(frozen=True)
class FolderUnit(Unit):
    """Some files of a folder; which, is in a file: Beam would compress and copy them again and again."""

    key: str
    listing: str

    def rows(self) -> Iterator[Row]:
        """Reads the files.

        Raises:
          UnfitSourceError: One has changed since the folder was looked at.
        """
        for piece in json.loads(Path(self.listing).read_text(encoding="utf-8")):
            yield _row(Piece(*piece))


class FolderSource:
    """Reads a folder of images."""

    def __init__(self, settings: Settings, *, known: bool = False) -> None:
        """Lists the folder; what is in the files is read when it is asked for.

        Args:
          settings: Where it is.
          known: Whether what was found in the files at the start of a run holds; reading them will show.

        Raises:
          DatasetError: It has no folders of classes.
        """
        require_unset(settings, "a folder of images", "image", "label", "split", "class_names")
        self._settings, self._known = settings, known
        self._root = Path(settings.path)
        self._layout = _layout(self._root)
        self._files = sorted(_files(self._layout))
        self.available = tuple(self._layout) if len(self._layout) > 1 else (names.TRAIN,)

    @functools.cached_property
    def facts(self) -> DatasetFacts:
        """What training and serving need to know."""
        sizes = Counter(tuple(entry.facts) for entry in self._entries if entry.facts)
        if not sizes:
            raise DatasetError(f"A folder with images is required. Received: {self._root}, with no image in it.")
        classes = {entry.name for folder in self._layout.values() for entry in _folders(folder)}
        shape = image_shape(self._settings, sizes)
        told = index.fingerprint(self._entries)
        return DatasetFacts(self._settings.title, str(self._root), shape, tuple(sorted(classes)), told)

    @functools.cached_property
    def _entries(self) -> list[index.Entry]:
        paths = [file.path for file in self._files]
        question = "the header of an image"
        return index.scan(self._root, paths, _look, self._settings.index, question, trusting=self._known)

    def prepare(self) -> None:
        """Does nothing: a folder is read as it is."""

    def units(self, pipeline: beam.Pipeline, scratch: Path) -> Any:
        """Returns its units, a PCollection."""
        units = [_listed(scratch / f"{number:06d}", pieces) for number, pieces in enumerate(self._parts())]
        return pipeline | "Files" >> beam.Create(units) | "Spread" >> beam.Reshuffle()

    def _parts(self) -> Iterator[tuple[Piece, ...]]:
        """Divides the files in the order of their digests: every unit has some of each class."""
        labels = {name: label for label, name in enumerate(self.facts.class_names)}
        pieces = [
            (Piece(entry.name, entry.path, entry.digest, labels.get(file.class_name, -1), file.split), entry.size)
            for entry, file in zip(self._entries, self._files, strict=True)
        ]
        pieces.sort(key=lambda one: (one[0].digest, one[0].name))
        return _cut(pieces)


def _listed(listing: Path, pieces: tuple[Piece, ...]) -> FolderUnit:
    listing.write_text(json.dumps(pieces), encoding="utf-8")
    return FolderUnit(listing.name, str(listing))


def _cut(pieces: Iterable[tuple[Piece, int]]) -> Iterator[tuple[Piece, ...]]:
    unit: list[Piece] = []
    total = 0
    for piece, size in pieces:
        if len(unit) == UNIT_FILES or (unit and total + size > UNIT_BYTES):
            yield tuple(unit)
            unit, total = [], 0
        unit.append(piece)
        total += size
    yield tuple(unit)


def _layout(root: Path) -> dict[str, Path]:
    """Finds the folder of each split; one that has classes in it is all `train`."""
    found = {entry.name: splits.called(entry.name) for entry in _folders(root)}
    layout = {split: root / name for name, split in found.items() if split}
    if names.TRAIN not in layout and None in found.values():
        return {names.TRAIN: root}
    if names.TRAIN not in layout or None in found.values() or len(layout) < len(found):
        raise DatasetError(
            "A folder of images must have a folder for each class in it; or `train`, with `test` or `validation`, and "
            f"those for the classes in these. Received: {root} with {', '.join(sorted(found)) or 'no folder'}."
        )
    return layout


def _folders(root: Path) -> list[os.DirEntry[str]]:
    with os.scandir(root) as entries:
        return [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]


def _files(layout: dict[str, Path]) -> Iterator[File]:
    """Lists all files in the folders of classes; and, beside those, what calls itself an image."""
    for split, folder in layout.items():
        for place, folders, files in os.walk(folder, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            first = next(iter(Path(place).relative_to(folder).parts), "")
            for name in files:
                known = Path(name).suffix.lower() in inspection.KNOWN_SUFFIXES
                if not name.startswith(".") and (first or known):
                    yield File(f"{place}/{name}", split, first)


def _look(path: str) -> tuple[str, Any]:
    content = Path(path).read_bytes()
    return hashlib.sha256(content).hexdigest(), inspection.size(content)


def _row(piece: Piece) -> Row:
    name, path, digest, label, split = piece
    if label < 0:
        return Row(name, b"", label, split, Unfit("no class folder"))
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- done for every image
            encoded = file.readall()
    except OSError as error:
        return Row(name, b"", label, split, Unfit("unreadable", error.strerror or ""))
    if digest and hashlib.sha256(encoded).hexdigest() != digest:
        raise UnfitSourceError(
            f"Files that stay as they are while they are read are required. Received: {path}; run again."
        )
    return Row(name, encoded, label, split)
