"""Training on several hosts at once, all with the same weights.

Keras 3's `fit` fails under `MultiWorkerMirroredStrategy` (https://github.com/keras-team/keras/issues/20585), so the
loop is written out here. Each worker has the whole network in plain variables; the strategy adds up gradients, and
nothing else is distributed. So it is the global gradient that is clipped, where Keras' optimiser under a strategy would
clip that of each worker.

- The global batch is the recipe's, and its images are dealt out to the workers in turn: learning rate, schedule, order
  of images and augmentation are those of one host.
- Batch norm normalises by the share of the batch that its worker has, as it does under any `tf.distribute` strategy.
  The moving statistics are averaged over the workers after each epoch, which comes to the same as after each step.
- XLA compiles nothing here.
- Dropout draws on each worker by a seed of its own.
- Losses and accuracies are those of all workers together, so that all of them stop at the same epoch.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy
from tensorflow.python.eager import context

from components.trainer import checkpoints, objectives, rendezvous
from components.trainer.cluster import Cluster

GATHER_S = 120  # How long the servers of workers that have answered may take to find each other.
STEP_S = 900.0  # How long a worker may let the others wait in a step: the chief saves its checkpoint in between.
# A host that is gone without a word is known after 2 + 2 * 10 seconds; one whose process is gone, at the next step.
HEALTH = {"_check_health_interval": 2, "_check_health_timeout": 10, "_check_health_retry_limit": 2}
HEALTH |= {"_check_health_initial_timeout": GATHER_S}

Answer = TypeVar("Answer")


class WorkerLostError(RuntimeError):
    """A worker went away in the middle of training."""


class WorkersError(ValueError):
    """These workers can't train this recipe together."""


class UnequalError(RuntimeError):
    """The workers ended with different weights."""


@contextlib.contextmanager
def gathered(
    cluster: Cluster | None, fn_args: Any, kept: checkpoints.Checkpoints, training: Any
) -> Iterator["Team | None"]:
    """Calls all workers together for a training; gives None where this process trains alone.

    Args:
      cluster: Who takes part, where there are several.
      fn_args: TFX's. The folder of the whole pipeline must be shared with the workers.
      kept: Where checkpoints go.
      training: What they are of.

    Raises:
      WorkersError: This process is not the chief, the batch too small to be shared, or XLA asked for.
      rendezvous.RendezvousError: A worker did not come.
    """
    if cluster is None:
        yield None
        return
    _check(cluster, fn_args.custom_config["recipe"]["batch_size"], fn_args.custom_config.get("xla"))
    root = Path(fn_args.model_run_dir).parents[2]
    with rendezvous.called(root, rendezvous.described(root, cluster, fn_args, kept.directory, training)):
        yield Team(cluster, fn_args.custom_config["architecture"], kept)


def _check(cluster: Cluster, batch_size: int, xla: object) -> None:
    if not cluster.is_chief:
        raise WorkersError(
            f"The first worker must run the pipeline. Received: worker {cluster.rank} of {cluster.size}; run "
            "`convoy worker` here."
        )
    if xla is True:
        raise WorkersError(
            '`xla` must be "auto" or false where several hosts train together, whose loop XLA does not compile. '
            "Received: true; leave it out."
        )
    if batch_size < cluster.size:
        raise WorkersError(
            f"`batch_size` must have an image for each worker. Received: {batch_size} for {cluster.size} workers; "
            "raise it, or name fewer in TF_CONFIG."
        )


class Team:
    """All workers of a training, as one of them sees it.

    It must be made before TensorFlow's first op, once in a process.

    Args:
      cluster: Who takes part.
      architecture: What is trained, for messages.
      kept: Where the chief keeps checkpoints.

    Raises:
      WorkersError: A worker has several GPUs.
      WorkerLostError: One did not come.
    """

    def __init__(self, cluster: Cluster, architecture: str, kept: checkpoints.Checkpoints) -> None:
        self._cluster, self._architecture, self._kept = cluster, architecture, kept
        self._epoch = 0
        self._strategy = self._or_lost(lambda: _strategy(cluster))

    @property
    def size(self) -> int:
        """How many workers there are."""
        return self._cluster.size

    def all(self, own: bool) -> bool:
        """Returns whether something holds on every worker."""
        return bool(self._or_lost(lambda: self._sum(np.array([own], np.float32)))[0] == self.size)

    def restore(self, model: keras.Model) -> tuple[checkpoints.Progress, list[np.ndarray]]:
        """Gives all workers the state that the chief has, which goes on from its checkpoint where that is sound.

        Returns:
          How far the checkpoint was, and the weights of its best epoch, as `Checkpoints.restore` does.
        """
        before, best = self._kept.restore(model) if self._cluster.is_chief else (checkpoints.Progress(), [])
        state = checkpoints.pack(model, before, best) if self._cluster.is_chief else b""
        before, best = checkpoints.unpack(model, self._or_lost(lambda: self._from_chief(state)))
        for variable in model.variables:
            if variable.name == "seed_generator_state":
                variable.assign(variable + keras.ops.cast([self._cluster.rank, 0], variable.dtype))
        return before, best

    def fit(
        self,
        model: keras.Model,
        training: tf.data.Dataset,
        *,
        validation_data: tf.data.Dataset,
        initial_epoch: int,
        epochs: int,
        steps_per_epoch: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> keras.callbacks.History:
        """Trains as `model.fit` does, with its history and its callbacks; checkpoints are the chief's alone.

        Args:
          model: Compiled with `objectives.loss`, its optimiser built.
          training: Batches over all workers, of pixels [N, H, W, C] and labels [N] or shares [N, classes], of all
            epochs that are left.
          validation_data: Likewise, of one epoch.
          initial_epoch: Epochs that are done.
          epochs: To end at.
          steps_per_epoch: Batches an epoch.
          callbacks: Who watches.

        Raises:
          WorkerLostError: Another worker went away.
          UnequalError: The weights are not the same on all workers at the end.
        """
        chief = self._cluster.is_chief
        own = [one for one in callbacks if chief or not isinstance(one, checkpoints.Keep)]
        watching = keras.callbacks.CallbackList(
            own, add_history=True, model=model, epochs=epochs, steps=steps_per_epoch
        )
        loop = _Loop(self, model, watching)
        batches = iter(self.share(training))
        validation = self.share(validation_data)

        def epoch() -> dict[str, float]:
            logs = loop.train(batches, steps_per_epoch)
            return logs | {f"val_{name}": value for name, value in loop.validate(validation).items()}

        self._or_lost(lambda: self._run(model, epoch, range(initial_epoch, epochs), watching))
        return model.history

    def share(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Leaves this worker its images of each batch: one of as many in a row as there are workers.

        Returns:
          Pixels, labels, how many images these are, and of how many. Who gets none has one all the same, counted as 0.
        """
        rank, size = self._cluster.rank, self._cluster.size

        @tf.autograph.experimental.do_not_convert
        def deal(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
            total = tf.shape(labels)[0]
            own = tf.range(tf.minimum(rank, total), total, size)
            filler = tf.zeros([tf.cast(tf.equal(tf.size(own), 0), tf.int32)], tf.int32)
            taken = tf.concat([own, filler], 0)
            return tf.gather(images, taken), tf.gather(labels, taken), tf.size(own), total

        return batches.map(deal, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def summed(self, own: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Adds up float32 tensors over all workers, in one message; within a `tf.function`."""
        flat = tf.concat([tf.reshape(one, [-1]) for one in own], 0)
        total = self._strategy.run(_all_reduce, args=(flat,))
        parts = tf.split(total, [one.shape.num_elements() for one in own])
        return [tf.reshape(part, one.shape) for part, one in zip(parts, own, strict=True)]

    def _run(
        self,
        model: keras.Model,
        train: Callable[[], dict[str, float]],
        epochs: range,
        watching: keras.callbacks.CallbackList,
    ) -> None:
        """Goes through the epochs in the order of Keras' own `fit`."""
        model.stop_training = False
        watching.on_train_begin()
        logs: dict[str, float] = {}
        for epoch in epochs:
            self._epoch = epoch + 1
            watching.on_epoch_begin(epoch)
            logs = train()
            watching.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        model.optimizer.finalize_variable_values(model.trainable_weights)
        watching.on_train_end(logs)
        self._require_equal(model)
        # Whoever is done first goes, which is no illness.
        self._strategy.extended._check_health_thread_should_stop.set()

    def _from_chief(self, content: bytes) -> bytes:
        """Returns what the chief gave, on every worker."""
        length = int.from_bytes(self._words(len(content).to_bytes(8, "little")), "little")
        return self._words(content.ljust(length + length % 2, b"\0"))[:length]

    def _words(self, content: bytes) -> bytes:
        """Returns the chief's bytes, of an even number that all know, as sums that float32 holds exactly."""
        own = np.frombuffer(content, np.uint16).astype(np.float32)
        return self._sum(own if self._cluster.is_chief else np.zeros_like(own)).astype(np.uint16).tobytes()

    def _sum(self, own: np.ndarray) -> np.ndarray:
        (total,) = tf.function(self.summed, autograph=False)([tf.constant(own, tf.float32)])
        return np.asarray(total)

    def _require_equal(self, model: keras.Model) -> None:
        digest = hashlib.sha256()
        for weight in model.get_weights():
            digest.update(weight.tobytes())
        own = np.frombuffer(digest.digest(), np.uint16).astype(np.float32)
        if not np.array_equal(self._sum(own), own * self._cluster.size):
            raise UnequalError(
                f"All workers must end with the same weights. Received: others than those of "
                f"{self._cluster.own_address}, of {self._architecture}; check that all hosts have the same kind of "
                "device, and run again."
            )

    def _or_lost(self, work: Callable[[], Answer]) -> Answer:
        """Does what needs the other workers; without one, says so in place of what TensorFlow says."""
        try:
            return work()
        except tf.errors.OpError as error:
            if "ollective" not in error.message:
                raise
            lost = error.message
        except RuntimeError as error:
            if "waiting for the cluster" not in str(error):
                raise
            lost = ""
        # Out here, so that no UnavailableError is in its context: a runner would begin again without the worker.
        raise WorkerLostError(self._loss(lost))

    def _loss(self, message: str) -> str:
        found = re.search(r"/task:(\d+)", message)
        rank = int(found[1]) if found else self._cluster.rank
        who = self._cluster.addresses[rank] if rank != self._cluster.rank else "another worker"
        when = f"in epoch {self._epoch}" if self._epoch else "before the first epoch"
        done = self._kept.epochs()
        return (
            f"Every worker must stay to the end. Received: {who}{' (the chief)' * (rank == 0)} went away {when} of "
            f"{self._architecture}; start it again: training "
            + (f"goes on after epoch {done}." if done else "starts anew, since no epoch was kept yet.")
        )


class _Loop:
    """The steps of one worker."""

    def __init__(self, team: Team, model: keras.Model, watching: keras.callbacks.CallbackList) -> None:
        self._team, self._model, self._watching = team, model, watching
        self._step = tf.function(self._train_step, autograph=False, reduce_retracing=True)
        self._look = tf.function(self._validation_step, autograph=False, reduce_retracing=True)
        self._meet = tf.function(team.summed, autograph=False)

    def train(self, batches: Iterator[tuple[tf.Tensor, ...]], steps: int) -> dict[str, float]:
        """Trains for an epoch; returns loss and accuracy over its images, as they were when each had its turn."""
        sums = np.zeros(3)
        for step in range(steps):
            self._watching.on_train_batch_begin(step)
            sums += np.asarray(self._step(*next(batches)), np.float64)
            self._watching.on_train_batch_end(step, _means(sums))
        self._average_norms()
        return _means(sums)

    def validate(self, batches: tf.data.Dataset) -> dict[str, float]:
        """Returns loss and accuracy on validation images."""
        self._watching.on_test_begin()
        sums = np.zeros(3)
        for images, labels, own, _ in batches:
            sums += np.asarray(self._look(images, labels, own), np.float64)
        (total,) = self._meet([tf.constant(sums, tf.float32)])
        logs = _means(np.asarray(total, np.float64))
        self._watching.on_test_end(logs)
        return logs

    def _train_step(self, images: tf.Tensor, labels: tf.Tensor, own: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
        """Moves the weights by one global batch; returns its summed loss, hits and images."""
        model = self._model
        share = tf.cast(own, tf.float32) / tf.cast(total, tf.float32)
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = model.loss(labels, logits)
            scaled = model.optimizer.scale_loss(loss * share)
        variables = model.trainable_variables
        pairs = [pair for pair in zip(tape.gradient(scaled, variables), variables, strict=True) if pair[0] is not None]
        *gradients, sums = self._team.summed([*(gradient for gradient, _ in pairs), _sums(loss, labels, logits, own)])
        model.optimizer.apply(gradients, [variable for _, variable in pairs])
        return sums

    def _validation_step(self, images: tf.Tensor, labels: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        logits = self._model(images, training=False)
        return _sums(self._model.loss(labels, logits), labels, logits, own)

    def _average_norms(self) -> None:
        """Makes the moving statistics of all workers one."""
        moving = [one for one in self._model.non_trainable_weights if "float" in one.dtype]
        if moving:
            totals = self._meet([tf.convert_to_tensor(one) for one in moving])
            for variable, total in zip(moving, totals, strict=True):
                variable.assign(total / self._team.size)


def _strategy(cluster: Cluster) -> tf.distribute.Strategy:
    """Makes the strategy, which finds out by itself when a worker is gone."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus > 1:
        raise WorkersError(
            f"A worker must have one GPU at most. Received: {gpus} on {cluster.own_address}; give each a worker of its "
            "own in TF_CONFIG, which CUDA_VISIBLE_DEVICES shows no other."
        )
    extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
    for name, value in HEALTH.items():
        setattr(extended, name, value)
    # The coordination service, which TensorFlow prefers to that, catches SIGTERM: a process would not end by it.
    context.context().configure_coordination_service(service_type="")
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.rank,
        num_accelerators={"GPU": gpus},
        rpc_layer="grpc",
    )
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=STEP_S)
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)


def _all_reduce(own: tf.Tensor) -> tf.Tensor:
    # Of a tensor made here, since TensorFlow looks for its device.
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(own))


def _sums(loss: tf.Tensor, labels: tf.Tensor, logits: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """Returns summed loss, hits and images [3]; all 0 where the images are a filler."""
    images = tf.cast(own, tf.float32)
    hits = tf.reduce_sum(tf.cast(objectives.hits(labels, logits), tf.float32)) * tf.minimum(images, 1)
    return tf.stack([tf.cast(loss, tf.float32) * images, hits, images])


def _means(sums: np.ndarray) -> dict[str, float]:
    return {"loss": float(sums[0] / sums[2]), "accuracy": float(sums[1] / sums[2])}
