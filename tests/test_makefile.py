"""How the Makefile finds a Python, with folders of our own as PATH."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "bash", "env", "make", "sed", "head", "getconf")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with the tools that make needs, and a `python3` too old to fit."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    write(folder / "python3", 'echo "Python 3.9.2"; test "$1" = --version')
    return folder


def write(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def run(path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": str(path)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_python_that_fits_is_found_behind_one_that_does_not(path: Path) -> None:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    write(path / name, f'exec {sys.executable} "$@"')
    assert run(path, "requirements/find-python").stdout.strip() == str(path / name)


def test_without_a_fitting_python_make_says_what_to_do(path: Path) -> None:
    if os.path.lexists("/usr/local/bin/python3.11"):
        pytest.skip("This machine has a Python where the search always looks.")
    assert run(path, "requirements/find-python").stdout == ""
    done = run(path, "make", "python")
    assert done.returncode == 2
    assert "Convoy needs Python 3.11" in done.stdout
    assert "found: Python 3.9.2" in done.stdout
    assert "make demo PYTHON=" in done.stdout


def test_the_networks_are_tested_under_each_backend(path: Path) -> None:
    """Shown, not run: the backend is set for the one command, and JAX comes from an extra of its own."""
    fitting = f"python{sys.version_info.major}.{sys.version_info.minor}"
    write(path / fitting, f'exec {sys.executable} "$@"')
    shown = run(path, "make", "--always-make", "--dry-run", "test-backends").stdout
    assert "for backend in tensorflow jax" in shown
    assert "KERAS_BACKEND=$backend .venv/bin/python -m pytest tests/models" in shown
    assert shown.count("-r requirements/jax.txt") == 1


def test_help_says_what_there_is(path: Path) -> None:
    shown = run(path, "make", "help").stdout
    assert all(f"make {target} " in shown for target in ("demo", "test", "check", "lock", "test-backends"))
