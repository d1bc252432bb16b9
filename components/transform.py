"""The preprocessing function of TFX's Transform.

The encoded image passes through unchanged, so the materialised examples stay as small as the data set. What a full pass
is for goes beside it: the per-channel mean and variance of the train split as constants, which training reads once and
puts into the model, and so into the served graph; and which classes there are, as an asset, which training holds
against the names that the served graph answers with.
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components import images, names


def preprocessing_fn(inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Computes the pixel statistics and the classes of the data.

    Args:
      inputs: `image`: encoded strings [N]; `label`: int64 [N]; `class_name`: strings [N].
      custom_config: `image_shape`: height, width, channels.

    Returns:
      `image` and `label` as they came, `pixel_mean` and `pixel_variance`: float32 [N, C], the same in every row, in
      grey levels 0..255.
    """
    encoded, label, class_name = (tf.reshape(inputs[key], [-1]) for key in (names.IMAGE, names.LABEL, names.CLASS_NAME))
    mean, variance = _statistics(encoded, tuple(custom_config["image_shape"]))
    # Label and name together: of names alone, two that changed places would not be noticed.
    classes = tf.strings.join([tf.as_string(label), class_name], names.VOCABULARY_SEPARATOR)
    tft.vocabulary(classes, vocab_filename=names.VOCABULARY, store_frequency=True)
    return {
        names.IMAGE: encoded,
        names.LABEL: label,
        names.PIXEL_MEAN: _every_row(mean, encoded),
        names.PIXEL_VARIANCE: _every_row(variance, encoded),
    }


def _statistics(encoded: tf.Tensor, shape: images.Shape) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and variance by channel, both float32 [C].

    Everything is added up in integers, and so exactly, whatever the order. The squares are then moved by the mean,
    rounded, before anything is divided: two large numbers that are almost the same never leave their difference to
    the last digits of a float.
    """
    height, width, _ = shape
    sums = tft.sum(images.channel_sums(encoded, shape), reduce_instance_dims=False)
    total, squares = sums[0], sums[1]
    pixels = tf.maximum(tft.size(encoded), 1) * (height * width)
    middle = total // pixels
    around = squares - 2 * middle * total + middle * middle * pixels
    rest = (total - middle * pixels) / pixels
    mean = tf.cast(middle, tf.float64) + rest
    return tf.cast(mean, tf.float32), tf.cast(around / pixels - rest * rest, tf.float32)


def _every_row(constant: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.tile(constant[tf.newaxis], [tf.shape(rows)[0], 1])
