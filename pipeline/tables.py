"""The look of every table that the command line prints."""

from collections.abc import Collection, Sequence
from typing import Literal

from rich import box
from rich.table import Table


def ruled(
    columns: Sequence[str],
    *,
    numbers: Collection[str] = (),
    folding: Collection[str] = (),
    gap: int = 2,
    title: str = "",
) -> Table:
    """Makes an empty table: headings, a rule, nothing else.

    Args:
      columns: Headings.
      numbers: The columns to align to the right.
      folding: The columns that go on in a next line where the terminal is narrow; the others are never broken.
      gap: Blanks between columns, 1 or 2.
      title: Above the headings.
    """
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap - 1, 0, 0),
    )
    for column in columns:
        justify: Literal["right", "left"] = "right" if column in numbers else "left"
        table.add_column(column, justify=justify, no_wrap=column not in folding, overflow="fold")
    return table
