"""The preprocessing function of TFX's Transform.

The encoded image passes through unchanged, so the materialised examples stay as small as the data set. What a full pass
is for, the per-channel mean and variance of the train split, goes beside it as constants: training reads them once and
puts them into the model, and so into the served graph.
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components import images, names


def preprocessing_fn(inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Computes the pixel statistics of the data.

    Args:
      inputs: `image`: encoded strings [N]; `label`: int64 [N].
      custom_config: `image_shape`: height, width, channels.

    Returns:
      `image` and `label` as they came, `pixel_mean` and `pixel_variance`: float32 [N, C], the same in every row, in
      grey levels 0..255.
    """
    encoded = tf.reshape(inputs[names.IMAGE], [-1])
    shape = tuple(custom_config["image_shape"])
    by_channel = tf.reshape(tf.cast(images.decode(encoded, shape), tf.float32), [-1, shape[-1]])
    return {
        names.IMAGE: encoded,
        names.LABEL: tf.reshape(inputs[names.LABEL], [-1]),
        names.PIXEL_MEAN: _every_row(tft.mean(by_channel, reduce_instance_dims=False), encoded),
        names.PIXEL_VARIANCE: _every_row(tft.var(by_channel, reduce_instance_dims=False), encoded),
    }


def _every_row(constant: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.tile(constant[tf.newaxis], [tf.shape(rows)[0], 1])
