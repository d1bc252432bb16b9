"""The life of one model's versions: loaded beside serving traffic, swapped without a gap, drained, unloaded.

The states and their order are TF Serving's (contract S1), and so is the availability-preserving policy (R13 to R15).
Every load and every unload has a thread of its own, so neither inference nor another model ever waits for one (R20).
"""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from serving.server.engine import SavedModel
from serving.server.errors import Code, ServingError, as_serving_error

logger = logging.getLogger(__name__)


class State(enum.IntEnum):
    """Where a version is in its life, numbered as in `GetModelStatusResponse`."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class Retries:
    """How often a failed load is tried again, and how long after (R17); a negative interval does not wait."""

    attempts: int = 5
    interval_seconds: float = 60.0


class Status(NamedTuple):
    """What a status request learns of one version."""

    number: int
    state: State
    error: ServingError | None


class Servable(NamedTuple):
    """One loaded version, held by a request while it runs."""

    name: str
    number: int
    model: SavedModel


@dataclass
class _Version:
    """One version from START to END; a version loaded again after its END is a new one."""

    number: int
    path: Path
    state: State = State.START
    error: ServingError | None = None
    model: SavedModel | None = None
    borrowed: int = 0
    aspired: bool = True
    dropped: threading.Event = field(default_factory=threading.Event)  # wakes a load that waits to try again


class ModelVersions:
    """All versions of one model that this process has seen."""

    def __init__(self, name: str, load: Callable[[Path], SavedModel], retries: Retries) -> None:
        self.name = name
        self._load = load
        self._retries = retries
        self._aspired: dict[int, Path] = {}
        self._versions: dict[int, _Version] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._workers: set[threading.Thread] = set()

    def aspire(self, paths: Mapping[int, Path]) -> None:
        """Sets which versions are to serve, by number; loads and unloads begin at once and go on by themselves."""
        with self._changed:
            if not self._closed:
                self._aspire(paths)

    def close(self, timeout: float) -> bool:
        """Unloads everything and loads nothing more; tells whether all had reached END within `timeout` seconds.

        Runs that are still going by then are cancelled: nothing else would end one that has no deadline.
        """
        with self._changed:
            self._closed = True
            self._aspire({})
            ended = self._changed.wait_for(self._all_ended, timeout)
            for version in self._versions.values():
                if version.model is not None:
                    version.model.close()
            workers = list(self._workers)
        for worker in workers:
            worker.join(timeout)
        return ended

    @contextlib.contextmanager
    def borrow(self, number: int | None = None) -> Iterator[Servable]:
        """Lends the version `number`, or the highest AVAILABLE one; it is not unloaded while lent (R16).

        Raises:
            ServingError: NOT_FOUND, there is no such AVAILABLE version (P4).
        """
        with self._changed:
            version = self._available(number)
            version.borrowed += 1
            model = version.model
        assert model is not None
        try:
            yield Servable(self.name, version.number, model)
        finally:
            with self._changed:
                version.borrowed -= 1
                if version.state is State.UNLOADING:
                    self._changed.notify_all()

    def is_available(self, number: int) -> bool:
        """Tells whether the version answers requests now."""
        with self._changed:
            version = self._versions.get(number)
            return version is not None and version.state is State.AVAILABLE

    def statuses(self) -> list[Status]:
        """Lists every version seen since the process began, highest first, also those long gone (S2)."""
        with self._changed:
            versions = sorted(self._versions.values(), key=lambda version: version.number, reverse=True)
            return [Status(version.number, version.state, version.error) for version in versions]

    def wait_until_serving(self, timeout: float | None) -> list[str]:
        """Waits until a version is AVAILABLE, or every aspired one has failed, or the time is up.

        Returns:
            What keeps the model from serving, one clause a version; nothing if it serves.
        """
        with self._changed:
            settled = self._changed.wait_for(lambda: self._closed or self._serves() or self._has_failed(), timeout)
            if self._serves():
                return []
            reason = "the server is stopping" if self._closed else "no version has become available yet"
            pending = ServingError(Code.CANCELLED if settled else Code.DEADLINE_EXCEEDED, reason)
            named = [version for version in self._versions.values() if version.number in self._aspired]
            if not named:
                return [f"{{name: {self.name}}} due to error: {pending}"]
            return [
                f"{{name: {self.name} version: {version.number}}} due to error: {version.error or pending}"
                for version in named
            ]

    def _available(self, number: int | None) -> _Version:
        available = [version for version in self._versions.values() if version.state is State.AVAILABLE]
        if number is not None:
            available = [version for version in available if version.number == number]
        if not available:
            raise not_found(self.name, number)
        return max(available, key=lambda version: version.number)

    def _serves(self) -> bool:
        return any(version.state is State.AVAILABLE for version in self._versions.values())

    def _has_failed(self) -> bool:
        states = [version.state for version in self._versions.values() if version.aspired]
        return bool(states) and all(state is State.END for state in states)

    def _all_ended(self) -> bool:
        return all(version.state is State.END for version in self._versions.values())

    # From here on, all but the bodies of the threads run with the lock held.

    def _aspire(self, paths: Mapping[int, Path]) -> None:
        self._aspired = dict(paths)
        for version in self._versions.values():
            if version.number not in paths:
                version.aspired = False
                version.dropped.set()
                if version.state is State.START:
                    self._enter(version, State.END)
            elif version.state is State.AVAILABLE:
                version.aspired = True
        self._advance()

    def _advance(self) -> None:
        """Begins every load and unload that is due; called after whatever may have made one due."""
        for number, path in self._aspired.items():
            version = self._versions.get(number)
            # One that failed is not tried again while it stays aspired; one that was dropped starts a new life (S7).
            if version is None or (version.state is State.END and not version.aspired):
                self._versions[number] = _Version(number, path)
        for version in surplus(self._versions.values()):
            self._enter(version, State.UNLOADING)
            self._in_thread(self._unload, version)
        if not any(version.state is State.UNLOADING for version in self._versions.values()):
            self._begin_loads()
        self._changed.notify_all()

    def _begin_loads(self) -> None:
        """Loads the new versions, highest first; unloading goes before loading, for the memory's sake (R14)."""
        for version in sorted(self._versions.values(), key=lambda version: version.number, reverse=True):
            if version.state is State.START:
                self._enter(version, State.LOADING)
                self._in_thread(self._bring_up, version)

    def _enter(self, version: _Version, state: State) -> None:
        version.state = state
        event = "Servable version changed state model=%s version=%d state=%s%s"
        error = f" error={str(version.error)!r}" if version.error else ""
        logger.log(logging.ERROR if error else logging.INFO, event, self.name, version.number, state.name, error)

    def _in_thread(self, work: Callable[[_Version], None], version: _Version) -> None:
        name = f"{work.__name__.strip('_')}-{self.name}-{version.number}"
        # No daemon: a thread inside TensorFlow when the interpreter goes down aborts the process.
        worker = threading.Thread(target=work, args=(version,), name=name)
        self._workers = {known for known in self._workers if known.is_alive()} | {worker}
        worker.start()

    def _bring_up(self, version: _Version) -> None:
        """The body of a load's thread."""
        model, error = self._try(version)
        with self._changed:
            if version.aspired and model is not None:
                version.model = model
                self._enter(version, State.AVAILABLE)
                self._advance()
                return
        if model is not None:
            model.close()
            error = ServingError(Code.CANCELLED, "Loading of servable cancelled")
        with self._changed:
            version.error = error
            self._enter(version, State.END)
            self._advance()

    def _try(self, version: _Version) -> tuple[SavedModel | None, ServingError | None]:
        """Loads, and tries again as often as allowed, until the version is no longer aspired (R17)."""
        error = None
        for attempt in range(max(0, self._retries.attempts) + 1):
            if attempt and version.dropped.wait(max(0.0, self._retries.interval_seconds)):
                break
            begin = time.monotonic()
            try:
                model = self._load(version.path)
            except Exception as failure:
                error = as_serving_error(failure)
                text = "Failed to load servable version model=%s version=%d attempt=%d error=%r"
                logger.warning(text, self.name, version.number, attempt + 1, str(error))
            else:
                seconds = time.monotonic() - begin
                text = "Loaded servable version model=%s version=%d seconds=%.3f"
                logger.info(text, self.name, version.number, seconds)
                return model, None
        return None, error

    def _unload(self, version: _Version) -> None:
        """The body of an unload's thread: lets the requests that hold the version finish first (R16)."""
        with self._changed:
            self._changed.wait_for(lambda: version.borrowed == 0)
            model, version.model = version.model, None
        if model is not None:
            model.close()
        del model  # the last reference: END says that the memory is free
        with self._changed:
            self._enter(version, State.END)
            self._advance()


def surplus(versions: Collection[_Version]) -> list[_Version]:
    """Picks the versions to unload now, lowest first, without ever leaving an aspired model with none (R13 to R15)."""
    available = sorted((v for v in versions if v.state is State.AVAILABLE), key=lambda v: v.number)
    dropped = [version for version in available if not version.aspired]
    replaced = any(version.aspired for version in available)
    wanted = any(version.aspired for version in versions)
    return dropped if replaced or not wanted else dropped[:-1]


def not_found(name: str, number: int | None) -> ServingError:
    """Builds the answer for a model or version that does not serve (P4)."""
    request = f"Latest({name})" if number is None else f"Specific({name}, {number})"
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {request}")
