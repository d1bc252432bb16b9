"""What a training tells its runner while it goes on."""

import time

import keras

from components.progress import report


class Reporting(keras.callbacks.Callback):
    """Tells the runner about every epoch.

    Args:
      epochs: Of the whole training.
      images: Of the train split.
    """

    def __init__(self, epochs: int, images: int) -> None:
        super().__init__()
        self._epochs, self._images = epochs, images
        self._began = self._epoch_began = 0.0
        self._done, self._rate = 0, 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Takes the time."""
        self._began = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Takes the time, and the learning rate: at the end of the last epoch a schedule may have brought it to 0."""
        self._epoch_began, self._rate = time.monotonic(), float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Reports what the epoch came to, how fast it was, and how long the others may take."""
        now = time.monotonic()
        self._done += 1
        rate = self._images / max(now - self._epoch_began, 1e-9)
        left = (now - self._began) / self._done * (self._epochs - epoch - 1)
        report(
            epoch=epoch + 1,
            epochs=self._epochs,
            images_per_second=rate,
            learning_rate=self._rate,
            seconds_left=left,
            **(logs or {}),
        )
