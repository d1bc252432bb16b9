"""Fields of a recipe as KerasTuner keeps them: it knows no lists."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from models.recipes import Recipe


def encode(value: Any) -> Any:
    """Writes one value of a field as KerasTuner takes it."""
    return json.dumps(value) if isinstance(value, list | tuple) else value


def decode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Reads fields of a recipe, by name, back from what KerasTuner made of them."""
    lists = {field.name for field in dataclasses.fields(Recipe) if isinstance(field.default, tuple)}
    return {name: tuple(json.loads(value)) if name in lists else value for name, value in values.items()}


def found(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Reads what a search found.

    Args:
      config: Of KerasTuner's `HyperParameters`, as TFX hands it to a Trainer; None without a search.
    """
    return decode(config["values"]) if config else {}
