"""RandAugment (Cubuk et al. 2019, https://arxiv.org/abs/1909.13719) out of Keras' layers, two for each image.

`keras.layers.RandAugment` itself draws its operations once for a whole batch, and computes all eleven to use one; most
go in one direction alone, turns by up to half a circle; its equalisation goes by the histogram of the whole batch; and
it takes no seed from outside. So its layers are used here one by one, each on the images that drew it, over the ranges
of the paper. Solarisation is written out: the layer draws its threshold from all grey levels, however strong it is.
"""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from components.trainer.draws import Draws

OPERATIONS = 2  # Of each image; the paper's N, for CIFAR-10 and for ImageNet about the same.

Operation = Callable[[tf.Tensor, Draws], tf.Tensor]


def rand_augment(strength: float, channels: int) -> Operation:
    """Makes what changes each image by operations of its own.

    Args:
      strength: Above 0; at 1, each operation may be as strong as the strongest of the paper.
      channels: 1 or 3.

    Returns:
      A function of uint8 images [N, H, W, C], and of where randomness comes from, to images of the same shape.
    """
    operations = _operations(strength, channels)

    def change(images: tf.Tensor, draws: Draws) -> tf.Tensor:
        for _ in range(OPERATIONS):
            chosen = keras.random.randint((tf.shape(images)[0],), 0, len(operations), seed=draws)
            images = _each(images, chosen, operations, draws)
        return images

    return change


def _each(images: tf.Tensor, chosen: tf.Tensor, operations: Sequence[Operation], draws: Draws) -> tf.Tensor:
    """Applies to each image the operation that it drew: an operation sees these images alone."""
    parts = tf.dynamic_partition(images, chosen, len(operations))
    places = tf.dynamic_partition(tf.range(tf.shape(images)[0]), chosen, len(operations))
    changed = [_some(part, operation, draws) for part, operation in zip(parts, operations, strict=True)]
    return tf.ensure_shape(tf.dynamic_stitch(places, changed), images.shape)


def _some(images: tf.Tensor, operation: Operation, draws: Draws) -> tf.Tensor:
    def change() -> tf.Tensor:
        return tf.saturate_cast(tf.round(operation(tf.cast(images, tf.float32), draws)), tf.uint8)

    # Not every layer takes a batch without images.
    return tf.cond(tf.shape(images)[0] > 0, change, lambda: images)


def _operations(strength: float, channels: int) -> list[Operation]:
    """Lists what may happen to an image; a grey one has no saturation."""
    layers, common = keras.layers, {"dtype": "float32", "seed": 0}
    moved = common | {"fill_mode": "constant"}
    contrast, sharpness = 0.9 * strength, 0.45 * strength
    drawing = [
        layers.RandomShear(0.3 * strength, 0.3 * strength, **moved),
        layers.RandomTranslation(0.3 * strength, 0.3 * strength, **moved),
        layers.RandomRotation(30 / 360 * strength, **moved),
        # Keras adds to all pixels where the paper multiplies them, by up to 1.9: of mid-grey, that is half as much.
        layers.RandomBrightness(0.45 * strength, **common),
        layers.RandomContrast((contrast, contrast), **common),
        layers.RandomSharpness((0.5 - sharpness, 0.5 + sharpness), **common),
        layers.RandomPosterization((round(8 - 4 * strength), 8), **common),
        *[layers.RandomColorDegeneration(0.9 * strength, **common)] * (channels == 3),
    ]
    return [*map(_drawn, drawing), _solarised(strength), _contrasted(), _equalised()]


def _drawn(layer: keras.layers.Layer) -> Operation:
    def change(images: tf.Tensor, draws: Draws) -> tf.Tensor:
        return layer.transform_images(images, layer.get_random_transformation(images, training=True, seed=draws))

    return change


def _solarised(strength: float) -> Operation:
    """Inverts what is brighter than a threshold, which comes down from white as the strength goes up."""

    def change(images: tf.Tensor, draws: Draws) -> tf.Tensor:
        down = keras.random.uniform((tf.shape(images)[0], 1, 1, 1), 0.0, 256 * strength, seed=draws)
        return tf.where(images < 256 - down, images, 255 - images)

    return change


def _contrasted() -> Operation:
    layer = keras.layers.AutoContrast(dtype="float32")
    return lambda images, draws: layer.transform_images(images)


def _equalised() -> Operation:
    """Equalises image by image, since Keras' layer takes one histogram for all that it is given."""
    layer = keras.layers.Equalization(dtype="float32")
    return lambda images, draws: tf.map_fn(lambda image: layer.transform_images(image[tf.newaxis], None)[0], images)
