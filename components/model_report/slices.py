"""Accuracy on parts of the test split."""

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.drawing import BAD, BLUE, heading, sheet
from components.evaluation.facts import Estimate, Slice
from components.model_report.subject import CLASS_NAME, Subject, interval, part
from components.words import counted

MOST_CLASSES = 12
METRIC = "accuracy"


def draw(subject: Subject) -> Figure:
    """Draws a point and its interval for each slice, by feature; of many classes, those with the lowest accuracy."""
    rows, left_out = _rows(subject)
    places = list(_places(rows))
    figure = sheet(1.5 + 0.27 * max(places[-1], 3))
    axes = figure.subplots()
    overall = subject.evaluation.metrics[METRIC]
    _overall(axes, overall)
    for one, place in zip(rows, places, strict=True):
        _point(axes, one, place, overall)
    axes.set_yticks(places, [_name(subject, one) for one in rows], fontsize=9, linespacing=1.05)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(places[-1] + 0.8, 0.1)
    left, right = axes.get_xlim()
    axes.set_xlim(max(0.0, left), max(right, 1.0) if right > 0.97 else right)
    axes.set_xlabel(METRIC)
    axes.grid(axis="x", alpha=0.3)
    heading(
        figure,
        "Accuracy by slice",
        f"{subject.tested}. The vertical line is the accuracy on all, {overall.value:.4g}; a point that is orange has "
        f"its whole 95 % interval below it.{left_out}",
    )
    return figure


def _rows(subject: Subject) -> tuple[list[Slice], str]:
    by_class = sorted(subject.by_class().values(), key=lambda one: one.metrics[METRIC].value)
    more = len(by_class) - MOST_CLASSES
    note = f" {counted(more, 'class', 'classes')} with a higher accuracy left out." if more > 0 else ""
    return [*subject.by_property(), *by_class[:MOST_CLASSES]], note


def _places(rows: Sequence[Slice]) -> Iterator[float]:
    """Yields where each slice stands: those by property have two lines, and a gap is between two features."""
    place, before = 0.0, None
    for one in rows:
        place += (1.0 if one.feature == CLASS_NAME else 1.5) + (0.6 if before not in (None, one.feature) else 0)
        before = one.feature
        yield place


def _name(subject: Subject, one: Slice) -> str:
    if one.feature == CLASS_NAME:
        return f"class: {subject.label(one.name, 20)}"
    return part(one, 20).replace(" (", "\n(", 1)


def _overall(axes: Axes, overall: Estimate) -> None:
    axes.axvline(overall.value, color="0.25", lw=1)
    if known := interval(overall):
        axes.axvspan(*known, color="0.9", zorder=0, lw=0)


def _point(axes: Axes, one: Slice, place: float, overall: Estimate) -> None:
    found = one.metrics[METRIC]
    known = interval(found)
    colour = BAD if known and known[1] < overall.value else BLUE
    if known:
        axes.plot(known, [place, place], color=colour, lw=1.6, marker="|", markersize=6)
    axes.plot(found.value, place, "o", color=colour, markersize=5.5)
    note = f"{found.value:.3f}  n {one.examples:,}"
    axes.annotate(
        note, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, annotation_clip=False
    )
