"""Random changes to the images of the training split, as the recipe says.

They happen in the input pipeline, after the cache: the network, and so the served graph, knows nothing of them, and
validation images stay as they are. Crop, flip, turn and shift are one affine map, so an image is interpolated once.
Keras' layers would do it once each, at several times the cost, and slow down the small networks; its random crop takes
the same piece of every image in a batch. What comes after that is Keras' own, as far as it can be: RandAugment,
erasing, and the mixing of images. A step's changes follow from the seed of the recipe and its number alone.
"""

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from components.trainer import mixing
from components.trainer.draws import Draws
from components.trainer.rand_augment import rand_augment
from models.recipes import Recipe

Stage = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def augmented(batches: tf.data.Dataset, recipe: Recipe, classes: int, first_step: int = 0) -> tf.data.Dataset:
    """Changes each image of each batch at random: by the recipe's seed and the number of the step alone.

    Args:
      batches: uint8 pixels [N, H, W, C] and labels [N].
      recipe: Where it asks for nothing, the batches stay as they are.
      classes: How many there are.
      first_step: Number of the first batch.

    Returns:
      Pixels and labels likewise; where images are mixed, float32 shares of the classes [N, classes] for labels.
    """
    stages = _stages(recipe, classes, batches.element_spec[0].shape[-1])
    if not stages:
        return batches

    @tf.autograph.experimental.do_not_convert
    def change(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        seed = tf.stack([tf.constant(recipe.seed, tf.int64), step])
        for stage in stages:
            batch = stage(*batch, seed)
        return batch

    return batches.enumerate(first_step).map(change, num_parallel_calls=tf.data.AUTOTUNE)


def _stages(recipe: Recipe, classes: int, channels: int) -> list[Stage]:
    """Lists what happens to a batch, in this order. Keras' layers are made here, outside of any graph."""
    stages: list[Stage] = []
    if recipe.colour or _moves(recipe):
        stages.append(lambda images, labels, seed: (_changed(images, recipe, seed), labels))
    if recipe.rand_augment:
        stages.append(_of_images(rand_augment(recipe.rand_augment, channels), 1))
    if recipe.erasing:
        stages.append(_of_images(mixing.erasing(recipe.erasing), 2))
    if recipe.mixup or recipe.cutmix:
        mix = mixing.mixing(recipe.mixup, recipe.cutmix)
        stages.append(lambda images, labels, seed: mix(images, tf.one_hot(labels, classes), Draws(seed, 3)))
    return stages


def _of_images(change: Callable[[tf.Tensor, Draws], tf.Tensor], number: int) -> Stage:
    return lambda images, labels, seed: (change(images, Draws(seed, number)), labels)


def _moves(recipe: Recipe) -> bool:
    return bool(recipe.flip or recipe.shift or _resamples(recipe))


def _resamples(recipe: Recipe) -> bool:
    """Returns whether images are interpolated: without a turn or a crop, every pixel comes from one pixel."""
    return bool(recipe.rotation or recipe.crop < 1)


def _changed(images: tf.Tensor, recipe: Recipe, seed: tf.Tensor) -> tf.Tensor:
    # The draws follow from the seed and no state, so that maps may run side by side.
    contrast, brightness, *places = tf.unstack(
        tf.random.stateless_uniform([9, tf.shape(images)[0]], seed, minval=-1.0, maxval=1.0)
    )
    if recipe.colour:
        images = _recoloured(images, recipe.colour * contrast, recipe.colour * brightness)
    return _moved(images, recipe, places) if _moves(recipe) else images


def _recoloured(images: tf.Tensor, contrast: tf.Tensor, brightness: tf.Tensor) -> tf.Tensor:
    """Stretches each image about its mean by a share, and adds a share of the grey levels."""
    images = tf.cast(images, tf.float32)
    contrast, brightness = (share[:, None, None, None] for share in (contrast, brightness))
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    return _pixels(images * (1 + contrast) + (255 * brightness - mean * contrast))


def _moved(images: tf.Tensor, recipe: Recipe, draws: Sequence[tf.Tensor]) -> tf.Tensor:
    transforms = _transforms(recipe, images.shape, draws)
    if not _resamples(recipe):
        return keras.ops.image.affine_transform(images, transforms, interpolation="nearest")
    return _pixels(keras.ops.image.affine_transform(tf.cast(images, tf.float32), transforms))


def _transforms(recipe: Recipe, shape: tf.TensorShape, draws: Sequence[tf.Tensor]) -> tf.Tensor:
    """Makes maps [N, 8], from the place of a pixel to the place that it comes from, out of seven draws from -1 to 1."""
    _, height, width, _ = shape
    face, right, down, turn, area, column, row = draws
    angle = turn * math.radians(recipe.rotation)
    scale = tf.sqrt(1 - (1 - recipe.crop) * (1 + area) / 2)
    mirror = tf.where(face < 0, -1.0, 1.0) if recipe.flip else 1.0
    x_by_x, x_by_y = mirror * scale * tf.cos(angle), -mirror * scale * tf.sin(angle)
    y_by_x, y_by_y = scale * tf.sin(angle), scale * tf.cos(angle)
    # The outermost centres of a crop are centres of the image or lie between some: no black comes in with it.
    from_x, from_y = ((side - 1) / 2 * (1 + draw * (1 - scale)) for side, draw in ((width, column), (height, row)))
    to_x, to_y = ((side - 1) / 2 + _shift(recipe, side, draw) for side, draw in ((width, right), (height, down)))
    x, y = from_x - x_by_x * to_x - x_by_y * to_y, from_y - y_by_x * to_x - y_by_y * to_y
    zero = tf.zeros_like(x)
    return tf.stack([x_by_x, x_by_y, x, y_by_x, y_by_y, y, zero, zero], axis=1)


def _shift(recipe: Recipe, side: int, draw: tf.Tensor) -> tf.Tensor:
    """Returns a shift in pixels; where nothing else needs values between pixels, a whole number of them.

    That is what papers do who crop at random after padding. A small image moves by a pixel at least.
    """
    if _resamples(recipe) or not recipe.shift:
        return draw * recipe.shift * side
    most = max(1, round(recipe.shift * side))
    return tf.clip_by_value(tf.round(draw * (most + 0.5)), -most, most)


def _pixels(values: tf.Tensor) -> tf.Tensor:
    return tf.saturate_cast(tf.round(values), tf.uint8)
