"""MLMD's database: an SQLite file in the workspace, or PostgreSQL behind a URL."""

import contextlib
import logging
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from components import servers
from pipeline import quiet
from pipeline.errors import ConvoyError

LOCK_TIMEOUT_S = 5.0


def connection_config(place: Path | str) -> Any:
    """Returns how MLMD connects to a database, and makes it where there is none.

    Args:
      place: The SQLite file, or the URL of PostgreSQL's database.
    """
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    if isinstance(place, Path):
        place.parent.mkdir(parents=True, exist_ok=True)
        config.sqlite.filename_uri = os.fspath(place)
        config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return config
    parts = urlsplit(place)
    config.postgresql.host, config.postgresql.port = str(parts.hostname), str(parts.port or 5432)
    config.postgresql.dbname = unquote(parts.path[1:])
    config.postgresql.user, config.postgresql.password = _quoted(parts.username), _quoted(parts.password)
    return config


def _quoted(value: str | None) -> str:
    """Quotes a value as PostgreSQL's library wants it: MLMD puts them side by side, as they are."""
    if value is None:
        return ""  # Then the library looks for itself: in PGPASSWORD, in ~/.pgpass.
    escaped = unquote(value).replace("\\", r"\\").replace("'", r"\'")
    return f"'{escaped}'"


def opened(place: Path | str) -> Any:
    """Opens MLMD; None where there is no database yet: none is made.

    Raises:
      ConvoyError: It can't be opened.
    """
    from ml_metadata import errors

    if not exists(place):
        return None
    config = connection_config(place)
    if isinstance(place, Path):
        config.sqlite.connection_mode = config.sqlite.READWRITE
    try:
        with _without_notes():
            return store(config)
    # Upstream raises its StatusError later on, but a plain RuntimeError where the database can't be opened.
    except (errors.StatusError, RuntimeError) as error:
        raise _unreadable(place, error) from error


def store(config: Any) -> Any:
    """Connects MLMD's store: its own class, but for PostgreSQL."""
    from ml_metadata import metadata_store

    if not config.HasField("postgresql"):
        return metadata_store.MetadataStore(config)
    from pipeline.metadata_store import PostgresqlStore

    return PostgresqlStore(config)


def handle(config: Any) -> Any:
    """Makes TFX's handle of MLMD likewise."""
    from tfx.orchestration import metadata

    if not config.HasField("postgresql"):
        return metadata.Metadata(config)
    from pipeline.metadata_store import PostgresqlMetadata

    return PostgresqlMetadata(config)


def exists(place: Path | str) -> bool:
    """Tells whether there is a database.

    Raises:
      ConvoyError: It is locked, or its server can't be reached.
    """
    if isinstance(place, Path):
        if place.exists():
            _wait_for_lock(place)
        return place.exists()
    try:
        servers.reach(place)
    except servers.NoDatabaseError:
        return False
    except servers.ServerError as error:
        raise ConvoyError(str(error)) from error
    return True


def _wait_for_lock(database: Path) -> None:
    """Asks SQLite itself first: behind a lock, MLMD would retry for more than half a minute."""
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=LOCK_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise _unreadable(database, error) from error


def _unreadable(place: Path | str, error: Exception) -> ConvoyError:
    where = servers.bare(str(place))
    return ConvoyError(
        f"A free MLMD database that this ml-metadata can read is required. Received: {where}, which answered: "
        f"{str(error).partition(' query:')[0].strip()}; end what holds it, or move it away for lineage to start anew."
    )


@contextlib.contextmanager
def _without_notes() -> Any:
    """Keeps off the screen what MLMD's C++ notes of each connection to PostgreSQL."""
    with tempfile.NamedTemporaryFile() as notes:
        try:
            with quiet.output_to(Path(notes.name), streams=[2]):
                yield
        finally:
            logging.debug("MLMD: %s", Path(notes.name).read_text(encoding="utf-8", errors="replace"))
