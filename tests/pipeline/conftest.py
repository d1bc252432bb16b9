"""The console script as people run it, and a small workspace as a run leaves it: real databases, a real repository."""

import dataclasses
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import metadata
from pipeline.workspace import Workspace
from serving.repository import Published, Repository

SCRIPT = Path(sys.executable).with_name("convoy")
MODEL = "digits_lenet5"


@dataclasses.dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that a refusal says."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("convoy: "), self.err
        return lines[0].removeprefix("convoy: ")


Convoy = Callable[..., Ended]


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment of a terminal that has set nothing for Convoy."""
    return {key: value for key, value in os.environ.items() if not key.startswith("CONVOY_") and key != "COLUMNS"}


@pytest.fixture
def convoy(tmp_path: Path, environment: dict[str, str]) -> Convoy:
    """Runs `convoy` with its output in pipes, in a folder of its own."""

    def run(*arguments: object, **variables: str) -> Ended:
        command = [SCRIPT, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment | variables, check=False, timeout=120
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `convoy` and leaves it running; it ends with the test."""
    started = []

    def popen(*arguments: object) -> subprocess.Popen[str]:
        command = [SCRIPT, *map(str, arguments)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes))
        return started[-1]

    yield popen
    for process in started:
        process.kill()
        process.communicate()


class Mlmd:
    """Writes the lineage of a version into an MLMD database, as TFX does."""

    def __init__(self, place: Path | str) -> None:
        from ml_metadata.proto import metadata_store_pb2

        self._pb = metadata_store_pb2
        self._store = metadata.store(metadata.connection_config(place))

    def artifact(self, kind: str, properties: dict[str, Any] | None = None, **custom: str | int) -> int:
        """Adds an artifact; returns its id."""
        of_kind = self._pb.ArtifactType(name=kind)
        for name, value in (properties or {}).items():
            of_kind.properties[name] = self._pb.INT if isinstance(value, int) else self._pb.STRING
        added = self._pb.Artifact(type_id=self._store.put_artifact_type(of_kind), uri=f"/tfx/{kind}")
        for target, values in ((added.properties, properties or {}), (added.custom_properties, custom)):
            for name, value in values.items():
                setattr(target[name], "int_value" if isinstance(value, int) else "string_value", value)
        (found,) = self._store.put_artifacts([added])
        return int(found)

    def execution(self, node: str, inputs: dict[str, int], outputs: dict[str, int]) -> int:
        """Adds an execution with its events; returns its id."""
        kind = self._store.put_execution_type(self._pb.ExecutionType(name=f"components.{node.lower()}.{node}"))
        (found,) = self._store.put_executions([self._pb.Execution(type_id=kind)])
        for event_type, artifacts in ((self._pb.Event.INPUT, inputs), (self._pb.Event.OUTPUT, outputs)):
            for key, artifact in artifacts.items():
                event = self._pb.Event(execution_id=found, artifact_id=artifact, type=event_type)
                event.path.steps.add(key=key)
                event.path.steps.add(index=0)
                self._store.put_events([event])
        return int(found)

    def registered(self, version: int, sha256: str, *, model: str = MODEL) -> int:
        """Adds a registered model and no more."""
        return self.artifact("RegisteredModel", {"model_name": model, "model_version": version, "sha256": sha256})

    def pushed(self, version: int, sha256: str, *, pushed: int = 1, model: str = MODEL, destination: str = "") -> int:
        """Adds what the Publisher puts out."""
        custom = {"model_name": model, "pushed_version": str(version), "sha256": sha256}
        return self.artifact("PushedModel", pushed=pushed, pushed_destination=destination, **custom)


@pytest.fixture(scope="session")
def mlmd() -> type[Mlmd]:
    return Mlmd


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with three versions of one model: 1 and 2 published, 2 is the champion, 3 was withheld."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    published = [_publish(workspace, version) for version in (1, 2)]
    hashes = [*(found.sha256 for found in published), "f" * 64]
    store = Mlmd(workspace.metadata)
    for version, sha256 in enumerate(hashes, start=1):
        store.registered(version, sha256)
    for version, found in enumerate(published, start=1):
        store.pushed(version, found.sha256, destination=str(found.path))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy")
        _register(workspace, hashes)
    return workspace


@pytest.fixture
def published(tmp_path: Path) -> Workspace:
    """A workspace with a published version, and no databases."""
    workspace = Workspace(tmp_path / "workspace")
    _publish(workspace, 1)
    return workspace


def _publish(workspace: Workspace, version: int) -> Published:
    """Publishes files that a repository takes for a SavedModel; none of these tests loads them."""
    source = workspace.root / f"source{version}"
    (source / "variables").mkdir(parents=True)
    (source / "saved_model.pb").write_bytes(b"graph")
    (source / "variables" / "variables.data").write_bytes(bytes([version]) * 100)
    return Repository(workspace.repository).publish(MODEL, version, source, label="stable")


def _register(workspace: Workspace, hashes: list[str]) -> None:
    import mlflow

    mlflow.set_tracking_uri(workspace.tracking_uri)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("digits", artifact_location=str(workspace.artifact_location))
    client.create_registered_model(MODEL)
    for version, sha256 in enumerate(hashes, start=1):
        run = client.create_run(experiment).info.run_id
        client.log_param(run, "architecture", "lenet5")
        metrics = {"eval/accuracy": 0.9 + version / 100, "serve/latency_ms_p50": 2.0, "train/seconds": 9.8}
        for name, value in {
            **metrics,
            "model/parameters": 61706,
            "model/macs": 416520,
            "model/size_bytes": 105,
        }.items():
            client.log_metric(run, name, value)
        blessed = "true" if version < len(hashes) else "false"
        tags = {"sha256": sha256, "blessed": blessed, "infra_blessed": "true"}
        client.create_model_version(MODEL, str(workspace.artifact_location), run, tags=tags)
    client.set_registered_model_alias(MODEL, "champion", "2")


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of that workspace, to change."""
    shutil.copytree(finished.root, tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")
