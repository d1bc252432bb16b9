"""What an evaluation found out, in the form in which it is kept, logged and drawn. Imports nothing heavy."""

from collections.abc import Mapping
from pathlib import Path

import pydantic

EVALUATION_FILE = "evaluation.json"
# The metrics, and whether higher is better.
METRICS = {
    "accuracy": True,
    "top_5_accuracy": True,
    "cross_entropy": False,
    "macro_precision": True,
    "macro_recall": True,
    "macro_f1": True,
    "expected_calibration_error": False,
}
# With no more classes than these, the right one is always among the likeliest of `top_5_accuracy`.
TOP = 5
# All of the test split; and the features that it is cut by, with what each part is called and what that means. The
# bounds are fixed, so that a slice is the same from one data set to the next.
OVERALL = ""
SLICES: dict[str, dict[str, str]] = {
    "class_name": {},
    "brightness": {"dark": "below 85 of 255", "medium": "85 to 169", "bright": "170 and more"},
    "size": {"small": "shorter side below 64 pixels", "medium": "64 to 255 pixels", "large": "256 pixels and more"},
}


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
      name: Which part: `cat`, `dark`; `SLICES` says what the words mean.
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
      value: The candidate's; None where the test split has no example of the slice.
      baseline: The champion's on the same data; None where there is none.
      room: How far the value is on the right side of the bound; below 0 on the wrong one; None without a value.
      passed: Whether it holds.
    """

    metric: str
    slice: str
    required: str
    value: float | None
    baseline: float | None = None
    room: float | None
    passed: bool

    @property
    def objection(self) -> str:
        """Says what was required, and what came."""
        return f"{self._place} must be {self.required}. Received: {self._received}"

    @property
    def remark(self) -> str:
        """Says what came, and what was required."""
        return f"{self._place} {self._received} (required: {self.required})"

    @property
    def _place(self) -> str:
        return f"{self.metric} on {self.slice}" if self.slice else self.metric

    @property
    def _received(self) -> str:
        if self.value is None:
            return "no image of that slice in the test split"
        return f"{self.value:.4f}{'' if self.baseline is None else f', the champion {self.baseline:.4f}'}"


class Baseline(Fact):
    """The champion, evaluated anew on today's test split.

    Attributes:
      version: Its registered number; None until it is looked up.
      model_uri: Folder of the trained model.
      metrics: By name.
      difference: The candidate's accuracy less this one's, with the 95 % interval of the difference between two models
        that answered the same images.
    """

    version: int | None
    model_uri: str
    metrics: Mapping[str, Estimate]
    difference: Estimate


class Verdict(Fact):
    """What the gate says.

    Attributes:
      blessed: Whether every threshold holds.
      reason: The metric and slice that decided, with the candidate's and the champion's value: of those that were
        missed, all; else the one that was nearest to it.
      checks: All thresholds.
    """

    blessed: bool
    reason: str
    checks: tuple[Check, ...]

    @property
    def objections(self) -> list[str]:
        """Says of each threshold that was missed what was required and what came."""
        return [check.objection for check in self.checks if not check.passed]


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
