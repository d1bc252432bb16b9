"""The `run_fn` of TFX's Trainer: one for every architecture.

Everything it needs comes in `custom_config`: the architecture by its registered name, the recipe resolved to plain
data.
"""

import contextlib
import dataclasses
import functools
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import keras
import numpy as np
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

import models
from components import names
from components.progress import report
from components.trainer import (
    checkpoints,
    classes,
    export,
    hyperparameters,
    input_pipeline,
    multi_worker,
    objectives,
    optimizers,
)
from components.trainer import cluster as clusters
from components.trainer.reporting import Reporting
from components.trainer.splits import Split
from components.trainer.stopping import BestEpoch, served_epoch
from models.inference import for_inference
from models.recipes import Recipe


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """What `custom_config` says.

    Attributes:
      architecture: Registered name.
      form: `paper` or `small`.
      options: What the architecture's builder is told beyond its row.
      recipe: Resolved.
      image_shape: Height, width, channels.
      class_names: In the order of the labels.
      precision: A Keras dtype policy, or `auto`: mixed_bfloat16 on a GPU, float32 elsewhere.
      xla: Whether XLA compiles the training step, or `auto`: where one GPU trains.
    """

    architecture: str
    form: str
    options: dict[str, Any]
    recipe: Recipe
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    precision: str
    xla: bool | str

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TrainingPlan":
        """Reads TFX's `custom_config`, whose lists were tuples."""
        fields = {field.name: config[field.name] for field in dataclasses.fields(cls)}
        fields["recipe"] = Recipe(**config["recipe"])
        fields["image_shape"] = tuple(config["image_shape"])
        fields["class_names"] = tuple(config["class_names"])
        return cls(**fields)

    def with_recipe(self, fields: dict[str, Any]) -> "TrainingPlan":
        """Returns the plan with some fields of its recipe changed."""
        return dataclasses.replace(self, recipe=self.recipe.replace(**fields))


class DivergedError(RuntimeError):
    """Training produced a loss that is not a number."""


class MemoryShortError(RuntimeError):
    """A step needs more memory than there is."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains one architecture and exports it as a SavedModel.

    Args:
      fn_args: TFX's; `train_files` and `eval_files` are the transformed train and validation splits,
        `transform_graph_path` is the folder of what Transform found out about the train split, and
        `hyperparameters`, where a search came before, the fields of the recipe that it found.

    Raises:
      classes.ClassNamesError: The data name a class otherwise than the model would.
      DivergedError: The loss became NaN or infinite.
      MemoryShortError: A batch doesn't fit.
      multi_worker.WorkerLostError: It trains with other workers, and one of them went away.
    """
    tuned = hyperparameters.found(fn_args.hyperparameters)
    plan = TrainingPlan.from_config(fn_args.custom_config).with_recipe(tuned)
    classes.require(fn_args.transform_graph_path, plan.class_names)
    cluster = clusters.told()
    decisive = [fn_args.custom_config, tuned, fn_args.train_files, tf.__version__, keras.__version__]
    decisive += [cluster.size] if cluster else []  # Of as many workers: batch norm sees as many images.
    # Beside all executions of the node: TFX's folder for this one is `<node>/model_run/<execution>`.
    kept = checkpoints.Checkpoints(Path(fn_args.model_run_dir).parents[1] / "checkpoints", decisive)
    report(model_uri=str(Path(fn_args.serving_model_dir).parent), training=_facts(plan))
    resolved = fn_args.custom_config | {"recipe": dataclasses.asdict(plan.recipe)}
    with multi_worker.gathered(cluster, attrs.evolve(fn_args, custom_config=resolved), kept, decisive) as team:
        statistics = input_pipeline.pixel_statistics(fn_args.train_files, plan.image_shape[-1])
        model, done = train(plan, statistics, fn_args.train_files, fn_args.eval_files, kept, team=team)
    servable = _for_inference(plan, model, statistics)
    export.export(servable, plan.class_names, plan.image_shape, fn_args.serving_model_dir)
    _record(plan, tuned, servable, done, Path(fn_args.model_run_dir))
    kept.forget()


def train(
    plan: TrainingPlan,
    statistics: input_pipeline.PixelStatistics,
    train_files: list[str],
    validation_files: list[str],
    kept: checkpoints.Checkpoints,
    *,
    team: multi_worker.Team | None = None,
) -> tuple[keras.Model, checkpoints.Progress]:
    """Trains by the recipe, from the checkpoint on that a killed attempt left; with others where there is a team.

    Returns:
      The model, as `export.pixel_model` makes it, and what all attempts came to: the weights, order of images and
      random changes are those of a training that nothing stopped.

    Raises:
      DivergedError: The loss became NaN or infinite.
      MemoryShortError: A batch doesn't fit.
    """
    recipe = plan.recipe
    started = time.monotonic()
    keras.utils.set_random_seed(recipe.seed)
    of_training, of_validation = (
        Split.counted(files, plan.image_shape, len(plan.class_names)) for files in (train_files, validation_files)
    )
    size = of_training.size
    strategy = tf.distribute.get_strategy() if team else _strategy()
    devices = strategy.num_replicas_in_sync
    # A part of a batch may leave a device without an image, and a batch norm without statistics.
    whole = devices > 1 and size >= recipe.batch_size
    steps = size // recipe.batch_size if whole else -(-size // recipe.batch_size)
    together = input_pipeline.divisible(of_validation.size, devices)
    validation = input_pipeline.validation_batches(of_validation, together)
    with strategy.scope():
        few = input_pipeline.batches(of_validation, devices).take(1)
        model = _prepared(plan, statistics, steps, of_training.counts, few)
        before, best = team.restore(model) if team else kept.restore(model)
    fits = input_pipeline.fits(of_training)
    training = input_pipeline.training_batches(
        of_training, recipe, before.epochs, whole=whole, kept=team.all(fits) if team else fits
    )
    watching = _callbacks(plan, size, kept, before, best)
    # Keras need not shuffle: the pipeline does, by the seed.
    fit = functools.partial(team.fit, model) if team else functools.partial(model.fit, shuffle=False, verbose=0)
    try:
        history = fit(
            training,
            validation_data=validation,
            initial_epoch=before.epochs,
            epochs=recipe.epochs,
            steps_per_epoch=steps,
            callbacks=watching,
        ).history
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryShortError(
            f"A batch that fits into memory is required. Received: `batch_size` {recipe.batch_size} of "
            f"{plan.architecture}, which doesn't; try {max(1, recipe.batch_size // 2)}."
        ) from error
    done = before.and_then(recipe.epochs, history, time.monotonic() - started)
    _require_finite(plan, done.history["val_loss"])
    return model, done


def _require_finite(plan: TrainingPlan, losses: list[float]) -> None:
    """Refuses what the last step of an epoch threw off: no step comes after it whose loss would tell."""
    loss = losses[served_epoch(losses, plan.recipe.patience)]
    if not math.isfinite(loss):
        raise DivergedError(
            f"A finite validation loss is required. Received: {loss} of {plan.architecture}; try a `learning_rate` "
            f"below {plan.recipe.learning_rate:g}, or set `clip_norm`."
        )


def _callbacks(
    plan: TrainingPlan,
    size: int,
    kept: checkpoints.Checkpoints,
    before: checkpoints.Progress,
    best: list[np.ndarray],
) -> list[keras.callbacks.Callback]:
    """Lists who watches; in this order, since averaged weights stand in for the model's own at the end of an epoch."""
    recipe = plan.recipe
    averaged = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] * (recipe.ema > 0)
    stopping = [BestEpoch(recipe.patience, before.history.get("val_loss", ()), best)] * (recipe.patience > 0)
    keep = checkpoints.Keep(kept, before, lambda: stopping[0].weights if stopping else ())
    return [_Finite(plan), Reporting(recipe.epochs, size), *averaged, *stopping, keep]


def _prepared(
    plan: TrainingPlan,
    statistics: input_pipeline.PixelStatistics,
    steps_per_epoch: int,
    counts: Sequence[int],
    few: tf.data.Dataset,
) -> keras.Model:
    """Makes a model that has all its variables, those of the optimiser and of the metrics too.

    Args:
      plan: What to train.
      statistics: Of the pixels of the train split.
      steps_per_epoch: Of the schedule.
      counts: Images of each class.
      few: One batch, with an image for each device.
    """
    model = _build(plan, statistics)
    _compile(model, plan, steps_per_epoch, counts)
    # Keras would trace the training step twice, once to create these variables and once with them.
    model.optimizer.build(model.trainable_variables)
    model.evaluate(few, verbose=0)
    # On several devices, Keras would build it again by the first batch of each data set: training would lose that
    # batch, and validation fail where it is not divided evenly.
    model._maybe_symbolic_build = lambda **_: None
    return model


def _build(plan: TrainingPlan, statistics: input_pipeline.PixelStatistics) -> keras.Model:
    automatic = "mixed_bfloat16" if tf.config.list_logical_devices("GPU") else "float32"
    with _precision(automatic if plan.precision == "auto" else plan.precision):
        network = models.create(
            plan.architecture,
            input_shape=plan.image_shape,
            num_classes=len(plan.class_names),
            form=plan.form,
            **plan.options,
        )
        return export.pixel_model(network, statistics, plan.image_shape)


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Builds what stands in it by a dtype policy, which Keras takes from a global setting alone."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _compile(model: keras.Model, plan: TrainingPlan, steps_per_epoch: int, counts: Sequence[int]) -> None:
    model.compile(
        optimizer=optimizers.optimizer(plan.recipe, steps_per_epoch),
        loss=objectives.loss(plan.recipe, counts),
        metrics=[objectives.accuracy()],
        jit_compile=plan.xla,
    )


def _for_inference(plan: TrainingPlan, trained: keras.Model, statistics: input_pipeline.PixelStatistics) -> keras.Model:
    """Makes the model that answers: float32 whatever it was trained in, no auxiliary heads, norms folded."""
    with _precision("float32"):
        return export.pixel_model(for_inference(trained.get_layer(plan.architecture)), statistics, plan.image_shape)


def _strategy() -> tf.distribute.Strategy:
    """Uses all GPUs that this process sees, else the CPU.

    A batch is divided among them. It is as large as the recipe says whatever their number, and so the learning rate
    stays as it is. Batch norms normalise over each device's part, and `clip_norm` bounds the gradient of each. Of
    several, each gets its part of every batch: the last images of an epoch, too few for a batch, are left out of it.
    """
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    several = [device.name for device in found]
    return tf.distribute.MirroredStrategy(several) if len(several) > 1 else tf.distribute.get_strategy()


def _record(
    plan: TrainingPlan, tuned: dict[str, Any], servable: keras.Model, done: checkpoints.Progress, directory: Path
) -> None:
    facts = models.describe(
        plan.architecture,
        input_shape=plan.image_shape,
        num_classes=len(plan.class_names),
        form=plan.form,
        **plan.options,
    )
    content = {
        **_facts(plan),
        "architecture": facts,
        "served_params": servable.count_params(),
        "tuned": tuned,
        "history": done.history,
        "train_seconds": done.seconds,
        "devices": [device.name for device in tf.config.list_logical_devices()],
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / names.TRAINING_FILE).write_text(json.dumps(content, indent=2), encoding="utf-8")


def _facts(plan: TrainingPlan) -> dict[str, Any]:
    """Says what is trained, and how."""
    recipe = dataclasses.asdict(plan.recipe)
    return {"architecture": {"name": plan.architecture}, "form": plan.form, "options": plan.options, "recipe": recipe}


class _Finite(keras.callbacks.Callback):
    """Ends training at the first step whose loss is no number."""

    def __init__(self, plan: TrainingPlan) -> None:
        super().__init__()
        self._plan, self._epoch = plan, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if not math.isfinite(loss := (logs or {}).get("loss", 0.0)):
            raise DivergedError(
                f"A finite loss is required. Received: {loss} in step {batch + 1} of epoch {self._epoch} of "
                f"{self._plan.architecture}; try a `learning_rate` below {self._plan.recipe.learning_rate:g}, a longer "
                "`warmup_epochs`, or set `clip_norm`."
            )
