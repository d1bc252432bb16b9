"""A folder of one's own from the command line: to a served model, again, and with other data."""

import contextlib
import csv
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.lineage import Lineage

CONFIG = """
[dataset]
name = "shapes"
path = "shapes"
image_size = [16, 16]
[architectures.lenet5]
epochs = 4
[gate]
min_accuracy = 0.5
"""
CIFAR10 = """
[dataset]
name = "cifar10_images"
path = "cifar10"
[architectures.lenet5]
epochs = 20
[architectures.resnet20]
epochs = 4
flip = true
[gate]
min_accuracy = 0.2
"""
CLASSES = ("cross", "disc", "stripes")
ARCHIVE = os.environ.get("CIFAR10_IMAGES", "")


def convoy(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("convoy")), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=500, check=False)


def run(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], Path]:
    """Runs the config of a folder; returns what was said, the summary, and the run's folder."""
    done = convoy("run", "mine.toml", "--workspace", "workspace", *options, cwd=folder)
    last = sorted((folder / "workspace" / "runs").iterdir())[-1]
    return done, json.loads((last / "summary.json").read_text(encoding="utf-8")), last


def picture(kind: str, draw: np.random.Generator) -> np.ndarray:
    """Draws a bright shape on a dark ground, somewhere."""
    image = draw.integers(20, 80, (16, 16, 3), np.uint8)
    y, x = np.mgrid[:16, :16] - draw.integers(6, 10, (2, 1, 1))
    where = {"cross": (abs(x) < 2) | (abs(y) < 2), "disc": x**2 + y**2 < 20, "stripes": y % 4 < 2}[kind]
    image[where] = draw.integers(180, 256, (int(where.sum()), 3), np.uint8)
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    draw = np.random.default_rng(0)
    for kind in CLASSES:
        (root / "shapes" / kind).mkdir(parents=True)
        for number in range(120):
            image = Image.fromarray(picture(kind, draw))
            if number % 5 == 1:
                image = image.resize((20, 18), Image.Resampling.BICUBIC)
            image.save(root / "shapes" / kind / f"{number:03d}.png")
    Image.open(root / "shapes" / "disc" / "002.png").convert("L").save(root / "shapes" / "disc" / "002.png")
    (root / "shapes" / "disc" / "torn.png").write_bytes((root / "shapes" / "disc" / "000.png").read_bytes()[:200])
    (root / "mine.toml").write_text(CONFIG, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def first(folder: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], Path]:
    return run(folder)


def test_a_folder_becomes_a_model_that_answers_with_its_class_names(folder: Path, first: Any) -> None:
    done, summary, _ = first
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    (row,) = summary["rows"]
    assert (row["model"], row["state"]) == ("shapes_lenet5", "published")
    assert row["accuracy"] > 0.8
    model = tf.saved_model.load(str(folder / "workspace" / "model_repository" / "shapes_lenet5" / "1"))
    asked = {kind: (folder / "shapes" / kind / "000.png").read_bytes() for kind in CLASSES}
    answer = model.signatures["serving_default"](image_bytes=tf.constant(list(asked.values())))
    assert [name.decode() for name in answer["class_name"].numpy()] == list(CLASSES)


def test_what_was_kept_out_is_told_and_counted(first: Any) -> None:
    done, summary, directory = first
    converted = [split["converted"] for split in summary["data"]["splits"].values()]
    assert sum(found.get("grey among colour", 0) for found in converted) == 1
    assert "Data: span 1, new, 360 images, 1 kept out; " in done.stdout
    with (directory / "quarantine.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["class_name"], row["reason"]) == ("disc/torn.png", "disc", "truncated")
    assert {"data_report.html", "data_report.png", "schema.pbtxt"} <= {path.name for path in directory.iterdir()}


def shown(folder: Path) -> dict[str, str]:
    """Returns the status of each run that MLflow shows, by its name."""
    with contextlib.closing(sqlite3.connect(folder / "workspace" / "mlflow.sqlite")) as database:
        return dict(database.execute("SELECT name, status FROM runs"))


def test_unchanged_data_are_not_read_again_and_changed_data_are_the_next_span(folder: Path, first: Any) -> None:
    before = shown(folder)
    assert before == {first[2].name: "FINISHED", "lenet5 v1": "FINISHED"}
    done, summary, _ = run(folder)
    assert "Data: span 1, unchanged, 360 images" in done.stdout
    assert {node["state"] for node in summary["nodes"]} == {"cached"}
    assert shown(folder) == before, "nothing was done, so there is nothing to show"
    for path in (folder / "shapes").glob("*/*.png"):
        if path.name != "torn.png":
            Image.fromarray(np.asarray(Image.open(path)) // 3).save(path)
    done, summary, directory = run(folder)
    assert done.returncode == 3, done.stdout
    states = {node["id"]: node["state"] for node in summary["nodes"]}
    assert (states["DatasetGen"], states["DataGate"], states["Trainer.lenet5"]) == ("ran", "failed", "skipped")
    assert "brightness" in done.stdout
    assert (summary["data"]["span"], summary["data"]["is_new"]) == (2, True)
    assert "dataset.max_drift" in done.stdout
    assert (directory / "data_report.png").exists()
    assert shown(folder) == {**before, directory.name: "FAILED"}
    assert list((folder / "workspace" / "mlartifacts").glob("*/artifacts/data/data_report.html"))
    assert list(Lineage(folder / "workspace" / "metadata.sqlite").spans("shapes").values()) == [1, 2]


@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE, reason="CIFAR10_IMAGES must name the archive of CIFAR-10's images as JPEG files")
def test_a_part_of_cifar10_end_to_end(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(ARCHIVE) as archive:
        chosen = [member for member in archive if member.isfile() and int(Path(member.name).stem) < 400]
        archive.extractall(tmp_path, chosen, filter="data")
    (tmp_path / "mine.toml").write_text(CIFAR10, encoding="utf-8")
    (tmp_path / "cifar10").mkdir()
    for split in ("train", "test"):
        (tmp_path / split).rename(tmp_path / "cifar10" / split)
    done, summary, _ = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {row["state"] for row in summary["rows"]} == {"published"}
    assert all(row["accuracy"] > 0.2 for row in summary["rows"])
    served = convoy("status", "--json", "--workspace", "workspace", cwd=tmp_path)
    assert served.returncode == 0
