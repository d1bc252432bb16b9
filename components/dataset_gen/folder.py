"""A folder of images: `train/<class>/…` with `test/` or `validation/`, or `<class>/…` alone."""

import dataclasses
import functools
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from components import names
from components.dataset_gen import index, inspection, listing, splits
from components.dataset_gen.errors import DatasetError, UnfitSourceError
from components.dataset_gen.facts import DatasetFacts, Settings, image_shape, require_unset
from components.dataset_gen.inspection import Unfit
from components.dataset_gen.listing import Listing, Piece
from components.dataset_gen.units import Row, Unit


class File(NamedTuple):
    """One image file; `class_name` is empty where it lies in no class's folder."""

    path: str
    split: str
    class_name: str


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
        return map(_row, listing.pieces(Path(self.listing)))


class FolderSource:
    """Reads a folder of images."""

    def __init__(self, settings: Settings, known: str = "") -> None:
        """Finds out what is in the folder, unless that is known.

        Args:
          settings: Where it is.
          known: Fingerprint that it had when the run began: what was listed then holds; reading the files will show.

        Raises:
          DatasetError: It has no folders of classes, or no image.
        """
        require_unset(settings, "a folder of images", "image", "label", "split", "class_names")
        self._settings, self._root = settings, Path(settings.path)
        self._listings = Path(settings.work_dir) / "listings" / hashlib.sha256(os.fsencode(self._root)).hexdigest()[:16]
        self._listing = (known and Listing.read(self._listings, known)) or self._listed()

    @property
    def available(self) -> tuple[str, ...]:
        """The splits that it has; others are carved from `train`."""
        return self._listing.available

    @property
    def count(self) -> int:
        """How many files it has that might be images."""
        return self._listing.files

    @property
    def left_out(self) -> Mapping[str, int]:
        """Nothing: all of a folder is read."""
        return {}

    @functools.cached_property
    def facts(self) -> DatasetFacts:
        """What training and serving need to know."""
        sizes = {(height, width, channels): count for height, width, channels, count in self._listing.sizes}
        shape = image_shape(self._settings, sizes)
        title, listed = self._settings.title, self._listing
        return DatasetFacts(title, str(self._root), shape, listed.class_names, listed.fingerprint)

    def prepare(self) -> None:
        """Does nothing: a folder is read as it is."""

    def units(self, pipeline: beam.Pipeline) -> Any:
        """Returns its units, a PCollection."""
        units = [FolderUnit(path.name, str(path)) for path in self._listing.units(self._listings)]
        return pipeline | "Files" >> beam.Create(units) | "Spread" >> beam.Reshuffle()

    def _listed(self) -> Listing:
        layout = _layout(self._root)
        files = sorted(_files(layout))
        paths = [file.path for file in files]
        entries = index.scan(self._root, paths, _look, self._settings.index, "the header of an image")
        sizes = Counter(tuple(entry.facts) for entry in entries if entry.facts)
        if not sizes:
            raise DatasetError(f"A folder with images is required. Received: {self._root}, with no image in it.")
        class_names = sorted({entry.name for folder in layout.values() for entry in _folders(folder)})
        listed = Listing(
            index.fingerprint(entries, class_names),
            tuple(class_names),
            tuple(layout) if len(layout) > 1 else (names.TRAIN,),
            tuple((*size, count) for size, count in sizes.items()),
            len(files),
        )
        if Listing.read(self._listings, listed.fingerprint) is None:
            listed.write(self._listings, _pieces(entries, files, class_names))
        return listed


def _pieces(
    entries: Iterable[index.Entry], files: Iterable[File], class_names: Sequence[str]
) -> Iterator[tuple[Piece, int]]:
    labels = {name: label for label, name in enumerate(class_names)}
    for entry, file in zip(entries, files, strict=True):
        yield Piece(entry.name, entry.path, entry.digest, labels.get(file.class_name, -1), file.split), entry.size


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
                known = os.path.splitext(name)[1].lower() in inspection.KNOWN_SUFFIXES  # noqa: PTH122 -- done for every file
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
        if not digest:
            return Row(name, b"", label, split, Unfit("unreadable", error.strerror or ""))
        raise _changed(path) from error
    if digest and hashlib.sha256(encoded).hexdigest() != digest:
        raise _changed(path)
    return Row(name, encoded, label, split)


def _changed(path: str) -> UnfitSourceError:
    return UnfitSourceError(
        f"Files that stay as they are while they are read are required. Received: {path}; run again."
    )
