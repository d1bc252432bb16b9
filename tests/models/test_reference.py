"""Where Keras ships the same network, ours weighs as much and, with its weights copied over, answers the same."""

import re
from collections.abc import Callable

import keras
import numpy as np
import pytest

import models
from models.macs import count_params

CLASSES = 10
Rules = tuple[tuple[str, Callable[[re.Match], str] | str], ...]


def _unit(found: re.Match) -> str:
    """Keras counts the stem as the first stage."""
    return f"stage{int(found[1]) - 1}_unit{found[2]}"


def _layer(found: re.Match) -> str:
    return f"block{int(found[1]) - 1}_layer{found[2]}"


def _norm(kind: str) -> str:
    return "_bn" if kind == "bn" else ""


VGG: Rules = ((r"fc1", "fc6"), (r"fc2", "fc7"), (r"predictions", "logits"))
RESNET: Rules = (
    (r"conv1_(conv|bn)", lambda found: "stem" + _norm(found[1])),
    (r"conv(\d)_block(\d+)_0_(\w+)", lambda found: f"{_unit(found)}_shortcut{_norm(found[3])}"),
    (r"conv(\d)_block(\d+)_(\d)_(\w+)", lambda found: f"{_unit(found)}_conv{found[3]}{_norm(found[4])}"),
    (r"predictions", "logits"),
)
DENSENET: Rules = (
    (r"conv1_(conv|bn)", lambda found: "stem" + _norm(found[1])),
    (r"conv(\d)_block(\d+)_0_bn", lambda found: f"{_layer(found)}_bn"),
    (r"conv(\d)_block(\d+)_(\d)_(\w+)", lambda found: f"{_layer(found)}_conv{found[3]}{_norm(found[4])}"),
    (r"pool(\d)_(conv|bn)", lambda found: f"transition{int(found[1]) - 1}_{found[2]}"),
    (r"bn", "out_bn"),
    (r"predictions", "logits"),
)
MOBILENET: Rules = (
    (r"conv1(_bn)?", r"stem\1"),
    (r"conv_(dw|pw)_(\d+)(_bn)?", r"pair\2_\1\3"),
    (r"conv_preds", "logits"),
)

# Halved again and again, one of the sides is odd at every stage, which is where kinds of padding part. For MobileNet
# both stay even: Keras's pads its stride 2 by (0, 1) at any side, and so loses a pixel where the `same` of the paper's
# own code does not.
SIDES, EVEN = (75, 40), (64, 96)
# How much of the signal a batch norm lets through: a sum grows with each unit, a chain does not.
SUM, CHAIN = 0.6, 1.0

NETWORKS = [
    ("vgg16", "VGG16", VGG, SIDES, CHAIN),
    ("vgg19", "VGG19", VGG, SIDES, CHAIN),
    ("resnet50", "ResNet50", RESNET, SIDES, SUM),
    ("resnet101", "ResNet101", RESNET, SIDES, SUM),
    ("resnet152", "ResNet152", RESNET, SIDES, SUM),
    ("densenet121", "DenseNet121", DENSENET, SIDES, CHAIN),
    ("densenet169", "DenseNet169", DENSENET, SIDES, CHAIN),
    ("densenet201", "DenseNet201", DENSENET, SIDES, CHAIN),
    ("mobilenet", "MobileNet", MOBILENET, EVEN, CHAIN),
]
HEAVY = {"resnet101", "resnet152", "densenet169", "densenet201"}


@pytest.mark.parametrize(
    ("name", "reference", "rules", "side", "gain"),
    [pytest.param(*row, id=row[0], marks=[pytest.mark.slow] * (row[0] in HEAVY)) for row in NETWORKS],
)
def test_it_answers_as_the_network_of_keras_does(name, reference, rules, side, gain):
    """Same images, same logits to 1e-5; Keras's ResNet has biases that the norms after them make idle."""
    draws = np.random.default_rng(0)
    theirs = getattr(keras.applications, reference)(
        weights=None, input_shape=(*side, 3), classes=CLASSES, classifier_activation=None
    )
    ours = models.create(name, input_shape=(*side, 3), num_classes=CLASSES)
    for layer in theirs.layers:
        layer.set_weights([_drawn(weight, gain, draws) for weight in layer.weights])
    idle = _copy(theirs, ours, rules)
    assert count_params(ours.weights) == count_params(theirs.weights) - idle

    images = (draws.normal(size=(3, *side, 3)) + draws.normal(size=(3, 1, 1, 3))).astype("float32")
    expected = np.asarray(theirs(images, training=False))
    assert expected.std(axis=0).mean() > 0.01  # What tells two images apart is a thousand times the tolerance.
    np.testing.assert_allclose(ours(images, training=False), expected, atol=1e-5)


def _drawn(weight: keras.Variable, gain: float, draws: np.random.Generator) -> np.ndarray:
    """Draws values that keep the signal at about its size: statistics and shifts too, or half would go untested."""
    shape = tuple(weight.shape)
    match weight.name:
        case "gamma":
            return gain * draws.uniform(0.5, 1.5, shape)
        case "moving_variance":
            return draws.uniform(0.6, 1.6, shape)
        case "beta" | "moving_mean" | "bias":
            return draws.normal(0.0, 0.1, shape)
    fan_in = np.prod(shape[:2]) if "dw" in weight.path else np.prod(shape[:-1])
    return draws.normal(0.0, np.sqrt(2.0 / fan_in), shape)


def _copy(theirs: keras.Model, ours: keras.Model, rules: Rules) -> int:
    """Copies every weight; returns how many of theirs ours has no place for: biases before a batch norm."""
    biases: dict[str, np.ndarray] = {}
    left = {layer.name for layer in ours.layers if layer.weights}
    for layer in theirs.layers:
        if layer.weights:
            name = _renamed(layer.name, rules)
            left.remove(name)
            _copy_layer(layer.get_weights(), ours.get_layer(name), biases)
    assert not left
    return sum(bias.size for bias in biases.values())


def _copy_layer(values: list[np.ndarray], layer: keras.Layer, biases: dict[str, np.ndarray]) -> None:
    if len(values) == len(layer.weights) + 1:
        biases[layer.name] = values.pop()
    if isinstance(layer, keras.layers.BatchNormalization):
        values[2] = values[2] - biases.get(layer.name.removesuffix("_bn"), 0.0)
    layer.set_weights([value.reshape(weight.shape) for value, weight in zip(values, layer.weights, strict=True)])


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, replacement, name)
    return name
