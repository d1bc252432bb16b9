"""MLflow on a real SQLite database, always from a child process: its settings are a process's own."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.dataset_gen import scans
from components.evaluation.facts import Estimate, Evaluation, Verdict
from components.registrar import provenance, record, registry, runs, view
from serving.repository import digest


def versions(place, name):
    """Reads a model's versions from the database itself, without MLflow."""
    with contextlib.closing(sqlite3.connect(place.tracking_uri.removeprefix("sqlite:///"))) as database:
        return [row[0] for row in database.execute("SELECT version FROM model_versions WHERE name = ?", [name])]


def look(place, question):
    """Asks MLflow something, as `registry` does."""
    with registry.connected(place.tracking_uri) as client:
        return question(client)


@pytest.fixture
def register(in_child, mlflow_place, servable, facts):
    """Registers the LeNet-5, some facts changed, in a child process."""

    def run(*, servable=servable, **changed):
        return in_child(registry.register, mlflow_place, facts | changed, servable)

    return run


@pytest.fixture
def other(servable, tmp_path):
    """Returns facts and folder of another model."""
    import shutil

    path = tmp_path / "other"
    shutil.copytree(servable, path)
    (path / "assets.extra" / "note").write_text("another model")
    return {"sha256": digest(path), "model_uri": "/tfx/Trainer.lenet5/model/99", "servable": path}


def test_a_model_gets_a_number_and_keeps_it(register, other, mlflow_place):
    first = register()
    assert first["version"] == 1
    assert register() == first
    second = register(**other)
    assert second["version"] == 2
    assert second["parent_run_id"] == first["parent_run_id"], "one pipeline run"
    assert second["run_id"] != first["run_id"]
    assert register() == first
    assert versions(mlflow_place, "digits_lenet5") == [1, 2]


def test_other_bytes_of_a_known_model_are_another_version(register, other, in_child, mlflow_place, facts):
    """Infra validation, run again by newer code, may write other warm-up requests."""
    assert register()["version"] == 1
    assert register(**other | {"model_uri": facts["model_uri"]})["version"] == 2
    assert register(model_uri="/tfx/Trainer.lenet5/model/100")["version"] == 3
    stored = [in_child(download, mlflow_place, f"models:/digits_lenet5/{number}") for number in (1, 2, 3)]
    assert [digest(Path(path, "saved_model")) for path in stored] == [facts["sha256"], other["sha256"], facts["sha256"]]


def test_what_mlflow_stores_is_what_infra_validation_served(register, in_child, mlflow_place, servable, facts):
    register()
    stored = Path(in_child(download, mlflow_place, "models:/digits_lenet5/1"))
    assert digest(stored / "saved_model") == digest(servable) == facts["sha256"]
    assert (stored / "MLmodel").exists()


def download(place, uri):
    import mlflow

    return look(place, lambda client: mlflow.artifacts.download_artifacts(uri))


def test_the_version_says_what_it_is_and_where_it_comes_from(register, in_child, mlflow_place, facts):
    done = register(training=facts["training"] | {"options": {"shortcut": "b", "heads": False}})
    version, run, parent, logged = in_child(look, mlflow_place, read_version)
    assert version["tags"] == {
        "sha256": facts["sha256"],
        "convoy.model_uri": facts["model_uri"],
        "dataset": "digits",
        "blessed": "true",
        "infra_blessed": "true",
        "pipeline_run": "run-1",
        "data_fingerprint": "f" * 64,
        "data_span": "1",
        "source_digest": "5eed",
        "recipe": "sgd, learning rate 0.1 (cosine), 2 epochs of batches of 32",
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "code_version": provenance.code_version(),
        "mlflow_run": done["run_id"],
        "mlmd_execution": "11",
        "mlmd_model": "7",
        "mlmd_evaluation": "8",
    }
    assert (version["run_id"], version["model_id"]) == (done["run_id"], done["model_id"])
    assert run["name"] == "lenet5 v1"
    assert run["data"] == {"name": "digits", "digest": "f" * 36, "images": facts["data"]["splits"]}
    assert run["status"] == "FINISHED"
    assert run["parent"] == done["parent_run_id"] == parent["id"]
    assert parent["name"] == "run-1"
    assert run["params"]["architecture"] == "lenet5"
    assert run["params"]["recipe.epochs"] == "2"
    assert (run["params"]["option.shortcut"], run["params"]["option.heads"]) == ("b", "False")
    history = facts["training"]["history"]
    final = {
        "eval/accuracy": 0.96875,
        "eval/cross_entropy": 0.125,
        "serve/latency_ms_p50": 1.5,
        "serve/latency_ms_p90": 2.0,
        "serve/latency_ms_p99": 2.5,
        "model/parameters": facts["training"]["architecture"]["params"],
        "model/macs": facts["training"]["architecture"]["macs"],
        "model/size_bytes": facts["size_bytes"],
        "train/seconds": facts["training"]["train_seconds"],
        "best/loss": min(history["loss"]),
        "best/accuracy": max(history["accuracy"]),
        "best/val_loss": min(history["val_loss"]),
        "best/val_accuracy": max(history["val_accuracy"]),
        "best/epoch": 1 + history["val_loss"].index(min(history["val_loss"])),
        **{f"final/{name}": values[-1] for name, values in history.items()},
        "final/epoch": 2,
    }
    assert logged == pytest.approx(final)
    assert {name: value for name, value in run["metrics"].items() if name in final} == pytest.approx(final)
    assert run["curve"] == list(enumerate(facts["training"]["history"]["val_accuracy"], start=1))


TRIALS = [
    {"trial_id": "1", "score": 0.9, "batch_size": 32, "milestones": "[0.5]"},
    {"trial_id": "0", "score": 0.8, "batch_size": 64, "milestones": "[0.25]"},
]


def test_the_trials_of_a_search_are_a_table_of_the_run_once(register, in_child, mlflow_place, facts):
    training = facts["training"] | {"tuned": {"batch_size": 32, "milestones": [0.5]}}
    register(training=training, trials=TRIALS)
    tables, params = in_child(look, mlflow_place, read_trials)
    assert tables == [
        {
            "columns": ["trial", "val_accuracy", "batch_size", "milestones"],
            "data": [[2, 0.9, 32, "[0.5]"], [1, 0.8, 64, "[0.25]"]],
        }
    ]
    assert params["tuned"] == "batch_size, milestones"
    in_child(log_trials_again, mlflow_place)
    assert in_child(look, mlflow_place, read_trials)[0] == tables


def test_a_run_without_a_search_has_no_table_of_trials(register, in_child, mlflow_place):
    register()
    tables, params = in_child(look, mlflow_place, read_trials)
    assert tables == []
    assert "tuned" not in params


def read_trials(client):
    import mlflow

    run = client.get_model_version("digits_lenet5", "1").run_id
    found = [file.path for file in client.list_artifacts(run) if file.path == "trials.json"]
    return [mlflow.artifacts.load_dict(f"runs:/{run}/{path}") for path in found], client.get_run(run).data.params


def log_trials_again(place):
    """What a registration does that was killed before its version had a number."""
    with registry.connected(place.tracking_uri) as client:
        record.log_trials(client, client.get_model_version("digits_lenet5", "1").run_id, TRIALS)


def read_version(client):
    version = client.get_model_version("digits_lenet5", "1")
    run = client.get_run(version.run_id)
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    curve = client.get_metric_history(version.run_id, "train/val_accuracy")
    logged = client.get_logged_model(version.source.removeprefix("models:/"))
    return (
        {
            "tags": version.tags,
            "description": version.description,
            "run_id": version.run_id,
            "model_id": logged.model_id,
        },
        {
            "name": run.info.run_name,
            "status": run.info.status,
            "parent": run.data.tags["mlflow.parentRunId"],
            "params": run.data.params,
            "metrics": run.data.metrics,
            "data": read_data(run.inputs.dataset_inputs),
            "curve": sorted((point.step, point.value) for point in curve),
        },
        {"id": parent.info.run_id, "name": parent.info.run_name},
        {metric.key: metric.value for metric in logged.metrics},
    )


def read_data(inputs):
    (found,) = inputs
    profile = json.loads(found.dataset.profile)
    return {"name": found.dataset.name, "digest": found.dataset.digest, "images": profile["images"]}


def test_a_later_word_on_a_known_model_changes_what_is_said_of_it(register, in_child, mlflow_place):
    assert register(blessed=False, objections=["too wrong", "too slow"])["version"] == 1
    version, *_ = in_child(look, mlflow_place, read_version)
    assert (version["tags"]["blessed"], version["description"]) == ("false", "Withheld: too wrong; too slow")
    assert register(blessed=True, pipeline_run="run-2")["version"] == 1
    version, *_ = in_child(look, mlflow_place, read_version)
    assert (version["tags"]["blessed"], version["tags"]["pipeline_run"]) == ("true", "run-2")
    assert version["description"].startswith("Blessed")


def test_a_champion_that_a_later_run_would_not_bless_is_called_both(register, in_child, mlflow_place):
    register()
    in_child(look, mlflow_place, crown)
    assert register(blessed=False, objections=["too wrong"], pipeline_run="run-2")["version"] == 1
    version, *_ = in_child(look, mlflow_place, read_version)
    assert version["description"] == "Champion still; run run-2 would not bless it again: too wrong"


def crown(client):
    client.set_registered_model_alias("digits_lenet5", "champion", "1")


def test_long_training_is_recorded_whole(register, in_child, mlflow_place, facts):
    """MLflow takes a thousand metrics at a time; All-CNN's paper trains for 350 epochs."""
    curve = [1 / epoch for epoch in range(1, 351)]
    history = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), curve)
    register(training=facts["training"] | {"history": history})
    _, run, *_ = in_child(look, mlflow_place, read_version)
    assert run["curve"] == [(epoch, pytest.approx(value)) for epoch, value in enumerate(curve, start=1)]


def register_until_killed(place, facts, servable, step):
    """Registers, and dies like a killed process at one step of MLflow's client."""
    import os

    import mlflow

    setattr(mlflow.MlflowClient, step, lambda *_, **__: os._exit(9))
    registry.register(place, facts, servable)


@pytest.mark.parametrize("step", ["log_model_artifacts", "create_model_version", "set_terminated"])
def test_killed_at_any_step_the_next_try_ends_with_one_version(
    step, start_child, register, in_child, mlflow_place, servable, facts
):
    process, _ = start_child(register_until_killed, mlflow_place, facts, servable, step)
    process.join(60)
    assert process.exitcode == 9
    done = register()
    assert done["version"] == 1
    assert versions(mlflow_place, "digits_lenet5") == [1]
    assert in_child(look, mlflow_place, count_everything) == {
        "runs": {"run-1": "RUNNING", "lenet5 v1": "FINISHED"},
        "logged models": [(done["model_id"], "READY")],
        "points of a curve": 2,
    }
    assert digest(Path(in_child(download, mlflow_place, "models:/digits_lenet5/1")) / "saved_model") == facts["sha256"]


def count_everything(client):
    experiment = client.get_experiment_by_name("digits").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    logged = client.search_logged_models([experiment])
    return {
        "runs": {name: run.info.status for name, run in runs.items()},
        "logged models": [(model.model_id, str(model.status)) for model in logged],
        "points of a curve": len(client.get_metric_history(runs["lenet5 v1"].info.run_id, "train/loss")),
    }


def register_on_signal(place, facts, servable, ready, go):
    ready.touch()
    while not go.exists():
        time.sleep(0.001)
    return registry.register(place, facts, servable)


def test_processes_that_register_different_models_at_once_get_what_they_should(
    start_child, mlflow_place, servable, facts, tmp_path
):
    names = ["digits_lenet5", "digits_resnet20", "digits_mobilenet"]
    children = [
        start_child(
            register_on_signal,
            mlflow_place,
            facts | {"model_name": name, "model_uri": f"/tfx/{name}/model/1"},
            servable,
            tmp_path / name,
            tmp_path / "go",
        )
        for name in names
    ]
    while not all((tmp_path / name).exists() for name in names):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    answers = [connection.recv() for _, connection in children]
    assert [done for done, _ in answers] == [True] * 3, answers
    assert [answer["version"] for _, answer in answers] == [1, 1, 1]
    assert len({answer["run_id"] for _, answer in answers}) == 3
    assert len({answer["parent_run_id"] for _, answer in answers}) == 1
    assert [versions(mlflow_place, name) for name in names] == [[1], [1], [1]]


def write_until_told(place, inside, leave):
    with registry.connected(place.tracking_uri):
        inside.touch()
        while not leave.exists():
            time.sleep(0.001)


def test_one_process_writes_at_a_time(start_child, mlflow_place, servable, facts, tmp_path):
    inside, leave = tmp_path / "inside", tmp_path / "leave"
    _, first = start_child(write_until_told, mlflow_place, inside, leave)
    while not inside.exists():
        time.sleep(0.01)
    _, second = start_child(registry.register, mlflow_place, facts, servable)
    assert not second.poll(1.5), "it must wait"
    leave.touch()
    assert first.recv() == (True, None)
    assert second.recv()[1]["version"] == 1


def register_again_and_again(place, facts, servables, ready, go):
    """Registers models of its own under the name that another process uses as well."""
    ready.touch()
    while not go.exists():
        time.sleep(0.001)
    done = [registry.register(place, facts | changed, servable) for servable, changed in servables]
    return [found["version"] for found in done]


def test_two_processes_that_register_one_model_at_once_never_share_a_number_nor_mix_bytes(
    start_child, in_child, mlflow_place, servable, facts, tmp_path
):
    import shutil

    made = {}
    for process in ("first", "second"):
        for number in range(6):
            path = tmp_path / process / str(number)
            shutil.copytree(servable, path)
            (path / "assets.extra" / "note").write_text(f"{process} {number}")
            made[process, number] = (path, {"sha256": digest(path), "model_uri": f"/tfx/{process}/model/{number}"})
    children = []
    for process in ("first", "second"):
        servables = [value for (of, _), value in made.items() if of == process]
        ready = tmp_path / f"{process}.ready"
        children.append(
            start_child(register_again_and_again, mlflow_place, facts, servables, ready, tmp_path / "go")[1]
        )
    while not all((tmp_path / f"{process}.ready").exists() for process in ("first", "second")):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    (fine, first), (too, second) = (child.recv() for child in children)
    assert (fine, too) == (True, True), (first, second)
    assert sorted(first + second) == versions(mlflow_place, "digits_lenet5") == list(range(1, 13))
    numbers = dict(zip(made, first + second, strict=True))
    stored = in_child(
        look, mlflow_place, lambda client: {number: read_bytes(client, number) for number in range(1, 13)}
    )
    for key, (_, changed) in made.items():
        assert stored[numbers[key]] == (changed["sha256"], changed["sha256"], changed["model_uri"])


def read_bytes(client, number):
    """Returns what a version says of its bytes, and what they are."""
    import mlflow

    version = client.get_model_version("digits_lenet5", str(number))
    path = Path(mlflow.artifacts.download_artifacts(f"models:/digits_lenet5/{number}"))
    return version.tags["sha256"], digest(path / "saved_model"), version.tags["convoy.model_uri"]


def test_the_metrics_of_a_logged_model_are_tied_to_the_data_where_these_decide_them(register, in_child, mlflow_place):
    register()
    tied = in_child(look, mlflow_place, read_tied)
    assert {tied["eval/accuracy"], tied["best/val_loss"]} == {("digits", "f" * 36)}
    assert {tied["serve/latency_ms_p50"], tied["model/parameters"]} == {(None, None)}


def read_tied(client):
    (logged,) = client.search_logged_models([client.get_experiment_by_name("digits").experiment_id])
    return {metric.key: (metric.dataset_name, metric.dataset_digest) for metric in logged.metrics}


def test_an_experiment_says_what_it_shows_and_keeps_a_ranked_view(register, in_child, mlflow_place):
    register()
    tags, kept = in_child(look, mlflow_place, read_experiment)
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert "**digits**" in tags["mlflow.note.content"]
    assert f"viewStateShareKey={view.RANKING}" in tags["mlflow.note.content"]
    assert (kept["orderByKey"], kept["orderByAsc"]) == ("metrics.`eval/accuracy`", False)
    assert kept["selectedColumns"][1] == "metrics.`eval/accuracy`"


def read_experiment(client):
    tags = client.get_experiment_by_name("digits").tags
    return tags, json.loads(tags[view.KEPT])


def differ(place, facts, servable):
    """Registers trainings that differ by two parameters, one of which has more values."""
    for number, (epochs, batch) in enumerate([(1, 32), (2, 32), (3, 64)]):
        recipe = facts["training"]["recipe"] | {"epochs": epochs, "batch_size": batch}
        training = facts["training"] | {"recipe": recipe}
        registry.register(place, facts | {"training": training, "model_uri": f"/tfx/model/{number}"}, servable)
    with registry.connected(place.tracking_uri) as client:
        experiment = client.get_experiment_by_name("digits").experiment_id
        found = runs.differing(client, experiment)
        view.rank(client, experiment, found)
        return found, read_experiment(client)[1]["selectedColumns"]


def test_parameters_that_differ_come_first_and_others_not_at_all(in_child, mlflow_place, facts, servable):
    found, columns = in_child(differ, mlflow_place, facts, servable)
    assert found == ["recipe.epochs", "recipe.batch_size"]
    assert columns[-2:] == ["params.`recipe.epochs`", "params.`recipe.batch_size`"]


@pytest.fixture
def report(tmp_path):
    """Writes what is made of a version for people to read: a report, a card, and an evaluation with an interval."""
    folder = tmp_path / "registered_model"
    (folder / "report").mkdir(parents=True)
    (folder / "report" / "learning_curves.png").write_bytes(b"\x89PNG picture")
    card = "# digits_lenet5\n\n![curves](learning_curves.png) ![far](https://example.org/x.png)\n"
    (folder / "report" / "model_card.md").write_text(card)
    Evaluation(
        examples=360,
        metrics={"accuracy": Estimate(value=0.96875, low=0.95, high=0.98), "macro_f1": Estimate(value=0.9)},
        **dict.fromkeys(("classes", "confusion", "calibration", "slices", "mistakes"), ()),
        baseline=None,
        verdict=Verdict(blessed=True, reason="It is good.", checks=()),
    ).write(folder)
    return folder


def register_and_present(place, facts, servable, folder):
    import mlflow

    known = facts | registry.register(place, facts, servable)
    registry.present(place, known, folder)
    with registry.connected(place.tracking_uri) as client:
        run = client.get_run(known["run_id"])
        version = client.get_model_version("digits_lenet5", "1")
        stored = Path(mlflow.artifacts.download_artifacts("models:/digits_lenet5/1"))
        return {
            "files": {file.path for file in client.list_artifacts(known["run_id"], "report")},
            "metrics": {name: value for name, value in run.data.metrics.items() if name.startswith("interval/")},
            "run": run.data.tags["mlflow.note.content"],
            "version": version.description,
            "stored": sorted(path.name for path in stored.glob("report/*")),
            "sha256": digest(stored / "saved_model"),
            "id": known["run_id"],
        }


def test_a_report_is_shown_on_the_run_and_with_the_version_and_the_served_bytes_stay(
    in_child, mlflow_place, facts, servable, report
):
    found = in_child(register_and_present, mlflow_place, facts, servable, report)
    assert found["files"] == {"report/learning_curves.png", "report/model_card.md"}
    assert found["stored"] == ["learning_curves.png", "model_card.md"]
    assert found["sha256"] == facts["sha256"]
    assert found["metrics"] == {"interval/accuracy_low": 0.95, "interval/accuracy_high": 0.98}
    picture = f"(get-artifact?path=report%2Flearning_curves.png&run_uuid={found['id']})"
    assert f"![learning_curves.png]{picture}" in found["run"]
    assert "[digits_lenet5 version 1](#/models/digits_lenet5/versions/1)" in found["run"]
    assert found["version"].startswith("Blessed by the evaluation and by infra validation.\n\n# digits_lenet5")
    assert f"![curves]{picture} ![far](https://example.org/x.png)" in found["version"]


def test_where_nothing_was_made_for_people_nothing_is_shown(in_child, mlflow_place, facts, servable, tmp_path):
    found = in_child(register_and_present, mlflow_place, facts, servable, tmp_path)
    assert (found["files"], found["metrics"], found["stored"]) == (set(), {}, [])
    assert found["version"] == "Blessed by the evaluation and by infra validation."


LOAD = """
import sys

for name in ("components", "models", "pipeline", "serving"):
    sys.modules[name] = None  # An import of it fails.
import json
import mlflow
import numpy as np

mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/digits_lenet5@champion")
answer = model.predict({"images": np.array(json.loads(sys.argv[2]), np.uint8)})
told = {name: np.asarray(value).tolist() for name, value in answer.items()}
path = mlflow.artifacts.download_artifacts("models:/digits_lenet5@champion")
example = mlflow.models.Model.load(path).load_input_example(path)
told["example"] = [np.asarray(value).tolist() for value in example.values()]
told["of example"] = np.asarray(model.predict(example)["class_id"]).tolist()
told["signature"] = [spec.name for spec in model.metadata.signature.inputs]
print(json.dumps(told, default=bytes.decode))
"""


def test_mlflow_alone_loads_the_champion_and_gets_its_answers(
    register, in_child, mlflow_place, lenet5, questions, tmp_path
):
    register()
    in_child(look, mlflow_place, crown)
    images = scans.load_images()[0][:3]
    command = [sys.executable, "-I", "-W", "ignore", "-c", LOAD, mlflow_place.tracking_uri, json.dumps(images.tolist())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    expected = tf.saved_model.load(str(lenet5[0])).signatures["pixels"](images=tf.constant(images))
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-5)
    assert answer["class_id"] == expected["class_id"].numpy().tolist()
    assert answer["class_name"] == [name.decode() for name in expected["class_name"].numpy()]
    assert (answer["example"], answer["signature"]) == ([questions[0].pixels[np.newaxis].tolist()], ["images"])
    expected = tf.saved_model.load(str(lenet5[0])).signatures["pixels"](
        images=tf.constant(questions[0].pixels[np.newaxis])
    )
    assert answer["of example"] == expected["class_id"].numpy().tolist()


def test_a_locked_database_is_one_sentence(register, mlflow_place):
    path = mlflow_place.tracking_uri.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other_program:
        other_program.execute("BEGIN EXCLUSIVE")
        begin = time.monotonic()
        with pytest.raises(registry.RegistryError) as error:
            register()
        assert time.monotonic() - begin < 30
    assert str(error.value) == (
        f"A free MLflow database is required. Received: {mlflow_place.tracking_uri}, locked by another program; end it."
    )
    assert register()["version"] == 1


def test_a_database_of_another_schema_is_one_sentence(register, mlflow_place):
    path = mlflow_place.tracking_uri.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'fromthefuture'")
    with pytest.raises(
        registry.RegistryError, match=r"^A database of this MLflow's schema \(MLflow 3\..*`mlflow db upgr"
    ):
        register()


def test_a_file_that_is_no_database_is_one_sentence(register, mlflow_place):
    path = mlflow_place.tracking_uri.removeprefix("sqlite:///")
    Path(path).write_bytes(b"no database" * 1000)
    with pytest.raises(registry.RegistryError) as error:
        register()
    assert str(error.value).startswith(
        f"A reachable MLflow is required. Received: {mlflow_place.tracking_uri}, which ans"
    )
    assert str(error.value).endswith("file is not a database")
