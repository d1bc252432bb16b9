"""What models answered to the images of the test split, gathered while TFMA evaluates: one prediction an image."""

import contextlib
import dataclasses
import heapq
import io
import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from PIL import Image

from components import names
from components.evaluation import gate
from components.evaluation.facts import Mistake
from components.evaluation.tally import Tally

MISTAKES = 25
THUMBNAIL = 96

_kept: ContextVar[Path] = ContextVar("kept")


@dataclasses.dataclass
class Gathered:
    """What is gathered of all examples.

    Attributes:
      tally: Of the candidate.
      better: Images that the candidate alone got right.
      worse: Images that the baseline alone got right.
      mistakes: The candidate's worst: probability, a tie-breaker, and the rest.
    """

    tally: Tally = dataclasses.field(default_factory=Tally)
    better: int = 0
    worse: int = 0
    mistakes: list[tuple[float, bytes, int, int, float]] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def kept_in(file: Path) -> Iterator[None]:
    """Has what is gathered in a `with` block written to a file."""
    token = _kept.set(file)
    try:
        yield
    finally:
        _kept.reset(token)


class Gathering(beam.PTransform):
    """Passes the examples on, and writes what is gathered of them into the file of `kept_in`."""

    def __init__(self) -> None:
        """Looks up the file."""
        super().__init__()
        self._file = str(_kept.get())

    def expand(self, examples: beam.PCollection) -> beam.PCollection:
        """Adds the step that writes."""
        gathered = examples | "Gather" >> beam.CombineGlobally(_Gather())
        _ = gathered | "Write" >> beam.Map(_written, self._file)
        return examples


class _Gather(beam.CombineFn):
    def create_accumulator(self) -> Gathered:
        return Gathered()

    def add_input(self, accumulator: Gathered, extracts: dict[str, Any]) -> Gathered:
        label = int(extracts[tfma.FEATURES_KEY][names.LABEL].item())
        answered = extracts[tfma.PREDICTIONS_KEY]
        baseline = answered.get(gate.BASELINE)
        scores = answered.get(gate.CANDIDATE, answered)["scores"].reshape(-1)
        accumulator.tally.add(label, scores)
        predicted = int(scores.argmax())
        if baseline is not None:
            others = int(baseline["scores"].reshape(-1).argmax())
            accumulator.better += predicted == label != others
            accumulator.worse += others == label != predicted
        if predicted != label:
            image = extracts[tfma.FEATURES_KEY][names.IMAGE].item()
            wrong = (float(scores[predicted]), image, label, predicted, float(scores[label]))
            accumulator.mistakes = heapq.nlargest(MISTAKES, [*accumulator.mistakes, wrong])
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Gathered]) -> Gathered:
        merged = Gathered()
        for one in accumulators:
            merged.tally.merge(one.tally)
            merged.better += one.better
            merged.worse += one.worse
            merged.mistakes = heapq.nlargest(MISTAKES, [*merged.mistakes, *one.mistakes])
        return merged

    def extract_output(self, accumulator: Gathered) -> Gathered:
        return accumulator


def _written(gathered: Gathered, file: str) -> None:
    Path(file).write_bytes(pickle.dumps(gathered))


def mistakes(gathered: Gathered, class_names: Sequence[str]) -> tuple[Mistake, ...]:
    """Lists the worst mistakes, those first that the model was most sure of, with small pictures."""
    return tuple(
        Mistake(
            image=_thumbnail(image),
            class_name=class_names[label],
            predicted=class_names[predicted],
            probability=probability,
            class_probability=class_probability,
        )
        for probability, image, label, predicted, class_probability in gathered.mistakes
    )


def _thumbnail(encoded: bytes) -> bytes:
    image: Image.Image = Image.open(io.BytesIO(encoded))
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
