"""What a value in a config must be, and how a refusal says it."""

import difflib
import sys
from collections.abc import Callable, Iterable
from typing import Any

RECEIVED_LIMIT = 80


def _is_number(value: object) -> bool:
    # A whole number of TOML may be larger than any float; nan and the infinities are not below it either.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


# By the type of a default: what a value must be, in words and as a check.
KINDS: dict[type, tuple[str, Callable[[Any], bool]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("an integer", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    float: ("a number", _is_number),
    str: ("a string", lambda value: isinstance(value, str)),
    tuple: ("a list of numbers", lambda value: isinstance(value, list) and all(map(_is_number, value))),
}


def short(value: object) -> str:
    """Writes a value for a refusal, cut where it is long."""
    found = repr(value)
    return found if len(found) <= RECEIVED_LIMIT else f"{found[:RECEIVED_LIMIT]}…"


def near(name: str, known: Iterable[str]) -> str:
    """Asks whether the nearest of the known names was meant; nothing where none is near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
