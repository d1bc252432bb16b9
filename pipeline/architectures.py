"""`convoy models`: the registered architectures."""

from typing import Any

from rich import box
from rich.table import Table

import models
from pipeline.errors import UsageError
from pipeline.leaderboard import short


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """Reads H,W,C.

    Raises:
      UsageError: It isn't three numbers.
    """
    if text is None:
        return None
    try:
        height, width, channels = (int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--input-shape must be H,W,C, such as 32,32,3. Received: {text!r}.") from error
    return height, width, channels


def describe_all(input_shape: tuple[int, ...] | None, classes: int | None, form: str) -> list[dict[str, Any]]:
    """Describes every architecture; one that refuses the input has an `error` in place of its counts."""
    return [_describe(name, input_shape, classes, form) for name in models.names()]


def _describe(name: str, input_shape: tuple[int, ...] | None, classes: int | None, form: str) -> dict[str, Any]:
    try:
        return dict(models.describe(name, input_shape=input_shape, num_classes=classes, form=form))
    except ValueError as error:
        row = models.variant(name)
        return {"name": name, "family": row.family, "variant": row.description, "error": str(error)}


def table(found: list[dict[str, Any]]) -> Table:
    """Draws the architectures."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("name", "input", "classes", "params", "MACs", "paper"):
        drawn.add_column(column, justify="right" if column in ("classes", "params", "MACs") else "left")
    for facts in found:
        if "error" in facts:
            drawn.add_row(facts["name"], "-", "-", "-", "-", f"[yellow]{facts['error']}[/]")
            continue
        counts = (str(facts["classes"]), short(facts["params"]), short(facts["macs"]))
        drawn.add_row(facts["name"], "x".join(map(str, facts["input_shape"])), *counts, facts["paper"])
    return drawn
