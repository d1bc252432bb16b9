"""A few images of each class, and how large images are."""

import dataclasses
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from components import names

# Classes of which images are kept, the largest ones.
MOST_CLASSES = 20
PER_CLASS = 8
# Pixels of the longer side; a smaller image stays as it is.
THUMBNAIL = 128
# Examples lie in random order: so many tell the sizes, and so many are looked through for the rarest class.
ENOUGH = 2_000
MOST = 20_000


@dataclasses.dataclass(frozen=True)
class Samples:
    """What was seen of the examples.

    Attributes:
      seen: How many were looked at.
      sizes: How many of them have each width and height, in pixels.
      pictures: At most `PER_CLASS` of each of the `MOST_CLASSES` largest classes, by label; grey or RGB, at most
        `THUMBNAIL` pixels wide and high.
    """

    seen: int
    sizes: Mapping[tuple[int, int], int]
    pictures: Mapping[int, Sequence[Image.Image]]


def draw(folder: Path, classes: Sequence[int]) -> Samples:
    """Looks at the first examples of a split.

    Args:
      folder: With its gzipped TFRecords.
      classes: Images of each class, by label.
    """
    largest = sorted(range(len(classes)), key=lambda label: (-classes[label], label))[:MOST_CLASSES]
    wanting = {label: min(classes[label], PER_CLASS) for label in largest}
    sizes: Counter[tuple[int, int]] = Counter()
    pictures: defaultdict[int, list[Image.Image]] = defaultdict(list)
    for label, size, encoded in _examples(folder, MOST):
        sizes[size] += 1
        if wanting.get(label):
            pictures[label].append(thumbnail(encoded))
            wanting[label] -= 1
        if sizes.total() >= ENOUGH and not any(wanting.values()):
            break
    return Samples(sizes.total(), sizes, pictures)


def thumbnail(encoded: bytes) -> Image.Image:
    """Decodes an image, grey or RGB, and makes it small."""
    image: Image.Image = Image.open(io.BytesIO(encoded))
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return image


def _examples(folder: Path, most: int) -> Iterator[tuple[int, tuple[int, int], bytes]]:
    """Reads label, width and height, and encoded image."""
    import tensorflow as tf

    files = sorted(str(path) for path in folder.iterdir())
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").take(most).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        label, width, height = (feature[name].int64_list.value[0] for name in (names.LABEL, names.WIDTH, names.HEIGHT))
        yield label, (width, height), feature[names.IMAGE].bytes_list.value[0]
