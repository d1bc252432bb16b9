"""The catalog tells the truth: counts, costs, shapes and depth, against figures found by independent arithmetic."""

import math
from typing import NamedTuple

import keras
import pytest

import models
from models.macs import count_macs, count_params


class Fact(NamedTuple):
    name: str
    form: str
    shape: tuple[int, int, int]
    classes: int
    params: int
    trainable: int
    macs: int
    depth: int
    options: dict[str, float] = {}  # noqa: RUF012


FACTS = [
    Fact("lenet5", "paper", (32, 32, 1), 10, 61_706, 61_706, 416_520, 5),
    Fact("lenet5", "paper", (32, 32, 3), 10, 62_006, 62_006, 651_720, 5),
    Fact("lenet5", "small", (28, 28, 1), 10, 61_706, 61_706, 416_520, 5),
    Fact("lenet5", "small", (32, 32, 3), 10, 62_006, 62_006, 651_720, 5),
    Fact("lenet5", "small", (8, 8, 1), 10, 61_706, 61_706, 416_520, 5),
    Fact("allcnn_c", "paper", (32, 32, 3), 10, 1_369_738, 1_369_738, 270_798_336, 9),
    Fact("allcnn_c", "paper", (28, 28, 1), 10, 1_368_010, 1_368_010, 205_025_664, 9),
    Fact("allcnn_c", "small", (28, 28, 1), 10, 1_368_010, 1_368_010, 205_025_664, 9),
    Fact("resnet20", "paper", (32, 32, 3), 10, 271_098, 269_722, 40_551_040, 20),
    Fact("resnet20", "small", (32, 32, 3), 10, 271_098, 269_722, 40_551_040, 20),
    Fact("mobilenet", "paper", (224, 224, 3), 1000, 4_253_864, 4_231_976, 568_740_352, 28),
    Fact("mobilenet", "paper", (192, 192, 3), 1000, 4_253_864, 4_231_976, 418_121_728, 28),
    Fact("mobilenet", "paper", (160, 160, 3), 1000, 4_253_864, 4_231_976, 290_675_200, 28),
    Fact("mobilenet", "paper", (128, 128, 3), 1000, 4_253_864, 4_231_976, 186_400_768, 28),
    Fact("mobilenet", "paper", (224, 224, 3), 1000, 2_601_976, 2_585_560, 325_400_448, 28, {"alpha": 0.75}),
    Fact("mobilenet", "paper", (128, 128, 3), 1000, 2_601_976, 2_585_560, 106_770_432, 28, {"alpha": 0.75}),
    Fact("mobilenet", "paper", (224, 224, 3), 1000, 1_342_536, 1_331_592, 149_497_088, 28, {"alpha": 0.5}),
    Fact("mobilenet", "paper", (192, 192, 3), 1000, 1_342_536, 1_331_592, 109_970_432, 28, {"alpha": 0.5}),
    Fact("mobilenet", "paper", (128, 128, 3), 1000, 1_342_536, 1_331_592, 49_160_192, 28, {"alpha": 0.5}),
    Fact("mobilenet", "paper", (192, 192, 3), 1000, 475_544, 470_072, 30_212_608, 28, {"alpha": 0.25}),
    Fact("mobilenet", "paper", (160, 160, 3), 1000, 475_544, 470_072, 21_059_200, 28, {"alpha": 0.25}),
    Fact("mobilenet", "small", (32, 32, 3), 10, 3_239_114, 3_217_226, 46_354_432, 28),
]

STAGES = {
    ("lenet5", "paper", (32, 32, 1), 10): {
        "c1": (28, 28, 6),
        "s2": (14, 14, 6),
        "c3": (10, 10, 16),
        "s4": (5, 5, 16),
        "c5": (120,),
        "f6": (84,),
        "logits": (10,),
    },
    ("allcnn_c", "paper", (32, 32, 3), 10): {
        "conv1": (32, 32, 96),
        "conv2": (32, 32, 96),
        "conv3": (16, 16, 96),
        "conv4": (16, 16, 192),
        "conv5": (16, 16, 192),
        "conv6": (8, 8, 192),
        "conv7": (6, 6, 192),
        "conv8": (6, 6, 192),
        "conv9": (6, 6, 10),
        "logits": (10,),
    },
    ("allcnn_c", "small", (28, 28, 1), 10): {"conv9": (5, 5, 10)},
    ("allcnn_c", "small", (8, 8, 1), 10): {"conv6": (2, 2, 192), "conv7": (2, 2, 192)},
    ("resnet20", "paper", (32, 32, 3), 10): {
        "stage1_unit3_out": (32, 32, 16),
        "stage2_unit3_out": (16, 16, 32),
        "stage3_unit3_out": (8, 8, 64),
    },
    ("mobilenet", "paper", (224, 224, 3), 1000): {
        "stem_relu": (112, 112, 32),
        "pair1_pw_relu": (112, 112, 64),
        "pair3_pw_relu": (56, 56, 128),
        "pair5_pw_relu": (28, 28, 256),
        "pair11_pw_relu": (14, 14, 512),
        "pair13_pw_relu": (7, 7, 1024),
    },
    ("mobilenet", "small", (32, 32, 3), 10): {
        "stem_relu": (32, 32, 32),
        "pair3_pw_relu": (16, 16, 128),
        "pair5_pw_relu": (8, 8, 256),
        "pair11_pw_relu": (4, 4, 512),
        "pair13_pw_relu": (2, 2, 1024),
    },
}


def test_every_form_of_every_row_has_a_fact():
    declared = {(name, form) for name in models.names() for form in models.variant(name).forms}
    assert declared == {(fact.name, fact.form) for fact in FACTS}


@pytest.mark.parametrize("fact", FACTS, ids=str)
def test_counts_costs_and_depth(fact):
    model = models.create(fact.name, input_shape=fact.shape, num_classes=fact.classes, form=fact.form, **fact.options)
    weighted = [layer for layer in model.layers if isinstance(layer, _WEIGHTED)]
    assert count_params(model.weights) == model.count_params() == fact.params
    assert count_params(model.trainable_weights) == fact.trainable
    assert count_macs(model) == fact.macs
    assert len(weighted) == fact.depth


@pytest.mark.parametrize("built", STAGES, ids=str)
def test_stage_shapes(built):
    name, form, shape, classes = built
    model = models.create(name, input_shape=shape, num_classes=classes, form=form)
    assert {layer: model.get_layer(layer).output.shape[1:] for layer in STAGES[built]} == STAGES[built]


@pytest.mark.parametrize(("name", "form"), [(name, form) for name in models.names() for form in ("paper", "small")])
def test_the_smallest_side_is_the_smallest(name, form):
    """Every layer has at least one pixel at `min_side`, and one side less leaves some layer with none."""
    declared = models.variant(name).forms[form]
    assert _smallest_map(name, form, declared.min_side) >= 1
    if declared.min_side > 1:
        assert _smallest_map(name, form, declared.min_side - 1) == 0


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


def test_describe_recounts_for_another_input():
    facts = models.describe("mobilenet", input_shape=(28, 28, 1), num_classes=10, form="small", alpha=0.5)
    assert (facts["input_shape"], facts["classes"]) == ([28, 28, 1], 10)
    assert facts["params"] < models.describe("mobilenet", num_classes=10, form="small")["params"] == 3_239_114


def test_grouped_convolutions_count_one_group_an_output():
    inputs = keras.Input((8, 8, 6))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, groups=2, padding="same")(inputs))
    assert count_macs(model) == 8 * 8 * 4 * (3 * 3 * 6 // 2)


_WEIGHTED = keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense


def _smallest_map(name: str, form: str, side: int) -> int:
    """Builds the bare network, without the registry's refusals and resizing; returns the pixels of its smallest map."""
    from importlib import import_module

    row = models.variant(name)
    options = {**row.options, **{key: limits.default for key, limits in row.tunable.items()}, **row.forms[form].options}
    inputs = keras.Input((side, side, 1))
    try:
        logits = import_module(f"models.{row.family}").build(inputs, 10, **options)
    except ValueError as error:
        if "output size would be zero or negative" not in str(error):
            raise
        return 0
    return min(math.prod(layer.output.shape[1:]) for layer in keras.Model(inputs, logits).layers)
