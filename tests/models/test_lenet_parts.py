"""The layers of 1998 against the tables and the formulae of the paper."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from models.lenet_parts import CONNECTIONS, DIGITS, CodeDistance, PartialConv2D, Subsampling, squash
from models.registry import outline

# Table I of the paper, as printed: a row for each map of S2, a cross for each map of C3 that reads it.
TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""


def test_the_connections_are_those_of_table_i():
    crosses = TABLE_I.split()
    read = tuple(tuple(old for old in range(6) if crosses[old][new] == "X") for new in range(16))
    assert tuple(tuple(sorted(olds)) for olds in CONNECTIONS) == read
    assert sum(map(len, CONNECTIONS)) == 60


def test_the_connections_that_the_paper_counts():
    """Kernels and biases at every place, the two numbers of a pool's map with its four pixels, and the codes."""
    rows = json.loads((Path(__file__).parent / "architectures.json").read_text(encoding="utf-8"))
    (printed,) = (row["connections"] for row in rows if row.get("id") == "lenet5_paper")
    layers = {layer.name: layer for layer in outline("lenet5_1998", input_shape=(32, 32, 1), num_classes=10).layers}
    places = {name: int(np.prod(layers[name].output.shape[1:3])) for name in ("c1", "c3", "c5")}
    connections = {
        **{name: places[name] * layers[name].count_params() for name in places},
        **{name: int(np.prod(layers[name].output.shape[1:])) * (4 + 1) for name in ("s2", "s4")},
        **{name: layers[name].count_params() for name in ("f6", "logits")},
    }
    assert sum(connections.values()) == printed == 340_908
    assert connections["c1"] == 122_304
    assert connections["c3"] == 151_600


def test_a_partial_convolution_reads_the_maps_of_the_table_alone():
    draws = np.random.default_rng(0)
    maps = draws.normal(size=(2, 6, 7, 6)).astype("float32")
    layer = PartialConv2D(5)
    out = np.asarray(layer(maps))
    kernel, bias = draws.normal(size=layer.kernel.shape).astype("float32"), draws.normal(size=16).astype("float32")
    layer.set_weights([kernel, bias])
    out = np.asarray(layer(maps))
    assert out.shape == (2, 2, 3, 16)

    expected = np.zeros_like(out) + bias
    pairs = [(old, new) for new, olds in enumerate(CONNECTIONS) for old in olds]
    for number, (old, new) in enumerate(pairs):
        for y, x in np.ndindex(2, 3):
            patch = maps[:, y : y + 5, x : x + 5, old]
            expected[:, y, x, new] += np.sum(patch * kernel[..., number], axis=(1, 2))
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def test_a_partial_convolution_has_a_kernel_for_each_connection():
    layer = PartialConv2D(5, activation=squash)
    layer.build((None, 14, 14, 6))
    assert [tuple(weight.shape) for weight in layer.weights] == [(5, 5, 60), (16,)]
    assert layer.count_params() == 1516


def test_subsampling_scales_shifts_and_squashes_a_mean():
    maps = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("float32")
    layer = Subsampling()
    layer.build(maps.shape)
    layer.set_weights([np.float32([1.0, 2.0, -0.5]), np.float32([0.0, 0.5, 1.0])])
    mean = maps.reshape(2, 2, 2, 3, 2, 3).mean(axis=(2, 4))
    expected = 1.7159 * np.tanh((mean * [1.0, 2.0, -0.5] + [0.0, 0.5, 1.0]) * 2 / 3)
    np.testing.assert_allclose(layer(maps), expected, rtol=1e-5, atol=1e-6)


def test_squashing_leaves_one_at_one():
    np.testing.assert_allclose(squash(np.float32([-1.0, 0.0, 1.0])), [-1.0, 0.0, 1.0], atol=1e-4)


@pytest.mark.parametrize("classes", [1, 2, 10, 11, 1000])
def test_every_class_has_a_code_of_signs_of_its_own(classes):
    codes = built(classes).kernel.T
    assert codes.shape == (classes, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    assert len(np.unique(codes, axis=0)) == classes


def test_the_code_of_a_digit_is_its_drawing():
    codes = built(10).kernel.T
    drawings = np.array([line.split() for line in DIGITS.split("\n") if line])
    assert drawings.shape == (12, 10)
    for digit, code in enumerate(codes):
        drawn = ["".join(".#"[int(pixel > 0)] for pixel in row) for row in code.reshape(12, 7)]
        assert drawn == list(drawings[:, digit])


def test_more_classes_keep_the_codes_of_the_first():
    assert np.array_equal(built(1000).kernel[:, :10], built(10).kernel)


def test_a_logit_is_the_negative_squared_distance_from_the_code():
    units = np.random.default_rng(0).normal(size=(5, 84)).astype("float32")
    layer = CodeDistance(12)
    logits = np.asarray(layer(units))
    codes = np.asarray(layer.kernel).T
    expected = -np.sum((units[:, None, :] - codes[None]) ** 2, axis=-1)
    np.testing.assert_allclose(logits, expected, rtol=1e-5)
    assert np.argmax(np.asarray(layer(codes)), axis=-1).tolist() == list(range(12))
    np.testing.assert_allclose(np.max(np.asarray(layer(codes)), axis=-1), 0.0, atol=1e-4)


def test_the_codes_do_not_train():
    layer = CodeDistance(10)
    layer.build((None, 84))
    assert layer.trainable_weights == []
    assert layer.count_params() == 840


class Codes:
    """The codes as an array, pixels by classes."""

    def __init__(self, classes: int) -> None:
        layer = CodeDistance(classes)
        layer.build((None, 84))
        self.kernel = np.asarray(layer.kernel)


def built(classes: int) -> Codes:
    return Codes(classes)


@pytest.mark.parametrize("layer", [Subsampling(), PartialConv2D(5, activation=squash), CodeDistance(10)], ids=str)
def test_a_layer_comes_back_from_its_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer)).name == layer.name
