"""The look of every table that the command line prints."""

from collections.abc import Callable, Collection, Sequence
from typing import Literal

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
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


class Fitted:
    """A table with two blanks between its columns where the terminal is wide enough, with one where it isn't.

    Args:
      draw: Draws the table with a gap.
    """

    def __init__(self, draw: Callable[[int], Table]) -> None:
        self._draw = draw

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws the table for this terminal."""
        roomy = self._draw(2)
        needed = Measurement.get(console, options.update(max_width=10_000), roomy).maximum
        yield roomy if needed <= options.max_width else self._draw(1)
