"""A training that is killed goes on where it was, and ends as one that nothing stopped."""

import logging
import os
import resource
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from components import progress
from components.trainer import checkpoints
from components.trainer.checkpoints import Checkpoints, Progress

# Batch norm, dropout, momentum, a schedule, a shuffle, an augmentation, averaged weights and those of the best epoch:
# each has a state that must not start anew.
NETWORK = {
    "architecture": "mobilenet",
    "options": {"alpha": 0.125, "dropout": 0.3},
    "epochs": 4,
    "batch_size": 64,
    "shift": 0.125,
    "rand_augment": 0.3,
    "cutmix": 1.0,
    "ema": 0.5,
    "patience": 3,
}


def weights(saved_model):
    checkpoint = tf.train.load_checkpoint(str(saved_model / "variables" / "variables"))
    names = set(checkpoint.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: checkpoint.get_tensor(name) for name in names}


class Killer(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def train_until_killed(run_training, root, step):
    """Trains, with a checkpoint an epoch, and dies by SIGKILL after so many steps."""
    checkpoints.SAVE_EVERY_S = 0.0
    fit = keras.Model.fit
    keras.Model.fit = lambda *given, callbacks, **options: fit(*given, callbacks=[*callbacks, Killer(step)], **options)
    run_training(root, **NETWORK)


@pytest.fixture(scope="module")
def unbroken(run_training, tmp_path_factory):
    path, recorded = run_training(tmp_path_factory.mktemp("unbroken") / "node" / "1", **NETWORK)
    return weights(path), recorded


@pytest.fixture
def killed(start_child, run_training, tmp_path):
    """Trains in a process that is killed; returns the folder of its node's executions."""

    def train(step):
        process, _ = start_child(train_until_killed, run_training, tmp_path / "1", step)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        return tmp_path

    return train


# Of the 20 steps, 5 an epoch: in the first epoch, in the third, after the last step.
@pytest.mark.parametrize(
    ("step", "resumed"),
    [pytest.param(3, 0, marks=pytest.mark.slow), (13, 2), pytest.param(20, 3, marks=pytest.mark.slow)],
)
def test_killed_in_the_middle_it_ends_with_the_weights_and_curves_of_an_unbroken_one(
    killed, run_training, unbroken, caplog, step, resumed
):
    node = killed(step)
    events = []
    progress.listen(events.append)
    with caplog.at_level(logging.INFO):
        path, recorded = run_training(node / "2", **NETWORK)
    progress.listen(lambda event: None)
    assert [event["epoch"] for event in events if "epoch" in event] == list(range(resumed + 1, 5))
    assert (f"goes on after epoch {resumed}" in caplog.text) == (resumed > 0)
    assert recorded["history"] == unbroken[1]["history"]
    found = weights(path)
    assert set(found) == set(unbroken[0])
    for name, value in unbroken[0].items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert not (node / "checkpoints").exists(), "what a finished training kept is deleted"


def test_another_recipe_does_not_go_on_from_it(killed, run_training):
    node = killed(13)
    events = []
    progress.listen(events.append)
    run_training(node / "2", **NETWORK | {"epochs": 2})
    progress.listen(lambda event: None)
    assert [event["epoch"] for event in events if "epoch" in event] == [1, 2]
    assert not (node / "checkpoints").exists(), "nor does anything stay of it"


@pytest.fixture
def model():
    built = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    built.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    built.optimizer.build(built.trainable_variables)
    return built


@pytest.mark.parametrize("damage", ["truncated state", "other state", "lost state", "truncated progress"])
def test_a_torn_checkpoint_is_left_alone(model, tmp_path, caplog, damage):
    kept = Checkpoints(tmp_path, "this one")
    kept.save(model, Progress(2, {"loss": [2.0, 1.0]}, 3.5))
    (file,) = tmp_path.glob("*.npz")
    if damage == "truncated state":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "other state":
        file.write_bytes(file.read_bytes()[::-1])
    elif damage == "lost state":
        file.unlink()
    else:
        os.truncate(tmp_path / "progress.json", 20)
    before = model.get_weights()
    assert kept.restore(model) == (Progress(), [])
    assert ("torn" in caplog.text) == (damage != "lost state")
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_full_disk_costs_the_newest_checkpoint_and_nothing_else(model, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(checkpoints, "SAVE_EVERY_S", 0.0)
    kept = Checkpoints(tmp_path, "this one")
    first = Progress(1, {"loss": [2.0]}, 1.5)
    kept.save(model, first)
    keep = checkpoints.Keep(kept, Progress(), lambda: ())
    keep.set_model(model)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # What a full disk is to a process.
    try:
        keep.on_epoch_begin(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "The checkpoint after epoch 2 can't be written; the one before stays" in caplog.text
    assert kept.restore(model) == (first, [])
    assert [file.name for file in tmp_path.glob("*.npz")] == ["1.npz"]


def test_the_newest_checkpoint_alone_is_kept_and_comes_back_whole(model, tmp_path):
    kept = Checkpoints(tmp_path, "this one")
    kept.save(model, Progress(1, {"loss": [2.0]}, 1.5))
    model.set_weights([weight + 1.0 for weight in model.get_weights()])
    last, best = Progress(2, {"loss": [2.0, 1.0]}, 3.5), [np.arange(6.0).reshape(2, 3), np.arange(3.0)]
    kept.save(model, last, best)
    assert {path.name for path in tmp_path.iterdir()} == {"2.npz", "progress.json"}
    wanted = model.get_weights()
    model.set_weights([np.zeros_like(weight) for weight in wanted])
    assert Checkpoints(tmp_path, "another").restore(model) == (Progress(), [])
    found, kept_best = kept.restore(model)
    assert found == last
    for weight, value in zip([*model.get_weights(), *kept_best], [*wanted, *best], strict=True):
        np.testing.assert_array_equal(weight, value)
