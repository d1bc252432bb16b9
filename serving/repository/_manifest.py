"""A model's identity: the SHA-256 of the list of its files' SHA-256s."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from serving.repository._errors import ManifestError

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def manifest(directory: Path | str) -> str:
    """Returns a directory's manifest as `sha256sum` writes it: a line `<hex>  <relative path>` a file, sorted by path.

    Empty directories leave no trace, as in `sha256sum`; files are read in pieces.

    Raises:
        ManifestError: It is no directory, or holds a link, a device, or a name that `sha256sum` would escape.
    """
    lines = []
    for name, path in sorted(_files(Path(directory))):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


def digest(directory: Path | str) -> str:
    """Returns a directory's identity: the SHA-256, in hexadecimal, of its manifest's bytes.

    Raises:
        ManifestError: As `manifest` does.
    """
    return identity(manifest(directory))


def identity(text: str) -> str:
    """Returns the identity that a manifest's text stands for."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def parse(text: str) -> dict[str, str]:
    """Returns the SHA-256 of each relative path in a manifest.

    Raises:
        ManifestError: A line is not `<hex>  <relative path>`.
    """
    matches = {line: _LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n") if text}
    for line, match in matches.items():
        if not match:
            raise ManifestError(f"A manifest's line must be `<SHA-256>  <path>`. Received: {line!r}. Publish it again.")
    return {match[2]: match[1] for match in matches.values() if match}


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    if not directory.is_dir():
        raise ManifestError(f"A model must be a directory. Received: {str(directory)!r}. Name the SavedModel's folder.")
    for path in directory.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ManifestError(
                f"A model must hold regular files only. Received: {str(path)!r}. Copy in what it links to."
            )
        if path.is_file():
            yield _name(path.relative_to(directory)), path


def _name(path: Path) -> str:
    name = path.as_posix()
    if name == "-" or set(name) & set("\\\r\n") or not _is_utf8(name):
        raise ManifestError(
            f"A model's file names must be UTF-8 without backslash and line break. Received: {name!r}. Rename it."
        )
    return name


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
