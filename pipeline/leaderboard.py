"""One ranked table over all branches of a run."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from components import markdown as markdowns
from components import names
from components.evaluation.facts import EVALUATION_FILE, Evaluation
from pipeline import tables

R = TypeVar("R", bound="Row")


@dataclasses.dataclass(frozen=True)
class Row:
    """One architecture in one run.

    Attributes:
      state: `published`, `waiting` (blessed, not live yet), `withheld` (trained, not blessed), `failed` or `skipped`.
      note: Why it isn't live; or, if it is, which version its label was taken from.
      params: Weights.
      macs: Multiply-accumulates for one image.
      accuracy: On the test split, a fraction.
      accuracy_low: Of its 95 % confidence interval, where one was asked for.
      accuracy_high: Likewise.
      train_seconds: Wall time.
      size_bytes: Of the served files.
      p50_ms: Median latency of one image over gRPC, milliseconds.
      version: The same in MLflow and in the model repository.
      label: The label that points to it now; as `read` has it, the one that its publication was for.
    """

    architecture: str
    model: str
    state: str
    note: str = ""
    params: int | None = None
    macs: int | None = None
    accuracy: float | None = None
    train_seconds: float | None = None
    size_bytes: int | None = None
    p50_ms: float | None = None
    version: int | None = None
    label: str = ""
    sha256: str = ""
    run_id: str = ""
    parent_run_id: str = ""
    accuracy_low: float | None = None
    accuracy_high: float | None = None

    def with_labels(self, labels: Mapping[str, int]) -> "Row":
        """Returns the row with the labels that point to its version; one that has none says where they stay."""
        own = sorted(key for key, version in labels.items() if version == self.version)
        waited = self.state == "waiting" and ("stable" in own or self.label not in ("", *own))
        state, note = ("published", "") if waited else (self.state, self.note)
        stay = [f"{key} stays at v{version}" for key, version in sorted(labels.items())]
        if self.state == "withheld" or (self.state in ("published", "waiting") and not own):
            note = "; ".join([*filter(None, [note]), *stay])
        return dataclasses.replace(self, label=", ".join(own), state=state, note=note)


def read(
    architecture: str,
    model: str,
    registered_uri: str | None,
    pushed_uri: str | None,
    error: str = "",
    *,
    fresh: bool = False,
) -> Row:
    """Reads what a branch wrote.

    Args:
      architecture: Registered name.
      model: Its model's name.
      registered_uri: The Registrar's output, if it got so far.
      pushed_uri: The Publisher's output, if it got so far.
      error: Why the branch failed, empty if it didn't.
      fresh: Whether it was this run that published, and not one before it.
    """
    if registered_uri is None:
        return Row(architecture, model, "failed", error)
    facts = json.loads((Path(registered_uri) / names.REGISTRATION_FILE).read_text(encoding="utf-8"))
    row = dataclasses.replace(_facts_row(architecture, model, facts), **_interval(Path(registered_uri)))
    if pushed_uri is None:
        return dataclasses.replace(row, state="failed", note=error)
    publication = json.loads((Path(pushed_uri) / names.PUBLICATION_FILE).read_text(encoding="utf-8"))
    note = "; ".join(filter(None, [publication["reason"], _moved(publication) if fresh else ""]))
    return dataclasses.replace(row, state=publication["state"], note=note, label=publication.get("label", ""))


def _moved(publication: Mapping[str, Any]) -> str:
    """Says whose label moved; nothing where it stayed, or is new."""
    before, now = publication.get("before"), publication.get("now")
    return "" if before in (None, now) else f"{publication['label']} moved from v{before} to v{now}"


def _facts_row(architecture: str, model: str, facts: dict[str, Any]) -> Row:
    known = facts["training"]["architecture"]
    return Row(
        architecture,
        model,
        state="registered",
        params=known["params"],
        macs=known["macs"],
        accuracy=facts["evaluation"].get("accuracy"),
        train_seconds=facts["training"]["train_seconds"],
        size_bytes=facts["size_bytes"],
        p50_ms=facts["infra"].get("latency_ms", {}).get("p50"),
        version=facts["version"],
        sha256=facts["sha256"],
        run_id=facts["run_id"],
        parent_run_id=facts["parent_run_id"],
    )


def _interval(folder: Path) -> dict[str, Any]:
    """Reads the confidence interval of the test accuracy, if there is one."""
    if not (folder / EVALUATION_FILE).exists():
        return {}
    accuracy = Evaluation.read(folder).metrics["accuracy"]
    return {"accuracy_low": accuracy.low, "accuracy_high": accuracy.high}


def rank(rows: Iterable[R]) -> list[R]:
    """Sorts by test accuracy, then by served latency; what was not measured comes last."""
    return sorted(rows, key=lambda row: (-_or(row.accuracy, -math.inf), _or(row.p50_ms, math.inf)))


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


# What MLflow's table of the parent run shows.
RECORDED = (
    "architecture",
    "state",
    "params",
    "macs",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "train_seconds",
    "size_bytes",
    "p50_ms",
    "version",
    "label",
    "note",
)

COLUMNS = ("#", "architecture", "test acc", "params", "MACs", "train", "size", "p50", "version")
NUMBERS = frozenset(COLUMNS) - {"architecture", "version"}


def cells(number: int, row: Row) -> list[str]:
    """Formats a row for people; narrow enough for 80 columns."""
    return [
        str(number),
        row.architecture,
        accuracy(row),
        short(row.params),
        short(row.macs),
        "-" if row.train_seconds is None else duration(row.train_seconds),
        "-" if row.size_bytes is None else f"{short(row.size_bytes)}B",
        "-" if row.p50_ms is None else f"{row.p50_ms:.3g}ms",
        standing(row),
    ]


def accuracy(row: Row) -> str:
    """Formats the test accuracy, with half the width of its confidence interval."""
    if row.accuracy is None:
        return "-"
    if row.accuracy_low is None or row.accuracy_high is None:
        return f"{row.accuracy:.4f}"
    return f"{row.accuracy:.4f} ±{(row.accuracy_high - row.accuracy_low) / 2:.3f}"


def standing(row: Row) -> str:
    """Says which version it is, and what points to it or why nothing does."""
    told = row.label or (row.state if row.state != "published" else "")
    return f"v{row.version} {told}".strip() if row.version else told


def markdown(rows: Sequence[Row], links: Mapping[str, str] | None = None) -> str:
    """Writes the ranked table in Markdown for MLflow, with the same notes below it.

    Args:
      rows: Ranked.
      links: Where the names of architectures lead.
    """
    table = [cells(number, row) for number, row in enumerate(rows, start=1)]
    for written in table:
        name = written[1]
        written[1] = f"[{name}]({links[name]})" if links and name in links else name
    return "\n".join([markdowns.table(COLUMNS, table, NUMBERS, markdowns.GAP), *(f"\n{note}" for note in notes(rows))])


def table(rows: Sequence[Row], title: str) -> RenderableType:
    """Draws the ranked table, and below it why a branch was not published, and whose label moved."""
    drawn = tables.Fitted(lambda gap: _ranked(rows, title, gap))
    return Group(drawn, *(Text(note, style="yellow") for note in notes(rows)))


def _ranked(rows: Sequence[Row], title: str, gap: int) -> Table:
    drawn = tables.ruled(COLUMNS, numbers=NUMBERS, folding=["version"], gap=gap, title=title)
    for number, row in enumerate(rows, start=1):
        drawn.add_row(*cells(number, row), style=None if row.state == "published" else "yellow")
    return drawn


def notes(rows: Iterable[Row]) -> list[str]:
    """Says what became of architectures that is not in the table: a line for each reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            by_reason.setdefault((row.state, row.note), []).append(row.architecture)
    return [f"{', '.join(names)} {state}: {reason}" for (state, reason), names in by_reason.items()]


def duration(seconds: float) -> str:
    """Formats a time with the two units that matter: 9.8s, 12m05s, 3h20m."""
    if seconds < 99.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def short(value: int | None) -> str:
    """Formats a count with three significant digits: 61.7k, 2.51M."""
    if value is None:
        return "-"
    scaled, unit = float(value), ""
    for larger in ("k", "M", "G", "T"):
        if scaled < 999.5:
            break
        scaled, unit = scaled / 1000, larger
    return f"{scaled:.3g}{unit}" if unit else str(value)
