"""Draws what the fleet costs and reaches: python benchmarks/fleet_chart.py [FLEET.json]

Parameters against multiply-accumulates, coloured by test accuracy, into `fleet.png` beside the measurements.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.colors import Normalize
from measured import RESULTS

from pipeline import chart

SIZE = 55  # Of a marker, in square points.


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS / "fleet.json"
    draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".png"))


def draw(result: dict[str, Any], path: Path) -> None:
    """Draws every architecture that was measured."""
    rows = [row for row in result["rows"] if row["accuracy"] is not None]
    figure, axes = pyplot.subplots(figsize=(11, 7.5), layout="constrained")
    axes.set(xscale="log", yscale="log", xlabel="parameters", ylabel="multiply-accumulates for one image")
    colours = Normalize(min(row["accuracy"] for row in rows), max(row["accuracy"] for row in rows))
    for family, (_, marker) in chart.looks().items():
        members = [row for row in rows if row["family"] == family]
        if not members:
            continue
        points = axes.scatter(
            [row["params"] for row in members],
            [row["macs"] for row in members],
            c=[row["accuracy"] for row in members],
            **{"cmap": "viridis", "norm": colours, "marker": marker, "s": SIZE, "edgecolor": "black", "linewidth": 0.7},
        )
        axes.scatter([], [], marker=marker, s=SIZE, color="0.8", edgecolor="black", linewidth=0.7, label=family)
    figure.colorbar(points, ax=axes, label="test accuracy", pad=0.01)
    axes.legend(title="family", loc="upper left", frameon=False)
    axes.grid(which="major", alpha=0.3)
    axes.margins(0.08)
    axes.set_title(f"{len(rows)} networks on {result['dataset']}: what they cost, what they reach", loc="left")
    chart.label(axes, [(row["params"], row["macs"]) for row in rows], [row["architecture"] for row in rows])
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
