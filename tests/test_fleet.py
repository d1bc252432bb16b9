"""The fleet's benchmark in short: one small network of each family that the demo doesn't have, killed once on the way.

With `test_journey.py`, which runs the demo, every family goes through the whole pipeline: trained, gated, registered,
published, served and asked. One epoch is enough for that; what a network can learn is the full benchmark's to show.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import models
from pipeline import config

ROOT = Path(__file__).parents[1]
ARCHITECTURES = ("zfnet", "vgg11", "googlenet", "densenet40")
OVERRIDES = ["training.epochs=1", *(f"architectures.{name}.warmup_epochs=0" for name in ARCHITECTURES)]
OVERRIDES += ["gate.min_accuracy=0.0"]


def command(workspace: Path) -> list[str]:
    settings = [f"--set={override}" for override in OVERRIDES]
    fleet = str(ROOT / "benchmarks" / "fleet.py")
    return [sys.executable, fleet, f"--workspace={workspace}", f"--architectures={','.join(ARCHITECTURES)}", *settings]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet") / "workspace"


@pytest.fixture(scope="module")
def killed(workspace: Path) -> dict[str, Any]:
    """Kills the benchmark, and all that it started, when the first network begins to train."""
    process = subprocess.Popen(command(workspace), stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list(workspace.glob("runs/*/logs/Trainer.*.log")):
        assert process.poll() is None, "The benchmark ended before it could be killed."
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (attempt,) = read(workspace / "attempts.json")
    return dict(attempt)


@pytest.fixture(scope="module")
def fleet(workspace: Path, killed: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(command(workspace), capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ARCHITECTURES)} of {len(ARCHITECTURES)} published, served and asked" in done.stdout
    assert "Traceback" not in done.stderr
    return dict(read(workspace / "fleet.json"))


def test_the_demo_and_these_are_of_every_family() -> None:
    run = {*ARCHITECTURES, *config.load("digits").architectures}
    assert {models.variant(name).family for name in run} == {models.variant(name).family for name in models.names()}


def test_the_config_of_the_fleet_names_every_architecture() -> None:
    assert tuple(config.load("fleet").architectures) == models.names()


def test_each_is_published_served_and_asked(fleet: dict[str, Any]) -> None:
    rows = {row["architecture"]: row for row in fleet["rows"]}
    assert set(rows) == set(ARCHITECTURES)
    for name, row in rows.items():
        assert (row["state"], row["version"], row["label"], row["note"]) == ("published", 1, "stable", "")
        assert row["family"] == models.variant(name).family
        assert row["answer"]["version"] == 1
        assert row["answer"]["class"] in map(str, range(10))
        assert min(row[key] for key in ("params", "macs", "train_seconds", "size_bytes", "p50_ms", "accuracy")) > 0
    assert {"date", "machine", "commit", "dataset"} < set(fleet)


def test_the_time_before_the_kill_counts_too(fleet: dict[str, Any], killed: dict[str, Any]) -> None:
    first, second = fleet["attempts"]
    assert first == killed
    assert (first["ran"], second["cached"] > 0) == (None, True)  # Nobody knows what ran; it was kept.
    assert fleet["wall_seconds"] == pytest.approx(first["seconds"] + second["seconds"])


def test_the_chart_is_drawn(fleet: dict[str, Any], workspace: Path) -> None:
    assert (workspace / "fleet.png").read_bytes().startswith(b"\x89PNG")
