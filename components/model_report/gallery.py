"""The worst mistakes: test images that the model got wrong, and was sure of."""

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from components.drawing import BAD, GREEN, heading, paste, say, sheet
from components.evaluation.facts import Mistake
from components.model_report.subject import Subject
from components.words import counted

COLUMNS = 5
MOST = 20
LETTERS = 11
# Of a cell that is one high and wide, what the caption takes below the picture.
CAPTION = 0.42


def draw(subject: Subject) -> Figure:
    """Draws them, the worst first."""
    mistakes = subject.evaluation.mistakes[:MOST]
    confusion = subject.confusion
    wrong = int(confusion.sum() - confusion.trace())
    rows = -(-len(mistakes) // COLUMNS)
    if not mistakes:
        figure = sheet(1.6)
        say(figure.subplots(), "There is none: the model got every test image right.", letters=80)
    else:
        figure = sheet(0.75 + rows * (1 + CAPTION) * 6.2 / COLUMNS)
        axes = figure.subplots()
        axes.set_axis_off()
        for number, mistake in enumerate(mistakes):
            column, row = number % COLUMNS, number // COLUMNS
            paste(axes, Image.open(io.BytesIO(mistake.image)), column, row * (1 + CAPTION))
            _caption(axes, subject, mistake, column + 0.5, row * (1 + CAPTION) + 1)
        axes.set(xlim=(0, COLUMNS), ylim=(rows * (1 + CAPTION), 0), aspect="equal")
    shown = "" if len(mistakes) == wrong else f" of {counted(wrong, 'mistake', 'mistakes')}"
    key = " Green: the true class. Orange: what the model said, and with what probability." if mistakes else ""
    which = f"The {len(mistakes)}{shown} that it was surest of." if mistakes else ""
    heading(figure, "The worst mistakes", f"{subject.tested}. {which}{key}".strip())
    return figure


def _caption(axes: Axes, subject: Subject, mistake: Mistake, x: float, y: float) -> None:
    look: Any = {"ha": "center", "va": "top", "fontsize": 9}
    axes.text(x, y, subject.label(mistake.class_name, LETTERS), color=GREEN, weight="bold", **look)
    said = f"{subject.label(mistake.predicted, LETTERS)}  {mistake.probability:.0%}"
    axes.text(x, y + 0.18, said, color=BAD, **look)
