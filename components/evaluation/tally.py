"""Counts of what a model answered, from which every metric follows: as many as there are kinds of mistakes."""

import dataclasses
from collections import Counter
from collections.abc import Mapping

import numpy as np

from components.evaluation.facts import TOP

# Of the calibration: bins of equal width (Guo et al., 2017, https://arxiv.org/abs/1706.04599).
BINS = 15
# Of the bootstrap of macro averages: how often the test split is drawn again, with which seed.
DRAWS, SEED = 500, 0
# Standard deviations of a normal distribution that hold 95 % of it.
Z = 1.959964
SMALLEST = 1e-7
# Of a unit: sums are whole numbers, so that they are the same in whatever order images and workers come.
STEPS = 2**40


@dataclasses.dataclass
class Tally:
    """What a model answered.

    Attributes:
      answers: How often a class (first) was taken for a class (second).
      top: Answers with the right class among the five likeliest.
      losses: Sum of the cross-entropies, in nats, and of their squares, in 1/STEPS.
      bins: int64 [BINS, 3]: answers whose highest probability lies in the bin, the sum of these probabilities, in
        1/STEPS, and how many were right.
    """

    answers: Counter[tuple[int, int]] = dataclasses.field(default_factory=Counter)
    top: int = 0
    losses: tuple[int, int] = (0, 0)
    bins: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((BINS, 3), np.int64))

    def add(self, label: int, probabilities: np.ndarray) -> None:
        """Counts one answer: float [C]."""
        predicted = int(probabilities.argmax())
        confidence = float(probabilities[predicted])
        self.answers[label, predicted] += 1
        self.top += int((probabilities > probabilities[label]).sum() < TOP)
        loss = -float(np.log(max(probabilities[label], SMALLEST)))
        self.losses = (self.losses[0] + _steps(loss), self.losses[1] + _steps(loss * loss))
        self.bins[min(int(confidence * BINS), BINS - 1)] += (1, _steps(confidence), predicted == label)

    def merge(self, other: "Tally") -> None:
        """Adds what was counted elsewhere."""
        self.answers.update(other.answers)
        self.top += other.top
        self.losses = (self.losses[0] + other.losses[0], self.losses[1] + other.losses[1])
        self.bins += other.bins

    @property
    def examples(self) -> int:
        """How many were counted."""
        return self.answers.total()

    def values(self) -> dict[str, float]:
        """Returns the metrics by name; macro averages are over the classes that have examples."""
        total = self.examples
        right = sum(count for (label, predicted), count in self.answers.items() if label == predicted)
        rows = np.array([(*pair, count) for pair, count in self.answers.items()]).reshape(-1, 3)
        gaps = np.abs(self.bins[:, 1] / STEPS - self.bins[:, 2])
        return {
            "accuracy": right / total,
            "top_5_accuracy": self.top / total,
            "cross_entropy": self.losses[0] / STEPS / total,
            **_macro(rows[:, :2], rows[:, 2]),
            "expected_calibration_error": float(gaps.sum() / total),
        }

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Returns 95 % confidence intervals of metrics, by name.

        Of fractions: Wilson's. Of the cross-entropy: the normal approximation. Of macro averages: the percentiles of
        a bootstrap over the counts, with a fixed seed. Of the calibration error, whose estimate is biased: none.
        """
        total, values = self.examples, self.values()
        mean = values["cross_entropy"]
        spread = Z * float(np.sqrt(max(self.losses[1] / STEPS / total - mean * mean, 0.0) / total))
        fractions = {name: wilson(round(values[name] * total), total) for name in ("accuracy", "top_5_accuracy")}
        return {**fractions, "cross_entropy": (max(mean - spread, 0.0), mean + spread), **self._bootstrap()}

    def _bootstrap(self) -> dict[str, tuple[float, float]]:
        rows = np.array(sorted((*pair, count) for pair, count in self.answers.items())).reshape(-1, 3)
        counts = rows[:, 2]
        draws = np.random.default_rng(SEED).multinomial(counts.sum(), counts / counts.sum(), DRAWS)
        found = [_macro(rows[:, :2], draw) for draw in draws]
        low, high = ({name: np.quantile([row[name] for row in found], q) for name in found[0]} for q in (0.025, 0.975))
        return {name: (float(low[name]), float(high[name])) for name in low}


def _steps(value: float) -> int:
    return round(value * STEPS)


def paired(better: int, worse: int, total: int) -> tuple[float, float]:
    """Returns the 95 % interval of the difference between two fractions of the same images (Agresti and Min, 2005).

    Half an image more of each kind: without them, few differing answers would seem to say more than they do.

    Args:
      better: Images that the first model alone got right.
      worse: Images that the second one alone got right.
      total: All images.
    """
    images, gain = total + 2, (better - worse) / (total + 2)
    spread = Z * float(np.sqrt(((better + worse + 1) / images - gain**2) / images))
    return max(-1.0, gain - spread), min(1.0, gain + spread)


def wilson(right: int, total: int) -> tuple[float, float]:
    """Returns Wilson's 95 % confidence interval of a fraction (Wilson, 1927)."""
    share, square = right / total, Z * Z / total
    middle = share + square / 2
    spread = Z * np.sqrt(share * (1 - share) / total + square / total / 4)
    return max(0.0, float((middle - spread) / (1 + square))), min(1.0, float((middle + spread) / (1 + square)))


def scores(answers: Mapping[tuple[int, int], int], classes: int) -> np.ndarray:
    """Returns float64 [C, 4]: examples, precision, recall and F1 of each class; 0 where they have no meaning."""
    rows = np.array([(*pair, count) for pair, count in answers.items()]).reshape(-1, 3)
    return _scores(rows[:, :2], rows[:, 2], classes)


def _macro(pairs: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    found = _scores(pairs, counts, int(pairs.max()) + 1)
    precision, recall, f1 = found[found[:, 0] > 0, 1:].mean(axis=0)
    return {"macro_precision": float(precision), "macro_recall": float(recall), "macro_f1": float(f1)}


def _scores(pairs: np.ndarray, counts: np.ndarray, classes: int) -> np.ndarray:
    labels, predicted = pairs[:, 0], pairs[:, 1]
    same = labels == predicted
    having, given, right = (
        np.bincount(where, weights=weights, minlength=classes)
        for where, weights in ((labels, counts), (predicted, counts), (labels[same], counts[same]))
    )
    precision, recall = _share(right, given), _share(right, having)
    return np.stack([having, precision, recall, _share(2 * right, having + given)], axis=1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return shares
