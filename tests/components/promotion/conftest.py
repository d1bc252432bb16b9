"""A model with versions in a real MLflow, a real repository, a real server: all of it small."""

import shutil
import sys
from pathlib import Path

import cloudpickle
import pytest

from components.promotion import verbs
from components.promotion.promoter import Places
from components.publisher import executor
from components.registrar import registry
from serving import running
from serving.client import Client
from serving.repository import Repository, digest

MODEL = "digits_lenet5"

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # A child can't import it.


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Saves a model that finds every image dark."""
    import tensorflow as tf

    def pixels(images):
        dark = tf.ones_like(tf.cast(images[:, 0, 0, :], tf.float32))
        class_id = tf.zeros_like(dark[:, 0], tf.int64)
        return {"probabilities": dark, "class_id": class_id, "class_name": tf.gather(["dark"], class_id)}

    path = tmp_path_factory.mktemp("saved") / "saved_model"
    images = tf.TensorSpec([None, 8, 8, 1], tf.uint8, "images")
    tf.saved_model.save(tf.Module(), str(path), signatures={"pixels": tf.function(pixels, [images])})
    return path


class Workspace:
    """What promotions work on, with what a test wants to know of it."""

    def __init__(self, root, saved):
        self.root = root
        self.saved = saved
        mlflow = f"sqlite:///{root / 'mlflow.sqlite'}"
        self.places = Places(root / "repository", root / "promotions", mlflow, root / "server.json")

    @property
    def repository(self):
        return Repository(self.places.repository)

    def register(self, *, model=MODEL, blessed=True, infra_blessed=True, edit=lambda path: None):
        """Registers a version as the Registrar does; returns its number."""
        with registry.connected(self.places.tracking_uri) as client:
            if model not in registry.aliases(client):
                client.create_registered_model(model)
            number = len(client.search_model_versions(f"name = '{model}'")) + 1
            stored = self.root / "mlartifacts" / f"{model}-{number}"
            shutil.copytree(self.saved, stored / "saved_model")
            (stored / "saved_model" / "assets" / "number").write_text(str(number))
            edit(stored / "saved_model")
            run = client.create_run("0").info.run_id
            for name, value in {
                "eval/accuracy": 0.9 + number / 100,
                "train/loss": 1.0,
                "serve/latency_ms_p50": 2,
            }.items():
                client.log_metric(run, name, value)
            tags = {"blessed": str(blessed).lower(), "infra_blessed": str(infra_blessed).lower()}
            tags["sha256"] = digest(stored / "saved_model")
            client.create_model_version(model, str(stored), run, tags=tags)
            return number

    def promote(self, version, label="stable", *, model=MODEL, reason="tried it", force=False, objections=lambda _: []):
        return verbs.promote(self.places, model, str(version), label, reason, force=force, objections=objections)

    def rollback(self, reason="it was worse"):
        return verbs.rollback(self.places, MODEL, reason)

    def history(self):
        return verbs.history(self.places, MODEL)

    def publish(self, version, policy="stable", *, verdict="run-1", blessed=True, keep_versions=3):
        """Does what the Publisher does with a registered version."""
        facts = {
            "model_name": MODEL,
            "version": version,
            "sha256": self.sha256(version),
            "pipeline_run": verdict,
            "blessed": blessed,
            "infra_blessed": True,
            "objections": [] if blessed else ["too wrong"],
        }
        settings = {
            "repository": str(self.places.repository),
            "history": str(self.places.history),
            "tracking_uri": self.places.tracking_uri,
            "server_file": str(self.places.server_file),
            "policy": policy,
            "keep_versions": keep_versions,
        }
        return executor.publish(facts, settings, f"run {verdict}: blessed")

    def versions(self):
        with registry.connected(self.places.tracking_uri) as client:
            found = client.search_model_versions(f"name = '{MODEL}'")
            return {int(version.version): version for version in found}

    def sha256(self, version):
        return self.versions()[version].tags["sha256"]

    @property
    def labels(self):
        return self.repository.labels(MODEL)

    @property
    def aliases(self):
        with registry.connected(self.places.tracking_uri) as client:
            return registry.aliases(client)[MODEL]

    def moves(self):
        """The history in short: verb, label, from, to and outcome of each promotion."""
        from components.promotion.journal import Journal

        return [
            (entry.intent.verb, entry.intent.label, entry.intent.from_version, entry.intent.to_version, entry.outcome)
            for entry in Journal(self.places.history, MODEL).entries()
        ]


@pytest.fixture
def workspace(empty_mlflow, saved, tmp_path):
    """A workspace in which a model has three blessed versions."""
    shutil.copy(empty_mlflow, tmp_path / "mlflow.sqlite")
    made = Workspace(tmp_path, saved)
    for _ in range(3):
        made.register()
    return made


@pytest.fixture
def server(workspace):
    """Serves the repository, and says so where promoters look."""
    from serving.server import Server, ServerOptions

    options = ServerOptions(
        port=0,
        model_config_file=str(workspace.repository.config_path),
        file_system_poll_wait_seconds=0.05,
        max_num_load_retries=0,
        allow_version_labels_for_unavailable_models=True,
    )
    workspace.promote(1)
    with Server(options) as started, Client(f"127.0.0.1:{started.port}") as client:
        client.wait_until_available(MODEL, 1)
        with running.announced(Path(workspace.places.server_file), client.target):
            yield client
