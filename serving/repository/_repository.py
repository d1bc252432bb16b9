"""The repository itself: publishing, labelling, checking and pruning versions."""

import contextlib
import errno
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

from serving.repository import _files
from serving.repository._config import ModelsConfig
from serving.repository._errors import (
    DigestMismatchError,
    DiskFullError,
    ManifestError,
    RepositoryBusyError,
    RepositoryError,
    VersionConflictError,
    VersionNotFoundError,
)
from serving.repository._manifest import identity, manifest, parse

# No "/" and no ":", which the REST paths forbid, no leading dot, which hides, and nothing that a shell would touch.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_CONFIG = "models.config"
_BLOCK = 4096
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Published:
    """What `Repository.publish` did: where the version stands, its identity, and whether its bytes were written now."""

    path: Path
    sha256: str
    changed: bool


class Repository:
    """A model repository, written by one publisher at a time and read by any number of servers.

    Every change is made under a hidden name and renamed into place, so that a server that polls sees a version whole or
    not at all. Whatever stopped a publisher (a full disk, SIGKILL, a power cut), publishing again completes its work.

    Args:
        root: The repository's directory; made by the first publication.
        lock_timeout: Seconds to wait for another publisher.
    """

    def __init__(self, root: Path | str, *, lock_timeout: float = 60.0) -> None:
        self.root = Path(root).absolute()
        self.config_path = self.root / _CONFIG
        self._lock = filelock.FileLock(self.root / ".lock", timeout=lock_timeout)

    def publish(
        self,
        model: str,
        version: int,
        source_dir: Path | str,
        *,
        label: str | None = None,
        keep_versions: int | None = 3,
        sha256: str | None = None,
    ) -> Published:
        """Copies a SavedModel into the repository under a version number, and prunes old versions.

        The same bytes under the same number change nothing (a lost manifest is written again). A version whose files no
        longer match its manifest is replaced only if `sha256` names the identity that the manifest records.

        Args:
            model: The model's name.
            version: A positive number.
            source_dir: The SavedModel to copy.
            label: Points here at the end, e.g. `stable` or `canary`. A running server refuses a label that moves to a
                version that it has not loaded yet: there, publish without one and call `serving.labels.move`.
            keep_versions: How many of the newest to keep, beside this one and those that a label points to; None
                for all.
            sha256: The identity that the source must have.

        Raises:
            ManifestError: The source is no SavedModel, or holds what a manifest cannot list.
            DigestMismatchError: The source's identity is not `sha256`, or it changed while it was copied.
            VersionConflictError: The number is taken by other bytes.
            DiskFullError: There is no room; nothing is left behind.
            RepositoryBusyError: Another publisher holds the repository.
            RepositoryError: A name or number is not one.
        """
        _check_name("model", model)
        _check_count("version", version)
        if keep_versions is not None:
            _check_count("keep_versions", keep_versions)
        if label is not None:
            _check_name("label", label)
        text = _source_manifest(Path(source_dir), sha256)
        with self._locked(_files.size(Path(source_dir))):
            ModelsConfig.read(self.config_path)  # One that cannot be read stops us while nothing is changed.
            changed = self._place(Path(source_dir), self.path(model, version), text, announced=sha256 is not None)
            self._config().write()
        if label is not None:
            self.set_label(model, label, version)
        if keep_versions is not None:
            self._prune(model, keep_versions, spare={version})
        return Published(self.path(model, version), identity(text), changed)

    def models(self) -> list[str]:
        """Returns the names of the models that have a version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if self.versions(path.name))

    def versions(self, model: str) -> list[int]:
        """Returns the numbers of a model's versions, ascending; none for an unknown model."""
        directory = self.root / model
        if not directory.is_dir():
            return []
        return sorted(int(path.name) for path in directory.iterdir() if _NUMBER.fullmatch(path.name) and path.is_dir())

    def path(self, model: str, version: int) -> Path:
        """Returns where a version stands, or would."""
        return self.root / model / str(version)

    def sha256(self, model: str, version: int) -> str:
        """Returns a version's recorded identity.

        Raises:
            VersionNotFoundError: There is no such version.
            ManifestError: It has lost its manifest.
        """
        self._check_version(model, version)
        text = _recorded(self.path(model, version))
        if text is None:
            raise ManifestError(_no_manifest(self.path(model, version)))
        return identity(text)

    def labels(self, model: str) -> dict[str, int]:
        """Returns the version that each of a model's labels points to."""
        return ModelsConfig.read(self.config_path).labels(model)

    def set_label(self, model: str, label: str, version: int | None) -> None:
        """Points a label to a version, or takes the label away where `version` is None.

        Raises:
            VersionNotFoundError: There is no such version.
            RepositoryBusyError: Another publisher holds the repository.
        """
        _check_name("label", label)
        with self._locked():
            if version is not None:
                self._check_version(model, version)
            config = self._config()
            config.label(model, label, version)
            config.write()

    def verify(self, model: str, version: int) -> list[str]:
        """Returns what is wrong with a version's files, a sentence each; nothing if it is intact."""
        path = self.path(model, version)
        try:
            self._check_version(model, version)
            text = _recorded(path)
            return [_no_manifest(path)] if text is None else _differences(path, parse(text), parse(manifest(path)))
        except RepositoryError as error:
            return [str(error)]

    def prune(self, model: str, keep: int, *, spare: Collection[int] = ()) -> list[int]:
        """Removes all but the newest `keep` versions, `spare` and those that a label points to.

        Returns:
            The removed numbers.

        Raises:
            RepositoryBusyError: Another publisher holds the repository.
        """
        _check_count("keep", keep)
        return self._prune(model, keep, spare)

    def _prune(self, model: str, keep: int, spare: Collection[int] = ()) -> list[int]:
        with self._locked():
            versions = self.versions(model)
            kept = {*versions[-keep:], *self.labels(model).values(), *spare}
            dropped = [version for version in versions if version not in kept]
            if dropped:
                # The server is told first, so that it stops serving a version before its files are gone.
                config = self._config()
                config.serve(model, self.root / model, [version for version in versions if version in kept])
                config.write()
            for version in dropped:
                _discard(self.path(model, version))
                _manifest_path(self.path(model, version)).unlink(missing_ok=True)
            return dropped

    def _place(self, source: Path, target: Path, text: str, *, announced: bool) -> bool:
        """Brings `target` to hold what `text` lists; returns whether its bytes had to be written."""
        recorded = _recorded(target)
        present = _present(target)
        if present != text and target.exists():
            _check_repair(target, repairable=recorded == text, announced=announced)
        if present == text and recorded is not None and recorded != text:
            _check_repair(target, repairable=True, announced=announced)
        if present != text:
            self._copy(source, target, text)
        elif recorded != text:
            _files.write(_manifest_path(target), text)
        return present != text

    def _copy(self, source: Path, target: Path, text: str) -> None:
        if not target.parent.exists():
            target.parent.mkdir()
            _files.sync(self.root)
        staging = _files.hidden(target)
        _files.copy(source, staging)
        if manifest(staging) != text:
            raise DigestMismatchError(
                f"`{source}` must not change while it is published. Received: other bytes. Retry."
            )
        # The manifest first: whoever sees the number finds it. Without its number, nobody looks at a manifest.
        _files.write(_manifest_path(target), text)
        if target.exists():
            _files.move(target, _files.hidden(target, _files.TRASH))
        _files.move(staging, target)

    def _config(self) -> ModelsConfig:
        """Returns `models.config` brought in line with the versions on disk."""
        config = ModelsConfig.read(self.config_path)
        for model in self.models():
            config.serve(model, self.root / model, self.versions(model))
        return config

    @contextlib.contextmanager
    def _locked(self, needed: int = _BLOCK) -> Iterator[None]:
        """Holds the lock, and leaves nothing hidden behind; `needed`: how many bytes the caller is to write."""
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise RepositoryBusyError(
                f"`{self.root}` must be free to publish. Received: another publisher has held `{self._lock.lock_file}` "
                f"for {self._lock.timeout:g} s. Wait until it is done, or stop it: its death frees the lock."
            ) from None
        try:
            self._sweep()
            yield
        except BaseException as error:
            self._sweep()
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise self._disk_full(needed, error) from error
            raise
        finally:
            self._lock.release()

    def _sweep(self) -> None:
        """Removes what a failed or dead publisher left behind; the caller holds the lock, so no other is alive."""
        for pattern in (f"{_files.STAGING}*", f"*/{_files.STAGING}*", f"*/{_files.TRASH}*"):
            for leftover in self.root.glob(pattern):
                _files.remove(leftover)
        for path in self.root.glob("*/*.sha256"):
            if _NUMBER.fullmatch(path.stem) and not path.with_suffix("").exists():
                path.unlink(missing_ok=True)

    def _disk_full(self, needed: int, error: OSError) -> DiskFullError:
        free = shutil.disk_usage(self.root).free
        return DiskFullError(
            f"`{self.root}` must have room for {needed:,} bytes more. Received: {free:,} free ({error.strerror}). "
            "Free some space, or keep fewer versions."
        )

    def _check_version(self, model: str, version: int) -> None:
        _check_name("model", model)
        _check_count("version", version)
        if version not in self.versions(model):
            raise VersionNotFoundError(
                f"`version` must be one of model {model!r}: {self.versions(model) or 'it has none'}. "
                f"Received: {version}. Publish it first."
            )


def _source_manifest(source: Path, sha256: str | None) -> str:
    text = manifest(source)
    if not {"saved_model.pb", "saved_model.pbtxt"} & parse(text).keys():
        raise ManifestError(
            f"`source_dir` must hold a `saved_model.pb`. Received: '{source}'. Name the SavedModel's folder."
        )
    if sha256 is not None and sha256 != identity(text):
        raise DigestMismatchError(
            f"`{source}` must have the identity {sha256}. Received: {identity(text)}. Publish what was registered."
        )
    return text


def _check_repair(target: Path, *, repairable: bool, announced: bool) -> None:
    if not repairable:
        raise VersionConflictError(
            f"A version number must stand for one model. Received: other bytes than those of `{target}`. "
            "Publish them under a new number."
        )
    if not announced:
        raise VersionConflictError(
            f"`{target}` must match its manifest before it is published again. Received: damaged files. "
            "Pass `sha256`, its recorded identity, to replace it."
        )


def _differences(path: Path, expected: dict[str, str], present: dict[str, str]) -> list[str]:
    repair = "Publish the version again, with its recorded identity as `sha256`."
    return [
        f"`{path / name}` must have SHA-256 {expected.get(name, 'of no manifest line')}. "
        f"Received: {present.get(name, 'no such file')}. {repair}"
        for name in sorted(expected.keys() | present.keys())
        if expected.get(name) != present.get(name)
    ]


def _manifest_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _recorded(target: Path) -> str | None:
    """Returns the text of a version's manifest file, if it has one."""
    try:
        return _manifest_path(target).read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return None


def _present(target: Path) -> str | None:
    """Returns the manifest of what stands at `target` now, if that can be told."""
    try:
        return manifest(target)
    except ManifestError:
        return None


def _no_manifest(path: Path) -> str:
    return f"`{_manifest_path(path)}` must hold the manifest. Received: no such file. Publish the version again."


def _discard(target: Path) -> None:
    trash = _files.hidden(target, _files.TRASH)
    _files.move(target, trash)
    _files.remove(trash)


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name) or name == _CONFIG:
        raise RepositoryError(
            f"`{what}` must be letters, digits, '_', '.' and '-', with neither of the last two in front, "
            f"and not {_CONFIG!r}. Received: {name!r}."
        )


def _check_count(what: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise RepositoryError(f"`{what}` must be a positive whole number. Received: {value!r}. Pass 1 or more.")
