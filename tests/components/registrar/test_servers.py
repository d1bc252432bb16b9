"""MLflow behind a server, a real one over HTTP, and in PostgreSQL: all is there once, whatever the network does."""

import dataclasses
import json
from pathlib import Path

import pytest

from components import servers
from components.registrar import connection, live, registry, runs
from serving.repository import digest


@pytest.fixture(scope="module")
def server(start_mlflow, tmp_path_factory):
    return start_mlflow(tmp_path_factory.mktemp("server"))


@pytest.fixture
def place(server):
    return connection.Place(server.url, "", "ours")


@pytest.fixture
def facts(facts, request):
    """Facts of an experiment of the test's own."""
    name = request.node.name.partition("[")[0]
    return facts | {"dataset": name, "model_name": f"{name}_lenet5"}


def download(place, model):
    import mlflow

    with connection.connected(place.tracking_uri):
        return digest(Path(mlflow.artifacts.download_artifacts(f"models:/{model}/1")) / "saved_model")


def held(place, experiment):
    """Lists what MLflow holds of an experiment: runs, learning curves, versions with their hashes."""
    with connection.connected(place.tracking_uri) as client:
        found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
        curves = [client.get_metric_history(run.info.run_id, "train/loss") for run in found]
        versions = [one for one in client.search_model_versions() if one.name.startswith(experiment)]
        return {
            "runs": sorted((run.info.run_name, run.info.status) for run in found),
            "curves": [sorted((point.step, point.value) for point in points) for points in curves if points],
            "versions": [(int(one.version), one.tags["sha256"]) for one in versions],
        }


def train(place, facts, kept=None, *, failure="", impatient=False):
    """Reports a training of two epochs, as a Trainer does."""
    if impatient:
        servers.PATIENCE_S = 1
    recording = live.Recording(place, facts["dataset"], facts["pipeline_run"], kept)
    recording.hear({"model_uri": facts["model_uri"], "training": facts["training"]})
    for number, loss in enumerate(facts["training"]["history"]["loss"], start=1):
        recording.hear({"epoch": number, "epochs": 2, "seconds_left": 1.0, "loss": loss, "val_loss": loss})
    recording.end(failure)


def train_and_register(place, facts, servable):
    """Does what a Trainer and then Registrar do, the latter twice; returns what MLflow holds, and its bytes."""
    train(place, facts)
    done = [registry.register(place, facts, servable) for _ in range(2)]
    assert done[0] == done[1]
    return held(place, facts["dataset"]), download(place, facts["model_name"])


def everything(facts):
    """What MLflow must hold of a training that was registered."""
    return {
        "runs": [("lenet5 v1", "FINISHED"), ("run-1", "RUNNING")],
        "curves": [list(enumerate(facts["training"]["history"]["loss"], start=1))],
        "versions": [(1, facts["sha256"])],
    }


def test_a_model_is_registered_over_http_and_its_bytes_come_back(in_child, place, facts, servable, server):
    found, stored = in_child(train_and_register, place, facts, servable)
    assert found == everything(facts)
    assert stored == digest(servable) == facts["sha256"]
    assert list((server.folder / "files").rglob("saved_model.pb")), "the server keeps the files"


def test_a_model_is_registered_in_postgresql(in_child, postgresql, facts, servable, tmp_path):
    place = connection.Place(postgresql.make("mlflow"), str(tmp_path / "mlartifacts"), "ours")
    found, stored = in_child(train_and_register, place, facts, servable)
    assert found == everything(facts)
    assert stored == facts["sha256"]


def send_twice(place, facts, kept, servable):
    """Does what the next run does; a kill may have left the file where all of it was sent."""
    content = kept.read_text()
    live.send(place, kept)
    assert not kept.exists()
    kept.write_text(content + '{"metrics": [{"key": "cut')
    registry.register(place, facts, servable)
    live.send(place, kept)
    with connection.connected(place.tracking_uri) as client:
        run = client.get_run(runs.find_run(client, facts["dataset"], runs.MODEL_URI, facts["model_uri"]))
        best = [point.step for point in client.get_metric_history(run.info.run_id, "best/val_loss")]
        load = [name for name in run.data.metrics if name.startswith("system/")]
    return held(place, facts["dataset"]), sorted(best), load


def test_what_a_slow_server_did_not_hear_is_kept_and_sent_once(
    in_child, place, facts, servable, server, between, tmp_path
):
    slow, kept = between(server.port), tmp_path / "unsent" / "run-1.Trainer.lenet5.jsonl"
    slow.swallows = True
    in_child(lambda *told: train(*told, impatient=True), dataclasses.replace(place, tracking_uri=slow.url), facts, kept)
    assert [next(iter(json.loads(line))) for line in kept.read_text().splitlines()] == ["opening", "metrics", "metrics"]
    found, best, load = in_child(send_twice, place, facts, kept, servable)
    assert found == everything(facts)
    assert set(best) == {1, 2}
    assert "system/cpu_utilization_percentage" in load


def fail_unheard(place, gone, facts, kept):
    train(gone, facts, kept, failure="A finite loss is required.")
    live.send(place, kept)
    with connection.connected(place.tracking_uri) as client:
        run = client.get_run(runs.find_run(client, facts["dataset"], runs.MODEL_URI, facts["model_uri"]))
    return run.info.status, run.data.tags[runs.NOTE], held(place, facts["dataset"])["curves"]


def test_a_training_that_failed_unheard_is_told_of_too(in_child, place, facts, tmp_path):
    gone = dataclasses.replace(place, tracking_uri="http://127.0.0.1:9")
    told = in_child(fail_unheard, place, gone, facts, tmp_path / "kept.jsonl")
    assert told == ("FAILED", "A finite loss is required.", everything(facts)["curves"])


def register_where_nobody_listens(facts, servable):
    with pytest.raises(connection.RegistryError) as refusal:
        registry.register(connection.Place("http://me:sesame@127.0.0.1:9", ""), facts, servable)
    return str(refusal.value)


def test_a_server_that_is_gone_is_one_sentence_without_a_password(in_child, facts, servable):
    assert in_child(register_where_nobody_listens, facts, servable) == (
        "A reachable MLflow server is required. Received: http://me@127.0.0.1:9, which answered: Connection refused; "
        "start it, or mend the address."
    )


def open_twice(place, facts):
    """A request that was given up may be heard after all: there are two runs then."""
    with connection.connected(place.tracking_uri) as client:
        experiment, _, first = runs.training_run(client, place, facts)
        tags = client.get_run(first).data.tags
        client.create_run(experiment, run_name="lenet5", tags=tags)
        again = runs.training_run(client, place, facts)[2]
    return first == again, held(place, facts["dataset"])["runs"]


def test_a_run_that_was_made_twice_is_one(in_child, place, facts):
    assert in_child(open_twice, place, facts) == (True, [("lenet5", "RUNNING"), ("run-1", "RUNNING")])


def register_from_two(place, facts, servable):
    return [
        registry.register(dataclasses.replace(place, workspace=mark), facts, servable) for mark in ("here", "there")
    ]


def test_workspaces_of_the_same_path_on_two_machines_do_not_mix(in_child, place, facts, servable):
    here, there = in_child(register_from_two, place, facts, servable)
    assert (here["version"], there["version"]) == (1, 2)
    assert not {here["run_id"], here["parent_run_id"]} & {there["run_id"], there["parent_run_id"]}


def test_branches_that_register_at_once_share_one_parent(start_child, in_child, place, facts, servable):
    names = ("a", "b", "c")
    told = [facts | {"model_name": f"{facts['dataset']}_{name}", "model_uri": f"/tfx/{name}"} for name in names]
    children = [start_child(registry.register, place, one, servable) for one in told]
    answers = [connection.recv() for _, connection in children]
    assert [done for done, _ in answers] == [True] * 3, answers
    assert len({answer["parent_run_id"] for _, answer in answers}) == 1
    assert [status for _, status in in_child(held, place, facts["dataset"])["runs"]] == ["FINISHED"] * 3 + ["RUNNING"]
