"""Publisher's executor: real MLflow, a real repository, a real server that keeps being asked."""

import json
import resource
import shutil
import threading
import time
from pathlib import Path

import pytest
from tfx.types import channel_utils

from components.dataset_gen import scans
from components.evaluation.facts import Evaluation, Verdict
from components.promotion.journal import Journal
from components.publisher.component import Publisher
from components.registrar import registry
from serving import running
from serving.client import Client, LoadFailedError
from serving.repository import DiskFullError, Repository, digest
from serving.server import Server, ServerOptions

NAME = "digits_lenet5"


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


@pytest.fixture
def variant(servable, facts, tmp_path):
    """Makes another model of the LeNet-5, its files edited; returns its facts and its folder."""

    def make(number, edit=lambda path: None):
        path = tmp_path / f"variant{number}"
        shutil.copytree(servable, path)
        (path / "assets.extra" / "number").write_text(str(number))
        edit(path)
        return facts | {"sha256": digest(path), "model_uri": f"/tfx/Trainer.lenet5/model/{number}"}, path

    return make


@pytest.fixture
def publish(in_child, execute, mlflow_place, repository, tmp_path):
    """Registers a model and runs Publisher on it in a child process; returns what it wrote."""
    attempts = iter(range(100))

    def run(facts, path, *, policy="stable", file_size=None):
        root = tmp_path / f"attempt{next(attempts)}"
        return in_child(
            run_publisher, execute, mlflow_place, facts, path, policy, str(repository.root), root, file_size
        )

    return run


def run_publisher(execute, place, facts, path, policy, repository, root, file_size):
    from components.artifacts import RegisteredModel

    facts = facts | registry.register(place, facts, path)
    registered = RegisteredModel()
    registered.uri = str(root / "registered_model")
    Path(registered.uri).mkdir(parents=True)
    (Path(registered.uri) / "registration.json").write_text(json.dumps(facts))
    verdict = Verdict(blessed=True, reason="no worse than version 7", checks=())
    nothing = {"metrics": {}, "classes": (), "confusion": (), "calibration": (), "slices": (), "mistakes": ()}
    Evaluation(examples=1, baseline=None, verdict=verdict, **nothing).write(Path(registered.uri))
    component = Publisher(
        registered_model=channel_utils.as_channel([registered]),
        repository=repository,
        history=str(Path(repository).with_name("promotions")),
        policy=policy,
        keep_versions=3,
        tracking_uri=place.tracking_uri,
        server_file=str(Path(repository).with_name("server.json")),
    )
    if file_size is not None:  # What a full disk is to a process: no file grows beyond this.
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.RLIM_INFINITY))
    pushed = execute(component, root / "publisher", registered_model=registered)["pushed_model"]
    written = json.loads((Path(pushed.uri) / "publication.json").read_text())
    texts = {key: pushed.get_string_custom_property(key) for key in ("pushed_version", "pushed_destination", "sha256")}
    return written, {"pushed": pushed.get_int_custom_property("pushed"), **texts}


@pytest.fixture
def aliases(in_child, mlflow_place):
    """Reads the model's aliases."""
    return lambda: in_child(read_aliases, mlflow_place)


def read_aliases(place):
    with registry.connected(place.tracking_uri) as client:
        return {alias: int(version) for alias, version in client.get_registered_model(NAME).aliases.items()}


def test_a_doubly_blessed_model_is_published_under_its_registered_number(publish, repository, aliases, servable, facts):
    written, pushed = publish(facts, servable)
    path = repository.path(NAME, 1)
    done = {"published": True, "state": "published", "reason": "", "label": "stable", "before": None, "now": 1}
    assert written == done | {"path": str(path), "sha256": facts["sha256"]}
    assert pushed == {"pushed": 1, "pushed_version": "1", "pushed_destination": str(path), "sha256": facts["sha256"]}
    assert digest(path) == repository.sha256(NAME, 1) == facts["sha256"]
    assert repository.labels(NAME) == {"stable": 1}
    assert aliases() == {"champion": 1}
    (entry,) = Journal(repository.root.with_name("promotions"), NAME).entries()
    assert entry.intent.why == "run run-1: no worse than version 7"
    assert entry.intent.metrics["to_version"]["eval/accuracy"] == 0.96875


def test_label_and_alias_move_together(publish, repository, aliases, variant):
    (first, _), (second, _) = publish(*variant(1)), publish(*variant(2))
    assert (first["before"], second["before"]) == (None, 1)
    assert (repository.labels(NAME), aliases()) == ({"stable": 2}, {"champion": 2})
    publish(*variant(3), policy="canary")
    assert (repository.labels(NAME), aliases()) == ({"stable": 2, "canary": 3}, {"champion": 2, "challenger": 3})
    assert repository.versions(NAME) == [1, 2, 3]


def test_publishing_again_changes_nothing_and_restores_a_lost_repository(publish, repository, aliases, servable, facts):
    (first, pushed) = publish(facts, servable)
    assert publish(facts, servable) == (first | {"before": 1}, pushed)
    shutil.rmtree(repository.root)
    assert publish(facts, servable) == (first, pushed)
    assert repository.verify(NAME, 1) == []
    assert (repository.labels(NAME), aliases()) == ({"stable": 1}, {"champion": 1})


@pytest.mark.parametrize("verdict", [{"blessed": False}, {"infra_blessed": False}])
def test_what_is_not_doubly_blessed_is_withheld_with_the_reason(publish, repository, aliases, servable, facts, verdict):
    written, pushed = publish(facts | verdict | {"objections": ["too wrong", "too slow"]}, servable)
    assert written == {"published": False, "state": "withheld", "reason": "too wrong; too slow"}
    assert (pushed["pushed"], pushed["pushed_version"], pushed["pushed_destination"]) == (0, "1", "")
    assert (repository.models(), aliases()) == ([], {})


@pytest.fixture
def server(repository, tmp_path):
    """Serves the repository, and says so where the publisher looks."""
    options = ServerOptions(
        port=0,
        model_config_file=str(repository.config_path),
        file_system_poll_wait_seconds=0.05,
        max_num_load_retries=0,
        allow_version_labels_for_unavailable_models=True,  # Without it, no server starts on a config with labels.
    )
    with Server(options) as started:
        target = f"127.0.0.1:{started.port}"
        with running.announced(tmp_path / "server.json", target), Client(target) as client:
            yield client


class Asker(threading.Thread):
    """Asks by label without a pause, and keeps the version or the error of each answer."""

    def __init__(self, client):
        super().__init__()
        self.client = client
        self.images = scans.load_images()[0][:1]
        self.answers = []
        self.enough = threading.Event()

    def run(self):
        while not self.enough.is_set():
            try:
                self.answers.append(self.client.predict(NAME, images=self.images, label="stable").version)
            except Exception as error:
                self.answers.append(error)


@pytest.fixture
def first_version(publish, variant):
    publish(*variant(1))


def test_a_client_that_asks_by_label_sees_the_label_move_and_no_failure(
    first_version, server, publish, repository, aliases, variant
):
    server.wait_until_available(NAME, 1)
    asker = Asker(server)
    asker.start()
    try:
        publish(*variant(2))
        after = len(asker.answers)
        while len(asker.answers) < after + 3:
            time.sleep(0.005)
    finally:
        asker.enough.set()
        asker.join()
    assert [answer for answer in asker.answers if isinstance(answer, Exception)] == []
    assert asker.answers == sorted(asker.answers)
    assert asker.answers[0] == 1
    assert set(asker.answers[after + 1 :]) == {2}, "the label has moved when the publisher is done"
    assert (repository.labels(NAME), aliases()) == ({"stable": 2}, {"champion": 2})


def test_a_version_that_the_server_cannot_load_moves_neither_label_nor_alias(
    first_version, server, publish, repository, aliases, variant
):
    broken = variant(2, lambda path: (path / "saved_model.pb").write_bytes(b"no graph"))
    with pytest.raises(LoadFailedError, match=r"must load `digits_lenet5` version 2\. Received: .*saved_model\.pb"):
        publish(*broken)
    assert (repository.labels(NAME), aliases()) == ({"stable": 1}, {"champion": 1})
    assert server.predict(NAME, images=scans.load_images()[0][:1], label="stable").version == 1


def test_a_server_that_is_gone_does_not_keep_a_model_from_being_published(
    first_version, publish, repository, aliases, variant, tmp_path
):
    running.announce(tmp_path / "server.json", "127.0.0.1:1")
    publish(*variant(2))
    assert (repository.labels(NAME), aliases()) == ({"stable": 2}, {"champion": 2})


def test_a_full_disk_is_one_sentence_and_the_next_try_succeeds(publish, repository, aliases, servable, facts):
    publish(facts | {"blessed": False}, servable)  # Registered; what is tried now is publishing alone.
    largest = max(path.stat().st_size for path in servable.rglob("*"))
    with pytest.raises(DiskFullError) as error:
        publish(facts, servable, file_size=largest - 1)
    assert "must have room for" in str(error.value)
    assert "\n" not in str(error.value)
    assert [path for path in repository.root.rglob("*") if path.is_file() and path.name != ".lock"] == []
    assert (repository.versions(NAME), repository.labels(NAME), aliases()) == ([], {}, {})
    publish(facts, servable)
    assert repository.verify(NAME, 1) == []
    assert (repository.labels(NAME), aliases()) == ({"stable": 1}, {"champion": 1})


def test_a_model_that_mlflow_has_lost_is_one_sentence(publish, repository, servable, facts, mlflow_place):
    publish(facts | {"blessed": False}, servable)
    shutil.rmtree(mlflow_place.artifact_location)
    with pytest.raises(registry.RegistryError, match=r"^A reachable MLflow is required\. Received: sqlite"):
        publish(facts, servable)
    assert repository.models() == []
