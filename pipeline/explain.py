"""`convoy explain`: what each node of a run did, and what made it do so."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from components import names
from pipeline import tables
from pipeline.errors import UsageError
from pipeline.lineage import Execution, Lineage
from pipeline.parent_run import SUMMARY_FILE
from pipeline.workspace import Workspace

# What a sentence quotes of a value.
LONGEST_VALUE = 40
# What the config calls a property of a component.
CONFIG_KEYS = {
    "max_bad_fraction": names.BAD_KEY,
    "max_drift": names.DRIFT_KEY,
    "schema_digest": names.SCHEMA_KEY,
}


@dataclasses.dataclass(frozen=True)
class Explained:
    """A node of a run: its state, its seconds of wall time, and why."""

    run: str
    node: str
    state: str
    seconds: float
    why: str


def explain(workspace: Workspace, run_id: str | None = None) -> list[Explained]:
    """Says of every node of a run why it ran, was cached, was skipped or failed.

    Args:
      workspace: Where the run was.
      run_id: Its id; None for the newest that came to its end.

    Raises:
      UsageError: There is no such run, or it never came to its end.
    """
    summary = _summary(workspace, run_id)
    lineage = Lineage(workspace.metadata)
    executions = lineage.executions(summary["run_id"])
    return [
        Explained(
            summary["run_id"],
            node["id"],
            node["state"],
            node["seconds"],
            _why(node, executions.get(node["id"]), lineage),
        )
        for node in summary["nodes"]
    ]


def table(explained: list[Explained]) -> Table:
    """Draws what was found."""
    drawn = tables.ruled(
        ("node", "state", "took", "why"), numbers=["took"], folding=["why"], title=f"run {explained[0].run}"
    )
    for found in explained:
        drawn.add_row(found.node, found.state, f"{found.seconds:.1f}s", found.why)
    return drawn


def _summary(workspace: Workspace, run_id: str | None) -> dict[str, Any]:
    ended = {path.parent.name: path for path in sorted((workspace.root / "runs").glob(f"*/{SUMMARY_FILE}"))}
    chosen = run_id or next(reversed(ended), "")
    if not ended:
        raise UsageError(f"A run of {workspace.root} that came to its end is required. Received: none so far.")
    if chosen not in ended:
        newest = ", ".join(list(ended)[-3:])
        raise UsageError(
            f"RUN must be a run of {workspace.root} that came to its end. Received: {chosen!r}; the newest: {newest}."
        )
    return dict(json.loads(ended[chosen].read_text(encoding="utf-8")))


def _why(node: Mapping[str, Any], execution: Execution | None, lineage: Lineage) -> str:
    if node["state"] in ("failed", "skipped") or execution is None:
        return str(node["error"])
    if node["state"] == "cached":
        origin = lineage.origin(execution)
        return f"nothing changed since run {origin.run_id}" if origin else "nothing changed"
    if node.get("uncached"):
        return str(node["uncached"])
    before = lineage.before(execution)
    if before is None:
        return "no earlier run finished it"
    found = list(differences(before, execution))
    return "; ".join(found) or f"what run {before.run_id} made of the same was gone, or is wanted no more"


def differences(before: Execution, after: Execution) -> Iterator[str]:
    """Says what of a node's properties and inputs differs between two executions."""
    old, new = _flat(before.properties), _flat(after.properties)
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield _change(key, old.get(key), new.get(key))
    for key in sorted({*before.inputs, *after.inputs}):
        if before.inputs.get(key) != after.inputs.get(key):
            yield f"another `{key}`"


def _change(key: str, old: object, new: object) -> str:
    if key.endswith(names.SOURCE_DIGEST):
        return "the source code that it runs"
    known = next((name for field, name in CONFIG_KEYS.items() if key.endswith(field)), key)
    return f"`{known}` {_short(old)} -> {_short(new)}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _flat(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Takes apart what TFX keeps as JSON: `custom_config` with a recipe in it becomes `recipe.epochs` and so on."""
    return dict(one for key, value in properties.items() for one in _leaves(key, _parsed(value)))


def _leaves(key: str, content: object) -> Iterator[tuple[str, object]]:
    """Lists what is in tables and lists of tables, each with the way to it."""
    if isinstance(content, dict):
        inside: list[tuple[object, object]] = list(content.items())
    elif isinstance(content, list) and any(isinstance(one, dict) for one in content):
        inside = list(enumerate(content))
    else:
        yield key, content
        return
    prefix = "" if key == "custom_config" else f"{key}."
    for name, one in inside:
        yield from _leaves(f"{prefix}{name}", one)


def _parsed(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except ValueError:
        return value
