import keras
import pytest

from models.macs import count_macs, count_params


def cost(layer: keras.Layer, shape: tuple[int, ...] = (8, 8, 6)) -> int:
    inputs = keras.Input(shape)
    return count_macs(keras.Model(inputs, layer(inputs)))


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (keras.layers.Conv2D(4, 3, padding="same"), 8 * 8 * 4 * (3 * 3 * 6)),
        (keras.layers.Conv2D(4, 3, strides=2), 3 * 3 * 4 * (3 * 3 * 6)),
        (keras.layers.Conv2D(4, 3, groups=2, padding="same"), 8 * 8 * 4 * (3 * 3 * 6 // 2)),
        (keras.layers.DepthwiseConv2D(3, padding="same"), 8 * 8 * 6 * (3 * 3)),
        (keras.layers.Dense(5), 8 * 8 * 5 * 6),
        (keras.layers.BatchNormalization(), 0),
        (keras.layers.MaxPooling2D(2), 0),
    ],
    ids=["plain", "strided", "grouped", "depthwise", "dense", "norm", "pool"],
)
def test_each_weight_of_a_kernel_works_once_at_each_place(layer, macs):
    assert cost(layer) == macs


def test_parameters_are_the_numbers_in_the_weights():
    layer = keras.layers.Conv2D(4, 3)
    layer.build((None, 8, 8, 6))
    assert count_params(layer.weights) == layer.count_params() == 3 * 3 * 6 * 4 + 4
    assert count_params([]) == 0
