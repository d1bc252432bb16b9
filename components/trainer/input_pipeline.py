"""Transformed examples into batches of pixels.

The images of the train split are kept in memory, decoded, where they take no more than `SHARE` of what is available;
else as they are in the files, and each batch is decoded when its turn comes. Either way an epoch is a shuffle of the
numbers of all images. What does not fit at all is read from the files anew in every epoch, from `READERS` places at
once or more and through a buffer, so that classes are mixed which lie one after the other; where there are fewer files,
one is unzipped up to each of these places.

Decoding is done in parallel, many images at a time: image by image, handing over a small one costs as much again.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence

import tensorflow as tf

from components import images, names
from components.trainer import augmentation, memory, splits
from components.trainer.splits import Split
from models.recipes import Recipe

SHARE = 0.25  # Of the memory, for the images of a split; while these are read, it is twice that for a moment.
READERS = 8  # At least. Of a single file, 4.5 times as much is unzipped as there is.
_MOST_READERS = 64  # Of as many files, which costs nothing but what is read ahead.
BUFFER = 2**28  # Bytes of encoded images. The order follows from it, so it is the same on every machine.
_CHUNK = 2**24  # Bytes of pixels that are decoded at a time.

Batch = tuple[tf.Tensor, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class PixelStatistics:
    """Per-channel mean and variance of the train split, in grey levels 0..255."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]


def fits(split: Split) -> bool:
    """Returns whether all images fit into memory, as they are in the files at least.

    It goes by the memory that the machine has, whoever else has some of it now: the order of the images depends on it,
    and a training that goes on must find what it had.
    """
    return min(split.decoded_bytes, split.encoded_bytes) <= SHARE * memory.total()


def training_batches(
    split: Split, recipe: Recipe, done: int = 0, *, whole: bool = False, kept: bool = True
) -> tf.data.Dataset:
    """Reads the train split by a recipe: all its epochs, one after the other, augmented.

    The seed alone decides what comes when; a training that goes on sees what it would have seen.

    Args:
      split: To train on.
      recipe: How to train.
      done: Epochs to leave out.
      whole: Whether the last batch of an epoch is left out where it is only a part of one. What is left out is other
        images in every epoch.
      kept: Whether the images stay in memory; as `fits` says, unless other workers take part whose do not.

    Returns:
      uint8 pixels [N, H, W, C] and int64 labels [N], or where the recipe mixes images, float32 shares [N, classes].
    """
    steps = split.size // recipe.batch_size if whole else -(-split.size // recipe.batch_size)
    read = _shuffled if kept else _streamed
    left = read(split, recipe, done, whole)
    # Keras warns at the end of each epoch of a data set that doesn't know its size.
    left = left.apply(tf.data.experimental.assert_cardinality((recipe.epochs - done) * steps))
    return augmentation.augmented(left, recipe, len(split.counts), done * steps).prefetch(tf.data.AUTOTUNE)


def validation_batches(split: Split, batch_size: int) -> tf.data.Dataset:
    """Reads a split as `batches` does, and keeps it in memory, decoded, where it fits there."""
    found = batches(split, batch_size)
    decoded = split.decoded_bytes <= SHARE * memory.available()
    _say("validation", split, "decoded, in memory" if decoded else "in files")
    return found.cache().prefetch(tf.data.AUTOTUNE) if decoded else found


def batches(split: Split, batch_size: int) -> tf.data.Dataset:
    """Reads examples in their order, as batches of uint8 pixels [N, H, W, C] and int64 labels [N]."""
    rows = _mapped(split.records().batch(batch_size), _decoding(split))
    sized = rows.apply(tf.data.experimental.assert_cardinality(-(-split.size // batch_size)))
    return sized.prefetch(tf.data.AUTOTUNE)


def divisible(images: int, devices: int, most: int = 1024) -> int:
    """Returns the largest size of batches of which each device gets an image, the last batch too.

    `tf.distribute` fills one device's part after the other, so that a last batch may leave nothing for some.
    """

    def last(size: int) -> int:
        return (images - 1) % size + 1

    sizes = range(min(most, max(images, 1)), 0, -1)
    return next((size for size in sizes if last(size) > -(-size // devices) * (devices - 1)), 1)


def pixel_statistics(patterns: Sequence[str], channels: int) -> PixelStatistics:
    """Reads the constants that Transform put into every row from the first one."""
    files = [file for pattern in patterns for file in sorted(tf.io.gfile.glob(pattern))]
    wanted = (names.PIXEL_MEAN, names.PIXEL_VARIANCE)
    features = {name: tf.io.FixedLenFeature([channels], tf.float32) for name in wanted}
    row = tf.io.parse_single_example(next(iter(splits.records(files).take(1))), features)
    mean, variance = (row[name].numpy().tolist() for name in wanted)
    return PixelStatistics(tuple(mean), tuple(variance))


def _shuffled(split: Split, recipe: Recipe, done: int, whole: bool) -> tf.data.Dataset:
    """Takes images out of memory in the order of shuffled numbers: leaving out epochs costs no decoding."""
    decoded = split.decoded_bytes <= max(SHARE * memory.available(), split.encoded_bytes)
    _say("train", split, "decoded, in memory" if decoded else "encoded, in memory")
    taking = _pixels_in_memory(split) if decoded else _encoded_in_memory(split)
    numbers = tf.data.Dataset.range(split.size).shuffle(split.size, seed=recipe.seed)
    epoch = numbers.batch(recipe.batch_size, drop_remainder=whole)
    # One iterator for all epochs: how many of them Keras would take for each is no promise of its own.
    left = epoch.repeat(recipe.epochs).skip(done * int(epoch.cardinality()))
    return _mapped(left, taking)


def _pixels_in_memory(split: Split) -> Callable[[tf.Tensor], Batch]:
    height, width, channels = split.image_shape
    chunk = max(1, min(1024, _CHUNK // (height * width * channels)))
    pixels, labels = _all(_mapped(split.records().batch(chunk), _decoding(split)))

    def take(numbers: tf.Tensor) -> Batch:
        return tf.gather(pixels, numbers), tf.gather(labels, numbers)

    return take


def _encoded_in_memory(split: Split) -> Callable[[tf.Tensor], Batch]:
    encoded, labels = _all(_mapped(split.records().batch(1024), splits.parsed))

    def take(numbers: tf.Tensor) -> Batch:
        return images.decode(tf.gather(encoded, numbers), split.image_shape), tf.gather(labels, numbers)

    return take


def _all(rows: tf.data.Dataset) -> list[tf.Tensor]:
    with tf.device("CPU:0"):  # A GPU's memory is for the network.
        return [tf.concat(column, 0) for column in zip(*rows, strict=True)]


def _streamed(split: Split, recipe: Recipe, done: int, whole: bool) -> tf.data.Dataset:
    """Reads the files anew in every epoch, from several places at once and through a buffer."""
    _say("train", split, "in files")
    buffer = max(1, min(split.size, BUFFER * split.size // split.encoded_bytes))
    # A buffer that holds all of them mixes all of them.
    files, *places = zip(*split.parts(READERS if buffer < split.size else 1), strict=True)
    parts = (list(files), *(tf.constant(place, tf.int64) for place in places))

    @tf.autograph.experimental.do_not_convert
    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # Of this graph alone: tf.data can't take a tensor for a seed beside a global seed of 0.
        tf.compat.v1.set_random_seed(1)
        order, mixing = tf.unstack(_seeds(recipe, number))
        found = tf.data.Dataset.from_tensor_slices(parts).shuffle(len(files), seed=order)
        rows = found.interleave(
            lambda file, first, size: splits.records(file).skip(first).take(size),
            cycle_length=min(len(files), _MOST_READERS),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        return rows.shuffle(buffer, seed=mixing).batch(recipe.batch_size, drop_remainder=whole)

    epochs = tf.data.Dataset.range(done, recipe.epochs).flat_map(epoch)
    return _mapped(epochs, _decoding(split))


def _seeds(recipe: Recipe, epoch: tf.Tensor) -> tf.Tensor:
    """Draws two seeds [2] for an epoch, so that none needs the epochs before it."""
    seed = tf.stack([tf.constant(recipe.seed, tf.int64), epoch])
    return tf.random.stateless_uniform([2], seed, minval=None, maxval=None, dtype=tf.int64)


def _decoding(split: Split) -> Callable[[tf.Tensor], Batch]:
    def decode(serialized: tf.Tensor) -> Batch:
        encoded, labels = splits.parsed(serialized)
        return images.decode(encoded, split.image_shape), labels

    return decode


def _mapped(rows: tf.data.Dataset, change: Callable[[tf.Tensor], Batch]) -> tf.data.Dataset:
    return rows.map(tf.autograph.experimental.do_not_convert(change), num_parallel_calls=tf.data.AUTOTUNE)


def _say(name: str, split: Split, where: str) -> None:
    logging.info(
        "Images are kept. split=%s where=%r images=%d decoded_bytes=%d encoded_bytes=%d available_bytes=%d",
        name,
        where,
        split.size,
        split.decoded_bytes,
        split.encoded_bytes,
        memory.available(),
    )
