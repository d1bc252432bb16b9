"""The page of a data report: one file that needs nothing beside it."""

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from components import names
from components.data_report import charts, overview
from components.data_report.samples import PER_CLASS
from components.data_report.subject import Subject
from components.data_report.template import PAGE
from components.ingestion import Quarantined
from components.pages import data_uri, render
from components.words import counted

# Of what was kept out, rows on the page; `quarantine.csv` has all.
MOST_ROWS = 30
# Pixels of the longer side: smaller images are shown with their pixels sharp.
TINY = 64


@dataclasses.dataclass(frozen=True)
class _Card:
    """One chart with its sentence; `classes` are rows of a table below it."""

    title: str
    sentence: str
    picture: str = ""
    classes: tuple[tuple[str, tuple[int, ...]], ...] = ()


def write(subject: Subject, path: Path) -> None:
    """Writes the page."""
    worst = subject.ingestion.quarantine[:MOST_ROWS]
    text = render(
        PAGE,
        subject=subject,
        # Those without a picture are low: they come last.
        cards=sorted(_cards(subject), key=lambda card: not card.picture),
        classes=list(_classes(subject)),
        per_class=PER_CLASS,
        rest=overview.rest(subject),
        worst=[dataclasses.asdict(row) | {"uri": _quarantined(subject.ingestion_folder, row)} for row in worst],
        hidden=len(subject.ingestion.quarantine) - len(worst),
    )
    path.write_text(text, encoding="utf-8")


def _cards(subject: Subject) -> Iterator[_Card]:
    splits = subject.ingestion.splits.values()
    rows = tuple(zip(subject.ingestion.class_names, zip(*(one.classes for one in splits), strict=True), strict=True))
    yield _Card("Images by class", balance(subject), data_uri(overview.chart(charts.balance, subject)), rows)
    bright = "Of all pixels of an image, the mean; very dark and very bright ones are at the ends."
    yield _Card("Brightness", bright, data_uri(overview.chart(charts.brightness, subject)))
    varied = len(subject.samples.sizes) > 1
    yield _Card("Sizes", subject.sizes, data_uri(overview.chart(charts.sizes, subject)) if varied else "")
    drawn = data_uri(overview.chart(charts.drift, subject)) if subject.drifts else ""
    yield _Card("Since the earlier data", subject.drift, drawn)
    drawn = data_uri(overview.chart(charts.kept_out, subject)) if subject.ingestion.quarantine else ""
    yield _Card("Kept out", _converted(subject), drawn)


def balance(subject: Subject) -> str:
    """Says how even the classes of the train split are."""
    train = subject.ingestion.splits[names.TRAIN]
    named = sorted(zip(train.classes, subject.ingestion.class_names, strict=True))
    if not train.kept:
        return "The train split is empty."
    (least, smallest), (most, largest) = named[0], named[-1]
    if len(named) == 1:
        return f"There is one class: {largest}."
    if least == most:
        return f"Every class has {counted(most, 'image', 'images')} to train on."
    return f"{largest!r} has most images to train on, {most:,}; {smallest!r} has fewest, {least:,}."


def _converted(subject: Subject) -> str:
    """Says what was kept out, and what was converted."""
    by_reason: dict[str, int] = {}
    for counts in subject.ingestion.splits.values():
        for reason, images in counts.converted.items():
            by_reason[reason] = by_reason.get(reason, 0) + images
    converted = ", ".join(f"{images:,} {reason}" for reason, images in by_reason.items() if images)
    return f"{subject.kept_out}{f' Converted: {converted}.' if converted else ''}"


def _classes(subject: Subject) -> Iterator[dict[str, Any]]:
    for label in overview.shown(subject):
        pictures = [
            {"uri": _image(picture), "tiny": max(picture.size) <= TINY} for picture in subject.samples.pictures[label]
        ]
        images = subject.ingestion.splits[names.TRAIN].classes[label]
        yield {"name": subject.ingestion.class_names[label], "images": images, "pictures": pictures}


def _quarantined(folder: Path, row: Quarantined) -> str:
    """Inlines the picture of an image that was kept out; nothing where there is none."""
    path = folder / row.picture
    return data_uri(path.read_bytes()) if row.picture and path.is_file() else ""


def _image(picture: Image.Image) -> str:
    """Inlines an image: a tiny one pixel by pixel, another as JPEG, a quarter as large."""
    content = io.BytesIO()
    if max(picture.size) <= TINY:
        picture.save(content, "PNG")
        return data_uri(content.getvalue())
    picture.save(content, "JPEG", quality=85)
    return data_uri(content.getvalue(), "jpeg")
