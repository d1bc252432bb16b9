"""Encoded images into pixels, the one way: for statistics, for training and inside the served graph."""

import tensorflow as tf

Shape = tuple[int, int, int]


def decode(encoded: tf.Tensor, shape: Shape) -> tf.Tensor:
    """Decodes PNG, JPEG, GIF or BMP images.

    Args:
      encoded: Strings [N].
      shape: Height, width and channels of the result. An image of that size keeps its very pixels; another is resized.

    Returns:
      uint8 pixels [N, H, W, C].
    """
    return tf.map_fn(lambda one: _decode_one(one, shape), encoded, fn_output_signature=tf.TensorSpec(shape, tf.uint8))


def _decode_one(encoded: tf.Tensor, shape: Shape) -> tf.Tensor:
    height, width, channels = shape
    image = tf.io.decode_image(encoded, channels=channels, expand_animations=False)
    image = tf.cond(
        tf.reduce_all(tf.shape(image)[:2] == [height, width]), lambda: image, lambda: _resize(image, height, width)
    )
    return tf.ensure_shape(image, shape)


def _resize(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    resized = tf.image.resize(image, [height, width], antialias=True)
    return tf.saturate_cast(tf.round(resized), tf.uint8)
