import dataclasses

import pytest

import models
from models import Recipe

CONFIGURED = [(name, form) for name in models.names() for form in models.variant(name).recipes]


@pytest.mark.parametrize(("name", "form"), CONFIGURED)
def test_every_row_has_a_recipe_for_each_form(name, form):
    assert models.recipe(name, form) is not None
    assert set(models.variant(name).recipes) == set(models.variant(name).forms) == {"paper", "small"}


@pytest.mark.parametrize("name", models.names())
def test_only_heads_have_a_loss_of_their_own(name):
    """The weight of the auxiliary heads stands in the recipe of the form that has them, and nowhere else."""
    weights = {form: models.recipe(name, form).auxiliary_weight for form in ("paper", "small")}
    assert weights == {"paper": 0.3 if name == "googlenet" else 0.0, "small": 0.0}


def test_overrides_change_one_field_and_leave_the_catalog_alone():
    before = models.recipe("lenet5", "small")
    after = models.recipe("lenet5", "small", epochs=3, optimizer="adam")
    assert (after.epochs, after.optimizer) == (3, "adam")
    assert dataclasses.replace(after, epochs=before.epochs, optimizer=before.optimizer) == before
    assert models.recipe("lenet5", "small") == before


def test_fields_names_what_a_config_may_set():
    assert Recipe.fields() == tuple(field.name for field in dataclasses.fields(Recipe))
    assert {"optimizer", "learning_rate", "epochs", "batch_size", "seed"} <= set(Recipe.fields())


def test_no_shipped_recipe_mixes_erases_or_randaugments():
    for name, form in CONFIGURED:
        recipe = models.recipe(name, form)
        assert (recipe.rand_augment, recipe.erasing, recipe.mixup, recipe.cutmix) == (0, 0, 0, 0)


def test_an_unknown_field_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"Received: 'epoch'\. Did you mean 'epochs'\?"):
        models.recipe("lenet5", epoch=3)
    with pytest.raises(ValueError, match=r"Received: 'zzz'\.$"):
        models.recipe("lenet5", zzz=3)


def test_an_unknown_form_is_refused_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"`form` must be one of paper, small\. Received: 'smal'\. Did you mean 'small'"
    ):
        models.recipe("lenet5", "smal")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("epochs", 0, "greater than 0"),
        ("epochs", 2.5, "an integer"),
        ("epochs", True, "an integer"),
        ("batch_size", -1, "greater than 0"),
        ("learning_rate", 0.0, "greater than 0"),
        ("learning_rate", float("inf"), "finite"),
        ("clip_norm", float("nan"), "finite"),
        ("learning_rate", "fast", "a number"),
        ("momentum", 1.0, "at least 0 and below 1"),
        ("label_smoothing", -0.1, "at least 0 and below 1"),
        ("weight_decay", -1e-4, "0 or more"),
        ("clip_norm", -1.0, "0 or more"),
        ("seed", -1, "0 or more"),
        ("auxiliary_weight", -0.3, "0 or more"),
        ("flip", "yes", "true or false"),
        ("shift", 1.0, "at least 0 and below 1"),
        ("colour", -0.1, "at least 0 and below 1"),
        ("rotation", 181, "from 0 to 180"),
        ("crop", 0.0, "above 0 and at most 1"),
        ("crop", 1.5, "above 0 and at most 1"),
        ("rand_augment", 1.5, "from 0 to 1"),
        ("erasing", -0.1, "from 0 to 1"),
        ("mixup", 2.0, "from 0 to 1"),
        ("cutmix", -1.0, "from 0 to 1"),
        ("cutmix", True, "a number"),
        ("nesterov", 1, "true or false"),
        ("warmup_epochs", 10, "below epochs=10"),
        ("optimizer", "lion", "one of sgd, adam, rmsprop"),
        ("schedule", "linear", "one of constant, cosine, step"),
        ("milestones", (0.5, 0.25), "rising fractions"),
        ("milestones", (30.0, 60.0), "rising fractions"),
        ("milestones", 0.5, "a list of numbers"),
        ("milestones", ("half",), "rising fractions"),
        ("optimizer", 1, "a name"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field, value, rule):
    with pytest.raises(ValueError, match=f"`{field}` must be .*{rule}.*Received"):
        Recipe(**{field: value})


def test_a_step_schedule_needs_milestones():
    with pytest.raises(ValueError, match="`milestones` must be given for schedule='step'"):
        Recipe(schedule="step")
    assert Recipe(schedule="step", milestones=[0.5, 0.75]).milestones == (0.5, 0.75)
