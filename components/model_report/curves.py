"""Learning curves: loss, accuracy and learning rate by epoch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from components import names
from components.drawing import COLOURS, heading, sheet, whole_numbers
from components.model_report.subject import Subject
from components.trainer.optimizers import learning_rate
from components.trainer.stopping import served_epoch
from components.words import counted, cut
from models.recipes import Recipe

# The curve of the learning rate, points an epoch: the schedule moves with every step.
FINE = 50
# So many times the lowest loss, and the highest squeezes the rest of the curve flat.
STEEP = 12
FEW = 40


def draw(subject: Subject) -> Figure:
    """Draws them; where training stopped at its best epoch, marks it."""
    training = subject.facts["training"]
    recipe, history = Recipe(**training["recipe"]), training["history"]
    epochs = len(history["val_loss"])
    served = served_epoch(history["val_loss"], recipe.patience) + 1
    figure = sheet(5.4)
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.1))
    _curves(loss, history, "loss")
    _curves(accuracy, history, "accuracy")
    _steep(loss, history)
    _schedule(rate, recipe, epochs)
    for axes in (loss, accuracy, rate):
        axes.grid(alpha=0.3)
        if recipe.patience:
            axes.axvline(served, color="0.25", linewidth=1, linestyle="--", label=f"served: epoch {served}")
    loss.legend(frameon=False, fontsize=9)
    rate.set_xlim(0 if epochs > 1 else 0.5, epochs + 0.02 * max(epochs, 10))
    rate.xaxis.set_major_locator(whole_numbers())
    rate.set_xlabel("epoch")
    heading(figure, "Learning curves", f"{cut(subject.facts['model_name'], 40)}: {_said(recipe, epochs, served)}")
    return figure


def _said(recipe: Recipe, epochs: int, served: int) -> str:
    trained = counted(epochs, "epoch", "epochs")
    if not recipe.patience:
        return f"{trained}; the weights of the last one are served."
    stopped = f" of at most {recipe.epochs}" if epochs < recipe.epochs else ""
    return f"{trained}{stopped}; the weights of epoch {served}, with the lowest validation loss, are served."


def _curves(axes: Axes, history: Mapping[str, list[float]], metric: str) -> None:
    for split, key in ((names.TRAIN, metric), (names.VALIDATION, f"val_{metric}")):
        values = np.array(history[key], dtype=float)
        marker: Any = "o" if len(values) <= FEW else None
        axes.plot(
            range(1, len(values) + 1), values, color=COLOURS[split], label=split, marker=marker, markersize=2.8, lw=1.6
        )
    axes.set_ylabel(metric)


def _steep(axes: Axes, history: Mapping[str, list[float]]) -> None:
    values = np.array([*history["loss"], *history["val_loss"]], dtype=float)
    values = values[np.isfinite(values)]
    if values.size and 0 < values.min() < values.max() / STEEP:
        axes.set(yscale="log", ylabel="loss, logarithmic")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # The usual one writes mathematics.
    elif values.size:
        axes.set_ylim(bottom=0)


def _schedule(axes: Axes, recipe: Recipe, epochs: int) -> None:
    rate = learning_rate(recipe, FINE)
    steps = np.arange(epochs * FINE)
    values = np.asarray(rate(steps)) if callable(rate) else np.full(len(steps), rate)
    axes.plot((steps + 1) / FINE, values, color="0.3", lw=1.4)
    axes.set_ylim(0, 1.12 * float(values.max()))
    axes.set_ylabel("learning\nrate")
