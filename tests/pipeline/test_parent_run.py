"""What MLflow shows of a whole pipeline run, in a real MLflow."""

import dataclasses
import json
import shutil

import pytest

from components.data_report.findings import MEND, Findings, Objection
from components.ingestion import Ingestion, SplitCounts
from components.registrar import connection, runs
from pipeline import parent_run
from pipeline.data_report import Seen
from pipeline.errors import ExitCode
from pipeline.leaderboard import Row
from pipeline.parent_run import Closing
from pipeline.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

LENET = Row(
    "lenet5", "digits_lenet5", "published", "", 61_706, 416_520, 0.9472, 3.8, 376_000, 1.74, 2, "stable", run_id="a1"
)
RESNET = Row("resnet20", "digits_resnet20", "withheld", "it is worse", 271_098, accuracy=0.9, run_id="b2")
FAILED = Row("vgg11", "digits_vgg11", "failed", "Trainer.vgg11: A finite loss is required.")


@pytest.fixture
def closing(tmp_path):
    """What a run leaves that trained two networks, one of them withheld, and failed at a third."""
    directory = tmp_path / "runs" / "run-1"
    directory.mkdir(parents=True)
    for name in ("summary.json", "data_report.html", "quarantine.csv"):
        (directory / name).write_text("{}")
    ingestion = Ingestion("digits", "f1", ("0",), {"train": SplitCounts(9, 9, 0, {}, (9,))}, (), 3)
    seen = Seen(directory, Findings("digits", "f1", ()), ingestion, is_new=True)
    return Closing("run-1", "digits", directory, [LENET, RESNET, FAILED], seen, ExitCode.BRANCH_FAILED, "9 steps ran.")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Lets MLflow make an empty database, once: it takes seconds."""
    workspace = Workspace(tmp_path_factory.mktemp("empty"))
    with connection.connected(workspace.tracking_uri):
        return workspace.root / "mlflow.sqlite"


@pytest.fixture
def shown(tmp_path, empty):
    """Closes a run in an MLflow of the test's own, and reads what it shows then."""

    def show(closing):
        workspace = Workspace(tmp_path)
        shutil.copy(empty, tmp_path)
        parent_run.close(workspace, closing)
        with connection.connected(workspace.tracking_uri) as client:
            (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
            assert run.data.tags[runs.PIPELINE_RUN] == run.info.run_name == "run-1"
            paths = [file.path for folder in ("", "data") for file in client.list_artifacts(run.info.run_id, folder)]
            return run, {path for path in paths if path != "data"}, run.data.tags[runs.NOTE]

    return show


def test_a_run_is_described_by_its_ranked_table_a_picture_and_its_data(closing, shown):
    run, files, note = shown(closing)
    assert files == {
        "leaderboard.json",
        "summary.json",
        "tradeoff.png",
        "data/data_report.html",
        "data/quarantine.csv",
    }
    assert note.startswith("**3 networks on digits; best on the test split: lenet5, 0.9472.**")
    experiment = run.info.experiment_id
    assert f"| [lenet5](#/experiments/{experiment}/runs/a1?" in note
    assert "resnet20 withheld: it is worse" in note
    assert "vgg11 failed: Trainer.vgg11: A finite loss is required." in note
    assert "Data: span 3, new, 9 images." in note
    assert "compare-runs?runs=%5B%22a1%22%2C%20%22b2%22%5D" in note
    assert f"(get-artifact?path=tradeoff.png&run_uuid={run.info.run_id})" in note
    assert "artifacts/data/data_report.html?" in note
    assert run.info.status == "FAILED"


@pytest.mark.parametrize(
    ("code", "status"),
    [(ExitCode.OK, "FINISHED"), (ExitCode.NOTHING_BLESSED, "FINISHED"), (ExitCode.DATA_GATE, "FAILED")],
)
def test_a_run_that_did_its_work_is_finished(closing, shown, code, status):
    run, *_ = shown(dataclasses.replace(closing, code=code))
    assert run.info.status == status


def test_a_run_that_its_data_stopped_says_what_speaks_against_them(closing, shown):
    objection = Objection("class 'seven' has no image in the test split", MEND)
    seen = dataclasses.replace(closing.seen, findings=Findings("digits", "f1", (objection,)))
    stopped = dataclasses.replace(closing, seen=seen, code=ExitCode.DATA_GATE, rows=[FAILED])
    _, files, note = shown(stopped)
    assert files == {"summary.json", "data/data_report.html", "data/quarantine.csv"}
    assert note.startswith("**The data stop the run: nothing was trained on digits.**\n\n- Class 'seven' has no image")
    assert "What to do:\n\n- " in note


def test_a_run_that_failed_before_any_report_has_a_parent_all_the_same(closing, shown):
    (closing.directory / "data_report.html").unlink()
    _, files, note = shown(dataclasses.replace(closing, rows=[FAILED], seen=None))
    assert files == {"summary.json", "data/quarantine.csv"}
    assert note.startswith("**1 network on digits: none came to its end.**")


def test_the_table_holds_each_row(closing, shown, tmp_path):
    shown(closing)
    (file,) = tmp_path.glob("mlartifacts/**/leaderboard.json")
    table = json.loads(file.read_text())
    column = table["columns"].index("architecture")
    assert [row[column] for row in table["data"]] == ["lenet5", "resnet20", "vgg11"]
