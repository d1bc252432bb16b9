import keras
import numpy as np
import pytest

from models.layers import LocalResponseNormalization, Norm, PointwiseConv2D, conv, max_pool


def normalised(maps: np.ndarray, radius: int, bias: float, alpha: float, beta: float) -> np.ndarray:
    """The formula of Krizhevsky et al. 2012, section 3.3, map by map."""
    out = np.empty_like(maps)
    for i in range(maps.shape[-1]):
        near = maps[..., max(0, i - radius) : min(maps.shape[-1] - 1, i + radius) + 1]
        out[..., i] = maps[..., i] / (bias + alpha * np.sum(near**2, axis=-1)) ** beta
    return out


SETTINGS = {
    "AlexNet": {},
    "GoogLeNet": {"bias": 1.0, "alpha": 2e-5},
    "strong": {"radius": 1, "bias": 0.5, "alpha": 0.7, "beta": 1.5},
}


@pytest.mark.parametrize("maps", [1, 3, 16])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_local_response_normalization_is_the_papers(settings, maps):
    inputs = np.random.default_rng(0).normal(scale=30, size=(2, 3, 4, maps)).astype("float32")
    layer = LocalResponseNormalization(**settings)
    chosen = {"radius": 2, "bias": 2.0, "alpha": 1e-4, "beta": 0.75, **settings}
    np.testing.assert_allclose(layer(inputs), normalised(inputs, **chosen), rtol=1e-5, atol=1e-5)
    assert {key: layer.get_config()[key] for key in chosen} == chosen
    assert layer.weights == []


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="The operation is TensorFlow's.")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_local_response_normalization_is_that_of_tensorflow(settings):
    import tensorflow as tf

    inputs = np.random.default_rng(0).normal(scale=30, size=(2, 3, 4, 16)).astype("float32")
    layer = LocalResponseNormalization(**settings)
    theirs = tf.nn.local_response_normalization(inputs, layer.radius, layer.bias, layer.alpha, layer.beta)
    np.testing.assert_allclose(layer(inputs), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_pointwise_convolution_trains_as_it_infers(strides):
    layer = PointwiseConv2D(5, strides=strides, activation="relu", bias_initializer="normal")
    maps = np.random.default_rng(0).normal(size=(2, 7, 4, 3)).astype("float32")
    inferred = layer(maps, training=False)
    assert inferred.shape == (2, -(-7 // strides), 4 // strides, 5)
    np.testing.assert_allclose(layer(maps, training=True), inferred, atol=1e-6)


@pytest.mark.parametrize(
    ("side", "padding", "after"),
    [(8, "same", 4), (8, "valid", 3), (8, 1, 4), (7, "same", 4), (7, 1, 4), (8, 0, 3)],
)
def test_a_convolution_pads_as_it_is_told(side, padding, after):
    """A padding of one pixel puts the kernel of stride 2 elsewhere than Keras's `same` does, at even sides."""
    inputs = keras.Input((side, side, 1))
    x = conv(inputs, 1, 3, strides=2, padding=padding, kernel_initializer="ones", name="conv")
    model = keras.Model(inputs, x)
    assert model.output.shape == (None, after, after, 1)
    corner = np.zeros((1, side, side, 1), "float32")
    corner[0, 0, 0] = 1.0
    first = np.asarray(model(corner))[0, 0, 0, 0]
    assert first == 1.0
    inside = np.zeros((1, side, side, 1), "float32")
    inside[0, 2, 2] = 1.0
    pads_before = padding == 1 or (padding == "same" and side % 2)
    assert np.asarray(model(inside))[0, 0, 0, 0] == (0.0 if pads_before else 1.0)


@pytest.mark.parametrize(("padding", "after"), [("same", 4), ("valid", 3), (1, 4)])
def test_a_pool_pads_as_it_is_told(padding, after):
    inputs = keras.Input((8, 8, 2))
    assert max_pool(inputs, 3, 2, padding=padding, name="pool").shape == (None, after, after, 2)


def test_a_norm_is_declared_once_and_used_many_times():
    inputs = keras.Input((4, 4, 2))
    norm = Norm(0.5, epsilon=0.1, shift=1.0)
    model = keras.Model(inputs, norm(norm(inputs, name="a"), name="b"))
    first, second = model.get_layer("a_bn"), model.get_layer("b_bn")
    assert first is not second
    assert (first.momentum, first.epsilon) == (0.5, 0.1)
    assert np.array_equal(first.beta, [1.0, 1.0])
