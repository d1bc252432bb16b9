"""Precision, recall and F1 of each class."""

import numpy as np
from matplotlib.figure import Figure

from components.drawing import BLUE, GREEN, ORANGE, heading, sheet
from components.evaluation.facts import ClassScore
from components.model_report.subject import Subject, interval
from components.words import counted

MOST_BARS = 30


def draw(subject: Subject) -> Figure:
    """Draws three bars a class, the worst class first."""
    ranked = worst(subject)
    shown = ranked[:MOST_BARS]
    figure = sheet(1.6 + 0.42 * max(len(shown), 2))
    axes = figure.subplots()
    places = np.arange(len(shown))
    scores = (("precision", BLUE), ("recall", ORANGE), ("f1", GREEN))
    for number, (score, colour) in enumerate(scores):
        values = [getattr(one, score) for one in shown]
        label = "F1" if score == "f1" else score
        axes.barh(places + (number - 1) * 0.26, values, 0.23, color=colour, label=label)
    known = [_recall(subject, one) for one in shown]
    for place, one, found in zip(places.tolist(), shown, known, strict=True):
        if found:
            axes.plot(found, [place, place], color="0.15", lw=1.2, marker="|", markersize=5, solid_capstyle="butt")
        note = f"F1 {one.f1:.2f}  n {one.examples:,}" if one.examples else "no test image"
        axes.text(1.02, place, note, va="center", fontsize=9, color="0.25")
    labels = subject.labels(18)
    numbers = {one.name: number for number, one in enumerate(subject.evaluation.classes)}
    axes.set_yticks(places, [labels[numbers[one.name]] for one in shown])
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 1), ylim=(max(len(shown), 2) - 0.5, -0.5), xticks=np.linspace(0, 1, 6))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0)
    heading(
        figure,
        "Classes, the worst first",
        f"{subject.tested}; n are those of the class. {_rest(ranked)}{_lines(known)}".strip(),
    )
    return figure


def worst(subject: Subject) -> list[ClassScore]:
    """Ranks the classes by F1, the worst first; those without a test image, of which nothing is known, last."""
    return sorted(subject.evaluation.classes, key=lambda one: (one.examples == 0, one.f1))


def _recall(subject: Subject, one: ClassScore) -> tuple[float, float] | None:
    """Returns the interval of a class's recall: that of the accuracy on its own images."""
    found = subject.by_class().get(one.name)
    return interval(found.metrics["accuracy"]) if found and "accuracy" in found.metrics else None


def _rest(ranked: list[ClassScore]) -> str:
    rest = ranked[MOST_BARS:]
    if not rest:
        return ""
    tested = [one.f1 for one in rest if one.examples]
    span = f" have an F1 from {min(tested):.2f} to {max(tested):.2f}" if tested else " have no test image"
    return f"{counted(len(rest), 'more class', 'more classes')}, not drawn,{span}. "


def _lines(known: list[tuple[float, float] | None]) -> str:
    return "The thin line is the 95 % interval of the recall." if any(known) else ""
