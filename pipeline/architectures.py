"""`convoy models`: the registered architectures."""

from typing import Any

from rich.table import Table
from rich.text import Text

import models
from pipeline import tables
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
    """Draws the architectures, with the paper in short; the whole citation is in the JSON."""
    columns = ("name", "input", "classes", "params", "MACs", "paper")
    drawn = tables.ruled(columns, numbers=["classes", "params", "MACs"], folding=["paper"])
    for facts in found:
        name = facts["name"]
        if "error" in facts:
            drawn.add_row(name, "-", "-", "-", "-", Text(facts["error"], style="yellow"))
            continue
        counts = (str(facts["classes"]), short(facts["params"]), short(facts["macs"]))
        drawn.add_row(name, "x".join(map(str, facts["input_shape"])), *counts, citation(models.variant(name).paper))
    return drawn


def citation(paper: models.Paper) -> str:
    """Cites a paper as `LeCun et al. 1998`."""
    first, *others = paper.authors.split(", ")
    more = " et al." if len(others) > 1 else "".join(f" and {other}" for other in others)
    return f"{first}{more} {paper.year}"
