"""When all units are written: images that came twice are taken out, files get their names, counts are added up."""

import dataclasses
import io
import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import apache_beam as beam
import numpy as np
from PIL import Image

from components import names
from components.dataset_gen import report, rules, splits, tfrecords
from components.dataset_gen.facts import DatasetFacts
from components.dataset_gen.report import Report
from components.ingestion import Ingestion, Quarantined, SplitCounts

# Whose copy stays where an image is in two splits: the test's, for what it measures must not be known to training.
STAYS = (names.TEST, names.VALIDATION, names.TRAIN)
_RANK = np.array([STAYS.index(split) for split in splits.SPLITS])
PICTURES, PICTURE_SIDE = 24, 96
WORST = {reason: rank for rank, reason in enumerate(rules.QUARANTINED)}
# TFX's name for the files of a split.
FILE = "data_tfrecord-{:05d}-of-{:05d}.gz"


class Copy(NamedTuple):
    """An image that is kept: the folder of its unit, its split, its place in the unit's file of that split."""

    unit: Path
    split: str
    place: int


@dataclasses.dataclass(frozen=True)
class Doubt:
    """Why an image must go, though it is sound: it has the pixels of another one; and its label."""

    reason: str
    other: Copy
    label: int


class Kept:
    """All images that units have kept."""

    def __init__(self, units: Sequence[Path]) -> None:
        """Reads what the units say; `units` are their folders."""
        parts = [report.kept(unit) for unit in units]
        self._units = units
        self._rows = np.concatenate(parts) if parts else np.empty(0, report.KEPT)
        self._unit = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])

    def doubts(self) -> dict[Copy, Doubt]:
        """Finds images with equal pixels, and says which of them must go.

        Where they have several labels, all; else all but one: a copy in the test split stays before one in the
        validation split, and that before one in the train split.
        """
        labels = self._rows["label"]
        found: dict[Copy, Doubt] = {}
        for group in self._groups():
            first, one_label = self._copy(group[0]), len(set(labels[group])) == 1
            for row in group[1:] if one_label else group:
                copy, label = self._copy(row), int(labels[row])
                if one_label:
                    reason = "duplicate" if copy.split == first.split else "in two splits"
                    found[copy] = Doubt(reason, first, label)
                else:
                    other = next(one for one in group if labels[one] != label)
                    found[copy] = Doubt("contradictory label", self._copy(other), label)
        return found

    def counts(self, split: str, classes: int) -> np.ndarray:
        """Counts the images of each label in one split."""
        labels = self._rows["label"][self._rows["split"] == splits.SPLITS.index(split)]
        return np.bincount(labels, minlength=classes)

    def _groups(self) -> Iterator[np.ndarray]:
        """Yields the rows with the same pixels, where there are several; the one that would stay comes first."""
        rows = self._rows
        order = np.lexsort((np.arange(len(rows)), _RANK[rows["split"]], rows["second"], rows["first"]))
        same = np.ones(len(order) + 1, bool)
        same[1:-1] = (np.diff(rows["first"][order]) != 0) | (np.diff(rows["second"][order]) != 0)
        starts = np.flatnonzero(same)
        for place in np.flatnonzero(np.diff(starts) > 1):
            yield order[starts[place] : starts[place + 1]]

    def _copy(self, row: int) -> Copy:
        return Copy(
            self._units[self._unit[row]], splits.SPLITS[self._rows["split"][row]], int(self._rows["place"][row])
        )


def settle(staging: Path, output: Path, facts: DatasetFacts, make_pipeline: Callable[[], beam.Pipeline]) -> Ingestion:
    """Takes out images that came twice, and adds up what became of all.

    Args:
      staging: Folder with a folder of each unit.
      output: Where small pictures of what is taken out are written.
      facts: Of the data set.
      make_pipeline: Makes the Beam pipeline in which files are written anew, if some must be.
    """
    units = {path: Report.read(path) for path in sorted(staging.iterdir()) if not path.name.startswith(".")}
    kept = Kept(list(units))
    doubts = kept.doubts()
    twice = _twice(doubts, units, facts.class_names, output)
    if doubts:
        _take_out(doubts, make_pipeline)
    found = [row for unit in units.values() for row in unit.quarantine] + twice
    counts = {}
    for split in splits.SPLITS:
        left = _left(split, kept, doubts, len(facts.class_names))
        out = sum(row.split == split for row in found)
        counts[split] = SplitCounts(sum(left) + out, sum(left), out, _converted(split, units, doubts), tuple(left))
    found.sort(key=lambda row: (WORST[row.reason], row.name))
    return Ingestion(facts.source, facts.fingerprint, facts.class_names, counts, tuple(found))


def publish(staging: Path, split: str, folder: Path) -> None:
    """Gives one split's files their final names; one without examples where there are none."""
    written = sorted(staging.glob(f"[!.]*/{split}.gz"))
    mended = (_mended(path) if _mended(path).exists() else path for path in written)
    files = [path for path in mended if next(tfrecords.read(path), None) is not None]
    if not files:
        files = [staging / "none.gz"]
        with tfrecords.Writer(files[0]):
            pass
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(files):
        path.rename(folder / FILE.format(number, len(files)))


def _twice(
    doubts: Mapping[Copy, Doubt], units: Mapping[Path, Report], class_names: Sequence[str], output: Path
) -> list[Quarantined]:
    """Lists the images that must go, with small pictures of the worst."""
    rows = {
        copy: Quarantined(copy.split, _name(copy, units), class_names[doubt.label], doubt.reason, detail)
        for copy, doubt in doubts.items()
        for detail in [f"the same as {doubt.other.split}: {_name(doubt.other, units)}"]
    }
    worst = sorted(rows, key=lambda copy: (WORST[rows[copy].reason], rows[copy].name))
    for number, copy in enumerate(worst[:PICTURES]):
        picture = output / f"quarantined-{number:02d}.png"
        picture.write_bytes(_picture(copy))
        rows[copy] = dataclasses.replace(rows[copy], picture=picture.name)
    return list(rows.values())


def _name(copy: Copy, units: Mapping[Path, Report]) -> str:
    return units[copy.unit].names[copy.split][copy.place]


def _picture(copy: Copy) -> bytes:
    records = tfrecords.read(copy.unit / f"{copy.split}.gz")
    record = next(itertools.islice(records, copy.place, None))
    image = Image.open(io.BytesIO(cast(bytes, tfrecords.features(record)[names.IMAGE][0])))
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _take_out(doubts: Collection[Copy], make_pipeline: Callable[[], beam.Pipeline]) -> None:
    """Writes the files anew that hold an image that must go."""
    places: dict[Path, set[int]] = {}
    for copy in doubts:
        places.setdefault(copy.unit / f"{copy.split}.gz", set()).add(copy.place)
    with make_pipeline() as pipeline:
        _ = pipeline | "Files" >> beam.Create(sorted(places.items())) | "Rewrite" >> beam.Map(_without)


def _without(work: tuple[Path, set[int]]) -> None:
    # The file itself stays: a runner may ask for this twice.
    path, places = work
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    with tfrecords.Writer(temporary) as file:
        for place, record in enumerate(tfrecords.read(path)):
            if place not in places:
                file.write(record)
    temporary.rename(_mended(path))


def _mended(path: Path) -> Path:
    return path.with_name(f"mended-{path.name}")


def _left(split: str, kept: Kept, doubts: Mapping[Copy, Doubt], classes: int) -> list[int]:
    """Counts the images of each label that stay in a split."""
    gone = [doubt.label for copy, doubt in doubts.items() if copy.split == split]
    left: list[int] = (kept.counts(split, classes) - np.bincount(np.array(gone, int), minlength=classes)).tolist()
    return left


def _converted(split: str, units: Mapping[Path, Report], doubts: Collection[Copy]) -> dict[str, int]:
    """Counts the images of a split that stay, and are not quite what came, by reason."""
    found = Counter(
        reason
        for folder, unit in units.items()
        for place, reasons in unit.converted[split].items()
        if Copy(folder, split, place) not in doubts
        for reason in reasons
    )
    return dict(found)
