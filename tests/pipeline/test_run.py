import json
import time

import pytest

from pipeline import run
from pipeline.display import STARTING
from pipeline.errors import ExitCode
from pipeline.workspace import Workspace

CONFIG = '[dataset]\nname = "cifar11"\n[architectures.lenet5]\n'


@pytest.fixture
def until():
    """Waits for a file to be whole."""

    def wait(path, seconds=60):
        deadline = time.monotonic() + seconds
        while not (path.exists() and path.read_text()):
            assert time.monotonic() < deadline, path
            time.sleep(0.01)

    return wait


def test_one_run_a_workspace_and_what_only_the_compiler_can_refuse_leaves_nothing(start, convoy, tmp_path, until):
    (tmp_path / "mine.toml").write_text(CONFIG)
    # Compiling takes seconds: both runs, each in its workspace, do it side by side.
    first = start("run", "mine.toml", "--workspace", "first")
    forced = start("run", "digits", "--workspace", "forced", "--force", "Trainer.lenet6")
    until(tmp_path / "first" / "run.json")

    second = convoy("run", "digits", "--workspace", "first")
    assert (second.code, second.out) == (ExitCode.LOCKED, f"{STARTING}\n")
    since = json.loads((tmp_path / "first" / "run.json").read_text())["since"]
    assert second.sentence == (
        f"A workspace without another run is required. Received: {tmp_path / 'first'}, where process {first.pid} runs "
        f"since {since}; wait for it, or use another --workspace."
    )

    out, err = first.communicate(timeout=120)
    assert (first.returncode, out) == (ExitCode.USAGE, f"{STARTING}\n")
    assert err.startswith(
        "convoy: `dataset.name` must be a data set that TFDS knows, or `dataset.path` say where it is. "
        "Received: 'cifar11'."
    )
    assert "'cifar10" in err
    assert len(err.splitlines()) == 1

    out, err = forced.communicate(timeout=120)
    assert (forced.returncode, out) == (ExitCode.USAGE, f"{STARTING}\n")
    assert err.startswith("convoy: --force must name a node of the graph. Received: 'Trainer.lenet6'.")
    assert "'Trainer.lenet5'" in err

    for workspace in ("first", "forced"):
        made = {path.name for path in (tmp_path / workspace).iterdir()}
        assert made <= {"run.lock", "run.json", "runs", "datasets", "mark"}
        assert not list((tmp_path / workspace).rglob("summary.json"))


@pytest.mark.parametrize(
    ("before", "stopped"),
    [
        ({}, False),
        ({"20260101": True}, False),
        ({"20260101": False}, True),
        ({"20260101": False, "20260102": True}, False),
    ],
)
def test_a_run_before_that_never_came_to_its_end_was_stopped(tmp_path, before, stopped):
    for name, ended in {**before, "20260103": False}.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        if ended:
            (tmp_path / "runs" / name / run.SUMMARY_FILE).touch()
    assert run._stopped(Workspace(tmp_path), "20260103") == stopped
