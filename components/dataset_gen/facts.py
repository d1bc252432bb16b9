"""What is asked of a data set, and what the graph must know of it before it is read. Imports nothing heavy."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.dataset_gen.errors import DatasetError

INDEX_FILE = "index.sqlite"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where a data set is, and how to read it.

    Attributes:
      name: As TFDS knows it (`cifar10:3.0.2`), or what to call what lies at `path`.
      work_dir: Folder for what is prepared, and for what is remembered of files.
      path: A folder of images, or of TFRecord files; empty for a data set of TFDS.
      data_dir: Where TFDS finds prepared data, or prepares them; `work_dir` unless told.
      manual_dir: Where archives lie that TFDS would download otherwise.
      image: Feature with the encoded image, where there are several.
      label: Feature with the class, likewise.
      split: Feature with the split, likewise.
      image_size: Height and width that the networks get; None for that of the images, if they all have the same.
      channels: 1 or 3; 0 for what most images have.
      class_names: In the order of the labels, where records have only numbers.
    """

    name: str
    work_dir: str
    path: str = ""
    data_dir: str = ""
    manual_dir: str = ""
    image: str = ""
    label: str = ""
    split: str = ""
    image_size: tuple[int, int] | None = None
    channels: int = 0
    class_names: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What models and experiments are called after: no version, and letters, digits and `_` alone."""
        return title(self.name)

    @property
    def index(self) -> Path:
        """The database of what is remembered of files."""
        return Path(self.work_dir) / INDEX_FILE

    def to_json(self) -> str:
        """Writes it as an execution property."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """Reads what `to_json` wrote."""
        content = json.loads(text)
        size = content.pop("image_size")
        return cls(
            **{**content, "class_names": tuple(content["class_names"])}, image_size=tuple(size) if size else None
        )


def title(name: str) -> str:
    """Returns the part of a data set's name that names models: `cifar10` of `cifar10:3.0.2`."""
    return re.sub(r"[^a-z0-9_]", "_", name.partition(":")[0].lower())


def require_unset(settings: Settings, kind: str, *keys: str) -> None:
    """Checks that nothing is told that would mean nothing.

    Args:
      settings: As told.
      kind: What the data set is: `a folder of images`.
      *keys: Attributes that mean nothing there.

    Raises:
      DatasetError: One is set.
    """
    for key in keys:
        if value := getattr(settings, key):
            told = list(value) if isinstance(value, tuple) else value
            raise DatasetError(
                f"`dataset.{key}` must be left out for {kind}. Received: {told!r}, for {settings.name!r}."
            )


@dataclasses.dataclass(frozen=True)
class DatasetFacts:
    """What training and serving need to know of a data set.

    Attributes:
      name: Its title.
      source: What is read, for people: `cifar10:3.0.2`, or the folder.
      image_shape: Height, width, channels of what the networks get.
      class_names: In the order of the labels.
      fingerprint: Of all that decides which examples come out, 64 hexadecimal digits.
    """

    name: str
    source: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    fingerprint: str


def image_shape(settings: Settings, found: Mapping[tuple[int, int, int], int]) -> tuple[int, int, int]:
    """Decides what the networks get.

    Args:
      settings: May say it.
      found: How many images have which height, width and channels.

    Raises:
      DatasetError: It doesn't, and the images have several sizes.
    """
    sizes, channels = Counter[tuple[int, int]](), Counter[int]()
    for (height, width, depth), count in found.items():
        sizes[height, width] += count
        channels[depth] += count
    if settings.image_size is None and len(sizes) > 1:
        raise DatasetError(
            f"`dataset.image_size` is required where images have several sizes. Received: {settings.name!r} with "
            f"{_told(sizes)}; such as image_size = [{_middle(sizes, 0)}, {_middle(sizes, 1)}]."
        )
    height, width = settings.image_size or next(iter(sizes))
    return height, width, settings.channels or channels.most_common(1)[0][0]


def _told(sizes: Counter[tuple[int, int]]) -> str:
    most = [f"{height}x{width} ({count:,})" for (height, width), count in sizes.most_common(3)]
    more = f" and {len(sizes) - 3:,} more" if len(sizes) > 3 else ""
    return f"{', '.join(most)}{more}"


def _middle(sizes: Counter[tuple[int, int]], side: int) -> int:
    lengths: Any = sorted(Counter(size[side] for size in sizes.elements()).elements())
    return int(lengths[len(lengths) // 2])
