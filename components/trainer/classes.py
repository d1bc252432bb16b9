"""Whether the data name their classes as the served model will: what Transform counted against what is exported."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow_transform as tft

from components import names


class ClassNamesError(ValueError):
    """The data name a class otherwise than the model would."""


def require(transform_graph: str, class_names: Sequence[str]) -> None:
    """Refuses names that are not those of the train split; a class without an example there is no objection.

    Args:
      transform_graph: Folder of Transform's output.
      class_names: That the model answers with, in the order of the labels.

    Raises:
      ClassNamesError: Some examples say another name for a label, or a label that has no name.
    """
    for label, name, examples in counted(transform_graph):
        expected = class_names[label] if 0 <= label < len(class_names) else None
        if name != expected:
            rule = f"{expected!r} as `class_name`" if expected is not None else f"less than {len(class_names)}"
            raise ClassNamesError(
                f"Label {label} must be {rule}, as the data set declares. Received: {name!r} in {examples:,} examples "
                "of the train split; run again with --force DatasetGen."
            )


def counted(transform_graph: str) -> list[tuple[int, str, int]]:
    """Reads label, name and number of examples of each class in the train split, by label."""
    path = tft.TFTransformOutput(transform_graph).vocabulary_file_by_name(names.VOCABULARY)
    rows = []
    for line in Path(path).read_text(encoding="utf-8").rstrip("\n").split("\n"):
        frequency, _, term = line.partition(" ")
        label, _, name = term.partition(names.VOCABULARY_SEPARATOR)
        rows.append((int(label), name, int(frequency)))
    return sorted(rows)
