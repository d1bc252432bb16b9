import keras
import numpy as np
import pytest

import models
from models.layers import PointwiseConv2D


def test_it_answers_as_the_network_of_keras_does():
    """Same weights, same logits: Keras's head is a 1x1 convolution, ours a dense layer."""
    keras.utils.set_random_seed(0)
    ours = models.create("mobilenet", input_shape=(128, 128, 3), num_classes=1000, alpha=0.75)
    theirs = keras.applications.MobileNet(
        input_shape=(128, 128, 3), alpha=0.75, weights=None, classifier_activation=None
    )
    assert ours.count_params() == theirs.count_params()

    noise = np.random.default_rng(0)
    for weight in theirs.weights:  # statistics and shifts too, or half of the network would go untested
        weight.assign(weight + noise.uniform(0.0, 0.1, weight.shape))
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        mine.assign(keras.ops.reshape(other, mine.shape))
    images = noise.normal(size=(2, 128, 128, 3)).astype("float32")
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_pointwise_convolution_trains_as_it_infers(strides):
    keras.utils.set_random_seed(0)
    layer = PointwiseConv2D(5, strides=strides, activation="relu", bias_initializer="normal")
    maps = np.random.default_rng(0).normal(size=(2, 7, 4, 3)).astype("float32")
    inferred = layer(maps, training=False)
    assert inferred.shape == (2, -(-7 // strides), 4 // strides, 5)
    np.testing.assert_allclose(layer(maps, training=True), inferred, atol=1e-6)
