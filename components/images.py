"""Encoded images into pixels, the one way: for statistics, for training and inside the served graph."""

import tensorflow as tf

Shape = tuple[int, int, int]


@tf.autograph.experimental.do_not_convert  # Nothing to convert; each conversion leaves a file in the temporary folder.
def decode(encoded: tf.Tensor, shape: Shape) -> tf.Tensor:
    """Decodes PNG, JPEG, GIF or BMP images.

    Args:
      encoded: Strings [N].
      shape: Height, width and channels of the result. An image of that size keeps its very pixels; another is resized.

    Returns:
      uint8 pixels [N, H, W, C].
    """
    return tf.map_fn(lambda one: _decode_one(one, shape), encoded, fn_output_signature=tf.TensorSpec(shape, tf.uint8))


@tf.autograph.experimental.do_not_convert
def channel_sums(encoded: tf.Tensor, shape: Shape) -> tf.Tensor:
    """Adds up the pixels of each image and channel, image by image: no more than one is ever held as numbers.

    Args:
      encoded: Strings [N].
      shape: As of `decode`.

    Returns:
      int64 [N, 2, C]: the sums of the grey levels, and those of their squares; both exact.
    """
    spec = tf.TensorSpec([2, shape[-1]], tf.int64)
    return tf.map_fn(lambda one: _sums(_decode_one(one, shape)), encoded, fn_output_signature=spec)


def _sums(pixels: tf.Tensor) -> tf.Tensor:
    levels = tf.cast(pixels, tf.int32)
    # Along a row, int32 is enough for 33,000 pixels; it is twice as fast as int64, and half as large.
    rows = tf.stack([tf.reduce_sum(levels, axis=1), tf.reduce_sum(levels * levels, axis=1)])
    return tf.reduce_sum(tf.cast(rows, tf.int64), axis=1)


def _decode_one(encoded: tf.Tensor, shape: Shape) -> tf.Tensor:
    height, width, channels = shape
    image = _grey(encoded) if channels == 1 else _decoded(encoded, channels)
    image = tf.cond(
        tf.reduce_all(tf.shape(image)[:2] == [height, width]), lambda: image, lambda: _resize(image, height, width)
    )
    return tf.ensure_shape(image, shape)


def _grey(encoded: tf.Tensor) -> tf.Tensor:
    # TensorFlow makes PNG and JPEG grey itself; BMP and GIF it decodes in colour alone.
    start = tf.strings.substr(encoded, 0, 2)
    return tf.cond(
        (start == b"BM") | (start == b"GI"),
        lambda: tf.image.rgb_to_grayscale(_decoded(encoded, 3)),
        lambda: _decoded(encoded, 1),
    )


def _decoded(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    return tf.io.decode_image(encoded, channels=channels, expand_animations=False)


def _resize(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    resized = tf.image.resize(image, [height, width], antialias=True)
    return tf.saturate_cast(tf.round(resized), tf.uint8)
