"""Where images come from: what the graph must know of a data set before it is read."""

import dataclasses
import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


class DatasetError(ValueError):
    """A data set that Convoy cannot use; the sentence says what is required, what came and what to do."""


@dataclasses.dataclass(frozen=True)
class DatasetFacts:
    """What training and serving need to know of a data set.

    Attributes:
      name: As in the config.
      version: TFDS's version.
      image_shape: Height, width, channels.
      class_names: In the order of the labels.
    """

    name: str
    version: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]


def describe(name: str, data_dir: str) -> DatasetFacts:
    """Describes a data set without reading its images.

    Raises:
      DatasetError: TFDS doesn't know the name, or the data set isn't one of equally sized images with one label.
    """
    dataset = builder(name, data_dir)
    image, label = _image_and_label(dataset)
    shape = tuple(image.shape)
    if len(shape) != 3 or None in shape:
        raise DatasetError(f"Images of one fixed size are required. Received: {name!r} with image shape {shape}.")
    return DatasetFacts(name, str(dataset.version), shape, tuple(label.names))


def builder(name: str, data_dir: str) -> "tfds.core.DatasetBuilder":
    """Finds the TFDS builder of a data set, ours (`digits`) or a built-in one.

    Raises:
      DatasetError: TFDS doesn't know the name.
    """
    import tensorflow_datasets as tfds

    from components.dataset_gen import digits

    del digits  # Its import registers the builder.
    try:
        return tfds.builder(name, data_dir=data_dir)
    except ValueError as error:  # TFDS doesn't know the name, or says that it can't even be one.
        near = difflib.get_close_matches(name, [*tfds.list_builders(with_community_datasets=False), "digits"], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DatasetError(f"`dataset.name` must be a data set that TFDS knows. Received: {name!r}.{hint}") from error


def feature_keys(dataset: "tfds.core.DatasetBuilder") -> tuple[str, str]:
    """Finds the image and the label feature by type.

    Raises:
      DatasetError: There isn't exactly one of each.
    """
    import tensorflow_datasets as tfds

    keys = []
    for kind in (tfds.features.Image, tfds.features.ClassLabel):
        found = [key for key, feature in dataset.info.features.items() if isinstance(feature, kind)]
        if len(found) != 1:
            raise DatasetError(
                f"A data set with one {kind.__name__} feature is required. "
                f"Received: {dataset.name!r} with {found or 'none'}."
            )
        keys += found
    return keys[0], keys[1]


def split_instruction(dataset: "tfds.core.DatasetBuilder", split: str) -> str:
    """Says how to read one of train, validation and test; validation is carved from train where the data set has none.

    Raises:
      DatasetError: The data set has no such split.
    """
    available = set(dataset.info.splits)
    if "validation" not in available and split in ("train", "validation"):
        split = {"train": "train[:90%]", "validation": "train[90%:]"}[split]
    if split.partition("[")[0] not in available:
        raise DatasetError(f"A `{split}` split is required. Received: {dataset.name!r} with {sorted(available)}.")
    return split


def _image_and_label(dataset: "tfds.core.DatasetBuilder") -> tuple["tfds.features.Image", "tfds.features.ClassLabel"]:
    image, label = feature_keys(dataset)
    return dataset.info.features[image], dataset.info.features[label]
