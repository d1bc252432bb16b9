"""One promoter a model."""

import contextlib
import json
import os
import pwd
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import filelock

from components.promotion.errors import PromotionBusyError


@contextlib.contextmanager
def alone(folder: Path, model: str, wait_s: float) -> Iterator[None]:
    """Holds the right to promote a model; the death of the process frees it.

    Args:
      folder: Of all histories.
      model: The model's name.
      wait_s: Seconds to wait for another promoter.

    Raises:
      PromotionBusyError: Another one has it; the sentence says which.
    """
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / f".{model}.holder"
    lock = filelock.FileLock(folder / f".{model}.lock", timeout=wait_s)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise PromotionBusyError(
            f"One promotion of `{model}` at a time is required. Received: another, {_who(holder)}; wait for it, or "
            "stop it."
        ) from error
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "who": me(), "since": now()}), encoding="utf-8")
        yield
    finally:
        lock.release()


def _who(holder: Path) -> str:
    try:
        held = json.loads(holder.read_text(encoding="utf-8"))
        return f"by process {held['pid']} of {held['who']} since {held['since']}"
    except (OSError, ValueError, KeyError):
        return "which has just begun"


def me() -> str:
    """Names who runs this process: `user@host`."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # A container may know its user by number alone.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def now() -> str:
    """Returns the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
