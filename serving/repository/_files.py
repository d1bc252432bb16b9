"""File-system effects that survive a power cut: whole or not at all."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

STAGING = ".staging-"
TRASH = ".trash-"


def hidden(path: Path, prefix: str = STAGING) -> Path:
    """Returns a hidden name beside `path` that nobody else uses; left behind, it is found by its prefix."""
    return path.with_name(f"{prefix}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")


def sync(path: Path) -> None:
    """Waits until a file's bytes, or a directory's names, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, text: str) -> None:
    """Writes `text` to `path` in one step: a reader sees the old content or the new."""
    staging = hidden(path)
    try:
        staging.write_bytes(text.encode())
        sync(staging)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
    sync(path.parent)


def copy(source: Path, target: Path) -> None:
    """Copies a directory of regular files to a new one, down to the disk; permissions are the umask's."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.is_dir():
            copy(entry, target / entry.name)
        else:
            shutil.copyfile(entry, target / entry.name)
            sync(target / entry.name)
    sync(target)


def move(source: Path, target: Path) -> None:
    """Renames within one directory, down to the disk."""
    source.rename(target)
    sync(target.parent)


def remove(path: Path) -> None:
    """Removes a file or a directory, there or not."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def size(directory: Path) -> int:
    """Returns the bytes of all files below `directory`."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
