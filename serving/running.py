"""Which server reads a repository now: a small file that `convoy serve` keeps while it runs.

A publisher must tell that server, and no other, of a new version: a reload replaces all that a server serves.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


def announce(path: Path, target: str) -> None:
    """Says that this process serves at `target` (`host:port`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"target": target, "pid": os.getpid(), "born": _born(os.getpid())}))
    temporary.rename(path)


@contextlib.contextmanager
def announced(path: Path, target: str) -> Iterator[None]:
    """Says so for as long as the block lasts."""
    announce(path, target)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(path: Path) -> str | None:
    """Returns the `host:port` of the server, or None where it is gone."""
    try:
        known = json.loads(path.read_text())
        alive = _born(known["pid"]) == known["born"]
    except (OSError, ValueError, KeyError):
        return None
    return str(known["target"]) if alive else None


def _born(pid: int) -> str:
    """Returns when a process started, in clock ticks since boot: with it a pid names one process for good."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
