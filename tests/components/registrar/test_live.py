"""A training's run in MLflow, while it trains and after it."""

import contextlib
import dataclasses
import time

import pytest

from components.registrar import connection, live, registry, runs

URI = "/tfx/Trainer.lenet5/model/7"


def started(facts):
    """What a Trainer says first: Registrar reads the same from JSON, which knows no tuples."""
    training = {key: facts["training"][key] for key in ("architecture", "form", "options", "recipe")}
    training["recipe"] = training["recipe"] | {"milestones": tuple(training["recipe"]["milestones"])}
    return {"model_uri": URI, "training": training}


def epoch(number, **numbers):
    usual = {"epochs": 2, "seconds_left": 1.0, "loss": 1 / number, "val_accuracy": 0.5, "learning_rate": 0.1}
    return {"epoch": number, **usual, **numbers}


def read(client, run=None):
    """Returns what stands in the run, and its parent's name."""
    run = client.get_run(run or runs.find_run(client, "digits", runs.MODEL_URI, URI))
    history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {
        "status": run.info.status,
        "params": run.data.params,
        "note": run.data.tags.get("mlflow.note.content"),
        "parent": client.get_run(run.data.tags["mlflow.parentRunId"]).info.run_name,
        "points": {name: sorted((point.step, point.value) for point in points) for name, points in history.items()},
    }


def watch(place, facts):
    """Reads the run in the middle of a training, and after what MLflow and Registrar make of its end."""
    live.SAMPLE_EVERY_S = 0.1
    recording = live.Recording(place, "digits", "run-1")
    recording.hear(started(facts))
    recording.hear(epoch(1))
    between = None
    for _ in range(200):
        time.sleep(0.1)
        with registry.connected(place.tracking_uri) as client:
            if runs.find_run(client, "digits", runs.MODEL_URI, URI):
                between = read(client)
                if len(between["points"].get("system/cpu_utilization_percentage", ())) > 2:
                    break
    recording.hear(epoch(2, val_accuracy=0.25))
    recording.end()
    with registry.connected(place.tracking_uri) as client:
        return between, read(client)


def test_a_training_is_seen_while_it_goes_on(in_child, mlflow_place, facts):
    between, after = in_child(watch, mlflow_place, facts)
    assert (between["status"], between["parent"]) == ("RUNNING", "run-1")
    assert between["points"]["train/loss"] == [(1, 1.0)]
    assert between["points"]["train/learning_rate"] == [(1, 0.1)]
    assert (between["params"]["architecture"], between["params"]["recipe.epochs"]) == ("lenet5", "2")
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} < set(between["points"])
    assert after["points"]["train/loss"] == [(1, 1.0), (2, 0.5)]
    assert after["points"]["best/val_accuracy"] == [(1, 0.5), (2, 0.5)]
    assert not {"train/epoch", "train/epochs", "train/seconds_left"} & set(after["points"])


def record_and_register(place, facts, servable, *events):
    recording = live.Recording(place, "digits", "run-1")
    for event in (started(facts), *events):
        recording.hear(event)
    recording.end()
    done = registry.register(place, facts, servable)
    with registry.connected(place.tracking_uri) as client:
        return done["run_id"], read(client), read(client, done["run_id"])


def test_registration_goes_on_in_the_run_and_adds_what_it_lacks(in_child, mlflow_place, facts, servable):
    """As after a kill: the first epoch was written by an attempt before, into another run."""
    loss = facts["training"]["history"]["loss"]
    second = epoch(2, loss=loss[1])
    _, found, registered = in_child(record_and_register, mlflow_place, facts, servable, second)
    assert found == registered
    history = facts["training"]["history"]
    assert registered["points"]["best/val_accuracy"][-1] == (2, max(history["val_accuracy"]))
    assert registered["status"] == "FINISHED"
    assert registered["points"]["train/loss"] == [(1, loss[0]), (2, loss[1])]
    assert len(registered["points"]["train/val_loss"]) == 2


def fail(place, facts):
    recording = live.Recording(place, "digits", "run-1")
    recording.hear(started(facts))
    recording.end("A finite loss is required.")
    with registry.connected(place.tracking_uri) as client:
        return read(client)


def test_a_failed_training_is_shown_as_one_and_why(in_child, mlflow_place, facts):
    found = in_child(fail, mlflow_place, facts)
    assert (found["status"], found["note"]) == ("FAILED", "A finite loss is required.")


def train_without(facts):
    recording = live.Recording(registry.Place("sqlite:////nowhere/mlflow.sqlite", "/nowhere"), "digits", "run-1")
    recording.hear(started(facts))
    for number in (1, 2):
        recording.hear(epoch(number))
    recording.end()
    return True


def test_training_goes_on_where_mlflow_cannot_be_used(in_child, facts):
    assert in_child(train_without, facts)


def lose(place, facts):
    """Leaves runs as a kill does, of this workspace and of another, and lets the next run tidy up."""
    states = {}
    with registry.connected(place.tracking_uri) as client:
        for workspace in ("ours", "another"):  # Of the same path, on another machine.
            lost = {**facts, "pipeline_run": workspace}
            _, *states[workspace] = runs.training_run(client, dataclasses.replace(place, workspace=workspace), lost)
        runs.end_lost(client, "digits", "ours")
        return {key: [client.get_run(run).info.status for run in runs] for key, runs in states.items()}


def test_what_a_kill_left_is_ended_and_nothing_of_another_workspace(in_child, mlflow_place, facts):
    assert in_child(lose, mlflow_place, facts) == {
        "ours": ["KILLED", "KILLED"],
        "another": ["RUNNING", "RUNNING"],
    }


def test_no_experiment_has_no_lost_runs(in_child, mlflow_place):
    in_child(end_none, mlflow_place)


def end_none(place):
    with registry.connected(place.tracking_uri) as client:
        runs.end_lost(client, "digits", "ours")


@pytest.mark.parametrize("failure", ["", "why"])
def test_a_cached_training_makes_no_run(failure):
    live.Recording(registry.Place("sqlite:////nowhere/mlflow.sqlite", "/nowhere"), "digits", "run-1").end(failure)


def open_half_made(folder):
    """Opens MLflow where a kill came into the making of its database, once before the last table and once after."""
    place = registry.Place(f"sqlite:///{folder / 'mlflow.sqlite'}", str(folder))
    (folder / "mlflow.sqlite.new").write_bytes(b"half of a database")
    with registry.connected(place.tracking_uri) as client:
        _, _, run = runs.training_run(client, place, started(FACTS) | {"dataset": "digits", "pipeline_run": "1"})
    return client.get_run(run).info.status, sorted(path.name for path in folder.glob("*.new"))


FACTS = {"training": {"architecture": {"name": "lenet5"}, "form": "small", "options": {}, "recipe": {"milestones": ()}}}


def test_a_database_that_a_kill_left_half_made_is_made_anew(in_child, tmp_path):
    assert in_child(open_half_made, tmp_path) == ("RUNNING", [])


def die_in_the_making(folder):
    connection.mlflow.MlflowClient = None
    with contextlib.suppress(TypeError), registry.connected(f"sqlite:///{folder / 'mlflow.sqlite'}"):
        pass


def test_no_database_is_there_before_it_is_whole(in_child, tmp_path):
    in_child(die_in_the_making, tmp_path)
    assert not (tmp_path / "mlflow.sqlite").exists()
