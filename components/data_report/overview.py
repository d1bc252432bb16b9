"""The pictures of a data report: one that shows all, and one for each chart of the page."""

import functools
import textwrap
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from components import names
from components.data_report import charts, findings
from components.data_report.samples import PER_CLASS
from components.data_report.subject import Subject
from components.drawing import BAD, STYLE, paste, png
from components.words import counted, cut

DPI = 110
# Of a chart on the page: as wide as a column, sharp on a phone.
CHART_INCHES = (4.8, 3.1)
CHART_DPI = 170


def write(subject: Subject, path: Path) -> None:
    """Draws everything into one PNG."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(16, 9.5), layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12))
        left, right = figure.subfigures(1, 2, width_ratios=(1.55, 1), squeeze=False)[0]
        _head(figure, subject)
        middle = "sizes" if len(subject.samples.sizes) > 1 else "brightness"
        rows = [["balance", "brightness"], ["balance", middle], ["kept_out", "drift"]]
        lowest = 1 if subject.drifts or subject.ingestion.quarantine else 0.2
        panels = left.subplot_mosaic(rows, height_ratios=(1, 1, lowest))
        for name, axes in panels.items():
            getattr(charts, name)(axes, subject)
        grid(right.subplots(), subject)
        path.write_bytes(png(figure, DPI))


def _head(figure: Figure, subject: Subject) -> None:
    """Says what the data are, and how many reasons there are not to train on them."""
    sizes = "" if len(subject.samples.sizes) > 1 else f" {subject.sizes}"
    about = textwrap.fill(f"{subject.ingestion.source}: {subject.headline}.{sizes} {subject.kept_out}", 165)
    wrong = [objection.sentence for objection in subject.findings.objections]
    if wrong:
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        about += f"\nThe data stop the run: {cut(wrong[0], 120)}{more}."
    colour = BAD if wrong else "black"
    figure.suptitle(about, x=0.01, ha="left", fontsize=12, linespacing=1.5, color=colour)


def chart(draw: Callable[[Axes, Subject], None], subject: Subject) -> bytes:
    """Draws one chart for the page, as PNG; the more classes it has bars for, the higher."""
    width, height = CHART_INCHES
    bars = len(subject.ingestion.class_names)
    if draw is charts.balance and bars <= charts.MOST_BARS:
        height = max(2.0, 0.9 + 0.24 * bars)
    if draw is charts.kept_out:
        draw = functools.partial(draw, rows=1)
        height = 1.0 + 0.3 * min(len(findings.reasons(subject.ingestion)), 8)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        draw(axes, subject)
        axes.set_title("")  # The page has a heading there.
        return png(figure, CHART_DPI)


def shown(subject: Subject) -> list[int]:
    """Lists the classes whose images are shown, in the order of the labels."""
    return sorted(label for label, pictures in subject.samples.pictures.items() if pictures)


def rest(subject: Subject) -> str:
    """Says which classes are not among those shown; nothing where all are."""
    having = sum(1 for images in subject.ingestion.splits[names.TRAIN].classes if images)
    hidden = having - len(shown(subject))
    return f"{counted(hidden, 'smaller class', 'smaller classes')} not shown." if hidden else ""


def grid(axes: Axes, subject: Subject) -> None:
    """Draws images by class: a row each, or, of few classes, two rows each of larger images."""
    classes = shown(subject)
    axes.set_axis_off()
    note = rest(subject)
    title = f"Images of train, at random{f'; {note}' if note else ''}".rstrip(".")
    axes.set_title(title)
    columns = PER_CLASS // 2 if len(classes) <= 5 else PER_CLASS
    rows = max(len(classes) * (PER_CLASS // columns), columns)
    top = 0
    for label in classes:
        pictures = subject.samples.pictures[label]
        name = cut(subject.ingestion.class_names[label])
        middle = top + 0.5 * (PER_CLASS // columns)
        axes.text(-0.1, middle, name, ha="right", va="center", fontsize=10 if len(classes) <= 12 else 9)
        for number, picture in enumerate(pictures):
            paste(axes, picture, number % columns, top + number // columns)
        top += PER_CLASS // columns
    longest = max((len(cut(subject.ingestion.class_names[label])) for label in classes), default=0)
    axes.set(xlim=(-(0.3 + 0.11 * longest) * columns / PER_CLASS, columns), ylim=(rows, 0))
    axes.set(aspect="equal", anchor="NW")
