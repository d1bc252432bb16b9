"""What is configured and what serves: applies configs, polls base paths, resolves a request's model and version."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from serving.server import config, discovery
from serving.server.config import ModelConfig
from serving.server.engine import SavedModel
from serving.server.errors import Code, ServingError, invalid_argument
from serving.server.options import ServerOptions
from serving.server.versions import ModelVersions, Retries, Servable, Status, not_found

logger = logging.getLogger(__name__)


class ServerCore:
    """The models of one server. Knows no RPC; every method may be called from any thread."""

    def __init__(self, options: ServerOptions, load: Callable[[Path], SavedModel]) -> None:
        self._options = options
        self._load = load
        self._retries = Retries(options.max_num_load_retries, options.load_retry_interval_micros / 1e6)
        self._lock = threading.Lock()
        self._polling = threading.Lock()
        self._configured = False
        self._models: dict[str, ModelConfig] = {}
        self._labels: dict[str, Mapping[str, int]] = {}
        self._versions: dict[str, ModelVersions] = {}
        self._stopping = threading.Event()
        self._pollers: list[threading.Thread] = []

    def start(self, first: Any) -> None:
        """Applies the first config, waits until each of its models serves, and begins to poll.

        Raises:
            ServingError: The config is refused, or a model cannot serve (R21).
        """
        options = self._options
        self.apply(first)
        # Polling begins before the wait: a base path may appear, or be filled, long after the server starts (R22).
        self._every(options.file_system_poll_wait_seconds, self.poll)
        self._wait("servable(s)", list(self._models), options.startup_timeout_seconds)
        if options.model_config_file:
            self._every(options.model_config_file_poll_wait_seconds, self._poll_config_file)

    def close(self, timeout: float) -> None:
        """Stops polling and unloads every model, waiting at most `timeout` seconds for loads and drains to end."""
        with self._lock:
            self._stopping.set()
        deadline = time.monotonic() + timeout
        for versions in list(self._versions.values()):
            if not versions.close(max(0.0, deadline - time.monotonic())):
                logger.warning("Model did not unload in time model=%s", versions.name)
        for poller in self._pollers:
            poller.join(max(0.0, deadline - time.monotonic()))

    def reload(self, new: Any, timeout: float | None) -> None:
        """Replaces the whole config, and waits for each newly named model to serve (C5, C8).

        The config stays applied when a model fails to load; the lock is not held while waiting (C9).

        Raises:
            ServingError: The config is refused, or a new model does not serve within `timeout` seconds.
        """
        self._wait("model(s)", self.apply(new), timeout)

    def apply(self, new: Any) -> list[str]:
        """Replaces the config without waiting for anything to load; returns the newly named models.

        Raises:
            ServingError: The config is refused; then nothing has changed (C3, C12, C13).
        """
        models = config.models(new)
        with self._lock:
            if self._stopping.is_set():
                raise ServingError(Code.CANCELLED, "The server is stopping")
            if models is None:
                if self._configured:
                    text = "Cannot transition to requested config. It is only legal to go from one ModelConfigList"
                    raise ServingError(Code.FAILED_PRECONDITION, f"{text} to another.")
                logger.info("Taking no action for empty config")
                return []
            labels = {name: model.labels for name, model in models.items()}
            self._check_labels(labels)
            added = sorted(set(models) - set(self._models))
            for name in set(self._models) - set(models):
                self._versions[name].aspire({})
            for name in added:
                self._versions.setdefault(name, ModelVersions(name, self._load, self._retries))
            self._configured, self._models, self._labels = True, models, labels
        if self._options.file_system_poll_wait_seconds >= 0:
            self.poll()
        return added

    def poll(self) -> None:
        """Looks once at every base path; trouble with one model leaves the others alone (R9)."""
        with self._polling:  # else a slow look could overrule a later one
            for model in list(self._models.values()):
                self._poll_model(model)

    def _poll_model(self, model: ModelConfig) -> None:
        try:
            aspired = discovery.aspired_versions(model.name, model.base_path, model.policy)
        except OSError as error:
            text = "Could not find base path %s for servable %s error=%r"
            logger.warning(text, model.base_path, model.name, str(error))
            return
        with self._lock:
            if self._models.get(model.name) is model:  # else the config has changed since the look
                self._versions[model.name].aspire(aspired)

    @contextlib.contextmanager
    def borrow(self, spec: Any) -> Iterator[Servable]:
        """Lends the version that a ModelSpec asks for: by number, by label, or the highest AVAILABLE one.

        Raises:
            ServingError: INVALID_ARGUMENT or NOT_FOUND, as contract P2 to P6 have it.
        """
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        number = self._number(spec)
        versions = self._versions.get(spec.name)
        if versions is None:
            raise not_found(spec.name, number)
        with versions.borrow(number) as servable:
            yield servable

    def statuses(self, name: str) -> list[Status]:
        """Lists every version of a model seen since the server began, highest first; none for an unknown model."""
        versions = self._versions.get(name)
        return versions.statuses() if versions else []

    def _number(self, spec: Any) -> int | None:
        match spec.WhichOneof("version_choice"):
            case "version":
                return int(spec.version.value)
            case "version_label":
                number = self._labels.get(spec.name, {}).get(spec.version_label)
                if number is None:
                    raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
                return number
        return None

    def _check_labels(self, labels: Mapping[str, Mapping[str, int]]) -> None:
        """Refuses a label on a version that does not serve now, save where C14 lets it through."""
        lenient = self._options.allow_version_labels_for_unavailable_models
        for name, label, number in ((name, *pair) for name, pairs in labels.items() for pair in pairs.items()):
            moves = self._labels.get(name, {}).get(label, number) != number
            if lenient and not moves:
                continue
            if name not in self._versions or not self._versions[name].is_available(number):
                text = f"Request to assign label to version {number} of model {name}, which is not currently"
                raise ServingError(Code.FAILED_PRECONDITION, f"{text} available for inference (label: {label})")

    def _wait(self, noun: str, names: Iterable[str], timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        troubles: list[list[str]] = []
        for name in names:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            troubles.append(self._versions[name].wait_until_serving(left))
        failed = [trouble for trouble in troubles if trouble]
        if failed:
            clauses = ", ".join(f"{{{clause}}}" for trouble in failed for clause in trouble)
            raise ServingError(Code.UNKNOWN, f"{len(failed)} {noun} did not become available: {{{clauses}}}")

    def _every(self, seconds: float, work: Callable[[], None]) -> None:
        """Calls `work` from a thread of its own at this interval, until the server stops; never if it is 0 or less."""

        def repeat() -> None:
            while not self._stopping.wait(seconds):
                try:
                    work()
                except Exception:
                    logger.exception("Polling failed; it goes on")

        if seconds > 0:
            poller = threading.Thread(target=repeat, name=work.__name__.strip("_"), daemon=True)
            self._pollers.append(poller)
            poller.start()

    def _poll_config_file(self) -> None:
        """Reads the config file again and applies it, changed or not; on an error the old one keeps serving (C11)."""
        path = Path(self._options.model_config_file)
        try:
            new = config.from_file(path)
        except ServingError as error:
            logger.error("Failed to read ModelServerConfig file path=%s error=%r", path, str(error))
            return
        try:
            self.apply(new)
        except ServingError as error:
            logger.error("PollFilesystemAndReloadConfig failed to ReloadConfig path=%s error=%r", path, str(error))
