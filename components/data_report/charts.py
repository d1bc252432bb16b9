"""The charts of a data report, each drawn into axes that it is given."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from components import names
from components.data_report.drift import Drift
from components.data_report.findings import reasons
from components.data_report.numbers import Numbers
from components.data_report.subject import Subject
from components.drawing import BAD, COLOURS, QUIET, say, whole_numbers
from components.words import cut

# With more classes, a bar for each could not be read.
MOST_BARS = 20


def balance(axes: Axes, subject: Subject) -> None:
    """Draws how many images each class has: a bar a class, or, where there are many, all of them, the largest first."""
    axes.set_title("Images by class")
    counts = {split: np.array(found.classes) for split, found in subject.ingestion.splits.items()}
    if len(subject.ingestion.class_names) > MOST_BARS:
        _many(axes, counts)
    else:
        _bars(axes, counts, subject.ingestion.class_names)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="upper left", bbox_to_anchor=(-0.02, -0.12), borderaxespad=0)


def _bars(axes: Axes, counts: Mapping[str, np.ndarray], class_names: tuple[str, ...]) -> None:
    places = np.arange(len(class_names))
    start = np.zeros(len(class_names))
    for split, found in counts.items():
        axes.barh(places, found, left=start, height=0.75, color=COLOURS[split], label=split)
        start = start + found
    for place, end in zip(places, start, strict=True):
        axes.annotate(f"{end:,.0f}", (end, place), (3, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(places, [cut(name) for name in class_names])
    axes.set_ylim(max(len(class_names), 3) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(start.max(), 1) * 1.15)
    axes.xaxis.set_major_locator(whole_numbers())
    axes.grid(axis="x", alpha=0.3)


def _many(axes: Axes, counts: Mapping[str, np.ndarray]) -> None:
    order = np.argsort(-sum(counts.values()))
    places = np.arange(len(order) + 1)
    start = np.zeros(len(order))
    for split, found in counts.items():
        end = start + found[order]
        axes.stairs(end, places, baseline=start, fill=True, color=COLOURS[split], label=split)
        start = end
    axes.set(xlim=(0, len(order)), ylim=(0, max(start.max(), 1) * 1.08), ylabel="images")
    axes.set_xlabel(f"{len(order):,} classes, the largest first")
    axes.xaxis.set_label_coords(0.5, -0.07)
    axes.set_xticks([])
    axes.yaxis.set_major_locator(whole_numbers())
    axes.grid(axis="y", alpha=0.3)


def brightness(axes: Axes, subject: Subject) -> None:
    """Draws how bright images are on average, split by split, and how bright the data before were."""
    axes.set_title("Mean brightness of an image")
    before = (subject.before or {}).get(names.TRAIN, {}).get(names.BRIGHTNESS)
    if before is not None:
        _outline(axes, before, "train, before", fill=True)
    for split, numbers in subject.numbers.items():
        if names.BRIGHTNESS in numbers:
            _outline(axes, numbers[names.BRIGHTNESS], split)
    axes.set(xlim=(0, 1), xlabel="0 black, 1 white", ylabel="images", yticks=[])
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)


def _outline(axes: Axes, numbers: Numbers, name: str, *, fill: bool = False) -> None:
    """Draws a histogram, each as high as any other: what compares is where they are, and how wide."""
    edges = np.array([numbers.bars[0][0], *(bar[1] for bar in numbers.bars)])
    if edges[0] == edges[-1]:  # All images have one brightness.
        edges = edges[0] + np.array([-0.005, 0.005])
    density = np.clip([bar[2] for bar in numbers.bars], 0, None) / np.diff(edges)
    colour = "0.85" if fill else COLOURS[name]
    axes.stairs(density / density.max(), edges, label=name, fill=fill, color=colour, linewidth=1.8)


def sizes(axes: Axes, subject: Subject) -> None:
    """Draws widths against heights."""
    axes.set_title("Image sizes, train")
    found = subject.samples.sizes
    if len(found) < 2:
        say(axes, subject.sizes)
        return
    widths, heights = np.array(list(found)).T
    counts = np.array(list(found.values()))
    axes.scatter(widths, heights, s=12 + 120 * counts / counts.max(), color=COLOURS[names.TRAIN], alpha=0.45, lw=0)
    largest = 1.08 * max(widths.max(), heights.max())
    axes.plot([0, largest], [0, largest], color=QUIET, lw=0.8, zorder=0)
    axes.set(xlim=(0, largest), ylim=(0, largest), xlabel="width, pixels", ylabel="height, pixels")
    axes.grid(alpha=0.3)


def drift(axes: Axes, subject: Subject) -> None:
    """Draws how far each feature has moved from the data before, against its limit."""
    axes.set_title("Distance from the earlier data")
    if not subject.drifts:
        say(axes, subject.drift)
        return
    features = list(dict.fromkeys(one.feature for one in subject.drifts))
    splits = list(dict.fromkeys(one.split for one in subject.drifts))
    height = 0.8 / len(splits)
    for one in subject.drifts:
        middle = features.index(one.feature)
        _distance(axes, one, middle + (splits.index(one.split) - (len(splits) - 1) / 2) * height, height * 0.85)
        axes.plot([one.limit, one.limit], [middle - 0.45, middle + 0.45], color=BAD, linewidth=1.6)
    axes.set_yticks(range(len(features)), features)
    furthest = max(0.01, *(max(one.distance, one.limit) for one in subject.drifts))
    axes.set(ylim=(len(features) - 0.5, -0.5), xlim=(0, furthest * 1.5))
    axes.set_xlabel("0: the same. The line is the limit.")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(*_unique(axes), frameon=False, fontsize=9, loc="lower right")


def _distance(axes: Axes, one: Drift, place: float, height: float) -> None:
    look = {"edgecolor": BAD, "linewidth": 1.6} if one.exceeded else {"alpha": 1.0 if one.counts else 0.35}
    axes.barh(place, one.distance, height, color=COLOURS[one.split], label=one.split, **look)
    note = f"{one.distance:.2f}{'' if one.counts else ' (too few images)'}"
    beside = max(one.distance, one.limit)  # Where the line of the limit doesn't cross it.
    axes.annotate(note, (beside, place), (4, 0), textcoords="offset points", va="center", fontsize=8)


def _unique(axes: Axes) -> tuple[list[Any], list[str]]:
    """Lists what a legend needs, each split once."""
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    return list(handles.values()), list(handles)


def kept_out(axes: Axes, subject: Subject, rows: int = 4) -> None:
    """Draws why images were kept out, with room for so many reasons at least."""
    axes.set_title("Images kept out, by reason")
    found = reasons(subject.ingestion).most_common(8)
    if not found:
        say(axes, subject.kept_out)
        return
    counts = [count for _, count in found]
    axes.barh(range(len(found)), counts, height=0.7, color=BAD)
    for place, count in enumerate(counts):
        axes.annotate(f"{count:,}", (count, place), (3, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(found)), [cut(reason, 24) for reason, _ in found])
    axes.set(ylim=(max(len(found), rows) - 0.5, -0.5), xlim=(0, max(counts) * 1.18))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(whole_numbers())
    axes.grid(axis="x", alpha=0.3)
