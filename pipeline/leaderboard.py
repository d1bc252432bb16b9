"""One ranked table over all branches of a run."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from components import names


@dataclasses.dataclass(frozen=True)
class Row:
    """One architecture in one run.

    Attributes:
      state: `published`, `withheld` (trained, not blessed), `failed` or `skipped`.
      note: Why it isn't published.
      params: Weights.
      macs: Multiply-accumulates for one image.
      accuracy: On the test split, a fraction.
      train_seconds: Wall time.
      size_bytes: Of the served files.
      p50_ms: Median latency of one image over gRPC, milliseconds.
      version: The same in MLflow and in the model repository.
      label: The label that points to it now.
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

    def with_label(self, labels: Mapping[str, int]) -> "Row":
        """Returns the row with the labels that point to its version."""
        return dataclasses.replace(self, label=", ".join(sorted(k for k, v in labels.items() if v == self.version)))


def read(architecture: str, model: str, registered_uri: str | None, pushed_uri: str | None, error: str) -> Row:
    """Reads what a branch wrote.

    Args:
      architecture: Registered name.
      model: Its model's name.
      registered_uri: The Registrar's output, if it got so far.
      pushed_uri: The Publisher's output, if it got so far.
      error: Why the branch failed, empty if it didn't.
    """
    if registered_uri is None:
        return Row(architecture, model, "failed", error)
    facts = json.loads((Path(registered_uri) / names.REGISTRATION_FILE).read_text(encoding="utf-8"))
    row = _facts_row(architecture, model, facts)
    if pushed_uri is None:
        return dataclasses.replace(row, state="failed", note=error)
    publication = json.loads((Path(pushed_uri) / names.PUBLICATION_FILE).read_text(encoding="utf-8"))
    if not publication["published"]:
        return dataclasses.replace(row, state="withheld", note=publication["reason"])
    return dataclasses.replace(row, state="published")


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


def rank(rows: Iterable[Row]) -> list[Row]:
    """Sorts by test accuracy, then by served latency; what failed comes last."""
    return sorted(rows, key=lambda row: (row.accuracy is None, -(row.accuracy or 0), row.p50_ms or 0))


# What MLflow's table of the parent run shows.
RECORDED = (
    "architecture",
    "state",
    "params",
    "macs",
    "accuracy",
    "train_seconds",
    "size_bytes",
    "p50_ms",
    "version",
    "label",
    "note",
)

COLUMNS = ("#", "architecture", "params", "MACs", "test acc", "train", "size", "p50", "version", "label")


def cells(rank_number: int, row: Row) -> list[str]:
    """Formats a row for people."""
    version = f"v{row.version}" if row.version else "-"
    return [
        str(rank_number),
        row.architecture,
        short(row.params),
        short(row.macs),
        f"{row.accuracy:.4f}" if row.accuracy is not None else "-",
        f"{row.train_seconds:.1f} s" if row.train_seconds is not None else "-",
        f"{short(row.size_bytes)}B" if row.size_bytes is not None else "-",
        f"{row.p50_ms:.1f} ms" if row.p50_ms is not None else "-",
        version,
        row.label or (row.state if row.state != "published" else "-"),
    ]


def table(rows: Sequence[Row], title: str) -> Table:
    """Draws the ranked table."""
    drawn = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for column in COLUMNS:
        drawn.add_column(column, justify="left" if column in ("architecture", "label") else "right", no_wrap=True)
    for number, row in enumerate(rows, start=1):
        drawn.add_row(*cells(number, row), style=None if row.state == "published" else "yellow")
    return drawn


def short(value: int | None) -> str:
    """Formats a count with three significant digits: 61.7k, 2.51M."""
    if value is None:
        return "-"
    scaled, unit = float(value), ""
    for larger in ("k", "M", "G"):
        if scaled < 1000:
            break
        scaled, unit = scaled / 1000, larger
    return f"{scaled:.3g}{unit}" if unit else str(value)
