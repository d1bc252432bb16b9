"""The whole fleet: every registered architecture through the pipeline in one run, then served and asked.

    python benchmarks/fleet.py                                   all: more than an hour on two cores, 7 GB
    python benchmarks/fleet.py --architectures vgg11,densenet40  a part; its results stay in the workspace

Interrupted, it goes on where it was when it is run again: what is done is cached. The wall time is the sum over all
attempts that did anything, those that were killed included. Writes `fleet.json` and `fleet.png` for the README.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fleet_chart
from measured import RESULTS, ROOT, circumstances

import models
from pipeline import cli, demo
from pipeline.errors import ExitCode
from pipeline.workspace import Workspace
from serving.client import Client

CONFIG = "fleet"
# Ignored by git, and kept: what makes the benchmark resumable.
WORKSPACE = ROOT / "build" / "fleet"
# How often a running attempt is written down: what a kill may lose of the wall time.
HEARTBEAT_S = 5.0
# Of `convoy run`: everything published, a branch failed, nothing blessed. Else there is nothing to measure.
MEASURABLE = (0, 1, 4)
KEPT = ("state", "note", "accuracy", "params", "macs", "train_seconds", "size_bytes", "p50_ms", "version", "label")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=WORKSPACE, help="default: %(default)s")
    parser.add_argument("--architectures", default="", help="these alone: a,b")
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="as `convoy run` takes it")
    parser.add_argument("--results", type=Path, help="folder to write to; default: benchmarks/results, of all")
    arguments = parser.parse_args()
    cli.set_environment()
    workspace = Workspace.open(arguments.workspace)
    results = arguments.results or (workspace.root if arguments.architectures else RESULTS)
    code = attempt(workspace, arguments.architectures, arguments.overrides)
    if code not in MEASURABLE:
        sys.exit(code)
    result = measure(workspace)
    write(results / "fleet.json", result)
    fleet_chart.draw(result, results / "fleet.png")
    sys.exit(report(result))


def attempt(workspace: Workspace, architectures: str, overrides: list[str]) -> int:
    """Runs the pipeline, with its own view on the screen; notes how long, while it runs. Returns its exit code."""
    settings = [f"--set={override}" for override in overrides]
    settings += [f"--architectures={architectures}"] * bool(architectures)
    command = [sys.executable, "-m", "pipeline.cli", "run", CONFIG, f"--workspace={workspace.root}", *settings]
    before = attempts(workspace)
    this = {**circumstances(), "seconds": 0.0, "ran": None, "cached": None}
    started = time.monotonic()
    process = subprocess.Popen(command)
    while (code := process.poll()) is None:
        this["seconds"] = time.monotonic() - started
        write(workspace.root / "attempts.json", [*before, this])
        wait(process)
    this["seconds"] = time.monotonic() - started
    if code in MEASURABLE:
        states = [node["state"] for node in summary(workspace)["nodes"]]
        this |= {"ran": states.count("ran"), "cached": states.count("cached")}
    # What was refused at once was no attempt.
    write(workspace.root / "attempts.json", before if code == ExitCode.USAGE else [*before, this])
    return code


def wait(process: subprocess.Popen[bytes]) -> None:
    """Waits a moment; Ctrl-C reaches the run too, which ends in its own way."""
    try:
        process.wait(HEARTBEAT_S)
    except subprocess.TimeoutExpired:
        return
    except KeyboardInterrupt:
        process.wait()


def attempts(workspace: Workspace) -> list[dict[str, Any]]:
    """Returns the attempts so far."""
    path = workspace.root / "attempts.json"
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def summary(workspace: Workspace) -> dict[str, Any]:
    """Returns what the newest run that came to its end wrote."""
    newest = max(workspace.root.glob("runs/*/summary.json"))
    return dict(json.loads(newest.read_text(encoding="utf-8")))


def measure(workspace: Workspace) -> dict[str, Any]:
    """Gathers what the run measured of each architecture, and what its served model answers."""
    ended = summary(workspace)
    counted = [one for one in attempts(workspace) if one["ran"] != 0]
    answers, seconds = ask(workspace, [row for row in ended["rows"] if row["label"]])
    rows = [
        {
            "architecture": row["architecture"],
            "family": models.variant(row["architecture"]).family,
            **{key: row[key] for key in KEPT},
            "answer": answers.get(row["model"]),
        }
        for row in ended["rows"]
    ]
    return {
        **circumstances(),
        "dataset": ended["config"]["dataset"]["name"],
        "wall_seconds": sum(one["seconds"] for one in counted),
        "attempts": counted,
        "serve_and_ask_seconds": seconds,
        "rows": rows,
    }


def ask(workspace: Workspace, rows: list[dict[str, Any]]) -> tuple[dict[str, dict[str, Any]], float]:
    """Serves the repository and asks every model which digit an image of the test split shows."""
    if not rows:
        return {}, 0.0
    started = time.monotonic()
    images, labels = demo.write_samples(workspace.root / "samples")
    answers = {}
    with demo.serving(workspace) as server, Client(server.target) as client:
        for row in rows:
            server.wait_for(row["model"], row["version"])
            answer = client.predict(row["model"], image_bytes=images[0], label=row["label"].split(", ")[0])
            (said,), right = answer.class_name, labels[0]
            answers[row["model"]] = {"version": answer.version, "class": said, "right": right}
            print(f"{row['model']} version {answer.version} says {said}; {right} is right")
    return answers, time.monotonic() - started


def report(result: dict[str, Any]) -> int:
    """Says what it came to; returns 0 if every model was published and answered as the version that was registered."""
    rows = result["rows"]
    served = [row for row in rows if row["answer"] and row["answer"]["version"] == row["version"]]
    best = max((row["accuracy"] or 0.0 for row in rows), default=0.0)
    print(f"{len(served)} of {len(rows)} published, served and asked; the best has {best:.4f} test accuracy.")
    print(f"{result['wall_seconds']:.0f} s, attempts: {len(result['attempts'])}")
    return 0 if len(served) == len(rows) else 1


def write(path: Path, content: Any) -> None:
    """Writes JSON so that a kill leaves the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.rename(path)


if __name__ == "__main__":
    main()
