"""Random numbers for Keras' layers that follow from the seed and the number of the step alone."""

from typing import Any

import keras
import tensorflow as tf


class Draws(keras.random.SeedGenerator):
    """The seeds that a Keras layer draws by, in place of its own generator.

    Keras' own counts in a variable how often it was asked. Maps that run side by side would get its seeds in any order,
    and a training that goes on those of one that begins. Here it is the trace of the map that counts: the n-th request
    in it gets the n-th seed of its step.

    Args:
      seed: int64 [2], of the recipe and the step.
      stage: Of the augmentation; the seeds of one stage stay as they are when another is left out.
    """

    def __init__(self, seed: tf.Tensor, stage: int) -> None:
        # Without Keras' own initialiser, which makes that variable.
        self._seed, self._taken = tf.random.experimental.stateless_fold_in(seed, stage), 0

    def next(self, ordered: bool = True) -> Any:
        """Returns another seed, int64 [2]."""
        self._taken += 1
        return tf.random.experimental.stateless_fold_in(self._seed, self._taken)
