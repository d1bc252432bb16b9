"""What a run's folder, the screen and MLflow have of the data."""

import dataclasses
import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from components.data_report.findings import FILL, MEND, Findings, Objection
from components.ingestion import Ingestion, Quarantined, SplitCounts
from pipeline import data_report
from pipeline.errors import ExitCode
from pipeline.run import Outcome
from pipeline.runners.local import NodeRecord

OBJECTIONS = (
    Objection("30 of 1,000 images (3 %) were kept out: 30 truncated; `dataset.max_bad_fraction` allows 1 %", MEND),
    Objection("class 'cat' has one example in train", FILL),
    Objection("the test split is empty", FILL),
)


@pytest.fixture
def nodes(tmp_path):
    """Nodes as a run leaves them that the gate has stopped, or let through."""

    def make(objections=OBJECTIONS, quarantine=()):
        folders = {name: tmp_path / "tfx" / name for name in ("DatasetGen", "SchemaGen", "DataReport")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        splits = {"train": SplitCounts(1_000 + len(quarantine), 1_000, len(quarantine), {}, (1_000,))}
        Ingestion("pets", "f1", ("cat",), splits, tuple(quarantine), 2).write(folders["DatasetGen"])
        Findings("pets", "f1", tuple(objections)).write(folders["DataReport"])
        (folders["DataReport"] / "data_report.html").write_text("<p>page</p>")
        (folders["DataReport"] / "data_report.png").write_bytes(b"picture")
        (folders["SchemaGen"] / "schema.pbtxt").write_text("feature {}")
        keys = {"DatasetGen": "ingestion", "SchemaGen": "schema", "DataReport": "data_report"}
        done = [NodeRecord(name, "ran", outputs={keys[name]: [str(folder)]}) for name, folder in folders.items()]
        return [*done, NodeRecord("DataGate", "failed" if objections else "ran")]

    return make


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "runs" / "1"
    path.mkdir(parents=True)
    return path


def rows(count):
    return [
        Quarantined(
            "train", f"train/cat/a scan of somebody's cat, number {number:03}.jpg", "cat", "truncated", "at byte 7"
        )
        for number in range(count)
    ]


def draw(seen, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(seen)
    return console.file.getvalue().splitlines()


def test_the_runs_folder_has_the_report_also_where_the_gate_stops_the_run(nodes, directory):
    stopped = nodes()
    seen = data_report.keep(stopped, directory)
    assert {path.name for path in directory.iterdir()} == {
        "data_report.html",
        "data_report.png",
        "quarantine.csv",
        "schema.pbtxt",
    }
    assert seen.findings.objections == OBJECTIONS
    assert Outcome("1", [], stopped, 1.0, directory, seen).code == ExitCode.DATA_GATE
    assert seen.line() == f"Data: span 2, new, 1,000 images; {directory / 'data_report.html'}"


def test_a_run_that_failed_before_the_report_has_none(nodes, directory):
    failed = [NodeRecord("DatasetGen", "failed"), NodeRecord("DataReport", "skipped")]
    assert data_report.keep(failed, directory) is None
    assert data_report.keep(nodes()[:2], directory) is None
    assert {path.name for path in directory.iterdir()} == {"quarantine.csv", "schema.pbtxt"}


@pytest.mark.parametrize("width", [80, 120])
def test_what_stops_a_run_is_a_line_each_and_the_ten_worst_images_follow(nodes, directory, width):
    seen = data_report.keep(nodes(quarantine=rows(30)), directory)
    lines = draw(seen, width)
    assert all(cell_len(line) <= width for line in lines)
    text = "\n".join(lines)
    bullets = [line for line in lines if line.startswith("  - ")]
    assert [line[4:12] for line in bullets] == ["30 of 1,", "Class 'c", "The test", "Mend or ", "Add imag"]
    assert re.findall(r"\b(\d{3})\.jpg", text) == [f"{number:03}" for number in range(10)]
    assert text.count("truncated") == 11
    assert "The worst of 30 images that were kept out" in text
    assert str(directory / "quarantine.csv") in "".join(lines)
    assert "1,000 images, 30 kept out; " in seen.line()


def test_says_which_splits_were_not_read(nodes, directory):
    seen = data_report.keep(nodes(), directory)
    other = dataclasses.replace(seen, ingestion=dataclasses.replace(seen.ingestion, left_out={"unlabelled": 70_000}))
    assert "1,000 images, unlabelled not read (70,000); " in other.line()


def test_a_files_name_does_not_steer_the_terminal(nodes, directory):
    evil = Quarantined("train", "\x1b[2J[bold]\nx.jpg", "\x07cat", "truncated")
    text = "\n".join(draw(data_report.keep(nodes(quarantine=[evil]), directory), 120))
    assert "�[2J[bold]�x.jpg" in text
    assert not {"\x1b", "\x07"} & set(text)
