"""`convoy models`: the registered architectures."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import models
from models import docstrings
from pipeline import tables
from pipeline.errors import UsageError
from pipeline.leaderboard import short
from pipeline.tuning import NOT_SEARCHED


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """Reads H,W,C, or HxWxC as the table writes it.

    Raises:
      UsageError: It isn't three positive numbers.
    """
    if text is None:
        return None
    try:
        height, width, channels = (int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        height, width, channels = 0, 0, 0
    if min(height, width, channels) < 1:
        raise UsageError(f"--input-shape must be H,W,C, all positive, such as 32,32,3. Received: {text!r}.")
    return height, width, channels


def details(name: str) -> dict[str, Any]:
    """Returns what a config may say of one architecture: its forms, its options and its recipes, ready for JSON.

    Raises:
      UsageError: It isn't registered.
    """
    try:
        row = models.variant(name)
    except models.UnknownArchitectureError as error:
        raise UsageError(f"{error} `convoy models` lists them.") from error
    forms = {
        form: {
            "input_shape": list(found.input_shape),
            "sides": found.rule(),
            "options": {option: found.options.get(option, rule.default) for option, rule in row.tunable.items()},
            "recipe": dataclasses.asdict(row.recipes[form]),
        }
        for form, found in row.forms.items()
    }
    said = docstrings.arguments(f"models.{row.family}", "build")
    rules = {option: f"{said[option].rstrip('.')} ({rule.rule()})." for option, rule in row.tunable.items()}
    return {"name": name, "family": row.family, "variant": row.description, "paper": str(row.paper)} | {
        "forms": forms,
        "options": rules,
    }


def page(found: dict[str, Any]) -> RenderableType:
    """Draws the details of one architecture: what each of its forms takes, and every key that a config may set."""
    forms = found["forms"]
    takes = [f"{form}: {'x'.join(map(str, facts['input_shape']))}; {facts['sides']}" for form, facts in forms.items()]
    drawn = tables.ruled(("key", *forms, "what it is"), folding=["what it is"])
    drawn.add_row("form", *("" for _ in forms), f"Which of the columns holds (one of {', '.join(forms)}).")
    for option, meaning in found["options"].items():
        drawn.add_row(option, *(_written(facts["options"][option]) for facts in forms.values()), meaning)
    drawn.add_section()
    meanings = models.Recipe.meanings()
    for field, rule in models.Recipe.rules().items():
        meaning = f"{meanings[field].rstrip('.')} ({rule})."
        drawn.add_row(field, *(_written(facts["recipe"][field]) for facts in forms.values()), meaning)
    heading = (f"{found['name']}: {found['variant']}", found["paper"], *takes, "")
    how = f"To be set in [architectures.{found['name']}], or with --set architectures.{found['name']}.KEY=VALUE."
    but = ", ".join(NOT_SEARCHED)
    search = f"To be searched in [architectures.{found['name']}.tune]: every key of the recipe but {but}."
    return Group(*(Text(line) for line in heading), drawn, Text(how, style="dim"), Text(search, style="dim"))


def _written(value: object) -> str:
    """Writes a value as a config does."""
    if isinstance(value, tuple):
        return f"[{', '.join(f'{one:.3g}' for one in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def describe_all(
    input_shape: tuple[int, ...] | None, classes: int | None, form: str, hear: Callable[[str], object] = lambda _: None
) -> list[dict[str, Any]]:
    """Describes every architecture; one that refuses the input has an `error` in place of its counts.

    Args:
      input_shape: Height, width and channels; None for the native ones.
      classes: None for the native ones.
      form: `paper` or `small`.
      hear: Is told what goes on: the first network takes the import of Keras, each its time to be built.
    """
    names = models.names()
    found: list[dict[str, Any]] = []
    for number, name in enumerate(names, start=1):
        hear(f"counting {name}, {number} of {len(names)}" if found else "importing Keras")
        found.append(_describe(name, input_shape, classes, form))
    return found


def _describe(name: str, input_shape: tuple[int, ...] | None, classes: int | None, form: str) -> dict[str, Any]:
    try:
        return dict(models.describe(name, input_shape=input_shape, num_classes=classes, form=form))
    except ValueError as error:
        row = models.variant(name)
        return {"name": name, "family": row.family, "variant": row.description, "error": str(error)}


def table(found: Sequence[dict[str, Any]]) -> RenderableType:
    """Draws the architectures by family, and below them who refuses the input; the JSON has all facts in full."""
    counted = [facts for facts in found if "error" not in facts]
    drawn = [tables.Fitted(lambda gap: _counts(counted, gap))] if counted else []
    return Group(*drawn, *(Text(refusal, style="yellow") for refusal in refusals(found)))


def _counts(found: Sequence[dict[str, Any]], gap: int) -> Table:
    columns = ("name", "input", "classes", "params", "MACs", "paper")
    drawn = tables.ruled(columns, numbers=["classes", "params", "MACs"], folding=["paper"], gap=gap)
    family, cited = "", ""
    for facts in found:
        row = models.variant(facts["name"])
        if row.family != family:
            drawn.add_section()
            family, cited = row.family, ""
        paper = citation(row.paper)
        counts = (str(facts["classes"]), short(facts["params"]), short(facts["macs"]))
        # A paper stands beside the first of its networks.
        drawn.add_row(row.name, "x".join(map(str, facts["input_shape"])), *counts, "" if paper == cited else paper)
        cited = paper
    return drawn


def refusals(found: Sequence[dict[str, Any]]) -> list[str]:
    """Says who refuses the input and why: a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for facts in found:
        if "error" in facts:
            reason = facts["error"].replace(f" for {facts['name']} ", " ")
            by_reason.setdefault(reason, []).append(facts["name"])
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def citation(paper: models.Paper) -> str:
    """Cites a paper as `LeCun et al. 1998`."""
    first, *others = paper.authors.split(", ")
    more = " et al." if len(others) > 1 else "".join(f" and {other}" for other in others)
    return f"{first}{more} {paper.year}"
