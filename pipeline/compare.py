"""`convoy compare`: every registered version of every data set, ranked, as MLflow knows it."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from components import markdown as markdowns
from components import names
from pipeline import leaderboard, tables, tradeoff
from pipeline.errors import UsageError
from pipeline.leaderboard import Row
from pipeline.workspace import Workspace

ACCURACY, P50 = "eval/accuracy", "serve/latency_ms_p50"
LOW, HIGH = "interval/accuracy_low", "interval/accuracy_high"
COLUMNS = ("#", "architecture", "test acc", "vs live", "params", "size", "p50", "vs live", "version")
NUMBERS = frozenset(COLUMNS) - {"architecture", "version"}


@dataclasses.dataclass(frozen=True)
class Standing(Row):
    """A registered version, and how it compares with its champion: the live version of the same model.

    Attributes:
      dataset: That it was trained on.
      pipeline_run: That registered it, or judged it last.
      accuracy_gain: Over the champion's test accuracy, absolute; None for the champion itself, or without one.
      p50_gain_ms: Over the champion's median latency, milliseconds: below zero is faster.
    """

    dataset: str = ""
    pipeline_run: str = ""
    accuracy_gain: float | None = None
    p50_gain_ms: float | None = None


def read(workspace: Workspace) -> list[Standing]:
    """Reads every registered version with its metrics: by data set, best first.

    Raises:
      RegistryError: MLflow can't be read.
    """
    from components.registrar import registry

    if not workspace.mlflow_exists:
        return []
    with registry.connected(workspace.tracking_uri) as client:
        aliases = registry.aliases(client)
        datasets = {found.experiment_id: found.name for found in client.search_experiments()}
        found = [
            _standing(version, client.get_run(version.run_id), aliases[version.name], datasets)
            for version in client.search_model_versions()
        ]
    champions = {row.model: row for row in found if names.CHAMPION in row.label.split(", ")}
    ranked = leaderboard.rank(_against(row, champions.get(row.model)) for row in found)
    return sorted(ranked, key=lambda row: row.dataset)


def _standing(version: Any, run: Any, aliases: dict[str, int], datasets: Mapping[str, str]) -> Standing:
    metrics = run.data.metrics
    doubly = version.tags.get("blessed") == version.tags.get("infra_blessed") == "true"
    return Standing(
        architecture=run.data.params["architecture"],
        model=version.name,
        state="published" if doubly else "withheld",
        params=int(metrics["model/parameters"]),
        macs=int(metrics["model/macs"]),
        accuracy=metrics.get(ACCURACY),
        accuracy_low=metrics.get(LOW),
        accuracy_high=metrics.get(HIGH),
        train_seconds=metrics.get("train/seconds"),
        size_bytes=int(metrics["model/size_bytes"]),
        p50_ms=metrics.get(P50),
        version=int(version.version),
        label=", ".join(sorted(alias for alias, at in aliases.items() if at == int(version.version))),
        sha256=version.tags.get("sha256", ""),
        run_id=version.run_id,
        parent_run_id=run.data.tags.get("mlflow.parentRunId", ""),
        dataset=datasets[run.info.experiment_id],
        pipeline_run=version.tags.get("pipeline_run", ""),
    )


def _against(row: Standing, champion: Standing | None) -> Standing:
    if champion is None or champion.version == row.version:
        return row
    accuracy, p50 = _gain(row.accuracy, champion.accuracy), _gain(row.p50_ms, champion.p50_ms)
    return dataclasses.replace(row, accuracy_gain=accuracy, p50_gain_ms=p50)


def _gain(value: float | None, before: float | None) -> float | None:
    return None if value is None or before is None else value - before


def by_dataset(rows: Sequence[Standing]) -> dict[str, list[Standing]]:
    """Returns the rows of each data set: accuracies of several mean nothing beside each other."""
    return {name: list(found) for name, found in itertools.groupby(rows, key=lambda row: row.dataset)}


def table(rows: Sequence[Standing]) -> RenderableType:
    """Draws a ranking for each data set; the last column has MLflow's aliases."""
    return Group(*(_drawn(dataset, found) for dataset, found in by_dataset(rows).items() or [("", [])]))


def _drawn(dataset: str, rows: Sequence[Standing]) -> RenderableType:
    return tables.Fitted(lambda gap: _ranked(_title(dataset), rows, gap))


def _title(dataset: str) -> str:
    title = "All registered versions, best first; vs live: against the champion"
    return f"{dataset}: {title[0].lower()}{title[1:]}" if dataset else title


def _ranked(title: str, rows: Sequence[Standing], gap: int) -> Table:
    drawn = tables.ruled(COLUMNS, numbers=NUMBERS, folding=["version"], gap=gap, title=title)
    for number, row in enumerate(rows, start=1):
        drawn.add_row(*_cells(number, row), style=None if row.state == "published" else "yellow")
    return drawn


def _cells(number: int, row: Standing) -> list[str]:
    return [
        str(number),
        row.architecture,
        leaderboard.accuracy(row),
        "" if row.accuracy_gain is None else f"{row.accuracy_gain:+.4f}",
        leaderboard.short(row.params),
        "-" if row.size_bytes is None else f"{leaderboard.short(row.size_bytes)}B",
        "-" if row.p50_ms is None else f"{row.p50_ms:.3g}ms",
        "" if row.p50_gain_ms is None else f"{row.p50_gain_ms:+.2g}ms",
        leaderboard.standing(row),
    ]


def markdown(rows: Sequence[Standing]) -> str:
    """Writes the rankings in Markdown."""
    sections = by_dataset(rows) or {"": []}
    return "\n\n".join(
        f"**{_title(dataset)}**\n\n"
        + markdowns.table(COLUMNS, [_cells(number, row) for number, row in enumerate(found, start=1)], NUMBERS)
        for dataset, found in sections.items()
    )


def plot(rows: Sequence[Standing], path: Path) -> None:
    """Draws accuracy against latency and size.

    Raises:
      UsageError: The file can't be written, or its suffix names no kind of picture.
    """
    try:
        tradeoff.draw(by_dataset(rows), path)
    except (OSError, ValueError) as error:
        raise UsageError(f"--plot must be a file that can be written, such as fleet.png. Received: {error}.") from error
