"""The model card: one account, as Markdown for the registry and as a page that needs nothing beside it."""

import html
import re
from collections.abc import Sequence
from pathlib import Path

from components.model_report import sections
from components.model_report.section import Section, Table
from components.model_report.subject import Subject
from components.model_report.template import PAGE
from components.pages import data_uri, render

MARKDOWN_FILE = "model_card.md"
PAGE_FILE = "model_card.html"
# MLflow's database keeps 5,000 characters of a version's description, PostgreSQL refuses more; some for the verdict.
LONGEST = 4700
# Letters differ in width: a cell with so large a part of the letters of the longest may be the widest.
WIDE = 0.8
_SPECIAL = re.compile(r"([\\`*_\[\]~#|])")


def write(folder: Path, subject: Subject) -> None:
    """Writes both forms.

    Args:
      folder: With the pictures of the report.
      subject: The model.
    """
    (folder / MARKDOWN_FILE).write_text(markdown(subject), encoding="utf-8")
    (folder / PAGE_FILE).write_text(page(subject, folder), encoding="utf-8")


def page(subject: Subject, folder: Path) -> str:
    """Makes the page, the pictures in it."""
    made = sections.sections(subject)
    names = [name for section in made for name in section.pictures]
    pictures = {name: data_uri((folder / f"{name}.png").read_bytes()) for name in names}
    return render(
        PAGE,
        title=sections.title(subject.facts),
        verdict=sections.verdict(subject),
        blessed=subject.evaluation.verdict.blessed and subject.facts["infra"]["blessed"],
        sections=made,
        pictures=pictures,
        classes=sections.class_rows(subject),
    )


def markdown(subject: Subject) -> str:
    """Makes the Markdown, no longer than a description in MLflow may be: sections that don't fit are named instead."""
    text = f"# {_escaped(sections.title(subject.facts))}\n\n"
    text += "\n\n".join(map(_escaped, sections.verdict(subject))) + "\n"
    left_out: list[str] = []
    made = [(section, _written(section)) for section in sections.sections(subject)]
    for section, written in made:
        if len(text) + len(written) + len(_rest([one.title for one, _ in made])) > LONGEST:
            left_out.append(section.title)
        else:
            text += written
    return text + _rest(left_out)


def _rest(titles: list[str]) -> str:
    return f"\n{', '.join(titles)}: see {PAGE_FILE}.\n".replace("_", "\\_") if titles else ""


def _written(section: Section) -> str:
    parts = [f"\n## {_escaped(section.title)}"]
    parts += [_escaped(sentence) for sentence in section.sentences]
    parts += ["\n".join(f"- {_escaped(point)}" for point in section.points)] if section.points else []
    parts += [_table(section.table)] if section.table else []
    parts += [f"```{language}\n{code}```" for language, code in section.code]
    return "\n\n".join(parts) + "\n" if len(parts) > 1 else ""


def _table(table: Table) -> str:
    """Writes a table; MLflow leaves no space between columns, so the widest cells of each have one in them."""
    columns = [_spaced(column) for column in zip(table.head, *table.rows, strict=True)]
    columns[-1] = [_escaped(cell) for cell in (table.head[-1], *(row[-1] for row in table.rows))]
    head, *rows = zip(*columns, strict=True)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _spaced(cells: Sequence[str]) -> list[str]:
    widest = max(map(len, cells))
    return [f"{_escaped(cell)}{'&emsp;' if len(cell) > WIDE * widest else ''}" for cell in cells]


def _escaped(text: str) -> str:
    """Writes a text in one line of Markdown, whatever letters it has."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False)).replace("\\|", "&#124;")
