"""The connection to MLflow: one writer at a time where it is a file, and a sentence where it can't be used."""

import contextlib
import dataclasses
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import mlflow
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from components import servers

LOCK_TIMEOUT_S = 300.0


class RegistryError(RuntimeError):
    """MLflow couldn't be used; the sentence says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where MLflow is, and who writes.

    Attributes:
      tracking_uri: MLflow's.
      artifact_location: Where new experiments keep their files; empty where its server knows.
      workspace: The writer's own mark, where others may write too, whose folders have the same names.
    """

    tracking_uri: str
    artifact_location: str
    workspace: str = ""


@contextlib.contextmanager
def connected(tracking_uri: str) -> Iterator[mlflow.MlflowClient]:
    """Opens MLflow; one writer at a time where it is an SQLite file.

    Raises:
      RegistryError: It can't be opened or written.
    """
    mlflow.set_tracking_uri(servers.complete(tracking_uri))
    try:
        servers.reach(tracking_uri)
        with _one_writer(tracking_uri):
            _make_whole(tracking_uri)
            yield mlflow.MlflowClient()
    except servers.ServerError as error:
        raise RegistryError(str(error)) from error
    except filelock.Timeout as error:
        raise RegistryError(
            f"A free MLflow database is required. Received: {tracking_uri}, locked for {LOCK_TIMEOUT_S:.0f} s; "
            "end the other run, or wait for it."
        ) from error
    except (MlflowException, SQLAlchemyError) as error:
        raise RegistryError(explain(tracking_uri, error)) from error


def explain(tracking_uri: str, error: Exception) -> str:
    """Says in one sentence why MLflow can't be used."""
    try:
        servers.reach(tracking_uri)
    except servers.ServerError as gone:  # It was there a moment ago.
        return str(gone)
    # SQLAlchemy adds the statement and a link.
    text = re.split(r" \[SQL:| \(Background", " ".join(str(error).split()))[0]
    where, text = servers.bare(tracking_uri), servers.without_password(text, tracking_uri)
    if "out-of-date" in text or "Can't locate revision" in text or "schema" in text.lower():
        return (
            f"A database of this MLflow's schema (MLflow {mlflow.__version__}) is required. Received: {where}, "
            "of another version; use that MLflow, or run `mlflow db upgrade` on a copy of an older database."
        )
    if "database is locked" in text:
        return f"A free MLflow database is required. Received: {where}, locked by another program; end it."
    if re.search(r"error code 40[13]|status code 40[13]|not authenticated|Permission denied", text):
        return (
            f"A user whom MLflow lets in is required. Received: {where}, which answered: {text[:200]}; set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    return f"A reachable MLflow is required. Received: {where}, which answered: {text[:300]}"


def _one_writer(tracking_uri: str) -> contextlib.AbstractContextManager[Any]:
    scheme, _, path = tracking_uri.partition(":///")
    return filelock.FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT_S) if scheme == "sqlite" else contextlib.nullcontext()


def one_maker(tracking_uri: str) -> contextlib.AbstractContextManager[Any]:
    """Holds off this user's other processes while something is looked for in a server and made where it is missing."""
    if tracking_uri.startswith("sqlite:"):  # It has one writer at all.
        return contextlib.nullcontext()
    name = hashlib.sha256(servers.bare(tracking_uri).encode()).hexdigest()[:16]
    return filelock.FileLock(Path(tempfile.gettempdir()) / f"convoy-{os.getuid()}-{name}.lock", timeout=LOCK_TIMEOUT_S)


def _make_whole(tracking_uri: str) -> None:
    """Makes an SQLite database where there is none, as a whole: MLflow never mends one that a kill left half made."""
    scheme, _, path = tracking_uri.partition(":///")
    if scheme != "sqlite" or Path(path).exists():
        return
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    mlflow.MlflowClient(f"sqlite:///{new}").search_experiments()
    new.replace(path)
