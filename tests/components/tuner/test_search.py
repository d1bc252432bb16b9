"""TFX's Tuner with our `tuner_fn`: real searches on real digits, of a network that learns in seconds."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import keras
import pytest
from tfx.components import Tuner
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.proto import trainer_pb2

import models
from components import progress
from components.trainer import checkpoints, run
from components.trainer.classes import ClassNamesError
from components.tuner.run import tuner_fn
from components.tuner.search import SearchFailedError

SPACE = {
    "learning_rate": {"low": 0.01, "high": 0.2, "log": True},
    "batch_size": [32, 64],
    "label_smoothing": [0.0, 0.1],
}
DIVERGES = 1e38


def configured(tune=SPACE, *, trials=3, algorithm="random", epochs=None, **changed):
    recipe = models.recipe("lenet5", "small", **{"epochs": 1, "warmup_epochs": 0} | changed.pop("recipe", {}))
    known = {
        "architecture": "lenet5",
        "form": "small",
        "options": {},
        "recipe": dataclasses.asdict(recipe),
        "image_shape": [8, 8, 1],
        "class_names": list("0123456789"),
        "precision": "float32",
        "xla": "auto",
        "tune": tune,
        "tuner": {"trials": trials, "algorithm": algorithm, "epochs": epochs},
    }
    return known | changed


@pytest.fixture
def search(few, transformed):
    """Searches on the few examples; returns the trials as TFX lists them, and all that was reported."""

    def run_search(node, number=1, **config):
        events = []
        progress.listen(events.append)
        try:
            return found(few, transformed["transform_graph"].uri, node, number, **config), events
        finally:
            progress.listen(lambda event: None)

    return run_search


def found(few, graph, node, number, **config):
    working = node / ".system" / "executor_execution" / str(number) / ".temp" / "1"
    working.mkdir(parents=True)
    train_files, eval_files = ([pattern] for pattern in few)
    result = tuner_fn(
        FnArgs(
            working_dir=str(working),
            train_files=train_files,
            eval_files=eval_files,
            transform_graph_path=graph,
            custom_config=configured(**config),
        )
    )
    result.tuner.search(**result.fit_kwargs)
    best = result.tuner.oracle.get_best_trials(99)
    return [(trial.trial_id, trial.score, trial.hyperparameters.values) for trial in best if trial.score is not None]


def ends(events):
    return [event for event in events if "values" in event]


@pytest.fixture(scope="module")
def component(execute, channel, transformed, tmp_path_factory):
    """Runs TFX's Tuner, and trains on what it found."""
    root = tmp_path_factory.mktemp("tuned")
    inputs = {key: transformed[key] for key in ("transformed_examples", "transform_graph")}
    given = {"examples": inputs["transformed_examples"], "transform_graph": inputs["transform_graph"]}
    splits = {
        "train_args": trainer_pb2.TrainArgs(splits=["train"]),
        "eval_args": trainer_pb2.EvalArgs(splits=["validation"]),
    }
    channels = {key: channel(artifact) for key, artifact in given.items()}
    tuner = Tuner(tuner_fn="components.tuner.run.tuner_fn", **channels, **splits, custom_config=configured())
    tuned = execute(tuner, root / "tuner", **given)
    return tuned, trained(inputs, tuned["best_hyperparameters"], root / "trainer")


def trained(inputs, best, root):
    """Trains on what was found, as TFX's Trainer has it done; that itself would load `run` anew under other tests."""
    examples = inputs["transformed_examples"].uri
    patterns = {split: [f"{examples}/Split-{split}/*"] for split in ("train", "validation")}
    run.run_fn(
        FnArgs(
            train_files=patterns["train"],
            eval_files=patterns["validation"],
            transform_graph_path=inputs["transform_graph"].uri,
            serving_model_dir=str(root / "model"),
            model_run_dir=str(root / "model_run"),
            hyperparameters=read(best, "best_hyperparameters.txt"),
            custom_config=configured(),
        )
    )
    return json.loads((root / "model_run" / "training.json").read_text())


def read(artifact, name):
    return json.loads((Path(artifact.uri) / name).read_text())


def test_classes_of_other_names_are_refused_before_any_trial(search, tmp_path):
    with pytest.raises(ClassNamesError, match="Label 0 must be 'none'"):
        search(tmp_path, class_names=["none", *map(str, range(1, 10))])


def test_the_component_writes_the_best_of_its_trials(component):
    tuned, _ = component
    best = read(tuned["best_hyperparameters"], "best_hyperparameters.txt")["values"]
    trials = read(tuned["tuner_results"], "tuner_results.json")
    assert len(trials) == 3
    assert len({trial["learning_rate"] for trial in trials}) == 3
    assert set(best) == set(SPACE)
    assert trials[0] == {"trial_id": trials[0]["trial_id"], "score": max(t["score"] for t in trials), **best}
    assert all(0.01 <= trial["learning_rate"] <= 0.2 and trial["batch_size"] in (32, 64) for trial in trials)


def test_the_trainer_uses_what_was_found_and_comes_to_what_the_trial_came_to(component):
    """To the last digit, since a trial is a training by the very same code."""
    tuned, recorded = component
    best = read(tuned["best_hyperparameters"], "best_hyperparameters.txt")["values"]
    assert recorded["tuned"] == best
    before = json.loads(json.dumps(configured()["recipe"]))
    assert recorded["recipe"] == before | best != before
    trials = read(tuned["tuner_results"], "tuner_results.json")
    assert recorded["history"]["val_accuracy"][-1] == trials[0]["score"] > 0.2


def test_one_seed_gives_the_same_trials_again_and_another_others(search, tmp_path, monkeypatch):
    first, _ = search(tmp_path / "1", trials=2)
    assert search(tmp_path / "2", trials=2)[0] == first
    recipes(monkeypatch)
    other, _ = search(tmp_path / "3", recipe={"seed": 1})
    assert {json.dumps(trial[2]) for trial in other}.isdisjoint(json.dumps(trial[2]) for trial in first)


def test_the_runner_hears_of_every_epoch_and_every_trial(search, tmp_path):
    trials, events = search(tmp_path, epochs=2)
    assert [(event["trial"], event.get("epoch")) for event in events] == [
        (trial, epoch) for trial in (1, 2, 3) for epoch in (1, 2, None)
    ]
    assert all(event["trials"] == 3 for event in events)
    scores = {int(number) + 1: score for number, score, _ in trials}
    best = [max(score for number, score in scores.items() if number <= done) for done in (1, 2, 3)]
    assert [event["best_val_accuracy"] for event in ends(events)] == best
    assert [event["val_accuracy"] for event in ends(events)] == [scores[number] for number in (1, 2, 3)]
    assert [event["best_val_accuracy"] for event in events[::3]] == [None, *best[:2]]
    assert events[0]["seconds_left"] > events[-2]["seconds_left"] == 0


def test_no_more_trials_than_there_are_recipes(search, tmp_path):
    trials, events = search(tmp_path, tune={"batch_size": [64, 320]}, trials=8)
    assert sorted(values["batch_size"] for _, _, values in trials) == [64, 320]
    assert {event["trials"] for event in events} == {2}


def test_a_trial_that_diverges_is_a_bad_trial_and_not_the_end(search, tmp_path):
    tune = {"learning_rate": [DIVERGES, 0.05]}
    ((_, score, values),), events = search(tmp_path, tune=tune, algorithm="grid", recipe={"optimizer": "sgd"})
    assert values == {"learning_rate": 0.05}
    failed, succeeded = ends(events)
    assert failed["error"].startswith("A finite loss is required. Received: inf in step")
    assert (failed["val_accuracy"], failed["best_val_accuracy"]) == (None, None)
    assert (succeeded["error"], succeeded["val_accuracy"]) == ("", score)


def test_a_search_of_which_all_trials_fail_says_so_and_leaves_nothing(search, tmp_path):
    tune = {"learning_rate": [DIVERGES, 2 * DIVERGES]}
    with pytest.raises(SearchFailedError) as error:
        search(tmp_path, tune=tune, recipe={"optimizer": "sgd"})
    assert str(error.value).startswith(
        "A search needs a trial that trains to its end. Received: 2 of 2 that failed, the last by this: A finite loss"
    )
    assert str(error.value).endswith("; change [architectures.lenet5.tune].")
    assert {path.name for path in tmp_path.iterdir()} == {".system"}


def test_what_is_no_fault_of_the_values_ends_the_search(search, tmp_path, monkeypatch):
    """KerasTuner would go on with it to the end, and the runner could not tell that it passes."""

    def lost(*_):
        raise ConnectionError("the disk of the examples is gone")

    monkeypatch.setattr(run, "train", lost)
    with pytest.raises(RuntimeError, match="the disk of the examples is gone") as error:
        search(tmp_path)
    assert isinstance(error.value.__cause__, ConnectionError)


def test_flags_words_and_lists_reach_the_recipe_as_they_are(search, tmp_path, monkeypatch):
    tune = {
        "schedule": ["cosine", "step"],
        "milestones": [[0.5], [0.5, 0.75]],
        "nesterov": [True, False],
    }
    seen = recipes(monkeypatch)
    trials, _ = search(tmp_path, tune=tune, algorithm="grid", trials=8)
    assert len(trials) == len({json.dumps(dataclasses.asdict(recipe)) for recipe in seen}) == 8
    assert {recipe.milestones for recipe in seen} == {(0.5,), (0.5, 0.75)}
    assert {repr(recipe.nesterov) for recipe in seen} == {"True", "False"}


def recipes(monkeypatch, accuracy=lambda recipe: 0.5):
    """Puts a function in the place of training; returns the list of the recipes that it is asked for."""
    seen = []

    def train(plan, *_):
        seen.append(plan.recipe)
        return None, checkpoints.Progress(1, {"val_loss": [1.0], "val_accuracy": [accuracy(plan.recipe)]})

    monkeypatch.setattr(run, "train", train)
    return seen


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_bayesian_search_comes_nearer_and_is_the_same_again(search, tmp_path, monkeypatch):
    seen = recipes(monkeypatch, lambda recipe: 1.0 - abs(recipe.momentum - 0.7) ** 0.5)
    options = {"tune": {"momentum": {"low": 0.0, "high": 0.9, "log": False}}, "algorithm": "bayesian", "trials": 9}
    first, _ = search(tmp_path / "1", **options)
    assert search(tmp_path / "2", **options)[0] == first
    distances = [abs(recipe.momentum - 0.7) for recipe in seen[:9]]
    assert min(distances[3:]) < min(distances[:3]) / 2


def test_the_score_is_of_the_weights_that_would_be_served(search, tmp_path, monkeypatch):
    def train(*_):
        return None, checkpoints.Progress(3, {"val_loss": [2.0, 1.0, 3.0], "val_accuracy": [0.9, 0.5, 0.7]})

    monkeypatch.setattr(run, "train", train)
    trials, _ = search(tmp_path, tune={"patience": [0, 2]}, algorithm="grid")
    assert {values["patience"]: score for _, score, values in trials} == {0: 0.7, 2: 0.5}


class Killer(keras.callbacks.Callback):
    left = 0

    def on_train_batch_end(self, batch, logs=None):
        Killer.left -= 1
        if not Killer.left:
            os.kill(os.getpid(), signal.SIGKILL)


def search_until_killed(few, graph, node, step):
    """Searches, with a checkpoint an epoch, and dies by SIGKILL after so many steps of all trials together."""
    checkpoints.SAVE_EVERY_S = 0.0
    Killer.left = step
    fit = keras.Model.fit
    keras.Model.fit = lambda *given, callbacks, **options: fit(*given, callbacks=[*callbacks, Killer()], **options)
    found(few, graph, node, 1, epochs=2, tune={"batch_size": [32, 64, 80]}, algorithm="grid")


def test_killed_in_the_middle_it_ends_as_a_search_that_nothing_stopped(start_child, search, few, transformed, tmp_path):
    """Of 10, 5 and 4 steps an epoch, the kill comes in the second epoch of the second trial."""
    node = tmp_path / "node"
    process, _ = start_child(search_until_killed, few, transformed["transform_graph"].uri, node, 27)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    options = {"epochs": 2, "tune": {"batch_size": [32, 64, 80]}, "algorithm": "grid"}
    unbroken, _ = search(tmp_path / "unbroken", **options)
    resumed, events = search(node, 2, **options)
    assert resumed == unbroken
    assert [(event["trial"], event.get("epoch")) for event in events] == [
        (1, None),
        (2, 2),
        (2, None),
        (3, 1),
        (3, 2),
        (3, None),
    ]
    assert {path.name for path in node.iterdir()} == {".system"}, "nothing of it stays"


@pytest.mark.parametrize("damage", ["another search", "torn", "of another form"])
def test_what_is_kept_of_another_search_or_torn_is_left_alone(search, tmp_path, monkeypatch, damage):
    seen = recipes(monkeypatch)

    def killed(*_):
        raise KeyboardInterrupt

    kept = tmp_path / "search" / "trials.json"
    with monkeypatch.context() as at_the_end:
        at_the_end.setattr("components.tuner.trials.Trials.forget", killed)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path)
    assert len(seen) == 3
    if damage == "torn":
        os.truncate(kept, kept.stat().st_size // 2)
    elif damage == "of another form":
        kept.write_text("[]")
    search(tmp_path, 2, **({"precision": "mixed_bfloat16"} if damage == "another search" else {}))
    assert len(seen) == 6
    assert not kept.exists()
