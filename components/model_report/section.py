"""The parts that a model card is made of: plain text."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; the first column of a row is what it is about."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class Section:
    """One part of the card.

    Attributes:
      title: Its heading.
      sentences: That begin it.
      points: Of a list.
      table: Below it.
      code: Language and text of examples.
      pictures: Names of files of the report, without `.png`, which the page shows there.
    """

    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    table: Table | None = None
    code: tuple[tuple[str, str], ...] = ()
    pictures: tuple[str, ...] = ()
