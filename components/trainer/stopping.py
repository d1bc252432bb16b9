"""When training ends early, and with which weights."""

from collections.abc import Sequence

import keras
import numpy as np


def served_epoch(losses: Sequence[float], patience: int) -> int:
    """Returns the number, from 0, of the epoch that a training serves: the last, or with patience the best.

    Args:
      losses: Of validation, by epoch; one that is no number is as bad as any.
      patience: Of the recipe.
    """
    return int(np.argmin(np.nan_to_num(losses, nan=np.inf))) if patience else len(losses) - 1


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the lowest validation loss; ends training when none was lower for long.

    Unlike Keras' EarlyStopping, it goes on where an earlier attempt was killed.

    Args:
      patience: Epochs that may pass without a lower loss.
      losses: Of validation, by epoch, of the attempts before.
      weights: Of the best epoch among them.
    """

    def __init__(self, patience: int, losses: Sequence[float] = (), weights: Sequence[np.ndarray] = ()) -> None:
        super().__init__()
        self._patience, self._losses = patience, list(losses)
        self.weights = list(weights)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Looks whether this epoch was the best, and whether the best was long ago."""
        self._losses.append(float((logs or {})["val_loss"]))
        best = served_epoch(self._losses, self._patience)
        if best == epoch:
            self.weights = self.model.get_weights()
        self.model.stop_training = epoch - best >= self._patience

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Puts the best weights back."""
        if self.weights:
            self.model.set_weights(self.weights)
