"""Units of a source into files of checked examples, in Beam; and what became of each image.

What is done for every image is done in a plain loop within one Beam element, a unit: what Beam does is done for units,
and costs next to nothing. Every unit leaves a folder with its examples and its report. Two images with the same pixels
may lie in any two units; so once all are done, the digests of all images are compared, and the few files that hold an
image too many are written anew (`components.dataset_gen.settle`).
"""

import contextlib
import dataclasses
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import apache_beam as beam

from components import names
from components.dataset_gen import inspection, splits, tfrecords
from components.dataset_gen.inspection import Sound, Unfit
from components.dataset_gen.report import Report
from components.dataset_gen.units import Row, Unit


@dataclasses.dataclass(frozen=True)
class Rules:
    """What decides on an image beside the image itself.

    Attributes:
      class_names: In the order of the labels.
      channels: Of the data set.
      available: The splits that the source has; others are carved from `train`.
    """

    class_names: tuple[str, ...]
    channels: int
    available: tuple[str, ...]


class WriteExamples(beam.DoFn):
    """Reads units, checks their images, and writes those that are sound as examples."""

    def __init__(self, staging: str, rules: Rules) -> None:
        """Says where to write, and by which rules."""
        self._staging, self._rules = Path(staging), rules

    def process(self, unit: Unit) -> Iterator[str]:
        """Writes the folder of one unit, whole or not at all; yields its key."""
        temporary = self._staging / f".{unit.key}-{uuid.uuid4().hex}"
        temporary.mkdir(parents=True)
        report = Report()
        with contextlib.ExitStack() as stack:
            writers = {
                split: stack.enter_context(tfrecords.Writer(temporary / f"{split}.gz")) for split in splits.SPLITS
            }
            for row in unit.rows():
                _take(row, self._rules, writers, report)
        report.write(temporary)
        with contextlib.suppress(OSError):  # A runner may do a unit twice: one is as good as the other.
            temporary.rename(self._staging / unit.key)
        shutil.rmtree(temporary, ignore_errors=True)
        yield unit.key


def _take(row: Row, rules: Rules, writers: Mapping[str, tfrecords.Writer], report: Report) -> None:
    try:
        sound = _sound(row, rules)
    except Unfit as fault:
        class_name = rules.class_names[row.label] if 0 <= row.label < len(rules.class_names) else ""
        report.refuse(row, class_name, fault)
        return
    split = splits.place(row.split, sound.digest, rules.available)
    writers[split].write(example(sound, row.label, rules.class_names[row.label]))
    report.keep(split, row, sound)


def _sound(row: Row, rules: Rules) -> Sound:
    if row.fault is not None:
        raise row.fault
    if not 0 <= row.label < len(rules.class_names):
        raise Unfit("label out of range", f"{row.label}, of {len(rules.class_names)} classes")
    return inspection.inspect(row.encoded, row.name, rules.channels)


def example(sound: Sound, label: int, class_name: str) -> bytes:
    """Makes the tf.Example of an image that is kept, serialized."""
    return tfrecords.example(
        {
            names.IMAGE: sound.encoded,
            names.LABEL: label,
            names.CLASS_NAME: class_name.encode(),
            names.HEIGHT: sound.height,
            names.WIDTH: sound.width,
            names.CHANNELS: sound.channels,
            names.BRIGHTNESS: sound.brightness,
        }
    )
