from types import SimpleNamespace

import pytest

import models
from pipeline.errors import UsageError
from pipeline.runners import node

SHARED = ("DatasetGen", "Transform")
STEPS = ("Trainer", "Publisher")


@pytest.fixture
def nodes():
    """The nodes of the whole fleet, as far as forcing one looks at them."""
    names = [*SHARED, *(f"{step}.{name}" for step in STEPS for name in models.names())]
    return [
        SimpleNamespace(
            node_info=SimpleNamespace(id=name),
            execution_options=SimpleNamespace(caching_options=SimpleNamespace(enable_cache=True)),
        )
        for name in names
    ]


def test_forced_nodes_and_no_others_lose_their_cache(nodes):
    node._forbid_cache(nodes, ["Trainer.vgg16", "Transform"])
    forced = {one.node_info.id for one in nodes if not one.execution_options.caching_options.enable_cache}
    assert forced == {"Trainer.vgg16", "Transform"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Trainer.vgg17", "Did you mean 'Trainer.vgg1"),
        ("everything", "The nodes are DatasetGen, Transform, and of each architecture Trainer, Publisher: Publisher."),
    ],
)
def test_a_node_that_is_none_is_refused_in_a_short_sentence(nodes, name, hint):
    with pytest.raises(UsageError, match=f"Received: {name!r}") as refused:
        node._forbid_cache(nodes, [name])
    assert hint in str(refused.value)
    assert len(str(refused.value)) < 200
