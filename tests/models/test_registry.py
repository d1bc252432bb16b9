"""What can be asked for, what is refused, and in what words."""

import json
import re

import keras
import pytest

import models
from models.registry import outline


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 1, 1), (0, 8, 1), (8, -8, 1), (8, 8, 0), (8.0, 8, 1), ("8", 8, 1)], ids=str
)
def test_a_malformed_shape_is_refused(shape):
    with pytest.raises(ValueError, match="`input_shape` must be height, width and channels"):
        models.create("resnet20", input_shape=shape, num_classes=10)


@pytest.mark.parametrize("classes", [0, -1, 2.5, True, "10"])
def test_malformed_classes_are_refused(classes):
    with pytest.raises(ValueError, match=r"`num_classes` must be a positive integer\. Received"):
        models.create("resnet20", input_shape=(32, 32, 3), num_classes=classes)


SENTENCES = {
    ("lenet5", (40, 15, 1)): (16, "takes any side (below 12 pixels it resizes to 28x28)"),
    ("lenet5_1998", (31, 31, 1)): (32, "takes any side (below 28 pixels it resizes to 28x28)"),
    ("alexnet", (66, 227, 3)): (67, "takes any side (below 15 pixels it resizes to 16x16)"),
    ("zfnet", (52, 52, 3)): (53, "takes any side (below 9 pixels it resizes to 16x16)"),
    ("vgg19", (31, 64, 3)): (32, "takes any side (below 16 pixels it resizes to 16x16)"),
    ("googlenet", (64, 64, 3)): (65, "takes sides from 1 on"),
    ("densenet201", (28, 28, 1)): (29, "takes any side (below 8 pixels it resizes to 8x8)"),
    ("allcnn_c", (8, 32, 3)): (9, "takes sides from 1 on"),
}


@pytest.mark.parametrize(("name", "shape"), SENTENCES)
def test_images_too_small_are_refused_with_the_smallest_that_works_and_the_form_that_would(name, shape):
    smallest, rule = SENTENCES[name, shape]
    height, width, channels = shape
    sentence = (
        f"`input_shape` must be at least {smallest} pixels a side for {name} in its 'paper' form. "
        f"Received: {height}x{width}x{channels}. Use form='small', which {rule}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        models.create(name, input_shape=shape, num_classes=10)
    outline(name, input_shape=(smallest, smallest, channels), num_classes=10)
    outline(name, input_shape=shape, num_classes=10, form="small")


@pytest.mark.parametrize("name", models.names())
def test_the_small_form_takes_the_smallest_images_there_are(name):
    assert models.variant(name).forms["small"].accepts(1)


def test_an_unknown_form_is_refused():
    with pytest.raises(
        ValueError, match=r"`form` must be one of paper, small\. Received: 'papre'\. Did you mean 'paper'"
    ):
        models.create("lenet5", input_shape=(32, 32, 1), num_classes=10, form="papre")


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"must be one of: alpha, dropout, bn_momentum\. Received: 'alfa'\. Did you mean"
    ):
        models.create("mobilenet", input_shape=(32, 32, 3), num_classes=10, alfa=0.5)
    with pytest.raises(ValueError, match=r"An option of lenet5 must be one of: none\. Received: 'pad_below'\."):
        models.create("lenet5", input_shape=(32, 32, 3), num_classes=10, pad_below=3)


@pytest.mark.parametrize("alpha", [0, -1.0, 5, "1", True, float("nan")])
def test_a_number_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match=r"`alpha` must be a number from 0\.05 to 4\.0\. Received"):
        models.create("mobilenet", input_shape=(32, 32, 3), num_classes=10, alpha=alpha)


@pytest.mark.parametrize(
    ("name", "option", "value", "rule"),
    [
        ("resnet18", "shortcut", "d", "one of a, b, c. Received: 'd'."),
        ("resnet50", "v1_5", 1, "one of false, true. Received: 1."),
        ("inception_v1_slides", "errata", "fixed", "one of printed, strides, corrected. Received: 'fixed'."),
        ("googlenet", "heads", "yes", "one of false, true. Received: 'yes'."),
    ],
)
def test_a_choice_that_there_is_not_is_refused(name, option, value, rule):
    with pytest.raises(ValueError, match=f"^{re.escape(f'`{option}` must be {rule}')}$"):
        models.create(name, input_shape=(224, 224, 3), num_classes=10, **{option: value})


def test_describe_has_the_promised_keys_and_native_values():
    facts = models.describe("lenet5")
    assert facts == {
        "name": "lenet5",
        "family": "lenet",
        "variant": "LeNet-5, the usual modern form",
        "input_shape": [32, 32, 1],
        "classes": 10,
        "params": 61_706,
        "trainable_params": 61_706,
        "macs": 416_520,
        "paper": facts["paper"],
    }
    assert "LeCun" in facts["paper"]
    assert "1998" in facts["paper"]
    assert json.loads(json.dumps(facts)) == facts


def test_describe_recounts_for_another_input():
    facts = models.describe("mobilenet", input_shape=(28, 28, 1), num_classes=10, form="small", alpha=0.5)
    assert (facts["input_shape"], facts["classes"]) == ([28, 28, 1], 10)
    assert facts["params"] < models.describe("mobilenet", num_classes=10, form="small")["params"] == 3_239_114


def test_an_outline_is_the_network_but_for_the_values():
    asked = {"input_shape": (8, 8, 1), "num_classes": 10, "form": "small"}
    made, drawn = models.create("resnet20", **asked), outline("resnet20", **asked)
    assert [(one.path, one.shape) for one in drawn.weights] == [(one.path, one.shape) for one in made.weights]
    assert [one.output.shape for one in drawn.layers] == [one.output.shape for one in made.layers]


def test_an_outline_leaves_nothing_to_the_networks_after_it():
    """Else Keras would give the forgotten weights their values, all hundred million, with the next network's."""
    outline("vgg19", input_shape=(224, 224, 3), num_classes=1000)
    waiting = keras.src.backend.common.global_state.get_global_attribute("uninitialized_variables")
    assert not waiting
