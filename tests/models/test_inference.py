"""The network that answers: what the trained one does, with fewer layers."""

import keras
import numpy as np
import pytest

import models
from models.inference import for_inference

# Keras 3.15 asks JAX's variables for an array the way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

# Small members of each family: options, and how many batch norms must stay. A DenseNet has one before each layer, where
# it reads a concatenation; with bottlenecks every other one goes.
FAMILIES = {
    "lenet5": ({}, 0),
    "lenet5_1998": ({}, 0),
    "alexnet": ({"batch_norm": True}, 0),
    "vgg11": ({}, 0),
    "googlenet": ({}, 0),
    "resnet18": ({}, 0),
    "resnet20": ({}, 0),
    "densenet_bc100": ({}, 51),
    "allcnn_c": ({}, 0),
    "mobilenet": ({"alpha": 0.25}, 0),
}
SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).normal(size=(4, *SHAPE)).astype("float32")


def unsettle(network):
    """Gives every weight, and the statistics of every norm, a value that no initializer gives."""
    random = np.random.default_rng(2)
    for weight in network.weights:
        kind = weight.name
        if kind in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif kind in ("beta", "moving_mean", "bias"):
            weight.assign(random.normal(0, 0.2, weight.shape))
    return network


def norms(network):
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


def answers(network, images):
    logits = network.predict_on_batch(images)
    return logits[0] if isinstance(logits, list) else logits


def assert_equal(found, expected):
    """Compares logits by how far those of different images lie apart: a random network is sure of one class."""
    apart = np.ptp(expected, axis=0).max()
    np.testing.assert_allclose(found / apart, expected / apart, rtol=0, atol=1e-4)


def functional(build, shape=(8, 8, 3)):
    inputs = keras.Input(shape, name="images")
    return unsettle(keras.Model(inputs, build(inputs), name="drawn"))


def assert_same_answers(network):
    """Checks the copy against the network; returns the copy."""
    copied = for_inference(network)
    images = np.random.default_rng(3).normal(size=(4, *network.input_shape[1:])).astype("float32")
    assert_equal(answers(copied, images), answers(network, images))
    return copied


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_answers_as_before_with_fewer_norms(name, images):
    options, left = FAMILIES[name]
    network = unsettle(models.create(name, input_shape=SHAPE, num_classes=7, form="small", **options))
    copied = for_inference(network)
    assert_equal(answers(copied, images), answers(network, images))
    assert (copied.name, copied.input.name, copied.input_shape) == (name, "images", (None, *SHAPE))
    assert len(norms(copied)) == left
    for norm in norms(copied):
        readers = [layer for layer in copied.layers if reads(layer, norm.input)]
        makers = [layer for layer in copied.layers if layer.output is norm.input]
        assert not isinstance(makers[0], keras.layers.Conv2D) or readers != [norm]


def reads(layer, wanted):
    return not isinstance(layer, keras.layers.InputLayer) and any(
        tensor is wanted for tensor in keras.tree.flatten(layer.input)
    )


def test_auxiliary_heads_are_dropped():
    network = unsettle(models.create("googlenet", input_shape=(65, 65, 3), num_classes=7, batch_norm=True))
    assert len(network.outputs) == 3
    copied = for_inference(network)
    images = np.random.default_rng(4).normal(size=(2, 65, 65, 3)).astype("float32")
    assert_equal(answers(copied, images), answers(network, images))
    assert copied.output_shape == (None, 7)
    assert [layer.name for layer in copied.layers if layer.name.startswith("head")] == []
    assert norms(copied) == []


def test_the_trained_network_stays_as_it_is(images):
    network = unsettle(models.create("resnet20", input_shape=SHAPE, num_classes=7, form="small"))
    config, weights, before = network.get_config(), network.get_weights(), answers(network, images)
    copied = for_inference(network)
    for weight in copied.weights:
        weight.assign(weight * 0.0)
    assert network.get_config() == config
    np.testing.assert_array_equal(answers(network, images), before)
    for now, then in zip(network.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_half_precision_becomes_float32(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = unsettle(models.create("resnet20", input_shape=SHAPE, num_classes=7, form="small"))
    finally:
        keras.config.set_dtype_policy("float32")
    whole = models.create("resnet20", input_shape=SHAPE, num_classes=7, form="small")
    whole.set_weights(half.get_weights())
    copied = for_inference(half)
    assert {layer.compute_dtype for layer in copied.layers} == {"float32"}
    assert_equal(answers(copied, images), answers(whole, images))


@pytest.mark.parametrize(
    "convolution",
    [
        keras.layers.Conv2D(6, 3, strides=2, padding="same", groups=3),
        keras.layers.Conv2D(6, 3, use_bias=False),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
    ],
    ids=["groups", "no bias", "depth multiplier"],
)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}], ids=str)
def test_convolutions_and_norms_of_every_make_are_folded(convolution, options):
    fresh = type(convolution).from_config(convolution.get_config())
    network = functional(lambda x: keras.layers.BatchNormalization(**options)(fresh(x)))
    assert norms(assert_same_answers(network)) == []


def read_twice(x):
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    return keras.layers.Add()([keras.layers.BatchNormalization()(x), x])


def one_kernel_twice(x):
    shared = keras.layers.Conv2D(3, 3, padding="same")
    return keras.layers.BatchNormalization()(shared(keras.layers.ReLU()(shared(x))))


def one_norm_twice(x):
    shared = keras.layers.BatchNormalization()
    return shared(keras.layers.ReLU()(shared(keras.layers.Conv2D(3, 3)(x))))


def a_relu_between(x):
    return keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, activation="relu")(x))


def over_another_axis(x):
    return keras.layers.BatchNormalization(axis=1)(keras.layers.Conv2D(4, 3)(x))


def after_a_dense_layer(x):
    return keras.layers.BatchNormalization()(keras.layers.Dense(4)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize(
    "build",
    [read_twice, one_kernel_twice, one_norm_twice, a_relu_between, over_another_axis, after_a_dense_layer],
)
def test_what_would_not_be_exact_stays(build):
    assert len(norms(assert_same_answers(functional(build)))) == 1


def test_calls_outside_the_network_do_not_count():
    """A convolution whose maps another model shows is folded all the same."""
    network = functional(
        lambda x: keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, name="seen")(x)))
    )
    other = keras.Input((8, 8, 3))
    keras.Model(other, keras.layers.BatchNormalization()(network.get_layer("seen")(other)))
    keras.Model(network.input, keras.layers.BatchNormalization()(network.get_layer("seen").output))
    assert norms(assert_same_answers(network)) == []
