"""What is declared, what is locked, and what is installed."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
LOCKS = sorted(FOLDER.glob("py3*.txt"))
EXTRAS = ("dev", "jax", "postgresql")
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[^\s;]+( ; .+)?")


def lines(path: Path) -> list[str]:
    """Returns the lines of a requirements file that are not comments."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def pins(path: Path) -> dict[str, str]:
    """Returns the versions that a lock pins."""
    found = (Requirement(line) for line in lines(path))
    return {canonicalize_name(one.name): next(iter(one.specifier)).version for one in found}


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_file_names_a_host(path):
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("lock", [*LOCKS, *(FOLDER / f"{extra}.txt" for extra in EXTRAS)], ids=lambda path: path.name)
def test_a_lock_is_nothing_but_pins(lock):
    assert lines(lock)
    assert all(PIN.fullmatch(line) for line in lines(lock))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_lock_pins_a_fitting_version_of_all_that_convoy_imports(lock):
    locked = pins(lock)
    for required in map(Requirement, lines(FOLDER / "runtime.in")):
        assert required.specifier.contains(locked[canonicalize_name(required.name)]), required


def test_there_is_a_lock_for_every_python_that_setup_allows():
    assert [lock.stem for lock in LOCKS] == ["py311", "py312", "py313"]
    required = importlib.metadata.metadata("convoy")["Requires-Python"]
    assert set(required.split(",")) == {">=3.11", "<3.14"}


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_lock_of_an_extra_fits_too(extra):
    locked = pins(FOLDER / f"{extra}.txt")
    for required in map(Requirement, lines(FOLDER / f"{extra}.in")):
        assert required.specifier.contains(locked[canonicalize_name(required.name)]), required


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_changes_no_version_that_convoy_runs_on(extra):
    runtime = pins(FOLDER / "py311.txt")
    locked = pins(FOLDER / f"{extra}.txt")
    assert {name: runtime[name] for name in locked if name in runtime} == {
        name: version for name, version in locked.items() if name in runtime
    }


def test_the_overrides_of_the_oldest_python_are_in_its_lock():
    locked = pins(FOLDER / "py311.txt")
    for required in map(Requirement, lines(FOLDER / "overrides.txt")):
        assert required.specifier.contains(locked[canonicalize_name(required.name)]), required


def test_setup_reads_its_requirements_and_its_command(tmp_path):
    command = [sys.executable, "setup.py", "--quiet", "egg_info", f"--egg-base={tmp_path}"]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert found.metadata["Name"] == "convoy"
    assert found.version == importlib.metadata.version("convoy")
    declared = {Requirement(line).name for line in lines(FOLDER / "runtime.in")}
    assert {Requirement(line).name for line in found.requires if "extra" not in line} == declared
    for extra in EXTRAS:
        asked = {Requirement(line).name for line in found.requires if f'extra == "{extra}"' in line}
        assert asked == {Requirement(line).name for line in lines(FOLDER / f"{extra}.in")}
    (script,) = found.entry_points.select(group="console_scripts")
    assert (script.name, script.value) == ("convoy", "pipeline.cli:main")
    shipped = (tmp_path / "convoy.egg-info" / "SOURCES.txt").read_text().splitlines()
    assert "pipeline/configs/digits.toml" in shipped
