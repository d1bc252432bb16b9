"""The architecture: a diagram, and every layer as text."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from components.drawing import BLUE, ORANGE, heading, sheet
from components.model_report.subject import Subject
from components.words import large
from models.registry import outline
from models.stages import Stage, stages

# Of the width: the middle of the maps, the largest map, and where texts and bars begin.
MIDDLE, WIDEST, TEXT, PARAMS, MACS, BAR = 0.11, 0.19, 0.235, 0.715, 0.865, 0.06
# Sides and numbers of maps are drawn by their logarithm, between these.
NARROWEST = 0.012
HEADLINE, SMALL = 10.0, 8.6
CONTENTS_LETTERS = 46


def network(subject: Subject) -> tuple[Stage, ...]:
    """Builds the network that was trained, without its weights' values, and divides it into stages."""
    training = subject.facts["training"]
    known = training["architecture"]
    built = outline(
        known["name"],
        input_shape=known["input_shape"],
        num_classes=known["classes"],
        form=training["form"],
        **training["options"],
    )
    return stages(built)


def draw(subject: Subject, found: Sequence[Stage]) -> Figure:
    """Draws a row for each stage: how large its maps are, what it consists of, and what part of the cost it has."""
    known = subject.facts["training"]["architecture"]
    two = any(len(_contents(stage)) > 1 for stage in found)
    figure = sheet(1.35 + (0.6 if two else 0.46) * len(found))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(found), -0.75))
    for x, title in ((TEXT, "stage, and what it makes"), (PARAMS, "parameters"), (MACS, "MACs")):
        axes.text(x, -0.5, title, fontsize=SMALL, color="0.35", va="center")
    most = [max(1, *(getattr(stage, cost) for stage in found)) for cost in ("params", "macs")]
    for row, stage in enumerate(found):
        _maps(axes, found, row)
        _words(axes, stage, row)
        for x, value, largest, colour in (
            (PARAMS, stage.params, most[0], BLUE),
            (MACS, stage.macs, most[1], ORANGE),
        ):
            axes.add_patch(Rectangle((x, row + 0.22), BAR * value / largest, 0.34, color=colour, lw=0))
            text = large(value) if value else "none"
            axes.text(x + BAR * value / largest + 0.008, row + 0.39, text, fontsize=SMALL, va="center")
    heading(
        figure,
        f"Architecture: {known['name']}, {subject.facts['training']['form']} form",
        f"{known['variant']}. {known['params']:,} parameters, {large(known['macs'])} multiply-accumulates (MACs) an "
        "image. A box is as wide as its maps, by the logarithm; the darker it is, the more maps.",
    )
    return figure


def _width(stage: Stage, largest: int) -> float:
    side = max(stage.shape[:2]) if len(stage.shape) == 3 else 1
    return NARROWEST + (WIDEST - NARROWEST) * float(np.log(side) / np.log(max(largest, 2)))


def _shade(stage: Stage, most: int) -> tuple[float, ...]:
    depth = 0.15 + 0.85 * float(np.log(max(stage.shape[-1], 1)) / np.log(max(most, 2)))
    return tuple(1 - depth * (1 - channel) for channel in to_rgb(BLUE))


def _maps(axes: Axes, found: Sequence[Stage], row: int) -> None:
    """Draws the box of one stage, and an arrow to the next; a head's box stands beside the way through."""
    stage = found[row]
    largest = max(max(one.shape[:2]) for one in found if len(one.shape) == 3)
    width = _width(stage, largest)
    look: Any = {"facecolor": _shade(stage, max(one.shape[-1] for one in found)), "edgecolor": "0.3", "linewidth": 0.8}
    middle = MIDDLE + (0.07 if stage.auxiliary else 0)
    box = Rectangle((middle - width / 2, row + 0.16), width, 0.5, linestyle="--" if stage.auxiliary else "-", **look)
    axes.add_patch(box)
    way = [number for number, one in enumerate(found) if not one.auxiliary and number > row]
    if way and not stage.auxiliary:
        arrow: Any = {"arrowstyle": "-|>", "mutation_scale": 7, "color": "0.35", "linewidth": 0.9}
        axes.add_patch(FancyArrowPatch((MIDDLE, row + 0.66), (MIDDLE, way[0] + 0.16), shrinkA=0, shrinkB=0, **arrow))


def _words(axes: Axes, stage: Stage, row: int) -> None:
    shape = "x".join(map(str, stage.shape))
    axes.text(TEXT, row + 0.2, f"{stage.name}  {shape}", fontsize=HEADLINE, va="center", weight="bold")
    axes.text(TEXT, row + 0.4, "\n".join(_contents(stage)), fontsize=SMALL, va="top", color="0.3", linespacing=1.3)


def _contents(stage: Stage) -> list[str]:
    """Says what a stage consists of, in lines."""
    head = "auxiliary head, not served: " if stage.auxiliary else ""
    return textwrap.wrap(f"{head}{stage.contents}", CONTENTS_LETTERS) if stage.contents != stage.name else []


def text(subject: Subject, found: Sequence[Stage]) -> str:
    """Lists every layer by stage: its kind, what it makes, its parameters and its multiply-accumulates."""
    known = subject.facts["training"]["architecture"]
    lines = [
        f"{known['name']} ({known['variant']}), {subject.facts['training']['form']} form",
        f"{known['params']:,} parameters, {known['macs']:,} multiply-accumulates (MACs) for one image of "
        f"{'x'.join(map(str, known['input_shape']))}",
        "",
        _line("layer", "kind", "output", "parameters", "MACs"),
    ]
    for stage in found:
        lines += ["", _line(stage.name, stage.contents, "x".join(map(str, stage.shape)), stage.params, stage.macs)]
        lines += [
            _line(f"  {layer.name}", layer.kind, "x".join(map(str, layer.shape)), layer.params, layer.macs)
            for layer in stage.layers
        ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _line(name: str, kind: str, shape: str, *costs: int | str) -> str:
    numbers = "".join(f"{cost if isinstance(cost, str) else f'{cost:,}':>16}" for cost in costs)
    return f"{name:<36}{kind:<48}{shape:<14}{numbers}"
