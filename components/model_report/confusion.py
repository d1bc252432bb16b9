"""The confusion matrix: which classes are taken for which."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from components.drawing import BAD, BLUE, heading, sheet
from components.model_report.subject import Subject
from components.words import cut

# With more classes, numbers would not fit into the cells, and names not beside them.
MOST_NUMBERS = 20
# With more, several classes share a cell, so that it is large enough to be seen.
MOST_CELLS = 120
PAIRS = 10
# A share is seen as its square root: one mistake in a hundred shows.
TICKS = (0, 0.01, 0.1, 0.5, 1)


def draw(subject: Subject) -> Figure:
    """Draws it: with counts while these can be read, else with a table of the pairs most often confused."""
    counts = subject.confusion
    few = len(counts) <= MOST_NUMBERS
    pairs = [] if few else confused(counts, PAIRS)
    table = 0.55 + 0.2 * len(pairs) if pairs else 0.0
    figure = sheet(6.5 + table)
    grid = figure.add_gridspec(3, 1, height_ratios=(5.4, 0.36, table or 0.01))
    axes = figure.add_subplot(grid[0])
    if few:
        _numbered(axes, counts, subject.labels(18))
    else:
        _plain(axes, counts)
    _key(figure, grid[1])
    if pairs:
        _table(figure.add_subplot(grid[2]), subject, pairs)
    wrong = int(counts.sum() - np.trace(counts))
    heading(
        figure,
        "Confusion matrix",
        f"{subject.tested}, {wrong:,} taken for another class. Rows are the true classes, columns what the model said; "
        f"the colour is the share of the row.{_together(len(counts))}",
    )
    return figure


def confused(counts: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """Lists the pairs of classes most often confused: true, predicted, how often; none that never was."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [divmod(int(place), len(counts)) for place in order]
    return [(row, column, int(wrong[row, column])) for row, column in places if wrong[row, column]]


def _together(classes: int) -> str:
    side = -(-classes // MOST_CELLS)
    return f" A cell is {side}x{side} classes, their mean." if side > 1 else ""


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _colours(right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Mixes what the shares in [0, 1] look like: right ones blue, wrong ones orange, both by how much of each."""
    shares = np.stack([right, wrong], axis=-1)
    total = shares.sum(axis=-1, keepdims=True)
    towards = shares / np.maximum(total, 1e-12) @ (1 - np.array([to_rgb(BLUE), to_rgb(BAD)]))
    return np.asarray(np.clip(1 - np.sqrt(total) * towards, 0, 1))


def _numbered(axes: Axes, counts: np.ndarray, labels: list[str]) -> None:
    classes = len(counts)
    shares = _shares(counts)
    diagonal = np.eye(classes, dtype=bool)
    axes.imshow(_colours(shares * diagonal, shares * ~diagonal), interpolation="nearest")
    size = min(11.0, 120 / classes, 260 / classes / max(2, len(str(counts.max()))))
    for row, column in np.argwhere(counts):
        dark = shares[row, column] > (0.35 if row == column else 0.6)
        colour = "white" if dark else "black"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=size, color=colour)
    slanted = max(map(len, labels)) > (3 if classes > 12 else 5)
    look: Any = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    letters = 9 if classes > 12 else 10
    axes.set_xticks(range(classes), labels, fontsize=letters, **look)
    axes.set_yticks(range(classes), labels, fontsize=letters)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(1, classes) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, classes) - 0.5, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.6)
    axes.tick_params(which="minor", length=0)


def _plain(axes: Axes, counts: np.ndarray) -> None:
    classes = len(counts)
    shares = _shares(counts)
    diagonal = np.eye(classes)
    side = -(-classes // MOST_CELLS)
    image = _colours(_pooled(shares * diagonal, side), _pooled(shares * (1 - diagonal), side))
    axes.imshow(image, interpolation="nearest", extent=(0, len(image) * side, len(image) * side, 0))
    axes.set(xlim=(0, classes), ylim=(classes, 0))
    axes.set(xlabel="predicted, by the number of the class", ylabel="true, by the number of the class")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("0.8")


def _pooled(shares: np.ndarray, side: int) -> np.ndarray:
    """Sums the shares in each square of cells, over the mean of its rows."""
    missing = -len(shares) % side
    whole = np.pad(shares, (0, missing))
    cells = len(whole) // side
    rows = np.add.reduceat(np.ones(len(shares)), np.arange(0, len(shares), side))
    sums = whole.reshape(cells, side, cells, side).sum(axis=(1, 3))
    return np.asarray(sums / rows[:, np.newaxis])


def _key(figure: Figure, place: SubplotSpec) -> None:
    """Draws what the two colours mean."""
    axes = figure.add_subplot(place)
    steps = np.linspace(0, 1, 256)
    nothing = np.zeros_like(steps)
    both = np.stack([_colours(steps**2, nothing), _colours(nothing, steps**2)])
    axes.imshow(both, aspect="auto", extent=(0, 1, 2, 0))
    axes.set_yticks([0.5, 1.5], ["right", "wrong"], fontsize=8.5)
    axes.set_xticks(np.sqrt(TICKS), [f"{tick:.0%}" for tick in TICKS], fontsize=9)
    axes.tick_params(length=2)
    axes.spines[:].set_visible(False)


def _table(axes: Axes, subject: Subject, pairs: list[tuple[int, int, int]]) -> None:
    """Lists the pairs most often confused."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(pairs) + 1, -1))
    labels, rows = subject.labels(30), subject.confusion.sum(axis=1)
    for x, text in ((0, "most often confused: true"), (0.44, "taken for"), (1, "times, of the class")):
        axes.text(x, -0.4, text, ha="right" if x == 1 else "left", va="center", fontsize=9, color="0.3")
    for place, (row, column, times) in enumerate(pairs, start=1):
        axes.text(0, place - 0.3, labels[row], va="center", fontsize=9.5)
        axes.text(0.44, place - 0.3, cut(labels[column], 30), va="center", fontsize=9.5)
        axes.text(1, place - 0.3, f"{times:,}  ({times / rows[row]:.0%})", ha="right", va="center", fontsize=9.5)
