"""Tables in Markdown, which MLflow's pages show, and those where code is kept. Imports nothing."""

from collections.abc import Container, Iterable, Sequence

# MLflow sets columns without a gap; this one it leaves where it is.
GAP = "&ensp;"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[str] = (), gap: str = "") -> str:
    """Writes a table.

    Args:
      columns: Headings.
      rows: Cells.
      numbers: The columns to align to the right.
      gap: After each cell.
    """
    rule = ["--:" if column in numbers else "---" for column in columns]
    lines = [[f"{cell}{gap}" for cell in cells] for cells in (columns, *rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:]))
