"""Transformed examples into batches of pixels."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from components import images, names
from components.trainer import augmentation
from models.recipes import Recipe


@dataclasses.dataclass(frozen=True)
class PixelStatistics:
    """Per-channel mean and variance of the train split, in grey levels 0..255."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]


def training_batches(
    patterns: Sequence[str], image_shape: images.Shape, recipe: Recipe, done: int = 0, *, whole: bool = False
) -> tf.data.Dataset:
    """Reads transformed examples as `batches` does, by a recipe: all its epochs, one after the other, augmented.

    The seed alone decides what comes when; a training that goes on sees what it would have seen.

    Args:
      patterns: Of the files of the train split.
      image_shape: Height, width, channels.
      recipe: How to train.
      done: Epochs to leave out.
      whole: Whether the last batch of an epoch is left out where it is only a part of one. What is left out is other
        images in every epoch.
    """
    rows = _rows(patterns, image_shape).shuffle(10_000, seed=recipe.seed)
    epoch = rows.batch(recipe.batch_size, drop_remainder=whole)
    first = done * int(epoch.cardinality())
    # One iterator for all epochs: how many of them Keras would take for each is no promise of its own.
    left = epoch.repeat(recipe.epochs).skip(first)
    return augmentation.augmented(left, recipe, first).prefetch(tf.data.AUTOTUNE)


def divisible(images: int, devices: int, most: int = 1024) -> int:
    """Returns the largest size of batches of which each device gets an image, the last batch too.

    `tf.distribute` fills one device's part after the other, so that a last batch may leave nothing for some.
    """

    def last(size: int) -> int:
        return (images - 1) % size + 1

    sizes = range(min(most, max(images, 1)), 0, -1)
    return next((size for size in sizes if last(size) > -(-size // devices) * (devices - 1)), 1)


def batches(patterns: Sequence[str], image_shape: images.Shape, batch_size: int) -> tf.data.Dataset:
    """Reads transformed examples in their order, as batches of uint8 pixels [N, H, W, C] and int64 labels [N]."""
    return _rows(patterns, image_shape).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _rows(patterns: Sequence[str], image_shape: images.Shape) -> tf.data.Dataset:
    """Decodes images once and keeps them in memory."""
    rows = _parsed(patterns, image_shape[-1]).batch(1024)
    decoded = rows.map(
        lambda row: (images.decode(row[names.IMAGE], image_shape), row[names.LABEL]),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # Keras warns at the end of each epoch of a data set that doesn't know its size.
    return decoded.unbatch().cache().apply(tf.data.experimental.assert_cardinality(count(patterns)))


def count(patterns: Sequence[str]) -> int:
    """Counts the examples in gzipped TFRecord files, given as TFX gives them: as glob patterns."""
    return int(_records(patterns).reduce(tf.constant(0, tf.int64), lambda total, _: total + 1))


def class_counts(patterns: Sequence[str], channels: int, classes: int) -> list[int]:
    """Counts the examples of each class."""
    batches = _parsed(patterns, channels).batch(1024)
    found = batches.reduce(
        tf.zeros(classes, tf.int64),
        lambda total, rows: total + tf.math.bincount(rows[names.LABEL], minlength=classes, dtype=tf.int64),
    )
    return [int(count) for count in found]


def pixel_statistics(patterns: Sequence[str], channels: int) -> PixelStatistics:
    """Reads the constants that Transform put into every row from the first one."""
    row = next(iter(_parsed(patterns, channels).take(1)))
    mean, variance = (row[key].numpy().tolist() for key in (names.PIXEL_MEAN, names.PIXEL_VARIANCE))
    return PixelStatistics(tuple(mean), tuple(variance))


def _records(patterns: Sequence[str]) -> tf.data.Dataset:
    files = [file for pattern in patterns for file in sorted(tf.io.gfile.glob(pattern))]
    return tf.data.TFRecordDataset(files, compression_type="GZIP")


def _parsed(patterns: Sequence[str], channels: int) -> tf.data.Dataset:
    features = {
        names.IMAGE: tf.io.FixedLenFeature([], tf.string),
        names.LABEL: tf.io.FixedLenFeature([], tf.int64),
        names.PIXEL_MEAN: tf.io.FixedLenFeature([channels], tf.float32),
        names.PIXEL_VARIANCE: tf.io.FixedLenFeature([channels], tf.float32),
    }
    return _records(patterns).map(lambda record: tf.io.parse_single_example(record, features))
