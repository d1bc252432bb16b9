"""What TF_CONFIG says of who trains with whom."""

import contextvars
import json

import pytest

from components.trainer import cluster
from components.trainer.cluster import Cluster, ClusterError


def told(jobs, task):
    return Cluster.parse(json.dumps({"cluster": jobs, "task": task}))


@pytest.mark.parametrize("text", ["", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}'])
def test_without_a_second_worker_there_is_no_cluster(text):
    assert Cluster.parse(text) is None


def test_workers_stand_in_their_order_and_the_first_is_the_chief():
    first = told({"worker": ["a:1", "b:2"]}, {"type": "worker", "index": 0})
    second = told({"worker": ["a:1", "b:2"]}, {"type": "worker", "index": 1})
    assert (first.addresses, first.rank, first.is_chief, first.size) == (("a:1", "b:2"), 0, True, 2)
    assert (second.own_address, second.is_chief) == ("b:2", False)


def test_a_chief_of_its_own_comes_before_the_workers():
    found = told({"worker": ["b:2", "c:3"], "chief": ["a:1"]}, {"type": "worker", "index": 1})
    assert (found.addresses, found.rank) == (("a:1", "b:2", "c:3"), 2)


@pytest.mark.parametrize(
    ("jobs", "task"),
    [
        ({"worker": ["a:1", "b:2"]}, {"type": "worker", "index": 2}),
        ({"worker": ["a:1", "b:2"]}, {}),
        ({"worker": ["a:1", "b:2"], "ps": ["c:3"]}, {"type": "worker", "index": 0}),
    ],
)
def test_another_form_is_refused_with_an_example(jobs, task):
    with pytest.raises(ClusterError, match=r"TF_CONFIG must name jobs among chief, worker, .* Received: .*host1:2222"):
        told(jobs, task)


def test_what_is_no_json_is_refused():
    with pytest.raises(ClusterError, match="Received: 'worker=a:1'"):
        Cluster.parse("worker=a:1")


def test_a_process_trains_alone_unless_told():
    assert cluster.told() is None
    others = Cluster(("a:1", "b:2"), 0)
    contextvars.copy_context().run(check_told, others)
    assert cluster.told() is None


def check_told(others):
    cluster.tell(others)
    assert cluster.told() is others
