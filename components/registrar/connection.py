"""The connection to MLflow: one writer at a time where it is a file, and a sentence where it can't be used."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import mlflow
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

LOCK_TIMEOUT_S = 300.0


class RegistryError(RuntimeError):
    """MLflow couldn't be used; the sentence says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where MLflow is: its tracking URI, and where new experiments keep their files."""

    tracking_uri: str
    artifact_location: str


@contextlib.contextmanager
def connected(tracking_uri: str) -> Iterator[mlflow.MlflowClient]:
    """Opens MLflow; one writer at a time where it is an SQLite file.

    Raises:
      RegistryError: It can't be opened or written.
    """
    mlflow.set_tracking_uri(tracking_uri)
    try:
        with _one_writer(tracking_uri):
            _make_whole(tracking_uri)
            yield mlflow.MlflowClient()
    except filelock.Timeout as error:
        raise RegistryError(
            f"A free MLflow database is required. Received: {tracking_uri}, locked for {LOCK_TIMEOUT_S:.0f} s; "
            "end the other run, or wait for it."
        ) from error
    except (MlflowException, SQLAlchemyError) as error:
        raise RegistryError(explain(tracking_uri, error)) from error


def explain(tracking_uri: str, error: Exception) -> str:
    """Says in one sentence why MLflow can't be used."""
    # SQLAlchemy adds the statement and a link.
    text = re.split(r" \[SQL:| \(Background", " ".join(str(error).split()))[0]
    if "out-of-date" in text or "Can't locate revision" in text or "schema" in text.lower():
        return (
            f"A database of this MLflow's schema (MLflow {mlflow.__version__}) is required. Received: {tracking_uri}, "
            "of another version; use that MLflow, or run `mlflow db upgrade` on a copy of an older database."
        )
    if "database is locked" in text:
        return f"A free MLflow database is required. Received: {tracking_uri}, locked by another program; end it."
    return f"A reachable MLflow is required. Received: {tracking_uri}, which answered: {text[:300]}"


def _one_writer(tracking_uri: str) -> contextlib.AbstractContextManager[Any]:
    scheme, _, path = tracking_uri.partition(":///")
    return filelock.FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT_S) if scheme == "sqlite" else contextlib.nullcontext()


def _make_whole(tracking_uri: str) -> None:
    """Makes an SQLite database where there is none, as a whole: MLflow never mends one that a kill left half made."""
    scheme, _, path = tracking_uri.partition(":///")
    if scheme != "sqlite" or Path(path).exists():
        return
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    mlflow.MlflowClient(f"sqlite:///{new}").search_experiments()
    new.replace(path)
