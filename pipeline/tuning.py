"""What a config has KerasTuner search: values for fields of a recipe, each checked as the recipe itself is."""

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any

from models import Recipe
from pipeline.values import KINDS, near, short

# What a table says of one field: a list of values, or `low`, `high` and `log`.
Space = dict[str, list[Any] | dict[str, Any]]

NOT_SEARCHED = {"seed": "the search follows from it, and the luckiest draw is not the best recipe"}
RANGE = ("low", "high", "log")


def space(key: str, table: object, recipe: Recipe) -> Space:
    """Checks and completes what an architecture's `tune` table says.

    Args:
      key: Of the table, `architectures.lenet5.tune`.
      table: By field of the recipe, a list of values or a table of `low`, `high` and perhaps `log`.
      recipe: Of the architecture; what is not searched stays as it says.

    Returns:
      The same with numbers as floats where the recipe has floats, and every range complete.

    Raises:
      ValueError: A field or a value is wrong, or two values cannot stand together; the sentence names the key.
    """
    if not isinstance(table, Mapping) or not table:
        raise ValueError(f"`{key}` must be a table of recipe fields and the values to try. Received: {short(table)}.")
    defaults = dataclasses.asdict(Recipe())
    for field in table:
        _require_searchable(key, field, list(defaults))
    found: Space = {field: _candidates(f"{key}.{field}", given, defaults[field]) for field, given in table.items()}
    try:
        _require_recipes(found, recipe)
    except ValueError as error:
        raise ValueError(f"[{key}] {error}") from error
    return found


def require_trials(key: str, found: Space, recipe: Recipe, epochs: int | None) -> None:
    """Checks that trials of so many epochs can have every recipe that is searched.

    Raises:
      ValueError: They can't.
    """
    if epochs is None:
        return
    if "epochs" in found:
        raise ValueError(f"`{key}.epochs` must be left out where `tuner.epochs` is set. Received: {found['epochs']}.")
    try:
        _require_recipes(found, dataclasses.replace(recipe, epochs=epochs))
    except ValueError as error:
        raise ValueError(f"`tuner.epochs` must fit every trial of [{key}]. Received: {epochs}, but {error}") from error


def require_grid(key: str, found: Space, trials: int) -> None:
    """Checks that a grid is made of lists, and that there are trials for all of it.

    Raises:
      ValueError: It isn't, or there are too few.
    """
    for field, given in found.items():
        if isinstance(given, dict):
            raise ValueError(f"`{key}.{field}` must be a list for `tuner.algorithm` 'grid'. Received: a range.")
    if trials < (size := math.prod(map(len, found.values()))):
        raise ValueError(
            f"`tuner.trials` must be at least {size}, the size of the grid of [{key}]. Received: {trials}."
        )


def _require_searchable(key: str, field: str, known: list[str]) -> None:
    if field in NOT_SEARCHED:
        raise ValueError(f"`{key}` must be about what can be searched. Received: {field!r}; {NOT_SEARCHED[field]}.")
    if field not in known:
        options = [name for name in known if name not in NOT_SEARCHED]
        hint = near(field, options) or f" A field of the recipe can be searched: {', '.join(options)}."
        raise ValueError(f"There is no config key `{key}.{field}`.{hint}")


def _candidates(key: str, given: object, default: object) -> list[Any] | dict[str, Any]:
    """Reads what is said of one field; its type is that of its default."""
    if isinstance(given, list):
        return _list(key, given, type(default))
    if type(default) not in (int, float):
        raise ValueError(f"`{key}` must be a list of values. Received: {short(given)}.")
    if isinstance(given, Mapping):
        return _range(key, given, type(default))
    raise ValueError(f"`{key}` must be a list of values, or a table of low and high. Received: {short(given)}.")


def _list(key: str, given: list[Any], kind: type) -> list[Any]:
    values = [_one(f"Each value of `{key}`", value, kind) for value in given]
    if len({repr(value) for value in values}) < max(2, len(values)):
        raise ValueError(f"`{key}` must be a list of two values or more, all different. Received: {short(given)}.")
    return values


def _range(key: str, given: Mapping[str, Any], kind: type) -> dict[str, Any]:
    for name in given:
        if name not in RANGE:
            raise ValueError(f"There is no config key `{key}.{name}`.{near(name, RANGE)}")
    for name in RANGE[:2]:
        if name not in given:
            raise ValueError(f"`{key}.{name}` is required. Received: nothing.")
    low, high = (_one(f"`{key}.{name}`", given[name], kind) for name in RANGE[:2])
    log = _one(f"`{key}.log`", given.get("log", False), bool)
    if low >= high:
        raise ValueError(f"`{key}.high` must be greater than low. Received: {short(high)}, where low is {short(low)}.")
    if log and low <= 0:
        raise ValueError(f"`{key}.low` must be greater than 0 where log is true. Received: {short(low)}.")
    return {"low": low, "high": high, "log": log}


def _one(what: str, value: Any, kind: type) -> Any:
    words, fits = KINDS[kind]
    if not fits(value):
        raise ValueError(f"{what} must be {words}. Received: {short(value)}.")
    if kind is tuple:
        return [float(one) for one in value]
    return float(value) if kind is float else value


def _require_recipes(found: Space, recipe: Recipe) -> None:
    """Has the recipe judge every value, and every two that could meet: no rule of its own is about three.

    Of a range, the ends stand for all between them: what the recipe's rules take has no gaps.
    """
    ends = {name: given if isinstance(given, list) else [given["low"], given["high"]] for name, given in found.items()}
    first = {name: values[0] for name, values in ends.items()}
    for fields in itertools.combinations(ends, min(2, len(ends))):
        for values in itertools.product(*(ends[field] for field in fields)):
            recipe.replace(**first | dict(zip(fields, values, strict=True)))
