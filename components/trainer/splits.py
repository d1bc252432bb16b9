"""The transformed examples of one split: what there is, and how it is read."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from components import images, names

# More than the bytes of an image: TensorFlow's handle of a string, what the allocator adds, and the label.
_BESIDE = 64


@dataclasses.dataclass(frozen=True)
class Split:
    """The transformed examples of one split, counted once.

    Attributes:
      files: Gzipped TFRecord files, and the number of examples in each.
      counts: Images of each class.
      encoded: Bytes of all images, as they are in the files.
      image_shape: Height, width, channels.
    """

    files: tuple[tuple[str, int], ...]
    counts: tuple[int, ...]
    encoded: int
    image_shape: images.Shape

    @classmethod
    def counted(cls, patterns: Sequence[str], image_shape: images.Shape, classes: int) -> "Split":
        """Reads a split once, to count it.

        Args:
          patterns: Of its files, as TFX gives them.
          image_shape: Height, width, channels.
          classes: How many there are.
        """
        found = [(file, _count(file, classes)) for pattern in patterns for file in sorted(tf.io.gfile.glob(pattern))]
        files = tuple((file, sum(counts)) for file, (counts, _) in found)
        counts = tuple(sum(each) for each in zip(*(counts for _, (counts, _) in found), strict=True))
        return cls(files, counts, sum(encoded for _, (_, encoded) in found), image_shape)

    @property
    def size(self) -> int:
        """How many examples there are."""
        return sum(self.counts)

    @property
    def decoded_bytes(self) -> int:
        """What all pixels and labels take in memory."""
        height, width, channels = self.image_shape
        return self.size * (height * width * channels + 8)

    @property
    def encoded_bytes(self) -> int:
        """What all encoded images and labels take in memory."""
        return self.encoded + self.size * _BESIDE

    def records(self) -> tf.data.Dataset:
        """Reads all examples in their order, as they are written."""
        return records([file for file, _ in self.files])

    def parts(self, number: int) -> list[tuple[str, int, int]]:
        """Divides the examples evenly: into all files, or where these are fewer, into so many parts of them.

        Returns:
          Of each part its file, where it begins, and how many examples it has.
        """
        each = -(-number // max(1, len(self.files)))
        bounds = [
            (file, size * one // each, size * (one + 1) // each) for file, size in self.files for one in range(each)
        ]
        return [(file, first, end - first) for file, first, end in bounds if end > first]


def records(files: Sequence[str] | tf.Tensor) -> tf.data.Dataset:
    """Reads serialized examples, in the order of the files and of what is in them."""
    return tf.data.TFRecordDataset(files, compression_type="GZIP")


def parsed(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Parses serialized examples [N] into encoded images [N] and labels int64 [N]."""
    features = {
        names.IMAGE: tf.io.FixedLenFeature([], tf.string),
        names.LABEL: tf.io.FixedLenFeature([], tf.int64),
    }
    rows = tf.io.parse_example(serialized, features)
    return rows[names.IMAGE], rows[names.LABEL]


def _count(file: str, classes: int) -> tuple[list[int], int]:
    """Returns the examples of each class in a file, and the bytes of their images."""

    def add(total: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
        encoded, labels = parsed(serialized)
        found = tf.math.bincount(labels, minlength=classes, dtype=tf.int64)
        size = tf.reduce_sum(tf.strings.length(encoded))
        return total + tf.concat([found, [tf.cast(size, tf.int64)]], 0)

    *counts, encoded = records([file]).batch(1024).reduce(tf.zeros(classes + 1, tf.int64), add).numpy().tolist()
    return counts, encoded
