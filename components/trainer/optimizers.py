"""A recipe into a Keras optimiser and its learning-rate schedule."""

import dataclasses
import math
from typing import Any

import keras

from models.recipes import Recipe


def optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Builds the recipe's optimiser; decay never touches biases and normalisation weights."""
    rate = learning_rate(recipe, steps_per_epoch)
    common = {
        "learning_rate": rate,
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.clip_norm or None,
        "use_ema": recipe.ema > 0,
        "ema_momentum": recipe.ema,
    }
    if recipe.optimizer == "sgd":
        built = keras.optimizers.SGD(momentum=recipe.momentum, nesterov=recipe.nesterov, **common)
    elif recipe.optimizer == "rmsprop":
        built = keras.optimizers.RMSprop(momentum=recipe.momentum, **common)
    else:
        built = keras.optimizers.Adam(**common)
    if recipe.weight_decay:
        built.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return built


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Builds the recipe's schedule over steps; a constant rate without warm-up stays a number."""
    if recipe.schedule == "constant" and not recipe.warmup_epochs:
        return recipe.learning_rate
    return _Schedule(recipe, steps_per_epoch)


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then constant, cosine to zero at the last step, or a tenth at each milestone."""

    def __init__(self, recipe: Recipe, steps_per_epoch: int) -> None:
        self._recipe, self._steps_per_epoch = recipe, steps_per_epoch

    def __call__(self, step: Any) -> Any:
        recipe, ops = self._recipe, keras.ops
        step = ops.cast(step, "float32")
        warmup = recipe.warmup_epochs * self._steps_per_epoch
        total = recipe.epochs * self._steps_per_epoch
        rate = self._after_warmup(step, warmup, total)
        # The first step already moves: step 0 of a warm-up of n steps trains at 1/n of the peak.
        return rate * ops.minimum((step + 1) / warmup, 1.0) if warmup else rate

    def _after_warmup(self, step: Any, warmup: float, total: float) -> Any:
        recipe, ops = self._recipe, keras.ops
        if recipe.schedule == "cosine":
            done = ops.clip((step - warmup) / (total - warmup), 0.0, 1.0)
            return recipe.learning_rate * 0.5 * (1.0 + ops.cos(math.pi * done))
        passed = [ops.cast(step >= milestone * total, "float32") for milestone in recipe.milestones]
        return recipe.learning_rate * 0.1 ** sum(passed) if passed else ops.cast(recipe.learning_rate, "float32")

    def get_config(self) -> dict[str, Any]:
        return {"recipe": dataclasses.asdict(self._recipe), "steps_per_epoch": self._steps_per_epoch}
