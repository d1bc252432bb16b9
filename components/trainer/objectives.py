"""What training minimises, and what it reports, of the logits of a network and of its auxiliary heads.

Logits are those of `export.pixel_model`: [N, C], or [N, 1 + heads, C] with those of the network first.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from models.recipes import Recipe


def loss(recipe: Recipe, counts: Sequence[int]) -> Callable[[Any, Any], Any]:
    """Builds the cross-entropy of the network, plus `auxiliary_weight` times that of each of its heads.

    Args:
      recipe: With `balanced`, an image weighs the less the more there are of its class, and 1 on average.
      counts: Images of each class.

    Returns:
      A function of labels, and logits, to a number. Labels are classes [N], or where images were mixed the shares that
      each has of every class [N, classes]: its loss is then that of the images it was mixed from, in these shares.
    """
    # Keras' sparse loss knows no label smoothing: smoothing the one-hot labels is the same thing.
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
    classes = len(counts)
    balanced = [sum(counts) / (classes * max(count, 1)) for count in counts]
    shares = np.array(balanced if recipe.balanced else [1.0] * classes, np.float32)

    def total(labels: Any, logits: Any) -> Any:
        # Each class weighs by itself: of a mixture, that of the rare class more than that of the frequent one.
        weighted = _shares(labels, classes) * shares
        weights = keras.ops.sum(weighted, axis=-1)
        wanted = weighted / weights[:, None]
        own, *heads = [logits] if len(logits.shape) == 2 else keras.ops.unstack(logits, axis=1)
        below = sum(cross_entropy(wanted, head, weights) for head in heads)
        return cross_entropy(wanted, own, weights) + recipe.auxiliary_weight * below

    return total


def accuracy() -> keras.metrics.Metric:
    """Builds the share of images whose class gets the network's own highest logit."""
    return keras.metrics.MeanMetricWrapper(hits, name="accuracy")


def hits(labels: Any, logits: Any) -> Any:
    """Returns 1 for each image whose class gets the network's own highest logit, 0 for the others: [N].

    The class of a mixed image is that of its largest share.
    """
    own = logits if len(logits.shape) == 2 else logits[:, 0]
    return keras.metrics.sparse_categorical_accuracy(
        keras.ops.argmax(labels, axis=-1) if _mixed(labels) else labels, own
    )


def _shares(labels: Any, classes: int) -> Any:
    """Returns how much of each class an image is: [N, classes]."""
    if _mixed(labels):
        return keras.ops.cast(labels, "float32")
    return keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), classes)


def _mixed(labels: Any) -> bool:
    """Returns whether labels are shares. Keras makes all labels floats, and a column [N, 1] of a row [N]."""
    return len(labels.shape) == 2 and labels.shape[1] > 1
