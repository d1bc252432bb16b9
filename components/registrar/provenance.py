"""Where a run and a version come from: whose, by which code, of which data."""

import contextlib
import functools
import getpass
import importlib.metadata
import os
import subprocess
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
# Facts of MLMD, by the tag that has them.
MLMD = {"mlmd_execution": "execution", "mlmd_model": "model", "mlmd_evaluation": "evaluation"}


def of_run() -> dict[str, str]:
    """Returns the tags by which MLflow shows who ran what."""
    with contextlib.suppress(KeyError, OSError):  # No name is known for this user.
        return {**_source(), "mlflow.user": getpass.getuser()}
    return {**_source(), "mlflow.user": str(os.getuid())}


def of_version(facts: dict[str, Any], run: str) -> dict[str, str]:
    """Returns the tags that say of a version what it was made from; they stay as they were at its registration.

    Args:
      facts: As the Registrar gathers them.
      run: MLflow's child run.
    """
    training, data = facts["training"], facts["data"]
    told = {
        "data_fingerprint": data["fingerprint"],
        "data_span": data["span"],
        "source_digest": facts["source_digest"],
        "recipe": recipe(training["recipe"]),
        **{name: training["versions"][name] for name in ("tensorflow", "keras")},
        "code_version": code_version(),
        "mlflow_run": run,
        **{tag: facts["mlmd"][key] for tag, key in MLMD.items()},
    }
    return {key: str(value) for key, value in told.items()}


def recipe(fields: dict[str, Any]) -> str:
    """Says in a few words how a network was trained."""
    return (
        f"{fields['optimizer']}, learning rate {fields['learning_rate']:g} ({fields['schedule']}), "
        f"{fields['epochs']} epochs of batches of {fields['batch_size']}"
    )


@functools.cache
def code_version() -> str:
    """Returns the commit of Convoy's own code, with `-dirty` where it is changed; without a checkout, its version."""
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    if (CHECKOUT / ".git").exists():  # Else git would find the checkout of whoever has Convoy in a folder of theirs.
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return importlib.metadata.version("convoy")


def _source() -> dict[str, str]:
    return {
        "mlflow.source.name": "convoy run",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": code_version(),
    }
