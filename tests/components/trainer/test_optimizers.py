"""A recipe into an optimiser: step sizes by hand, and what weight decay leaves alone."""

import math

import keras
import numpy as np
import pytest

import models
from components.trainer.optimizers import learning_rate, optimizer
from models.recipes import Recipe

STEPS = 10  # an epoch


def rates(recipe, *steps):
    schedule = learning_rate(recipe, STEPS)
    return [float(schedule(step)) for step in steps]


def test_a_constant_rate_without_warm_up_stays_a_number():
    assert learning_rate(Recipe(learning_rate=0.3), STEPS) == 0.3


def test_warm_up_rises_by_equal_steps_to_the_peak():
    recipe = Recipe(learning_rate=0.4, warmup_epochs=2, epochs=4)
    assert rates(recipe, 0, 9, 19, 20, 39) == pytest.approx([0.4 / 20, 0.2, 0.4, 0.4, 0.4])


def test_a_fraction_of_an_epoch_of_warm_up():
    recipe = Recipe(learning_rate=0.4, warmup_epochs=0.5, epochs=1)
    assert rates(recipe, 0, 4, 9) == pytest.approx([0.08, 0.4, 0.4])


def test_the_cosine_falls_from_the_peak_to_zero():
    recipe = Recipe(learning_rate=0.4, schedule="cosine", epochs=4)
    quarter = 0.4 * (1 + math.cos(math.pi / 4)) / 2
    assert rates(recipe, 0, 10, 20, 40, 41) == pytest.approx([0.4, quarter, 0.2, 0.0, 0.0], abs=1e-7)


def test_the_cosine_begins_where_the_warm_up_ends():
    recipe = Recipe(learning_rate=0.4, schedule="cosine", warmup_epochs=1, epochs=3)
    assert rates(recipe, 0, 9, 10, 20, 30) == pytest.approx([0.04, 0.4, 0.4, 0.2, 0.0], abs=1e-7)


def test_steps_divide_by_ten_at_each_milestone():
    recipe = Recipe(learning_rate=0.4, schedule="step", milestones=(0.5, 0.75), epochs=4)
    assert rates(recipe, 0, 19, 20, 29, 30, 39) == pytest.approx([0.4, 0.4, 0.04, 0.04, 0.004, 0.004])


def test_warm_up_and_steps_multiply():
    recipe = Recipe(learning_rate=0.4, schedule="step", milestones=(0.5,), warmup_epochs=1, epochs=2)
    assert rates(recipe, 0, 9, 10, 19) == pytest.approx([0.04, 0.4, 0.04, 0.04])


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("form", ["paper", "small"])
def test_every_shipped_recipe_starts_above_zero_and_never_leaves_its_peak(name, form):
    recipe = models.recipe(name, form)
    built = optimizer(recipe, STEPS)
    assert type(built).__name__.lower() == recipe.optimizer
    schedule = learning_rate(recipe, STEPS)
    steps = np.unique(np.linspace(0, recipe.epochs * STEPS - 1, 50).astype(int))
    found = [float(schedule(step)) if callable(schedule) else schedule for step in steps]
    assert found[0] > 0
    assert max(found) <= recipe.learning_rate * (1 + 1e-6)


def test_a_schedule_runs_inside_a_graph():
    import tensorflow as tf

    schedule = learning_rate(Recipe(schedule="cosine", warmup_epochs=1, epochs=3), STEPS)
    traced = tf.function(schedule)
    for step in (0, 9, 15, 29):
        assert float(traced(tf.constant(step, tf.int64))) == pytest.approx(float(schedule(step)), abs=1e-7)


@pytest.fixture(scope="module")
def network():
    return models.create("resnet20", input_shape=(8, 8, 1), num_classes=10, form="small")


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_weight_decay_shrinks_kernels_and_nothing_else(network, name):
    built = optimizer(Recipe(optimizer=name, learning_rate=0.5, weight_decay=0.1, momentum=0.9), STEPS)
    before = [variable.numpy() for variable in network.trainable_variables]
    built.apply(
        [keras.ops.zeros_like(variable) for variable in network.trainable_variables], network.trainable_variables
    )
    kinds = set()
    for variable, value in zip(network.trainable_variables, before, strict=True):
        kinds.add(variable.name)
        factor = 1 - 0.5 * 0.1 if variable.name == "kernel" else 1.0
        np.testing.assert_allclose(variable.numpy(), value * factor, rtol=1e-6, err_msg=variable.path)
    assert kinds == {"kernel", "bias", "beta", "gamma"}


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_without_weight_decay_nothing_shrinks(network, name):
    built = optimizer(Recipe(optimizer=name, learning_rate=0.5), STEPS)
    before = [variable.numpy() for variable in network.trainable_variables]
    built.apply(
        [keras.ops.zeros_like(variable) for variable in network.trainable_variables], network.trainable_variables
    )
    for variable, value in zip(network.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_gradients_are_clipped_to_the_global_norm():
    weights = [keras.Variable(np.zeros(2, np.float32)), keras.Variable(np.zeros(1, np.float32))]
    gradients = [np.array([30.0, 0.0], np.float32), np.array([40.0], np.float32)]
    optimizer(Recipe(learning_rate=1.0, clip_norm=5.0), STEPS).apply(gradients, weights)
    np.testing.assert_allclose(weights[0].numpy(), [-3.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(weights[1].numpy(), [-4.0], rtol=1e-6)


def test_momentum_is_the_recipes():
    weight = keras.Variable(np.zeros(1, np.float32))
    built = optimizer(Recipe(learning_rate=1.0, momentum=0.5), STEPS)
    for _ in range(2):
        built.apply([np.ones(1, np.float32)], [weight])
    np.testing.assert_allclose(weight.numpy(), [-1.0 - 1.5])
    looking_ahead = keras.Variable(np.zeros(1, np.float32))
    optimizer(Recipe(learning_rate=1.0, momentum=0.5, nesterov=True), STEPS).apply(
        [np.ones(1, np.float32)], [looking_ahead]
    )
    np.testing.assert_allclose(looking_ahead.numpy(), [-1.5])
