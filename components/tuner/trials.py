"""What the trials of a search came to, kept for the case that it is killed."""

import dataclasses
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "trials.json"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one trial came to.

    Attributes:
      accuracy: On the validation split, a fraction; None where it failed.
      error: Why it failed.
    """

    accuracy: float | None
    error: str = ""


class Trials:
    """The trials of one search that are done: a killed one finds them again, and does not train them twice.

    KerasTuner keeps its own state in files that a kill can tear. This one is replaced as a whole, or stays.

    Args:
      directory: Of one node; it is made when there is something to keep.
      search: All that decides what the trials come to, as JSON takes it: those of another search are none.
    """

    def __init__(self, directory: Path, search: object) -> None:
        self._directory = directory
        self._search = hashlib.sha256(json.dumps(search, sort_keys=True).encode()).hexdigest()
        self._known = self._read()

    def find(self, values: Mapping[str, Any]) -> Outcome | None:
        """Returns what a trial of these values came to; None where there was none."""
        return self._known.get(_key(values))

    def add(self, values: Mapping[str, Any], outcome: Outcome) -> None:
        """Keeps what a trial came to."""
        self._known[_key(values)] = outcome
        content = {key: dataclasses.asdict(known) for key, known in self._known.items()}
        self._directory.mkdir(parents=True, exist_ok=True)
        temporary = self._directory / f".{FILE}"
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({"search": self._search, "outcomes": content}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._directory / FILE)

    def forget(self) -> None:
        """Deletes all that was kept: the search is over."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _read(self) -> dict[str, Outcome]:
        try:
            content = json.loads((self._directory / FILE).read_text(encoding="utf-8"))
            if content["search"] != self._search:
                return {}
            found = {key: Outcome(**known) for key, known in content["outcomes"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            logging.warning("The search starts anew, since what was kept of it is torn: %s", error)
            return {}
        logging.info("The search goes on after %d trials.", len(found))
        return found


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
