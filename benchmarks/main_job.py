"""How long the main job takes, and where the time goes.

    python benchmarks/main_job.py            everything, from a fresh clone: installs anew, some minutes
    python benchmarks/main_job.py --warm     with this environment, in a fresh workspace

Budgets on 2 cores: from nothing 360 s, warm 150 s, a second run with nothing changed 20 s. Writes
`benchmarks/results/main_job.json` and the demo's own output, `demo.txt`, for the README.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from measured import RESULTS, ROOT, circumstances

BUDGETS = {"from nothing": 360.0, "warm": 150.0, "nothing changed": 20.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warm", action="store_true", help="do not clone and install")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convoy-benchmark-") as scratch:
        phases: dict[str, dict[str, Any]] = {}
        checkout = ROOT if arguments.warm else clone(Path(scratch) / "convoy")
        if not arguments.warm:
            phases["from nothing"] = from_nothing(checkout)
        warm = Path(scratch) / "warm"
        phases["warm"], output = demo(checkout, warm)
        phases["nothing changed"] = again(checkout, warm)
        record(phases, output)


def clone(target: Path) -> Path:
    """Clones the last commit: what isn't committed isn't measured."""
    subprocess.run(["git", "clone", "--quiet", ROOT, target], check=True)
    return target


def from_nothing(checkout: Path) -> dict[str, Any]:
    """Times `make demo` where nothing is installed yet."""
    install = timed(["make", "install"], checkout)
    run, _ = demo(checkout, checkout / "workspace")
    return {"seconds": install + run["seconds"], "parts": {"install": install, **run["parts"]}}


def demo(checkout: Path, workspace: Path) -> tuple[dict[str, Any], str]:
    """Times `make demo` where everything is installed, in a fresh workspace."""
    started = time.monotonic()
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"],
        cwd=checkout,
        env=os.environ | {"CONVOY_WORKSPACE": str(workspace)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(f"make demo ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    summary = newest_summary(workspace)
    parts = {"pipeline run": summary["seconds"], "serving and asking": seconds - summary["seconds"]}
    return {"seconds": seconds, "parts": parts | steps(summary)}, done.stdout.replace(str(workspace), "workspace")


def again(checkout: Path, workspace: Path) -> dict[str, Any]:
    """Times a second run in which nothing has changed, and insists that every step was cached."""
    seconds = timed([".venv/bin/convoy", "run", "digits", f"--workspace={workspace}"], checkout)
    summary = newest_summary(workspace)
    states = {node["state"] for node in summary["nodes"]}
    if states != {"cached"}:
        sys.exit(f"Every step must be cached when nothing has changed. Received: {sorted(states)}.")
    return {"seconds": seconds, "parts": {"all nodes": sum(node["seconds"] for node in summary["nodes"])}}


def timed(command: list[str], cwd: Path) -> float:
    started = time.monotonic()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def newest_summary(workspace: Path) -> dict[str, Any]:
    paths = sorted(workspace.glob("runs/*/summary.json"))
    return dict(json.loads(paths[-1].read_text(encoding="utf-8")))


def steps(summary: dict[str, Any]) -> dict[str, float]:
    """Adds up the seconds of the nodes by what they do; branches overlap, so these exceed the wall time."""
    total: dict[str, float] = defaultdict(float)
    for node in summary["nodes"]:
        total[f"  {node['id'].partition('.')[0]}"] += node["seconds"]
    return dict(total)


def record(phases: dict[str, dict[str, Any]], output: str) -> None:
    about = circumstances()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "main_job.json").write_text(json.dumps({**about, "phases": phases}, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "demo.txt").write_text(output, encoding="utf-8")
    print(", ".join(about.values()))
    for name, phase in phases.items():
        print(f"{name}: {phase['seconds']:.1f} s (budget {BUDGETS[name]:.0f} s)")
        for part, seconds in phase["parts"].items():
            print(f"  {part:22} {seconds:6.1f} s")


if __name__ == "__main__":
    main()
