"""Which versions a model's base path offers, and which of them its policy wants served (contract R2 to R10)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)[ \t\n\v\f\r]*", re.ASCII)
_MAX_VERSION = 2**63 - 1


@dataclass(frozen=True)
class Latest:
    """Serve the `count` highest numbers on disk, whether or not they load (R6)."""

    count: int = 1


@dataclass(frozen=True)
class All:
    """Serve every number on disk."""


@dataclass(frozen=True)
class Specific:
    """Serve exactly these numbers, as far as they are on disk (R7)."""

    versions: tuple[int, ...]


Policy = Latest | All | Specific


def parse_version(name: str) -> int | None:
    """Reads a child's name as upstream does: a signed 64-bit decimal, spaces around it allowed; None for any other.

    Negative numbers are refused, against upstream: version ids are documented non-negative (R3).
    """
    match = _NUMBER.fullmatch(name)
    if match is None:
        return None
    number = int(match[1])
    return number if 0 <= number <= _MAX_VERSION else None


def aspired_versions(model: str, base_path: Path, policy: Policy) -> dict[int, Path]:
    """Lists the versions that `policy` wants of those under `base_path`, each with its directory.

    Raises:
        FileNotFoundError: The base path does not exist (or is no directory).
    """
    if isinstance(policy, Specific):
        return _specific(model, base_path, policy.versions)
    names = _names(base_path)
    if not names:
        _warn_of_none(model, base_path)
    # Two names for one number: under `latest` the lexicographically last wins, under `all` the first (R5).
    pick = -1 if isinstance(policy, Latest) else 0
    numbers = sorted(names, reverse=True)
    if isinstance(policy, Latest):
        numbers = numbers[: max(1, policy.count)]
    return {number: base_path / _pick(model, names[number], pick) for number in numbers}


def _names(base_path: Path) -> Mapping[int, list[str]]:
    """Lists the names of each number, in lexicographic order; any child counts, file or directory (R4)."""
    names: dict[int, list[str]] = {}
    for name in sorted(child.name for child in base_path.iterdir()):
        number = parse_version(name)
        if number is not None:
            names.setdefault(number, []).append(name)
    return names


def _pick(model: str, names: list[str], index: int) -> str:
    if len(names) > 1:
        logger.warning("Duplicate version directories model=%s names=%s used=%s", model, names, names[index])
    return names[index]


def _specific(model: str, base_path: Path, versions: tuple[int, ...]) -> dict[int, Path]:
    base_path.stat()
    if not versions:
        logger.warning("No specific versions requested for servable %s", model)
        return {}
    found = {number: base_path / str(number) for number in versions if (base_path / str(number)).exists()}
    missing = set(versions) - set(found)
    if not missing:
        return found
    names = _names(base_path)
    for number in sorted(missing):
        if number in names:
            found[number] = base_path / _pick(model, names[number], -1)
        else:
            text = "Version %d of servable %s, requested to be served as a 'specific' version, not found under %s"
            logger.warning(text, number, model, base_path)
    return found


def _warn_of_none(model: str, base_path: Path) -> None:
    hint = ""
    if (base_path / "saved_model.pb").exists():
        hint = ": it is itself a SavedModel, and must be the directory that holds <version>/saved_model.pb"
    logger.warning("No versions of servable %s found under base path %s%s", model, base_path, hint)
