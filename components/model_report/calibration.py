"""The reliability diagram: how often the model is right when it is so sure."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.drawing import BAD, BLUE, heading, sheet
from components.evaluation import tally
from components.evaluation.facts import Bin
from components.model_report.subject import Subject, interval
from components.words import large

# A bin of fewer images is drawn pale.
FEW = 10
# From here on a bin's count is rounded, to fit over it.
MOST_DIGITS = 10_000


def draw(subject: Subject) -> Figure:
    """Draws accuracy against confidence, bin by bin, and how many images are in each bin."""
    found = subject.evaluation.metrics["expected_calibration_error"]
    known = interval(found)
    within = f" ({known[0]:.3f} to {known[1]:.3f})" if known else ""
    figure = sheet(5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.1))
    _reliability(above, subject.evaluation.calibration)
    _counts(below, subject.evaluation.calibration)
    below.set(xlim=(0, 1), xticks=np.linspace(0, 1, 6), xlabel="confidence: the probability that the model gives")
    heading(
        figure,
        f"Calibration: expected error {found.value:.3f}{within}",
        f"{subject.tested}. On the dashed line the model is right as often as it says. Thin lines are Wilson's 95 % "
        f"intervals; pale bins have fewer than {FEW} images.",
    )
    return figure


def _reliability(axes: Axes, bins: tuple[Bin, ...]) -> None:
    axes.plot([0, 1], [0, 1], color="0.4", lw=1, ls="--", zorder=1)
    for one in bins:
        width, strength = one.high - one.low, 0.35 if one.examples >= FEW else 0.1
        axes.bar(one.low, one.accuracy, width, align="edge", color=BLUE, alpha=strength, edgecolor="white", zorder=0)
        # Rounding may leave a share of all images a hair above 1.
        low, high = tally.wilson(round(one.accuracy * one.examples), one.examples)
        look: Any = {"alpha": 1 if one.examples >= FEW else 0.45, "clip_on": False}
        axes.plot([one.confidence] * 2, [low, high], color=BLUE, lw=1.2, zorder=2, **look)
        axes.plot([one.confidence] * 2, [one.accuracy, one.confidence], color=BAD, lw=3, zorder=3, **look)
        axes.plot(one.confidence, one.accuracy, "o", color=BLUE, markersize=5, zorder=4, **look)
    axes.plot([], [], "o", color=BLUE, label="accuracy in the bin")
    axes.plot([], [], color=BAD, lw=3, label="off by")
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower left", bbox_to_anchor=(-0.02, 1.01), borderaxespad=0)
    axes.set(ylim=(0, 1), ylabel="accuracy", yticks=np.linspace(0, 1, 6))
    axes.grid(alpha=0.3)


def _counts(axes: Axes, bins: tuple[Bin, ...]) -> None:
    largest = max(one.examples for one in bins)
    for one in bins:
        axes.bar(one.low, one.examples, one.high - one.low, align="edge", color="0.72", edgecolor="white")
        middle = (one.low + one.high) / 2
        axes.annotate(
            f"{one.examples:,}" if one.examples < MOST_DIGITS else large(one.examples),
            (middle, one.examples),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set(ylim=(0, largest * 1.25), ylabel="images", yticks=[])
