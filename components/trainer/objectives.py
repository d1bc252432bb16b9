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
      A function of labels [N] and logits, to a number.
    """
    # Keras' sparse loss knows no label smoothing: smoothing the one-hot labels is the same thing.
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
    classes = len(counts)
    balanced = [sum(counts) / (classes * max(count, 1)) for count in counts]
    shares = np.array(balanced if recipe.balanced else [1.0] * classes, np.float32)

    def total(labels: Any, logits: Any) -> Any:
        wanted = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), classes)
        weights = keras.ops.matmul(wanted, shares)
        own, *heads = [logits] if len(logits.shape) == 2 else keras.ops.unstack(logits, axis=1)
        below = sum(cross_entropy(wanted, head, weights) for head in heads)
        return cross_entropy(wanted, own, weights) + recipe.auxiliary_weight * below

    return total


def accuracy() -> keras.metrics.Metric:
    """Builds the share of images whose class gets the network's own highest logit."""
    return keras.metrics.MeanMetricWrapper(hits, name="accuracy")


def hits(labels: Any, logits: Any) -> Any:
    """Returns 1 for each image whose class gets the network's own highest logit, 0 for the others: [N]."""
    own = logits if len(logits.shape) == 2 else logits[:, 0]
    return keras.metrics.sparse_categorical_accuracy(labels, own)
