"""A search end to end, as its user runs it: found, trained by, registered, and cached; and one that finds nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONVOY = Path(sys.executable).with_name("convoy")
CONFIG = """
[dataset]
name = "digits"

[architectures.lenet5]
warmup_epochs = 0

[architectures.lenet5.tune]
learning_rate = { low = 0.01, high = 0.2, log = true }
batch_size = [32, 64]

[training]
epochs = 1

[tuner]
trials = 2

[gate]
min_accuracy = 0.1
"""
DIVERGES = "architectures.lenet5.tune={optimizer = ['sgd', 'rmsprop'], learning_rate = [1e37, 1e38]}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tuning")
    (root / "mine.toml").write_text(CONFIG)
    return root / "workspace"


def convoy(workspace: Path, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(CONVOY), verb, *arguments, f"--workspace={workspace}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=workspace.parent)


def summary(workspace: Path) -> dict[str, Any]:
    return dict(json.loads(sorted(workspace.glob("runs/*/summary.json"))[-1].read_text()))


def outputs(workspace: Path, node: str, key: str) -> Path:
    (found,) = next(one for one in summary(workspace)["nodes"] if one["id"] == node)["outputs"][key]
    return Path(found)


@pytest.fixture(scope="module")
def first(workspace: Path) -> subprocess.CompletedProcess[str]:
    done = convoy(workspace, "run", "mine.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_model_is_trained_by_what_was_found_and_says_so(
    first: subprocess.CompletedProcess[str], workspace: Path
) -> None:
    trials = json.loads((outputs(workspace, "Tuner.lenet5", "tuner_results") / "tuner_results.json").read_text())
    best = {name: trials[0][name] for name in ("learning_rate", "batch_size")}
    trained = json.loads((outputs(workspace, "Trainer.lenet5", "model_run") / "training.json").read_text())
    assert trained["tuned"] == best
    assert {name: trained["recipe"][name] for name in best} == best
    assert trained["recipe"]["learning_rate"] != summary(workspace)["config"]["training"]["learning_rate"]
    assert trained["history"]["val_accuracy"][-1] == trials[0]["score"]
    registered = outputs(workspace, "Registrar.lenet5", "registered_model") / "registration.json"
    assert json.loads(registered.read_text())["trials"] == trials
    assert len(trials) == 2
    lines = [line for line in first.stdout.splitlines() if line.startswith("Tuner.lenet5 trial ")]
    assert [line.split()[2] for line in lines] == ["1/2", "2/2"]
    assert f"best={trials[0]['score']:.4f} " in lines[-1]
    (table,) = workspace.glob("mlartifacts/**/trials.json")
    assert json.loads(table.read_text())["columns"] == ["trial", "val_accuracy", "batch_size", "learning_rate"]


def test_nothing_changed_nothing_is_searched(first: subprocess.CompletedProcess[str], workspace: Path) -> None:
    done = convoy(workspace, "run", "mine.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trial" not in done.stdout
    assert {node["state"] for node in summary(workspace)["nodes"]} == {"cached"}


def test_an_edited_space_is_searched_anew_and_one_that_finds_nothing_costs_its_branch(
    first: subprocess.CompletedProcess[str], workspace: Path
) -> None:
    done = convoy(workspace, "run", "mine.toml", "--set", DIVERGES)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    (row,) = summary(workspace)["rows"]
    assert row["state"] == "failed"
    assert row["note"].startswith("Tuner.lenet5: A search needs a trial that trains to its end. Received: 2 of 2 that")
    assert "[architectures.lenet5.tune]" in row["note"]
    assert "Tuner.lenet5.log" in row["note"]
    came = {node["id"]: (node["state"], node["error"]) for node in summary(workspace)["nodes"]}
    assert came["Tuner.lenet5"][0] == "failed"
    assert came["Trainer.lenet5"] == ("skipped", "needs Tuner.lenet5")
    assert not list(workspace.glob("tfx/Tuner.lenet5/search")), "nor does anything stay of it"
