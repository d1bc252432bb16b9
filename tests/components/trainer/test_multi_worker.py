"""Several workers, each a real process on a port of its own, train one network."""

import functools
import os
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from components import progress
from components.trainer import checkpoints, multi_worker, rendezvous
from components.trainer import cluster as clusters
from components.trainer.cluster import Cluster
from components.trainer.multi_worker import WorkersError
from components.trainer.run import DivergedError

# What has a state that must be the same everywhere, and must not start anew: a schedule, a shuffle, an augmentation,
# averaged weights and those of the best epoch; batch norm, dropout and momentum besides. Of 320 images, 11 and 5 steps
# an epoch; each batch of 31 has one image more for one worker than for the other.
PLAIN = {
    "architecture": "lenet5",
    "epochs": 4,
    "batch_size": 31,
    "clip_norm": 0.5,
    "balanced": True,
    "label_smoothing": 0.1,
    "shift": 0.125,
    "mixup": 0.4,
    "ema": 0.5,
    "patience": 3,
}
NORMED = {
    "architecture": "mobilenet",
    "options": {"alpha": 0.125, "dropout": 0.3},
    "epochs": 4,
    "batch_size": 64,
    "shift": 0.125,
    "ema": 0.5,
    "patience": 3,
}
LONG = {"epochs": 400}
BOUND_S = 10.0  # From a process that is gone to the end of the others.
SILENT_BOUND_S = 40.0  # Likewise from one that is there, and says nothing.


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


class Ender(keras.callbacks.Callback):
    """Sends its own process a signal after so many steps."""

    def __init__(self, step, sent):
        super().__init__()
        self.left, self.sent = step, sent

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), self.sent)


def prepare(addresses, rank, end):
    """Makes this process a worker; with `end`, one that gets a signal after so many steps."""
    rendezvous.POLL_S, rendezvous.JOIN_S, checkpoints.SAVE_EVERY_S = 0.05, 60.0, 0.0
    clusters.tell(Cluster(tuple(addresses), rank))
    fit = multi_worker.Team.fit
    more = [Ender(*end)] if end else []
    multi_worker.Team.fit = lambda *given, callbacks, **rest: fit(*given, callbacks=[*callbacks, *more], **rest)


def as_chief(run_training, root, options, addresses, end=None):
    """Runs the real `run_fn`, as the Trainer's process does; returns all state, curves, events and the SavedModel."""
    from components.trainer import run
    from pipeline.runners import node

    prepare(addresses, 0, end)
    trained, events, train = [], [], run.train
    run.train = lambda *given, **team: trained.append(train(*given, **team)) or trained[0]
    progress.listen(lambda event: events.append(event) if "epoch" in event else None)
    try:
        path, recorded = run_training(root, **options)
    except Exception as error:
        return node._failure(error)
    return trained[0][0].get_weights(), recorded["history"], events, path


def as_worker(root, addresses, end=None):
    """Takes part as `convoy worker` does; returns all state and the curves, or the sentence that it ended with."""
    from components.trainer import run, worker

    prepare(addresses, 1, end)
    cluster = clusters.told()
    trained = []
    worker.train = lambda *given, **team: trained.append(run.train(*given, **team)) or trained[0]
    try:
        done = worker.take_part(root, cluster, rendezvous.joined(root, cluster, 60.0))
    except multi_worker.WorkerLostError as error:
        return str(error)
    return trained[0][0].get_weights(), done.history


def answer(connection):
    done, content = connection.recv()
    if not done:
        raise content
    return content


@pytest.fixture(scope="module")
def start(start_child, run_training):
    """Starts a chief and a worker over one folder; returns their addresses, processes and where their answers come."""

    def pair(root, options, attempt=1, chief_ends=None, worker_ends=None):
        addresses = free_addresses(2)
        worker = start_child(as_worker, root, addresses, worker_ends)
        chief = start_child(as_chief, run_training, root / "node" / str(attempt), options, addresses, chief_ends)
        return addresses, chief, worker

    return pair


@pytest.fixture(scope="module")
def trained(start):
    """Lets a chief and a worker train to the end."""

    def train(root, options, attempt=1):
        _, (_, chief), (_, worker) = start(root, options, attempt)
        return answer(chief), answer(worker)

    return train


@pytest.fixture(scope="module")
def unbroken(trained, tmp_path_factory):
    """Returns what two workers came to whom nothing stopped."""

    @functools.cache
    def run(name):
        return trained(tmp_path_factory.mktemp("unbroken"), {"lenet5": PLAIN, "mobilenet": NORMED}[name])

    return run


def assert_equal(these, those):
    for one, other in zip(these, those, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_workers_end_with_the_same_weights_and_moving_statistics(unbroken):
    (weights, history, events, _), (others, curves) = unbroken("mobilenet")
    assert_equal(weights, others)
    assert history == curves
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history["loss"][-1] < history["loss"][0]
    assert [event["epoch"] for event in events] == [1, 2, 3, 4]
    assert [event["val_loss"] for event in events] == history["val_loss"]


def variables(saved_model):
    checkpoint = tf.train.load_checkpoint(str(saved_model / "variables" / "variables"))
    names = set(checkpoint.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: checkpoint.get_tensor(name) for name in names}


def test_two_workers_train_as_one_does_with_the_same_recipe(unbroken, run_training, tmp_path):
    """Without batch norm and dropout there is no difference but the order of sums."""
    (_, history, _, path), _ = unbroken("lenet5")
    alone_path, alone = run_training(tmp_path / "1", **PLAIN)
    for name, values in alone["history"].items():
        assert history[name] == pytest.approx(values, rel=1e-4), name
    found = variables(path)
    for name, value in variables(alone_path).items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-4, err_msg=name)


# In the third of four epochs.
@pytest.mark.parametrize(
    ("options", "step"), [pytest.param(PLAIN, 25, id="lenet5"), pytest.param(NORMED, 13, marks=pytest.mark.slow)]
)
def test_a_killed_worker_ends_the_training_with_a_sentence_and_both_go_on(
    start, trained, unbroken, tmp_path, options, step
):
    name = options["architecture"]
    addresses, (_, chief), (worker, _) = start(tmp_path, options, worker_ends=(step, signal.SIGKILL))
    worker.join()
    killed = time.monotonic()
    failure = answer(chief)
    assert time.monotonic() - killed < BOUND_S
    assert worker.exitcode == -signal.SIGKILL
    assert failure.message == (
        f"Every worker must stay to the end. Received: {addresses[1]} went away in epoch 3 of {name}; start it again: "
        "training goes on after epoch 2."
    )
    assert not failure.passing, "to begin again without the worker helps nobody"

    (weights, history, events, _), (others, _) = trained(tmp_path, options, attempt=2)
    assert [event["epoch"] for event in events] == [3, 4]
    wanted, curves, _, _ = unbroken(name)[0]
    assert history == curves
    assert_equal(weights, wanted)
    assert_equal(others, wanted)


def test_a_worker_whose_chief_is_killed_ends_with_a_sentence(start, tmp_path):
    addresses, (chief, _), (_, worker) = start(tmp_path, LONG, chief_ends=(13, signal.SIGKILL))
    chief.join()
    killed = time.monotonic()
    assert f"Received: {addresses[0]} (the chief) went away in epoch 2 of lenet5; start it again" in answer(worker)
    assert time.monotonic() - killed < BOUND_S


def is_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.slow
def test_a_worker_that_falls_silent_is_noticed_too(start, tmp_path):
    addresses, (_, chief), (worker, _) = start(tmp_path, LONG, worker_ends=(13, signal.SIGSTOP))
    while not is_stopped(worker.pid):
        time.sleep(0.1)
    stopped = time.monotonic()
    failure = answer(chief)
    assert time.monotonic() - stopped < SILENT_BOUND_S
    assert f"Received: {addresses[1]} went away in epoch 2 of lenet5" in failure.message
    worker.kill()


@pytest.mark.slow
def test_early_stopping_is_the_same_on_all(trained, tmp_path):
    """A step size that is too large in the middle of training undoes what was learnt."""
    recipe = {"learning_rate": 2.0, "schedule": "constant", "warmup_epochs": 30.0, "epochs": 40, "patience": 2}
    (weights, history, _, _), (others, curves) = trained(tmp_path, recipe)
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == len(curves["val_loss"]) == best + 3 < 40
    assert_equal(weights, others)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_all_workers_alike(start, tmp_path):
    recipe = {"optimizer": "sgd", "learning_rate": 1e38, "schedule": "constant"}
    _, (_, chief), (_, worker) = start(tmp_path, recipe)
    assert "in step 3 of epoch 1 of lenet5; try a `learning_rate` below 1e+38" in answer(chief).message
    with pytest.raises(DivergedError, match="in step 3 of epoch 1 of lenet5"):
        answer(worker)


@pytest.mark.parametrize(
    ("rank", "batch_size", "xla", "sentence"),
    [
        (
            1,
            32,
            "auto",
            r"The first worker must run the pipeline\. Received: worker 1 of 2; run `convoy worker`",
        ),
        (0, 1, "auto", r"`batch_size` must have an image for each worker\. Received: 1 for 2 workers"),
        (0, 32, True, r'`xla` must be "auto" or false where several hosts train together.* Received: true'),
    ],
)
def test_what_several_cannot_train_is_refused_at_once(rank, batch_size, xla, sentence):
    given = SimpleNamespace(custom_config={"recipe": {"batch_size": batch_size}, "xla": xla})
    with (
        pytest.raises(WorkersError, match=sentence),
        multi_worker.gathered(Cluster(("a:1", "b:2"), rank), given, checkpoints.Checkpoints(Path("unused"), 0), 0),
    ):
        pass
