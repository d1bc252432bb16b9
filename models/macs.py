"""Counts what a built network costs: its weights and its multiply-accumulates."""

import math
from collections.abc import Iterable

import keras


def count_params(weights: Iterable[keras.Variable]) -> int:
    """Returns how many numbers the weights hold."""
    return sum(math.prod(weight.shape) for weight in weights)


def count_macs(model: keras.Model) -> int:
    """Returns the multiply-accumulates of one image through a network's convolutions and dense layers.

    Output elements times kernel volume, padding positions counted; biases, batch norm, pooling and activations are
    not. One rule serves plain, grouped, depthwise and dense layers: each weight of a kernel works once at each output
    position.
    """
    return sum(layer_macs(layer) for layer in model.layers)


def layer_macs(layer: keras.Layer) -> int:
    """Returns the multiply-accumulates of one image through one built layer, by the rule of `count_macs`."""
    positions = math.prod(layer.output.shape[1:-1])
    return sum(positions * math.prod(weight.shape) for weight in layer.weights if weight.name.endswith("kernel"))
