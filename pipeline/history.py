"""How a history of promotions is shown."""

from typing import Any

from rich.console import RenderableType
from rich.table import Table

from components.promotion.journal import DONE, UNFINISHED, Entry
from pipeline import tables

ACCURACY = "eval/accuracy"


def facts(entry: Entry) -> dict[str, Any]:
    """Returns an entry ready for JSON: all of the intent, and what came of it."""
    ended = {"outcome": entry.outcome, "note": "", "ended": None, "ended_by": None}
    if entry.end:
        ended |= {"note": entry.end.note, "ended": entry.end.when, "ended_by": entry.end.who}
    return entry.intent.model_dump(mode="json", exclude={"event", "id"}) | ended


def table(found: list[dict[str, Any]]) -> RenderableType:
    """Draws a history in 80 columns; all metrics are in the JSON."""
    return tables.Fitted(lambda gap: _table(found, gap))


def _table(found: list[dict[str, Any]], gap: int) -> Table:
    columns = ("when (UTC)", "label", "version", "test acc", "who and why")
    drawn = tables.ruled(columns, folding=["version", "test acc", "who and why"], gap=gap, title=found[0]["model"])
    for fact in found:
        when = fact["when"][:16].replace("T", " ")
        style = None if fact["outcome"] == DONE else "yellow"
        drawn.add_row(when, fact["label"], _moved(fact), _accuracies(fact), _why(fact), style=style)
    return drawn


def _moved(fact: dict[str, Any]) -> str:
    before = "" if fact["from_version"] is None else f"v{fact['from_version']} "
    return f"{before}→ v{fact['to_version']}"


def _accuracies(fact: dict[str, Any]) -> str:
    """Writes the test accuracy of the old version and of the new one."""
    old, new = (fact["metrics"][key].get(ACCURACY) for key in ("from_version", "to_version"))
    written = ["-" if value is None else f"{value:.3f}" for value in (old, new)]
    return " → ".join(written if fact["from_version"] is not None else written[1:])


def _why(fact: dict[str, Any]) -> str:
    verb = {"promote": "", "publish": "", "rollback": "rollback; "}[fact["verb"]]
    forced = "forced; " if fact["forced"] else ""
    said = f"{fact['who']}: {verb}{forced}{fact['why']}".rstrip("; :")
    if fact["outcome"] == UNFINISHED:
        return f"{said} (under way)"
    return said if fact["outcome"] == DONE else f"{said} ({fact['outcome']}: {fact['note']})"
