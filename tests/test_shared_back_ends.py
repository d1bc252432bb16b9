"""Whole runs against servers that are down, die or hang meanwhile: nothing is lost, and nothing is there twice."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from components import names

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
EPOCHS = 8
BOTH = ("lenet5", "allcnn_c")
SETTINGS = ["--set", f"training.epochs={EPOCHS}", "--set", "gate.min_accuracy=0.1"]
RUN = ["run", "digits", "--architectures", ",".join(BOTH), *SETTINGS]
RUN_LENET = ["run", "digits", "--architectures", "lenet5", *SETTINGS]
# Asks MLflow in a process of its own: its settings are a process's own.
LOOK = """
import json, sys
import mlflow

client = mlflow.MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name("digits").experiment_id
runs = client.search_runs([experiment])
points = {run.info.run_id: client.get_metric_history(run.info.run_id, "train/loss") for run in runs}
versions = client.search_model_versions()
def rows(run):
    return len(json.loads(mlflow.artifacts.load_text(run.info.artifact_uri + "/leaderboard.json"))["data"])
print(json.dumps({
    "children": {
        run.info.run_name: [run.info.status, sorted(point.step for point in points[run.info.run_id])]
        for run in runs if "mlflow.parentRunId" in run.data.tags
    },
    "count": len(runs),
    "parents": {
        run.info.run_name: [run.info.status, sorted(file.path for file in client.list_artifacts(run.info.run_id))]
        for run in runs if "mlflow.parentRunId" not in run.data.tags
    },
    "tables": {
        run.info.run_name: rows(run)
        for run in runs
        if "leaderboard.json" in [file.path for file in client.list_artifacts(run.info.run_id)]
    },
    "versions": sorted([one.name, int(one.version), one.tags["sha256"]] for one in versions),
    "aliases": {
        one.name: {name: int(at) for name, at in one.aliases.items()} for one in client.search_registered_models()
    },
}))
"""


def convoy(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "convoy"), *arguments, f"--workspace={workspace}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=550, check=False)


def look(uri: str) -> dict[str, Any]:
    told = os.environ | {"MLFLOW_TRACKING_URI": uri}
    done = subprocess.run([sys.executable, "-c", LOOK, uri], env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def use(workspace: Path, **urls: str) -> Path:
    workspace.mkdir(exist_ok=True)
    (workspace / "backends.toml").write_text("".join(f'{key} = "{url}"\n' for key, url in urls.items()))
    return workspace


def nodes(workspace: Path) -> dict[str, dict[str, Any]]:
    """Returns what the newest run's summary says of each node."""
    summary = sorted(workspace.glob("runs/*/summary.json"))[-1]
    return {node["id"]: node for node in json.loads(summary.read_text())["nodes"]}


def trained_and_kept(workspace: Path, architectures: Sequence[str] = BOTH) -> None:
    """Asserts that a run did all that needs no MLflow, and says what becomes of the rest."""
    by_id = nodes(workspace)
    for architecture in architectures:
        for node in ("Trainer", "Evaluator", "InfraValidator"):
            assert by_id[f"{node}.{architecture}"]["state"] == "ran"
        error = by_id[f"Registrar.{architecture}"]["error"]
        assert "A reachable MLflow server is required." in error
        assert "are kept, and the next run registers it." in error
    assert list(workspace.glob("runs/*/unsent"))


def all_is_there_once(workspace: Path, found: dict[str, Any], runs: int, architectures: Sequence[str] = BOTH) -> None:
    assert found["count"] == len(architectures) + runs
    epochs = list(range(1, EPOCHS + 1))
    assert found["children"] == {f"{name} v1": ["FINISHED", epochs] for name in architectures}
    assert len(found["parents"]) == runs
    assert set(found["tables"].values()) == {len(architectures)}, "a row for each network"
    statuses = json.loads(convoy(workspace, "status", "--json").stdout)
    assert [status["problems"] for status in statuses] == [[] for _ in architectures]
    assert found["versions"] == sorted([status["model"], 1, status["sha256"]["repository"]] for status in statuses)
    assert all(aliases == {names.CHAMPION: 1} for aliases in found["aliases"].values())
    assert not list(workspace.glob("runs/*/unsent"))
    assert not list(workspace.glob("unsent/*"))


def test_a_server_that_is_down_is_told_by_the_next_run(start_mlflow: Callable[..., Any], tmp_path: Path) -> None:
    server = start_mlflow(tmp_path / "server")
    server.kill()
    workspace = use(tmp_path / "workspace", mlflow=server.url)
    down = convoy(workspace, *RUN)
    assert down.returncode == 1, down.stdout + down.stderr
    assert "MLflow has yet to be told of this run: A reachable MLflow server is required." in down.stdout
    assert "Traceback" not in down.stdout + down.stderr
    trained_and_kept(workspace)
    server.start()
    back = convoy(workspace, *RUN)
    assert back.returncode == 0, back.stdout + back.stderr
    assert nodes(workspace)["Trainer.lenet5"]["state"] == "cached"
    found = look(server.url)
    all_is_there_once(workspace, found, runs=2)
    assert sorted(status for status, _ in found["parents"].values()) == ["FAILED", "FINISHED"]
    unchanged = convoy(workspace, *RUN)
    assert "nothing had changed" in unchanged.stdout
    assert look(server.url) == found


def test_a_server_that_dies_and_comes_back_hanging_loses_nothing(
    start_mlflow: Callable[..., Any], between: Callable[[int], Any], tmp_path: Path
) -> None:
    server = start_mlflow(tmp_path / "server")
    network = between(server.port)
    workspace = use(tmp_path / "workspace", mlflow=network.url)
    command = [str(BIN / "convoy"), *RUN_LENET, f"--workspace={workspace}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 300
        while not _hears_epochs(server):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server.kill()
        out, _ = process.communicate(timeout=550)
    assert process.returncode == 1, out
    trained_and_kept(workspace, ["lenet5"])
    assert list(workspace.glob("unsent/*.jsonl"))
    server.start()
    network.swallows = True
    hanging = convoy(workspace, *RUN_LENET)
    assert hanging.returncode == 1, hanging.stdout + hanging.stderr
    assert "did not answer within 10 s" in nodes(workspace)["Registrar.lenet5"]["error"]
    network.swallows = False
    network.delay_s = 0.05
    back = convoy(workspace, *RUN_LENET)
    assert back.returncode == 0, back.stdout + back.stderr
    all_is_there_once(workspace, look(server.url), 3, ["lenet5"])


def _hears_epochs(server: Any) -> bool:
    return "runs/log-batch" in (server.folder / "log").read_text()


def test_all_in_postgresql(postgresql: Any, tmp_path: Path) -> None:
    """MLMD makes its database itself; two branches at a time write into both."""
    urls = {"mlflow": postgresql.make("registry"), "metadata": postgresql.url("runs")}
    workspace = use(tmp_path / "workspace", **urls)
    done = convoy(workspace, *RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    all_is_there_once(workspace, look(urls["mlflow"]), runs=1)
    assert not list(workspace.glob("*.sqlite"))
    again = convoy(workspace, *RUN)
    assert "nothing had changed" in again.stdout
    explained = json.loads(convoy(workspace, "explain", "--json").stdout)
    assert {found["state"] for found in explained} == {"cached"}
    files = [path for path in workspace.rglob("*") if path.is_file() and path.name != "backends.toml"]
    assert not [path for path in files if b"sesame" in path.read_bytes()], "the password is kept nowhere else"


def test_an_mlflow_server_over_postgresql(start_mlflow: Callable[..., Any], postgresql: Any, tmp_path: Path) -> None:
    server = start_mlflow(tmp_path / "server", postgresql.make("served"))
    workspace = use(tmp_path / "workspace", mlflow=server.url)
    done = convoy(workspace, *RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    all_is_there_once(workspace, look(server.url), runs=1)
