"""The registry meets the acceptance table: counts, costs, shapes and depths that others found by other means.

`architectures.json` says where each figure comes from. Every row that is a network of ours is built here, without
values for its weights, and compared; a network that the table lacks has figures of its own below.
"""

import functools
import json
import math
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import keras
import pytest

import models
from models import allcnn, googlenet
from models.lenet_parts import CodeDistance, PartialConv2D
from models.macs import count_macs, count_params, layer_macs
from models.registry import outline, without_values

FILE = json.loads((Path(__file__).parent / "architectures.json").read_text(encoding="utf-8"))
ROWS = {row["id"]: row for row in FILE if row["kind"] == "architecture"}
LAYER_TABLES = {row["id"]: row["rows"] for row in FILE if row["kind"] == "layer_table"}
WEIGHTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense, PartialConv2D, CodeDistance)

Layers = Mapping[str, str | None]


class Network(NamedTuple):
    """What `models.create` is asked for, and what the table's stages are called here (None: not in this network)."""

    name: str
    form: str = "paper"
    options: Mapping[str, object] = MappingProxyType({})
    layers: Layers = MappingProxyType({})
    # Arguments of the builder alone, for the smallest side.
    bare: Mapping[str, object] = MappingProxyType({})


def _resnet(name: str) -> Layers:
    """The last layer of each stage; the table says `conv2_x` of ImageNet's and `stage1` of CIFAR's."""
    units = models.variant(name).options["units"]
    last = [f"stage{stage}_unit{count}_out" for stage, count in enumerate(units, start=1)]
    imagenet = {f"conv{stage}_x": layer for stage, layer in enumerate(last, start=2)}
    cifar = {f"stage{stage}": layer for stage, layer in enumerate(last, start=1)}
    return {"conv1": "stem_relu", "pool1": "stem_pool", **imagenet, **cifar}


def _densenet(name: str) -> Layers:
    blocks = list(enumerate(models.variant(name).options["blocks"], start=1))
    return {
        "conv1": "stem_relu",
        "pool1": "stem_pool",
        **{f"dense{block}_{count}": f"block{block}_layer{count}_concat" for block, count in blocks},
        **{f"trans{block}": f"transition{block}_conv" for block, _ in blocks},
        **{f"trans{block}_pool": f"transition{block}_pool" for block, _ in blocks},
    }


LENET = {"C1": "c1", "S2": "s2", "C3": "c3", "S4": "s4", "C5": "c5", "F6": "f6", "OUT": "logits", "OUT_fixed": "logits"}
ALEXNET = {"fc8": "logits"}
INCEPTION = {f"inc{block}": f"inception{block}_concat" for block in googlenet.BLOCKS}
GOOGLENET = {**INCEPTION, "aux4a_pool": "head4a_pool", "aux4d_pool": "head4d_pool"}
# The table lists the heads' pools of the network without heads too.
HEADLESS = {**INCEPTION, "aux4a_pool": None, "aux4d_pool": None}
SLIDES = {
    **INCEPTION,
    **{"c1": "conv1", "c2_1x1": "conv2_reduce", "c2_3x3": "conv2"},
    **{f"mp{number}": f"pool{number}" for number in range(1, 5)},
}
MOBILENET = {"conv1": "stem_relu", **{f"pw{number}": f"pair{number}_pw_relu" for number in range(1, 14)}}
BLOCK = {
    "block1_3x3_1x1": "block1_3x3_reduce",
    "block1_5x5_1x1": "block1_5x5_reduce",
    "block1_mp_1x1": "block1_pool_proj",
}

VGG = {"a": "vgg11", "a_lrn": "vgg11_lrn", "b": "vgg13", "c": "vgg16_1x1", "d": "vgg16", "e": "vgg19"}
# The small form keeps odd rows when it pools, so that any side goes through; the table's drops them.
VGG_BN = {"pool_padding": "valid"}
NO_BN = {"batch_norm": False}

TABLE = {
    "lenet5_paper": Network("lenet5_1998", layers=LENET),
    "lenet5": Network("lenet5", layers=LENET),
    "lenet5_28_same": Network("lenet5", "small"),
    "lenet5_32x32x3": Network("lenet5", "small"),
    "alexnet": Network("alexnet", layers=ALEXNET),
    "alexnet_ungrouped": Network("alexnet_ungrouped", layers=ALEXNET),
    "alexnet_small_32": Network("alexnet", "small", NO_BN),
    "zfnet": Network("zfnet", layers=ALEXNET),
    "zfnet_small_32": Network("zfnet", "small", NO_BN),
    **{
        f"vgg_{letter}{size}": Network(name)
        for letter, name in VGG.items()
        for size in ("", "_32x32x3", "_32x32x1")
        if f"vgg_{letter}{size}" in ROWS
    },
    **{f"vgg_{letter}_bn_cifar": Network(VGG[letter], "small", bare=VGG_BN) for letter in "abde"},
    "googlenet": Network("googlenet", layers=GOOGLENET),
    "googlenet_main": Network("googlenet", options={"heads": False}, layers=HEADLESS),
    "googlenet_bn_aux": Network("googlenet", options={"batch_norm": True}),
    "googlenet_small_32": Network("googlenet", "small", NO_BN, INCEPTION),
    "googlenet_small_32_bn": Network("googlenet", "small", {"batch_norm": True}, {**INCEPTION, "conv2": "conv2_relu"}),
    "inception_v1_slide_1000": Network("inception_v1_slides", layers=SLIDES),
    "inception_v1_slide_10": Network("inception_v1_slides", layers=SLIDES),
    "inception_v1_slide_fixed_strides": Network("inception_v1_slides", options={"errata": "strides"}),
    "inception_v1_slide_fixed": Network("inception_v1_slides", options={"errata": "corrected"}),
    **{
        f"resnet{depth}": Network(f"resnet{depth}", layers=_resnet(f"resnet{depth}"))
        for depth in (18, 34, 50, 101, 152)
    },
    **{
        f"resnet{depth}_small_{side}": Network(f"resnet{depth}", "small", layers=_resnet(f"resnet{depth}"))
        for depth in (18, 34, 50, 101, 152)
        for side in (28, 32)
        if f"resnet{depth}_small_{side}" in ROWS
    },
    **{f"resnet{depth}_cifar_a": Network(f"resnet{depth}", layers=_resnet(f"resnet{depth}")) for depth in (20, 32, 56)},
    **{
        f"resnet{depth}_cifar_b": Network(f"resnet{depth}", "small", {"shortcut": "b"}, _resnet(f"resnet{depth}"))
        for depth in (20, 32, 44, 56, 110)
    },
    **{
        f"densenet{depth}": Network(f"densenet{depth}", layers=_densenet(f"densenet{depth}"))
        for depth in (121, 169, 201, 161)
    },
    **{
        f"densenet{depth}_small_{side}": Network(f"densenet{depth}", "small")
        for depth in (121, 169, 201, 161)
        for side in (28, 32)
        if f"densenet{depth}_small_{side}" in ROWS
    },
    "densenet_bc_100_12": Network("densenet_bc100"),
    "all_cnn_c": Network("allcnn_c"),
    # The small form pads conv7 where the table's, like the paper's, has too few pixels.
    "all_cnn_c_28": Network("allcnn_c", "small", bare={"pad_below": 0}),
    **{
        key: Network("mobilenet", options={"alpha": row["alpha"]}, layers=MOBILENET)
        for key, row in ROWS.items()
        if row["family"] == "mobilenet" and row["form"] == "paper"
    },
    "mobilenet_small_32": Network("mobilenet", "small", layers=MOBILENET),
}

# What no name of the registry gives: a builder with other arguments, and a block on its own.
PARTS: dict[str, tuple[Callable[[keras.KerasTensor], keras.KerasTensor], Layers]] = {
    "all_cnn_c_same": (lambda images: allcnn.build(images, 10, pad_below=33), {}),
    "inception_block_example": (lambda maps: googlenet.inception(maps, 40, 5, 10, 20, 30, 50, name="block1"), BLOCK),
}

# Networks that the fleet does not have: the tutorial's LeNet, and torchvision's own AlexNet and GoogLeNet.
OTHERS = {"lenet_tutorial", "alexnet_torchvision", "googlenet_torchvision", "googlenet_torchvision_aux"}

# Registered, but not in the table: total and trainable parameters, MACs and depth. Those of option A follow from the
# paper's arithmetic: each further n adds 97,216 weights to learn, 448 statistics and 14,155,776 MACs to the table's
# ResNet-20. DenseNet-40's 1,019,722 is what its public copies print.
UNLISTED = {
    "resnet44": (661_754, 658_586, 97_174_144, 44),
    "resnet110": (1_736_058, 1_727_962, 252_887_680, 110),
    "densenet40": (1_037_818, 1_019_722, None, 40),
}


@functools.cache
def _built(key: str) -> keras.Model:
    row = ROWS[key]
    if key in PARTS:
        inputs = keras.Input(row["input_shape"])
        return without_values(lambda: keras.Model(inputs, PARTS[key][0](inputs)))
    name, form, options, *_ = TABLE[key]
    return outline(name, input_shape=row["input_shape"], num_classes=row["classes"], form=form, **options)


def _native(name: str) -> keras.Model:
    """The paper form at its home; the table's row where there is one."""
    row = models.variant(name)
    shape = row.forms["paper"].input_shape
    asked = (name, "paper", {}, list(shape), row.classes)
    for key, (*network, _, _) in TABLE.items():
        if (*network[:2], dict(network[2]), ROWS[key]["input_shape"], ROWS[key]["classes"]) == asked:
            return _built(key)
    return outline(name, input_shape=shape, num_classes=row.classes)


def _depth(model: keras.Model) -> int:
    """Counts the layers with weights on the longest path from the images to the network's own logits."""
    longest: dict[str, int] = {}
    for layer in model.layers:
        (node,) = layer._inbound_nodes[:1] or (None,)
        before = max((longest[parent.operation.name] for parent in node.parent_nodes), default=0) if node else 0
        longest[layer.name] = before + isinstance(layer, WEIGHTED)
    return longest[model.outputs[0]._keras_history.operation.name]


def _facts(model: keras.Model) -> dict[str, int]:
    return {
        "params_total": count_params(model.weights),
        "params_trainable": count_params(model.trainable_weights),
        "macs": count_macs(model),
        "weight_layers": _depth(model),
    }


def _renamed(key: str, name: str) -> str | None:
    return (PARTS[key][1] if key in PARTS else TABLE[key].layers).get(name, name)


def test_every_row_of_the_table_is_a_network_of_ours_or_said_not_to_be():
    assert set(ROWS) == {*TABLE, *PARTS, *OTHERS}
    assert all(ROWS[key]["form"] == "reference" for key in OTHERS)


def test_every_registered_name_has_a_row():
    assert {network.name for network in TABLE.values()} | set(UNLISTED) == set(models.names())


@pytest.mark.parametrize("key", [*TABLE, *PARTS])
def test_counts_costs_and_depth(key):
    found = _facts(_built(key))
    assert found == {fact: found[fact] if ROWS[key][fact] is None else ROWS[key][fact] for fact in found}
    assert ROWS[key]["params_non_trainable"] == found["params_total"] - found["params_trainable"]


@pytest.mark.parametrize("key", [key for key in (*TABLE, *PARTS) if "stages" in ROWS[key]])
def test_the_shape_after_every_stage(key):
    named = [(_renamed(key, stage["name"]), stage["shape"]) for stage in ROWS[key]["stages"]]
    ours = {layer: shape for layer, shape in named if layer}
    assert {layer: _shape(_built(key), layer) for layer in ours} == ours


def _shape(model: keras.Model, layer: str) -> list[int]:
    """The shape of one image's maps; a map of one pixel is a vector to the table."""
    height_width_maps = list(model.get_layer(layer).output.shape[1:])
    return height_width_maps[2:] if height_width_maps[:2] == [1, 1] and layer == "c5" else height_width_maps


@pytest.mark.parametrize("key", [key for key in (*TABLE, *PARTS) if "per_layer_params" in ROWS[key]])
def test_the_parameters_of_each_layer(key):
    expected = ROWS[key]["per_layer_params"]
    counted = {name: _built(key).get_layer(_renamed(key, name)).count_params() for name in expected}
    assert counted == expected
    assert sum(expected.values()) == ROWS[key]["params_total"]


@pytest.mark.parametrize("key", [key for key in TABLE if "min_side" in ROWS[key]])
def test_the_smallest_side_of_the_table_is_the_smallest(key):
    """Every layer has at least one pixel there, and one side less leaves some layer with none."""
    network, side = TABLE[key], ROWS[key]["min_side"]
    assert _smallest_map(network, side) >= 1
    assert side == 1 or _smallest_map(network, side - 1) == 0


REFUSING = [
    (name, form)
    for name in models.names()
    for form, declared in models.variant(name).forms.items()
    if declared.resize_to is None and declared.min_side > 1
]


@pytest.mark.parametrize(("name", "form"), REFUSING)
def test_what_the_catalog_refuses_would_not_work(name, form):
    """The catalog's smallest side too; that the network works there is seen for every form in `test_networks`."""
    assert _smallest_map(Network(name, form), models.variant(name).forms[form].min_side - 1) == 0


@functools.cache
def _smallest_map_of(name: str, form: str, options: tuple[tuple[str, object], ...], side: int) -> int:
    """Builds the bare network, without the registry's refusals and resizing; returns the pixels of its smallest map."""
    row = models.variant(name)
    defaults = {key: option.default for key, option in row.tunable.items()}
    arguments = {**row.options, **defaults, **row.forms[form].options, **dict(options)}
    images = keras.Input((side, side, 1))
    try:
        model = without_values(
            lambda: keras.Model(images, import_module(f"models.{row.family}").build(images, 10, **arguments))
        )
    except ValueError as error:
        if "output size would be zero or negative" not in str(error):
            raise
        return 0
    return min(math.prod(layer.output.shape[1:]) for layer in model.layers)


def _smallest_map(network: Network, side: int) -> int:
    return _smallest_map_of(network.name, network.form, tuple({**network.options, **network.bare}.items()), side)


@pytest.mark.parametrize("name", UNLISTED)
def test_what_the_table_lacks(name):
    found = _facts(_native(name))
    expected = dict(zip(found, UNLISTED[name], strict=True))
    assert found == {fact: found[fact] if value is None else value for fact, value in expected.items()}


@pytest.mark.parametrize("name", models.names())
def test_the_catalog_says_how_many_weights_the_paper_form_has(name):
    assert models.variant(name).params == count_params(_native(name).weights)


@pytest.mark.parametrize("option", ["A", "B", "C"])
@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_the_shortcuts_of_a_resnet(name, option):
    expected = ROWS[name]["shortcut_variants"][option]
    found = _facts(outline(name, input_shape=(224, 224, 3), num_classes=1000, shortcut=option.lower()))
    assert expected == {
        "total": found["params_total"],
        "trainable": found["params_trainable"],
        "macs": found["macs"],
    }


@pytest.mark.parametrize("name", ["resnet50", "resnet101", "resnet152"])
def test_the_second_version_of_a_bottleneck_costs_more_and_weighs_the_same(name):
    found = _facts(outline(name, input_shape=(224, 224, 3), num_classes=1000, v1_5=True))
    fields = ("params_total", "params_trainable", "weight_layers")
    assert found == {"macs": ROWS[name]["macs_v1_5"], **{fact: ROWS[name][fact] for fact in fields}}


def test_the_heads_of_googlenet():
    heads = ROWS["googlenet"]["aux_heads"]["params"]
    layers = _built("googlenet").layers
    counted = {
        prefix: sum(one.count_params() for one in layers if one.name.startswith(prefix))
        for prefix in ("head4a", "head4d")
    }
    assert counted == {"head4a": heads["aux1"], "head4d": heads["aux2"]}
    weighted = [one.name.startswith("head") for one in layers if isinstance(one, WEIGHTED)]
    assert {"main": weighted.count(False), "aux": weighted.count(True)} == ROWS["googlenet"]["layers_with_weights"]


def test_the_lectures_vgg16_row_by_row():
    rows = LAYER_TABLES["seed_vgg16_32x32x3"]
    layers = [one for one in _built("vgg_d_32x32x3").layers[1:] if not isinstance(one, keras.layers.Dropout)]
    found = [(list(one.output.shape[1:]), one.count_params()) for one in layers]
    assert found == [(row["shape"], row["params"]) for row in rows]
    assert len(rows) == 22


GOOGLENET_ROWS = {row["row"]: row for row in LAYER_TABLES["seed_googlenet_rows"]}


@pytest.mark.parametrize("title", GOOGLENET_ROWS)
def test_the_lectures_googlenet_row_by_row(title):
    row, layers = GOOGLENET_ROWS[title], _layers_of(title)
    kernels = [weight for layer in layers for weight in layer.weights if weight.name == "kernel"]
    assert row["weights"] == count_params(kernels)
    assert row["params_with_bias"] == sum(layer.count_params() for layer in layers)
    assert row["macs"] == sum(map(layer_macs, layers))
    if "out_maps" in row:
        assert layers[-1].output.shape[1:] == (row["out_side"], row["out_side"], row["out_maps"])


def _layers_of(title: str) -> list[keras.Layer]:
    prefixes = {"conv1 7x7/2": "conv1", "conv2 (1x1 64, 3x3 192)": "conv2", "linear": "logits"}
    prefix = prefixes.get(title, title.replace(" ", ""))
    return [layer for layer in _built("googlenet_main").layers if layer.name.startswith(prefix)]


def test_all_layer_tables_are_checked():
    assert set(LAYER_TABLES) == {"seed_vgg16_32x32x3", "seed_googlenet_rows"}
    assert sum(row["params_with_bias"] for row in GOOGLENET_ROWS.values()) == ROWS["googlenet_main"]["params_total"]
