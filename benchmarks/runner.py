"""What Convoy's runner costs: a run's wall time beside the work of its components, alone and two at a time.

    python benchmarks/runner.py                        digits, its four networks
    python benchmarks/runner.py fleet --set training.epochs=1

Each of three runs of one config has all of the machine: one node at a time, in a fresh workspace; as many at a time as
there are cores, in another; and again there, with nothing changed. Overhead is the share of a run in which no executor
of any node works: starting, imports, compiling, drivers, metadata. Writes `benchmarks/results/runner.json`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measured import RESULTS, circumstances


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default="digits")
    parser.add_argument("--set", action="append", default=[], help="override the config, as `convoy run` does")
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    options = [f"--set={override}" for override in arguments.set]
    with tempfile.TemporaryDirectory() as folder:
        alone, together = Path(folder) / "alone", Path(folder) / "together"
        phases = {
            "one at a time": measure(alone, [arguments.config, "--jobs=1", *options]),
            f"{cores} at a time": measure(together, [arguments.config, f"--jobs={cores}", *options]),
            "nothing changed": measure(together, [arguments.config, *options]),
        }
    one, several, _ = (phase["seconds"] for phase in phases.values())
    content = {**circumstances(), "config": arguments.config, "set": arguments.set, "phases": phases}
    content["speedup"] = one / several
    print(f"{cores} at a time are {one / several:.2f} times as fast as one")
    (RESULTS / "runner.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def measure(workspace: Path, arguments: list[str]) -> dict[str, Any]:
    """Runs `convoy run`, its start included; returns its seconds and the share of them that is overhead."""
    command = [sys.executable, "-m", "pipeline.cli", "run", f"--workspace={workspace}", *arguments]
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    summary = json.loads(sorted(workspace.glob("runs/*/summary.json"))[-1].read_text(encoding="utf-8"))
    working = covered(node["work"] for node in summary["nodes"] if node["work"])
    row = {"nodes": len(summary["nodes"]), "seconds": seconds, "overhead_s": seconds - working}
    row["overhead"] = row["overhead_s"] / seconds
    name = " ".join(arguments)
    print(
        f"{name:30} {seconds:7.1f} s, of which {row['overhead_s']:.1f} s ({row['overhead']:.0%}) overhead", flush=True
    )
    return row


def covered(spans: Iterable[list[float]]) -> float:
    """Returns the seconds that lie in at least one of the spans, each from its beginning to its end."""
    total, reached = 0.0, 0.0
    for begin, *_, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


if __name__ == "__main__":
    main()
