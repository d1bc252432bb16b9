"""What an evaluation found out, in the form in which it is kept, logged and drawn. Imports nothing heavy."""

from collections.abc import Mapping
from pathlib import Path

import pydantic

EVALUATION_FILE = "evaluation.json"


class Fact(pydantic.BaseModel):
    """One thing that was found out; it never changes."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_bytes="base64", val_json_bytes="base64"
    )


class Estimate(Fact):
    """A metric's value, with its 95 % confidence interval where one was asked for."""

    value: float
    low: float | None = None
    high: float | None = None


class ClassScore(Fact):
    """How one class fares: `examples` of it in the test split, precision, recall and F1 in [0, 1]."""

    name: str
    examples: int
    precision: float
    recall: float
    f1: float


class Bin(Fact):
    """The predictions whose confidence, the highest probability, lies in [low, high): how many, how often right."""

    low: float
    high: float
    examples: int
    confidence: float
    accuracy: float


class Slice(Fact):
    """The metrics over a part of the test split.

    Attributes:
      feature: By what it was cut: `class_name`, `brightness` or `size`.
      name: Which part, in words for people: `cat`, `dark (below 60)`.
      examples: Of the part.
      metrics: By name, as in `Evaluation`.
    """

    feature: str
    name: str
    examples: int
    metrics: Mapping[str, Estimate]


class Mistake(Fact):
    """A test image that the model got wrong: `image` is a small PNG, the probabilities are those that it gave."""

    image: bytes
    class_name: str
    predicted: str
    probability: float
    class_probability: float


class Check(Fact):
    """One threshold of the gate, and what came.

    Attributes:
      metric: Its name.
      slice: `feature=name`; empty for the whole test split.
      required: In words: `at least 0.95`, `no more than 0.01 worse than the champion's`.
      value: The candidate's.
      baseline: The champion's on the same data; None where the threshold is absolute.
      passed: Whether it holds.
    """

    metric: str
    slice: str
    required: str
    value: float
    baseline: float | None = None
    passed: bool


class Baseline(Fact):
    """The champion, evaluated anew on today's test split: its registered version and its metrics."""

    version: int | None
    metrics: Mapping[str, Estimate]


class Verdict(Fact):
    """What the gate says: `reason` is one sentence with the metric and slice that decided, and both values."""

    blessed: bool
    reason: str
    checks: tuple[Check, ...]


class Evaluation(Fact):
    """All of it.

    Attributes:
      examples: Of the test split.
      metrics: Over all of it, by name: `accuracy`, `top_5_accuracy` (with more than five classes), `cross_entropy`,
        `macro_precision`, `macro_recall`, `macro_f1`, `expected_calibration_error`.
      classes: In the order of their numbers.
      confusion: Counts; a row for each true class, a column for each predicted one.
      calibration: From low confidence to high; empty bins are left out.
      slices: By class and by property of the images.
      mistakes: The worst first: those that it was most sure of.
      baseline: None where no champion was there to compare with.
      verdict: Of the gate.
    """

    examples: int
    metrics: Mapping[str, Estimate]
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration: tuple[Bin, ...]
    slices: tuple[Slice, ...]
    mistakes: tuple[Mistake, ...]
    baseline: Baseline | None
    verdict: Verdict

    @classmethod
    def read(cls, directory: Path) -> "Evaluation":
        """Reads the one that lies in a folder."""
        return cls.model_validate_json((directory / EVALUATION_FILE).read_text(encoding="utf-8"))

    def write(self, directory: Path) -> None:
        """Writes it into a folder."""
        (directory / EVALUATION_FILE).write_text(self.model_dump_json(indent=1), encoding="utf-8")
