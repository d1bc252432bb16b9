"""All that a model's report is about: what the Registrar gathered, and what the evaluation found out."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from components.drawing import legible
from components.evaluation.facts import SLICES, Estimate, Evaluation, Slice
from components.words import counted, cut

CLASS_NAME = "class_name"


@dataclasses.dataclass(frozen=True)
class Subject:
    """One model.

    Attributes:
      facts: As the Registrar gathers them.
      evaluation: On the test split.
    """

    facts: Mapping[str, Any]
    evaluation: Evaluation

    @property
    def tested(self) -> str:
        """Which model it is, and on what it was tested."""
        return f"{cut(self.facts['model_name'], 40)}, {counted(self.evaluation.examples, 'test image', 'test images')}"

    @property
    def confusion(self) -> np.ndarray:
        """Counts; a row for each true class, a column for each predicted one."""
        return np.array(self.evaluation.confusion, dtype=np.int64)

    def labels(self, longest: int) -> list[str]:
        """Names the classes as a picture can have them, in at most so many letters, in the order of their numbers."""
        return [cut(legible(one.name, number), longest) for number, one in enumerate(self.evaluation.classes)]

    def label(self, name: str, longest: int) -> str:
        """Names one class as a picture can have it."""
        numbers = {one.name: number for number, one in enumerate(self.evaluation.classes)}
        return cut(legible(name, numbers[name]), longest)

    def by_class(self) -> Mapping[str, Slice]:
        """The slices by class, by the class's name."""
        return {one.name: one for one in self.evaluation.slices if one.feature == CLASS_NAME}

    def by_property(self) -> Iterator[Slice]:
        """The slices by properties of the images."""
        yield from (one for one in self.evaluation.slices if one.feature != CLASS_NAME)


def interval(estimate: Estimate) -> tuple[float, float] | None:
    """Returns the 95 % confidence interval, where there is one."""
    if estimate.low is None or estimate.high is None:
        return None
    return estimate.low, estimate.high


def part(one: Slice, longest: int) -> str:
    """Says which part of the test split a slice is, its name in at most so many letters: `size small (…)`."""
    meaning = SLICES[one.feature].get(one.name)
    kind = "class" if one.feature == CLASS_NAME else one.feature
    return f"{kind} {cut(' '.join(one.name.split()), longest)}{f' ({meaning})' if meaning else ''}"
