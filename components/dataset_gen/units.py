"""What a Beam worker is given: a part of a source, that it reads by itself."""

import abc
from collections.abc import Iterator
from typing import NamedTuple

from components.dataset_gen.inspection import Unfit


class Row(NamedTuple):
    """One image as the source has it.

    Attributes:
      name: To tell people which one it is.
      encoded: Its bytes; empty where `fault` says what is wrong.
      label: Index of its class, in range or not.
      split: That the source has it in.
      fault: Why the source itself can't give it.
    """

    name: str
    encoded: bytes
    label: int
    split: str
    fault: Unfit | None = None


class Unit(abc.ABC):
    """A part of a source that one worker reads.

    Attributes:
      key: A file name of its own; units are in the order of their keys.
    """

    key: str

    @abc.abstractmethod
    def rows(self) -> Iterator[Row]:
        """Reads its images."""
