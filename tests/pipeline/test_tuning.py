"""What a config may have searched: every value is judged when the config is loaded, by the rules of the recipe."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from models import Recipe
from pipeline import config, tuning
from pipeline.errors import UsageError, sentence

SEARCHED = {
    "optimizer": ["sgd", "adam"],
    "learning_rate": {"low": 0.01, "high": 0.3, "log": True},
    "momentum": [0, 0.9],
    "nesterov": [True, False],
    "schedule": ["cosine", "step"],
    "milestones": [[0.5], [0.5, 0.75]],
    "warmup_epochs": [0, 1.5],
    "weight_decay": {"low": 0, "high": 0.01},
    "label_smoothing": [0.0, 0.1],
    "clip_norm": [0, 1],
    "ema": [0, 0.9],
    "balanced": [False, True],
    "patience": [0, 5],
    "auxiliary_weight": [0, 0.3],
    "flip": [False, True],
    "shift": {"low": 0, "high": 0.2},
    "rotation": [0, 10],
    "crop": {"low": 0.5, "high": 1},
    "colour": [0, 0.2],
    "rand_augment": {"low": 0, "high": 1},
    "erasing": [0, 0.25],
    "mixup": {"low": 0, "high": 1},
    "cutmix": [0, 1],
    "epochs": {"low": 2, "high": 4},
    "batch_size": [32, 64],
}


def check(tune, tuner=None, **recipe):
    content = {"dataset": {"name": "digits"}, "architectures": {"lenet5": {**recipe, "tune": tune}}}
    return config.check(content | {"tuner": tuner or {}}, "mine.toml")


def refusal(*arguments, **recipe):
    with pytest.raises(UsageError) as caught:
        check(*arguments, **recipe)
    return sentence(caught.value)


def test_every_field_of_a_recipe_but_the_seed_can_be_searched():
    assert {*SEARCHED} == {*Recipe.fields()} - {*tuning.NOT_SEARCHED}
    plan = check(SEARCHED).plan("lenet5")
    assert plan.recipe == models.recipe("lenet5", "small"), "the recipe stays what the search starts from"
    assert set(plan.space) == set(SEARCHED)
    assert plan.space["learning_rate"] == {"low": 0.01, "high": 0.3, "log": True}
    assert plan.space["milestones"] == [[0.5], [0.5, 0.75]]


def test_numbers_of_floats_are_floats_and_ranges_are_complete():
    space = check(SEARCHED).plan("lenet5").space
    assert repr(space["momentum"]) == "[0.0, 0.9]"
    assert repr(space["crop"]) == "{'low': 0.5, 'high': 1.0, 'log': False}"
    assert repr(space["epochs"]) == "{'low': 2, 'high': 4, 'log': False}"
    assert json.loads(json.dumps(space)) == space


def test_an_architecture_without_a_table_is_not_searched():
    checked = config.check({"dataset": {"name": "digits"}, "tuner": {"trials": 3}}, "mine.toml")
    assert all(checked.plan(name).space == {} for name in models.names())
    assert checked.tuner.trials == 3


def test_a_search_can_be_set_on_the_command_line():
    table = "architectures.lenet5.tune"
    overrides = [f"{table}.batch_size=[8, 16]", f"{table}.learning_rate={{low = 0.1, high = 0.2}}", "tuner.trials=2"]
    checked = config.load("digits", overrides, ["lenet5"])
    assert checked.plan("lenet5").space == {
        "batch_size": [8, 16],
        "learning_rate": {"low": 0.1, "high": 0.2, "log": False},
    }


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        (3, "`architectures.lenet5.tune` must be a table of recipe fields and the values to try. Received: 3."),
        ({}, "`architectures.lenet5.tune` must be a table of recipe fields and the values to try. Received: {}."),
        (
            {"learnin_rate": [0.1, 0.2]},
            "no config key `architectures.lenet5.tune.learnin_rate`. Did you mean 'learning",
        ),
        ({"alpha": [0.1, 0.2]}, "A field of the recipe can be searched: optimizer, learning_rate, momentum,"),
        ({"seed": [1, 2]}, "must be about what can be searched. Received: 'seed'; the search follows from it"),
        (
            {"batch_size": 32},
            "`architectures.lenet5.tune.batch_size` must be a list of values, or a table of low and hi",
        ),
        ({"flip": True}, "`architectures.lenet5.tune.flip` must be a list of values. Received: True."),
        ({"optimizer": {"low": 1, "high": 2}}, "`architectures.lenet5.tune.optimizer` must be a list of values."),
        ({"batch_size": [32]}, "tune.batch_size` must be a list of two values or more, all different. Received: [32]."),
        ({"batch_size": []}, "tune.batch_size` must be a list of two values or more, all different. Received: []."),
        ({"momentum": [0, 0.5, 0.0]}, "momentum` must be a list of two values or more, all different."),
        ({"batch_size": [32, "64"]}, "Each value of `architectures.lenet5.tune.batch_size` must be an integer."),
        ({"batch_size": [32, True]}, "Each value of `architectures.lenet5.tune.batch_size` must be an integer."),
        ({"nesterov": [0, 1]}, "Each value of `architectures.lenet5.tune.nesterov` must be true or false."),
        (
            {"milestones": [0.5, 0.75]},
            "Each value of `architectures.lenet5.tune.milestones` must be a list of numbers.",
        ),
        ({"momentum": [0.1, float("nan")]}, "tune.momentum` must be a number. Received: nan."),
        ({"learning_rate": [1, 10**400]}, "Each value of `architectures.lenet5.tune.learning_rate` must be a number."),
        ({"batch_size": [32, 0]}, "[architectures.lenet5.tune] `batch_size` must be greater than 0. Received: 0."),
        ({"optimizer": ["sgd", "adm"]}, "`optimizer` must be one of sgd, adam, rmsprop. Received: 'adm'. Did you mean"),
        ({"batch_size": {"low": 1.5, "high": 3}}, "`architectures.lenet5.tune.batch_size.low` must be an integer."),
        ({"batch_size": {"low": 3}}, "`architectures.lenet5.tune.batch_size.high` is required. Received: nothing."),
        (
            {"batch_size": {"low": 3, "hihg": 4}},
            "key `architectures.lenet5.tune.batch_size.hihg`. Did you mean 'high'?",
        ),
        ({"batch_size": {"low": 3, "high": 3}}, "tune.batch_size.high` must be greater than low. Received: 3, where"),
        ({"batch_size": {"low": 3, "high": 9, "log": 1}}, "tune.batch_size.log` must be true or false. Received: 1."),
        ({"ema": {"low": 0, "high": 0.9, "log": True}}, "tune.ema.low` must be greater than 0 where log is true."),
        ({"momentum": {"low": 0, "high": 1}}, "[architectures.lenet5.tune] `momentum` must be at least 0 and below 1."),
        ({"momentum": {"low": -1, "high": 0.5}}, "`momentum` must be at least 0 and below 1. Received: -1.0."),
        (
            {"schedule": ["cosine", "step"]},
            "[architectures.lenet5.tune] `milestones` must be given for schedule='step'",
        ),
        (
            {"schedule": ["cosine", "step"], "milestones": [[0.5], []]},
            "[architectures.lenet5.tune] `milestones` must be given for schedule='step'. Received: ().",
        ),
        ({"warmup_epochs": [0, 3], "epochs": [5, 3]}, "`warmup_epochs` must be below epochs=3. Received: 3.0."),
    ],
)
def test_a_wrong_search_is_refused_in_one_sentence_that_names_the_key(tune, said):
    assert said in refusal(tune)


def test_values_that_meet_in_no_recipe_but_the_right_ones_are_taken():
    """Neither field could change alone: only together do the first of each make a recipe."""
    space = {"schedule": ["step", "cosine"], "milestones": [[0.5], [0.25]], "epochs": [2, 30], "warmup_epochs": [0, 1]}
    assert check(space, epochs=1, warmup_epochs=0).plan("lenet5").space["schedule"] == ["step", "cosine"]


@pytest.mark.parametrize(
    ("tuner", "said"),
    [
        ({"trials": 0}, "`tuner.trials` must be greater than or equal to 1. Received: 0."),
        ({"trial": 3}, "There is no config key `tuner.trial`. Did you mean 'trials'?"),
        (
            {"algorithm": "hyperband"},
            "`tuner.algorithm` must be 'random', 'bayesian' or 'grid'. Received: 'hyperband'.",
        ),
        ({"epochs": 0}, "`tuner.epochs` must be greater than or equal to 1"),
        (
            {"epochs": 2},
            "`tuner.epochs` must fit every trial of [architectures.lenet5.tune]. Received: 2, but `warmup_epochs` must",
        ),
        (
            {"algorithm": "grid", "trials": 3},
            "`tuner.trials` must be at least 4, the size of the grid of [architectures",
        ),
    ],
)
def test_a_wrong_tuner_is_refused(tuner, said):
    assert said in refusal({"batch_size": [32, 64], "flip": [True, False]}, tuner, warmup_epochs=2)


def test_epochs_of_a_trial_leave_none_to_search():
    assert "`architectures.lenet5.tune.epochs` must be left out" in refusal({"epochs": [2, 3]}, {"epochs": 2})


def test_a_grid_is_made_of_lists_and_has_trials_for_all_of_it():
    grid = {"algorithm": "grid", "trials": 4}
    assert "must be a list for `tuner.algorithm` 'grid'" in refusal({"crop": {"low": 0.5, "high": 1.0}}, grid)
    assert check({"batch_size": [32, 64], "flip": [True, False]}, grid)


LEAVES = st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4) | st.dates() | st.just(10**400)
FIELDS = st.sampled_from([*Recipe.fields(), "low", "alpha"])
TUNES = st.dictionaries(
    FIELDS,
    st.lists(LEAVES | st.lists(LEAVES, max_size=2), max_size=3)
    | st.dictionaries(st.sampled_from(["low", "high", "log", "step"]), LEAVES, max_size=4)
    | LEAVES,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(TUNES, st.fixed_dictionaries({}, optional={"epochs": st.integers(-1, 9), "algorithm": st.just("grid")}))
def test_whatever_a_table_says_it_is_a_search_or_a_sentence(tune, tuner):
    try:
        space = check(tune, tuner).plan("lenet5").space
    except UsageError as error:
        said = sentence(error)
    else:
        said = "a search"
        assert json.loads(json.dumps(space)) == space
    assert len(said.splitlines()) == 1


LOOK = """
import sys
from pipeline import config, tuning
print([name for name in ("keras", "tfx", "keras_tuner", "tensorflow") if name in sys.modules])
"""


def test_a_search_is_checked_without_keras_and_tfx():
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
