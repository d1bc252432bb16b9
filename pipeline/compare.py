"""`convoy compare`: every registered version, ranked, as MLflow knows it."""

import math
from pathlib import Path
from typing import Any

from rich.console import RenderableType

import models
from pipeline import leaderboard
from pipeline.errors import UsageError
from pipeline.leaderboard import Row
from pipeline.workspace import Workspace

ACCURACY, P50 = "eval/accuracy", "serve/latency_ms_p50"
# The family of an architecture that this catalog doesn't know any more.
OTHER = "other"


def read(workspace: Workspace) -> list[Row]:
    """Reads every registered version with its metrics, best first.

    Raises:
      RegistryError: MLflow can't be read.
    """
    from components.registrar import registry

    if not workspace.mlflow_exists:
        return []
    with registry.connected(workspace.tracking_uri) as client:
        aliases = registry.aliases(client)
        rows = [
            _row(version, client.get_run(version.run_id).data, aliases[version.name])
            for version in client.search_model_versions()
        ]
    return leaderboard.rank(rows)


def _row(version: Any, data: Any, aliases: dict[str, int]) -> Row:
    metrics = data.metrics
    doubly = version.tags.get("blessed") == version.tags.get("infra_blessed") == "true"
    return Row(
        architecture=data.params["architecture"],
        model=version.name,
        state="published" if doubly else "withheld",
        params=int(metrics["model/parameters"]),
        macs=int(metrics["model/macs"]),
        accuracy=metrics.get(ACCURACY),
        train_seconds=metrics.get("train/seconds"),
        size_bytes=int(metrics["model/size_bytes"]),
        p50_ms=metrics.get(P50),
        version=int(version.version),
        label=", ".join(sorted(alias for alias, at in aliases.items() if at == int(version.version))),
    )


def table(rows: list[Row]) -> RenderableType:
    """Draws the ranking; the last column has MLflow's aliases."""
    return leaderboard.table(rows, "All registered versions, best first")


def plot(rows: list[Row], path: Path) -> None:
    """Draws accuracy against latency: a colour and a marker a family, the larger the more parameters.

    Raises:
      UsageError: The file can't be written, or its suffix names no kind of picture.
    """
    import matplotlib

    from pipeline import chart

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=(10, 6.5), layout="constrained")
    measured = [(row, row.p50_ms, row.accuracy) for row in rows if row.accuracy is not None and row.p50_ms is not None]
    _scatter(axes, measured)
    axes.set(xlabel="latency of one image over gRPC, median, ms", ylabel="test accuracy", xscale="log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_title("Every registered version; what an alias points to is outlined and named", loc="left")
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    named = [(row, latency, accuracy) for row, latency, accuracy in measured if row.label]
    points = [(latency, accuracy) for _, latency, accuracy in named]
    chart.label(axes, points, [f"{row.model} v{row.version}" for row, _, _ in named], radius=7.0)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UsageError(f"--plot must be a file that can be written, such as fleet.png. Received: {error}.") from error
    finally:
        pyplot.close(figure)


def _scatter(axes: Any, measured: list[tuple[Row, float, float]]) -> None:
    """Draws the points, and a legend of the families among them."""
    from pipeline import chart

    known = {name: models.variant(name).family for name in models.names()}
    looks = {**chart.looks(), OTHER: ("0.6", "o")}
    families = [known.get(row.architecture, OTHER) for row, _, _ in measured]
    for (row, latency, accuracy), family in zip(measured, families, strict=True):
        colour, marker = looks[family]
        size = 30 + 15 * math.log10(max(row.params or 1, 1)) ** 1.2
        edge = {"edgecolor": "black", "linewidth": 0.9} if row.label else {"alpha": 0.35}
        axes.scatter(latency, accuracy, s=size, color=colour, marker=marker, **edge)
    for family, (colour, marker) in looks.items():
        if family in families:
            axes.scatter([], [], color=colour, marker=marker, label=family)
    if measured:
        axes.legend(title="family", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
