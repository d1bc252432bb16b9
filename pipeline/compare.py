"""`convoy compare`: every registered version, ranked, as MLflow knows it."""

import math
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from pipeline import leaderboard
from pipeline.errors import UsageError
from pipeline.leaderboard import Row
from pipeline.workspace import Workspace

ACCURACY, P50 = "eval/accuracy", "serve/latency_ms_p50"


def read(workspace: Workspace) -> list[Row]:
    """Reads every registered version with its metrics, best first.

    Raises:
      RegistryError: MLflow can't be read.
    """
    from components.registrar import registry

    if not workspace.mlflow_exists:
        return []
    with registry.connected(workspace.tracking_uri) as client:
        aliases = {model.name: model.aliases for model in client.search_registered_models()}
        rows = [
            _row(version, client.get_run(version.run_id).data, aliases[version.name])
            for version in client.search_model_versions()
        ]
    return leaderboard.rank(rows)


def _row(version: Any, data: Any, aliases: dict[str, str]) -> Row:
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
        label=", ".join(sorted(alias for alias, at in aliases.items() if str(at) == str(version.version))),
    )


def table(rows: list[Row]) -> RenderableType:
    """Draws the ranking; the last column has MLflow's aliases."""
    return leaderboard.table(rows, "All registered versions, best first")


def plot(rows: list[Row], path: Path) -> None:
    """Draws accuracy against latency: a colour a model, the larger the more parameters.

    Raises:
      UsageError: The file can't be written, or its suffix names no kind of picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    measured = [(row, row.p50_ms, row.accuracy) for row in rows if row.accuracy is not None and row.p50_ms is not None]
    colours = pyplot.get_cmap("tab10")
    for number, model in enumerate(sorted({row.model for row, _, _ in measured})):
        versions = [found for found in measured if found[0].model == model]
        params = versions[0][0].params or 1
        look = {"s": 40 + 25 * math.log10(params) ** 1.5, "color": colours(number % 10)}
        axes.scatter([], [], label=f"{model} ({leaderboard.short(params)})", **look)
        for row, latency, accuracy in versions:
            if not row.label:
                axes.scatter(latency, accuracy, alpha=0.35, **look)
                continue
            axes.scatter(latency, accuracy, edgecolor="black", **look)
            note = f"v{row.version} {row.label}"
            axes.annotate(note, (latency, accuracy), (9, 7), textcoords="offset points", fontsize=9)
    axes.set(xlabel="latency of one image over gRPC, median, ms", ylabel="test accuracy")
    axes.set_title("Every registered version; what an alias points to is outlined")
    if measured:
        figure.legend(title="model (parameters)", loc="outside lower center", ncols=3, markerscale=0.6, fontsize=9)
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UsageError(f"--plot must be a file that can be written, such as fleet.png. Received: {error}.") from error
    finally:
        pyplot.close(figure)
