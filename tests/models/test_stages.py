"""Networks as stages: nothing is lost, and the deepest still fit on a page."""

import pytest

import models
from models.macs import count_macs, count_params
from models.registry import outline
from models.stages import stages

NETWORKS = [
    ("lenet5_1998", "paper"),
    ("googlenet", "paper"),
    ("resnet50", "small"),
    ("densenet121", "paper"),
    ("allcnn_c", "small"),
    ("mobilenet", "small"),
]


def built(name, form="paper"):
    row = models.variant(name)
    return outline(name, input_shape=row.forms[form].input_shape, num_classes=row.classes, form=form)


@pytest.mark.parametrize(("name", "form"), NETWORKS)
def test_every_layer_is_in_one_stage_and_its_cost_with_it(name, form):
    network = built(name, form)
    found = stages(network)
    listed = [layer.name for stage in found for layer in stage.layers]
    assert sorted(listed) == sorted(layer.name for layer in network.layers)
    assert sum(stage.params for stage in found) == count_params(network.weights)
    assert sum(stage.macs for stage in found) == count_macs(network)
    assert len(found) <= 18


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("form", ["paper", "small"])
def test_every_network_fits_on_a_page(name, form):
    found = stages(built(name, form))
    assert 3 <= len(found) <= 18
    assert all(stage.contents for stage in found[1:] if stage.params > 10_000)


def test_a_dense_block_says_how_often_its_layers_repeat():
    found = {stage.name: stage for stage in stages(built("densenet121"))}
    assert list(found) == [
        "images", "stem", "block1", "transition1", "block2", "transition2", "block3", "transition3", "block4", "out",
        "logits",
    ]  # fmt: skip
    assert found["block3"].contents == "24 layers, each conv 1x1, conv 3x3, concat"
    assert found["block3"].shape == (14, 14, 1024)
    assert found["logits"].contents == "global average pool, dense"


def test_what_a_unit_has_beyond_the_others_stands_apart():
    found = {stage.name: stage.contents for stage in stages(built("resnet50"))}
    assert found["stage2"] == "4 units, each 2 conv 1x1, conv 3x3, sum; conv 1x1"


def test_auxiliary_heads_are_told_from_the_way_to_the_answer():
    assert [stage.name for stage in stages(built("googlenet")) if stage.auxiliary] == ["head4a", "head4d"]


def test_a_network_that_ends_in_a_mean_ends_with_its_answer():
    last = stages(built("allcnn_c", "small"))[-1]
    assert (last.name, last.shape) == ("conv9", (10,))
    assert last.contents == "conv 1x1, global average pool"
