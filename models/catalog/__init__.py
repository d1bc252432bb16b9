"""The catalog: every network that can be trained, one row each, as data.

Nothing here imports Keras, so the command line can check names and recipes in milliseconds. A new network is a row; a
new family is a module `models/<family>.py` with one function, `build(inputs, num_classes, **options)`, and a module
here with its rows and recipes.
"""

from models.catalog import alexnet, allcnn, densenet, googlenet, lenet, mobilenet, resnet, vgg
from models.recipes import received
from models.row import Variant

ROWS: tuple[Variant, ...] = tuple(
    row for family in (lenet, alexnet, vgg, googlenet, resnet, densenet, allcnn, mobilenet) for row in family.ROWS
)

_BY_NAME: dict[str, Variant] = {row.name: row for row in ROWS}


class UnknownArchitectureError(ValueError):
    """Raised when no row of the catalog has the name; the sentence suggests the nearest one."""


def names() -> tuple[str, ...]:
    """Returns the name of every architecture, in the order of the catalog."""
    return tuple(_BY_NAME)


def variant(name: str) -> Variant:
    """Returns the row of one architecture.

    Raises:
        UnknownArchitectureError: If no row has that name.
    """
    if name not in _BY_NAME:
        raise UnknownArchitectureError(f"`architecture` must be a registered name. {received(name, _BY_NAME)}")
    return _BY_NAME[name]
