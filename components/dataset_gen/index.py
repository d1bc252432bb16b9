"""What files hold, read once and remembered until they change."""

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from components import progress

# Of a file: its size, the times when its content and its status changed (no program sets the latter), its inode.
Stamp = tuple[int, int, int, int]
# A file that changed so shortly before it is read may change again without a trace in its times.
SETTLED_NS = 2_000_000_000
REPORT_EVERY = 2_000


class Entry(NamedTuple):
    """One file.

    Attributes:
      name: Relative to its folder; what isn't UTF-8 in it is escaped.
      path: To open it by.
      size: Bytes.
      digest: SHA-256 of its content, hexadecimal digits; empty where it can't be read.
      facts: What `look` found in it; None where it can't be read.
    """

    name: str
    path: str
    size: int
    digest: str
    facts: Any


# Reads a file; returns its SHA-256 and whatever else is of interest, in terms of JSON.
Look = Callable[[str], tuple[str, Any]]


def scan(folder: Path, paths: Sequence[str], look: Look, kept: Path, question: str) -> list[Entry]:
    """Reads files, or remembers what they held.

    Args:
      folder: That names are relative to.
      paths: Of the files, below the folder.
      look: Reads one. Its answers are remembered by the file's size, times and inode.
      kept: Database of what is remembered; made if need be.
      question: What `look` asks, and what its answer depends on.

    Returns:
      An entry a file, in their order.
    """
    about, prefix = f"{folder}\0{question}", len(f"{folder}/")
    found: list[Entry] = []
    with contextlib.closing(_opened(kept)) as database, database:
        known = _known(database, about)
        fresh: list[tuple[object, ...]] = []
        for path in _told(paths):
            name = display_name(path[prefix:])
            old, settled, digest, facts = known.pop(name, (None, 0, "", None))
            stamp = _stamp(path)
            if stamp is None or old != stamp or not settled:
                digest, facts = _looked(look, path)
                fresh += _lasting(about, name, stamp, digest, facts)
            found.append(Entry(name, path, stamp[0] if stamp else 0, digest, facts))
        database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", fresh)
        database.executemany("DELETE FROM entries WHERE about = ? AND name = ?", [(about, name) for name in known])
    return found


def fingerprint(entries: Iterable[Entry], class_names: Sequence[str]) -> str:
    """Digests names, sizes and contents, in whatever order they come, and the classes; 64 hexadecimal digits."""
    total = hashlib.sha256(json.dumps(class_names).encode())
    for row in sorted((entry.name, entry.size, entry.digest) for entry in entries):
        total.update(json.dumps(row).encode())
    return total.hexdigest()


def display_name(path: str) -> str:
    """Returns a path that can be written anywhere: bytes that aren't UTF-8 are escaped."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def _opened(kept: Path) -> sqlite3.Connection:
    kept.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(kept, timeout=60)
    database.execute(
        "CREATE TABLE IF NOT EXISTS entries (about, name, size, changed, status, inode, settled, digest, facts, "
        "PRIMARY KEY (about, name)) WITHOUT ROWID"
    )
    return database


def _known(database: sqlite3.Connection, about: str) -> dict[str, tuple[Stamp, int, str, Any]]:
    rows = database.execute(
        "SELECT name, size, changed, status, inode, settled, digest, facts FROM entries WHERE about = ?", (about,)
    )
    return {name: ((*stamp,), settled, digest, json.loads(facts)) for name, *stamp, settled, digest, facts in rows}  # type: ignore[misc]


def _told(paths: Sequence[str]) -> Iterator[str]:
    for count, path in enumerate(paths):
        if count and count % REPORT_EVERY == 0:
            progress.report(scanned=count, files=len(paths))
        yield path


def _stamp(path: str) -> Stamp | None:
    try:
        status = os.stat(path)  # noqa: PTH116 -- done for every file
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _looked(look: Look, path: str) -> tuple[str, Any]:
    try:
        return look(path)
    except OSError:
        return "", None


def _lasting(about: str, name: str, stamp: Stamp | None, digest: str, facts: Any) -> list[tuple[object, ...]]:
    """Returns the row to remember, if there is anything to remember."""
    if stamp is None or not digest:
        return []
    return [(about, name, *stamp, time.time_ns() - stamp[2] >= SETTLED_NS, digest, json.dumps(facts))]
