"""What is searched, and how: plain data into KerasTuner's hyperparameters and its oracles."""

import math
from collections.abc import Mapping
from typing import Any

import keras_tuner

from components.trainer import hyperparameters

OBJECTIVE = "val_accuracy"


def declared(space: Mapping[str, Any]) -> keras_tuner.HyperParameters:
    """Declares a search space.

    Args:
      space: By field of the recipe: a list of values, or `low`, `high` and `log` of a range.
    """
    declaring = keras_tuner.HyperParameters()
    for field, given in space.items():
        if isinstance(given, list) and isinstance(given[0], bool):  # To a choice they would be whole numbers.
            declaring.Boolean(field)
            continue
        if isinstance(given, list):
            declaring.Choice(field, [hyperparameters.encode(value) for value in given])
            continue
        declare = declaring.Int if isinstance(given["low"], int) else declaring.Float
        declare(field, given["low"], given["high"], sampling="log" if given["log"] else "linear")
    return declaring


def trials(space: Mapping[str, Any], most: int) -> int:
    """Counts the trials of a search: no more than there are recipes in its space."""
    endless = any(isinstance(given, dict) for given in space.values())
    return most if endless else min(most, math.prod(len(given) for given in space.values()))


def oracle(space: Mapping[str, Any], algorithm: str, most: int, seed: int) -> keras_tuner.Oracle:
    """Makes what chooses the values of each trial, by the seed and the outcomes of the trials before.

    Args:
      space: As `declared` takes it.
      algorithm: `random`, `bayesian` or `grid`.
      most: Trials.
      seed: Of the recipe.
    """
    common = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": declared(space),
        "max_trials": most,
        # KerasTuner takes 0 for none, and then draws one.
        "seed": seed % (2**32 - 1) + 1,
        # A search goes on while there are trials: it is for its end to say that all failed.
        "max_consecutive_failed_trials": most + 1,
    }
    if algorithm == "random":
        return keras_tuner.oracles.RandomSearchOracle(**common)
    if algorithm == "grid":
        return keras_tuner.oracles.GridSearchOracle(**common)
    # By its own default KerasTuner draws three times as many points as there are fields: often all of the search.
    return keras_tuner.oracles.BayesianOptimizationOracle(**common, num_initial_points=max(2, most // 3))
