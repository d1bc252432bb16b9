"""How our pictures look: colours, type, and what several of them draw. Imports matplotlib, so it is imported late."""

import functools
import io
import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from PIL import Image

from components import names

# Okabe and Ito's colours, which the colour-blind tell apart; the model charts have the same.
BLUE, ORANGE, GREEN, BAD, QUIET = "#0072B2", "#E69F00", "#009E73", "#D55E00", "0.6"
COLOURS = {names.TRAIN: BLUE, names.VALIDATION: ORANGE, names.TEST: GREEN}
FAMILY = "DejaVu Sans"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": [FAMILY],  # It comes with matplotlib: the same picture on every machine.
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.parse_math": False,  # A `$` in a class's name is a `$`.
}
# Of a picture that stands alone, inches, and its dots an inch: at 900 pixels its letters are as large as those around
# it, at 500 they can still be read.
WIDTH = 6.4
DPI = 200


def sheet(height: float) -> Figure:
    """Makes a figure of the usual width, so many inches high."""
    return Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))


def heading(figure: Figure, title: str, note: str) -> None:
    """Writes what a picture shows, and below it what one must know to read it."""
    lines = textwrap.wrap(note, 86)
    figure.suptitle("\n".join([title, *[" "] * len(lines)]), x=0.012, ha="left", fontsize=12, weight="bold")
    below = (1 - 0.29 / figure.get_figheight(),)
    figure.text(0.012, *below, "\n".join(lines), va="top", fontsize=9.2, color="0.3", linespacing=1.35, in_layout=False)


def png(figure: Figure, dpi: int) -> bytes:
    """Encodes a figure: the same bytes for the same figure."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks: boxes in the picture, and right on the page.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(content, dpi=dpi, format="png", metadata={"Software": None})
    return content.getvalue()


def legible(name: str, number: int) -> str:
    """Returns a class's name as a picture can have it: its number, from 0, where the font lacks a letter of it."""
    line = " ".join(name.split())
    return line if line and set(map(ord, line)) <= _letters() else f"class {number}"


@functools.cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(Path(findfont(FontProperties(family=FAMILY)))).get_charmap())


def paste(axes: Axes, picture: Image.Image, column: float, row: float, *, margin: float = 0.06) -> None:
    """Puts an image into its cell as large as fits, its sides in proportion; a small one keeps its pixels sharp."""
    width, height = ((1 - margin) * side / max(picture.size) for side in picture.size)
    x, y = column + (1 - width) / 2, row + (1 - height) / 2
    smooth = "nearest" if max(picture.size) <= 64 else "antialiased"
    colours = {"cmap": "gray", "vmin": 0, "vmax": 255} if picture.mode == "L" else {}
    axes.imshow(np.asarray(picture), extent=(x, x + width, y + height, y), interpolation=smooth, **colours)  # type: ignore[arg-type]


def say(axes: Axes, sentence: str, *, letters: int = 46) -> None:
    """Has a sentence, in lines of so many letters, where there is nothing to draw."""
    axes.set_axis_off()
    text = textwrap.fill(sentence, letters)
    axes.text(0, 0.92, text, transform=axes.transAxes, va="top", color="0.3", linespacing=1.4)


def whole_numbers() -> MaxNLocator:
    """Ticks at a few whole numbers."""
    return MaxNLocator(nbins=5, integer=True)
