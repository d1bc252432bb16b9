"""The console script as people run it, and small real databases."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("convoy")


@dataclasses.dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that a refusal says."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("convoy: "), self.err
        return lines[0].removeprefix("convoy: ")


Convoy = Callable[..., Ended]


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a terminal that has set nothing for Convoy."""
    return {key: value for key, value in os.environ.items() if key not in ("CONVOY_WORKSPACE", "COLUMNS")}


@pytest.fixture
def convoy(tmp_path: Path, environment: dict[str, str]) -> Convoy:
    """Runs `convoy` with its output in pipes, in a folder of its own."""

    def run(*arguments: object, **variables: str) -> Ended:
        command = [SCRIPT, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment | variables, check=False, timeout=120
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run
