"""What a killed training needs to go on where it was."""

import dataclasses
import hashlib
import io
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

SAVE_EVERY_S = 30.0

History = dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a training came.

    Attributes:
      epochs: That are done.
      history: Metrics by epoch.
      seconds: That they took.
    """

    epochs: int = 0
    history: History = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def and_then(self, epochs: int, history: History, seconds: float) -> "Progress":
        """Returns what this and more epochs, `epochs` in all, came to."""
        curves = {
            name: [*self.history.get(name, []), *map(float, history.get(name, []))] for name in self.history | history
        }
        return Progress(epochs, curves, self.seconds + seconds)


class Checkpoints:
    """The newest checkpoint of one training: weights, the optimiser's and the random layers' state, and the curves.

    A checkpoint is two files. The state is written first; the second, which names them and their SHA-256, makes them
    count. So a kill at any moment leaves the new one, or the one before.

    Args:
      directory: Of one node; it is made when there is something to keep.
      training: All that decides what is trained, as JSON takes it: another training's checkpoint is none.
    """

    def __init__(self, directory: Path, training: object) -> None:
        self.directory = directory
        self._training = hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()

    def save(self, model: keras.Model, progress: Progress, best: Sequence[np.ndarray] = ()) -> None:
        """Keeps the state of a model and the weights of its best epoch, and forgets the one before.

        Raises:
          OSError: It can't be written; the one before stays.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        state = self.directory / f"{progress.epochs}.npz"
        try:
            np.savez(state, *map(np.asarray, _variables(model)), *best)
        except OSError:
            state.unlink(missing_ok=True)
            raise
        known = {**dataclasses.asdict(progress), "state": state.name, "sha256": _sha256(state)}
        known["training"] = self._training
        temporary = self.directory / ".progress.json"
        temporary.write_text(json.dumps(known), encoding="utf-8")
        temporary.rename(self.directory / "progress.json")
        for older in set(self.directory.glob("*.npz")) - {state}:
            older.unlink()

    def restore(self, model: keras.Model) -> tuple[Progress, list[np.ndarray]]:
        """Puts a model, its optimiser built, where the checkpoint was; without a sound one, it stays as it is.

        Returns:
          How far it was, and the weights of its best epoch, where they were kept.
        """
        try:
            known = json.loads((self.directory / "progress.json").read_text(encoding="utf-8"))
            if known.pop("training") != self._training:
                return Progress(), []
            state = self.directory / known.pop("state")
            if _sha256(state) != known.pop("sha256"):
                raise OSError(f"{state} is not what was written")
        except FileNotFoundError:
            return Progress(), []
        except (OSError, ValueError, KeyError) as error:
            logging.warning("Training starts anew, since its checkpoint is torn: %s", error)
            return Progress(), []
        with np.load(state) as arrays:
            values = list(arrays.values())
        variables = _variables(model)
        for variable, value in zip(variables, values, strict=False):
            variable.assign(value)
        logging.info("Training goes on after epoch %d.", known["epochs"])
        return Progress(**known), values[len(variables) :]

    def epochs(self) -> int:
        """Returns how many epochs a training that starts now would not have to do again."""
        try:
            known = json.loads((self.directory / "progress.json").read_text(encoding="utf-8"))
            return int(known["epochs"]) if known["training"] == self._training else 0
        except (OSError, ValueError, KeyError):
            return 0

    def forget(self) -> None:
        """Deletes the checkpoint: the training is over."""
        shutil.rmtree(self.directory, ignore_errors=True)


class Keep(keras.callbacks.Callback):
    """Saves a checkpoint between two epochs, when the last one is `SAVE_EVERY_S` old.

    Args:
      checkpoints: Where to.
      before: What earlier attempts came to.
      best: Gives the weights of the best epoch.
    """

    def __init__(self, checkpoints: Checkpoints, before: Progress, best: Callable[[], Sequence[np.ndarray]]) -> None:
        super().__init__()
        self._checkpoints, self._before, self._best = checkpoints, before, best
        self._history: History = {name: list(values) for name, values in before.history.items()}
        self._started = self._saved = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the model now and then: at the end of an epoch, averaged weights may stand in for its own."""
        now = time.monotonic()
        if epoch > self._before.epochs and now - self._saved >= SAVE_EVERY_S:
            seconds = self._before.seconds + now - self._started
            try:
                self._checkpoints.save(self.model, Progress(epoch, self._history, seconds), self._best())
            except OSError as error:  # A full disk, say: the training may still come to its end.
                logging.warning(
                    "The checkpoint after epoch %d can't be written; the one before stays: %s", epoch, error
                )
            self._saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the curves."""
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))


def pack(model: keras.Model, progress: Progress, best: Sequence[np.ndarray] = ()) -> bytes:
    """Puts what a checkpoint has into bytes, for `unpack` in another process."""
    buffer = io.BytesIO()
    told = np.frombuffer(json.dumps(dataclasses.asdict(progress)).encode(), np.uint8)
    np.savez(buffer, told, *map(np.asarray, _variables(model)), *best)
    return buffer.getvalue()


def unpack(model: keras.Model, content: bytes) -> tuple[Progress, list[np.ndarray]]:
    """Puts a model, its optimiser built, where the packed one was; returns how far that was, and its best weights."""
    with np.load(io.BytesIO(content)) as arrays:
        told, *values = arrays.values()
    variables = _variables(model)
    for variable, value in zip(variables, values, strict=False):
        variable.assign(value)
    return Progress(**json.loads(told.tobytes())), values[len(variables) :]


def _variables(model: keras.Model) -> list[keras.Variable]:
    """Lists all state of a model that trains; `save_weights` would leave out that of the random layers."""
    return [*model.variables, *model.optimizer.variables]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
