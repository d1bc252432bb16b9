"""Accuracy against latency and against size, in one picture: for a run's parent in MLflow, and for `convoy compare`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import models
from pipeline.leaderboard import Row

# The family of an architecture that this catalog doesn't know any more.
OTHER = "other"
# Up to so many points all are named; beyond, those on the front and those that an alias or a label points to.
ALL_NAMED = 12
SIZE = 50  # Of a marker, in square points.


@dataclasses.dataclass(frozen=True)
class _Cost:
    """What a network costs: the axis's words, and a row's value, None where it wasn't measured."""

    words: str
    of: Callable[[Row], float | None]


COSTS = (
    _Cost("latency of one image over gRPC, median, ms", lambda row: row.p50_ms),
    _Cost("size of the served files, MB", lambda row: row.size_bytes / 1e6 if row.size_bytes else None),
)


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Finds the points (cost, accuracy) that no other beats in both: their places in the list, cheapest first."""
    best, found = float("-inf"), []
    for place in sorted(range(len(points)), key=lambda one: (points[one][0], -points[one][1])):
        if points[place][1] > best:
            best = points[place][1]
            found.append(place)
    return found


def draw(rows: Mapping[str, Sequence[Row]], path: Path, *, dpi: int = 160) -> None:
    """Draws every row that was measured: a line of panels for each data set, a colour and a marker for each family.

    Args:
      rows: By data set.
      path: Of a new file; its suffix says which kind of picture.
      dpi: Pixels an inch; it is nine inches wide.

    Raises:
      OSError: The file can't be written.
      ValueError: Its suffix names no kind of picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = list(rows.items()) or [("", ())]
    figure, grid = pyplot.subplots(
        len(lines), len(COSTS), figsize=(9, 0.5 + 3.8 * len(lines)), sharey="row", squeeze=False, layout="constrained"
    )
    try:
        for panels, (dataset, found) in zip(grid, lines, strict=True):
            for axes, cost in zip(panels, COSTS, strict=True):
                _panel(axes, cost, found)
            panels[0].set(ylabel=f"test accuracy on {dataset}")
        _legend(figure, [row for found in rows.values() for row in found])
        _name(grid, lines)
        figure.savefig(path, dpi=dpi)
    finally:
        pyplot.close(figure)


def _measured(cost: _Cost, rows: Sequence[Row]) -> tuple[list[Row], list[tuple[float, float]]]:
    found = [(row, (cost.of(row), row.accuracy)) for row in rows]
    whole = [(row, (at, accuracy)) for row, (at, accuracy) in found if at is not None and accuracy is not None]
    return [row for row, _ in whole], [point for _, point in whole]


def _panel(axes: Any, cost: _Cost, rows: Sequence[Row]) -> None:
    from matplotlib import ticker

    measured, points = _measured(cost, rows)
    on_front = front(points)
    if on_front:  # What lies below the line, something cheaper beats; the cheapest is beaten by none.
        costs, accuracies = zip(*(points[one] for one in on_front), strict=True)
        costs, accuracies = (*costs, max(at for at, _ in points)), (*accuracies, accuracies[-1])
        axes.step(costs, accuracies, where="post", color="0.35", linewidth=1.2, linestyle="--", zorder=1)
    for place, (row, (at, accuracy)) in enumerate(zip(measured, points, strict=True)):
        colour, marker = _look(row)
        look = {"edgecolor": "black", "linewidth": 1.4} if place in on_front else {"alpha": 0.55, "linewidth": 0}
        if row.accuracy_low is not None and row.accuracy_high is not None:
            axes.plot([at, at], [row.accuracy_low, row.accuracy_high], color="0.8", linewidth=1, zorder=0)
        axes.scatter(at, accuracy, s=SIZE, color=colour, marker=marker, zorder=2, **look)
    axes.set(xlabel=cost.words, xscale="log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.margins(0.16)
    axes.grid(alpha=0.3)


def _name(grid: Any, lines: Sequence[tuple[str, Sequence[Row]]]) -> None:
    """Names points, once all panels are as they will stay."""
    from matplotlib.patheffects import withStroke

    from pipeline import chart

    for panels, (_, rows) in zip(grid, lines, strict=True):
        for axes, cost in zip(panels, COSTS, strict=True):
            measured, points = _measured(cost, rows)
            on_front = front(points)
            named = [
                place
                for place, row in enumerate(measured)
                if len(measured) <= ALL_NAMED or place in on_front or row.label
            ]
            words = [_title(measured[place]) for place in named]
            for note in chart.label(axes, [points[place] for place in named], words, radius=5.5):
                note.set_path_effects([withStroke(linewidth=3, foreground="white")])  # A line may be below.


def _title(row: Row) -> str:
    return f"{row.architecture} v{row.version}" if row.version else row.architecture


def _look(row: Row) -> tuple[str, str]:
    from pipeline import chart

    return {**chart.looks(), OTHER: ("0.6", "o")}[_family(row)]


def _family(row: Row) -> str:
    return models.variant(row.architecture).family if row.architecture in models.names() else OTHER


def _legend(figure: Any, rows: Sequence[Row]) -> None:
    """Explains the families that are there, and what the outline and the line mean."""
    from matplotlib.lines import Line2D

    looks = {_family(row): _look(row) for row in rows if row.accuracy is not None}
    plain: dict[str, Any] = {"linestyle": "", "markersize": 8}
    handles = [
        Line2D([], [], color=colour, marker=marker, label=family, **plain) for family, (colour, marker) in looks.items()
    ]
    outlined: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markeredgecolor": "black"}
    handles.append(
        Line2D([], [], color="0.35", linestyle="--", label="Pareto front: nothing cheaper is as accurate", **outlined)
    )
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False)
