"""How GPUs are found and divided, and that a child sees its own alone."""

import os

import pytest

from pipeline.errors import UsageError
from pipeline.runners import devices, local


@pytest.mark.parametrize(
    ("gpus", "trainings", "each"), [(0, 3, 0), (1, 1, 1), (1, 31, 1), (8, 1, 8), (8, 3, 2), (4, 31, 1)]
)
def test_gpus_are_divided_evenly(gpus, trainings, each):
    assert devices.share("auto", gpus, trainings) == each


def test_a_number_of_gpus_is_taken_at_its_word():
    assert devices.share(2, 8, 8) == 2


@pytest.mark.parametrize("gpus", [0, 1])
def test_more_gpus_than_there_are_are_refused(gpus):
    with pytest.raises(UsageError, match=f"must be at most {gpus}, the GPUs that TensorFlow can use. Received: 2;"):
        devices.share(2, gpus, 1)


@pytest.mark.parametrize(
    ("chosen", "found"),
    [(None, ("0", "1")), ("", ("0", "1")), ("3, 5", ("3", "5")), ("GPU-1f,GPU-2e", ("GPU-1f", "GPU-2e"))],
)
def test_gpus_keep_the_ids_by_which_the_user_chose_them(chosen, found, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["one", "other"])
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    if chosen is not None:
        monkeypatch.setenv(devices.VISIBLE, chosen)
    assert devices.visible() == found


@pytest.mark.parametrize(("gpus", "seen"), [(["1", "3"], "1,3"), ([], "")])
def test_a_child_sees_its_own_gpus_alone(gpus, seen, tmp_path):
    children = local.Children(tmp_path / "logs")
    try:
        connection = children.start("look", os.getenv, devices.VISIBLE, gpus=gpus)
        assert children.receive(connection) == ("done", seen)
    finally:
        children.stop()
