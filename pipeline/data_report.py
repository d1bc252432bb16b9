"""What a run says of its data: the report in the run's folder, and what stops it, on the screen."""

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from components import names
from components.data_report.findings import Findings
from components.ingestion import QUARANTINE_FILE, Ingestion, Quarantined
from pipeline import tables
from pipeline.runners.local import NodeRecord

# Of the images that were kept out, those on the screen.
WORST = 10
# Where each file of the run's folder comes from: node, output, name.
KEPT = (
    ("DataReport", "data_report", names.REPORT_FILE),
    ("DataReport", "data_report", names.OVERVIEW_FILE),
    ("DatasetGen", "ingestion", QUARANTINE_FILE),
    ("SchemaGen", "schema", names.SCHEMA_FILE),
    ("SchemaImport", "schema", names.SCHEMA_FILE),
)
# Those that MLflow shows on the run.
RECORDED = (names.REPORT_FILE, names.OVERVIEW_FILE, QUARANTINE_FILE)


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a run saw of its data.

    Attributes:
      directory: The run's, with the report.
      findings: What speaks against the data.
      ingestion: What became of the images.
      is_new: Whether they were read anew.
    """

    directory: Path
    findings: Findings
    ingestion: Ingestion
    is_new: bool

    @property
    def quarantine(self) -> tuple[Quarantined, ...]:
        """The images that were kept out, the worst first."""
        return self.ingestion.quarantine

    def line(self) -> str:
        """Says which data they were, in a line for people."""
        images = sum(counts.kept for counts in self.ingestion.splits.values())
        told = [f"span {self.ingestion.span}", "new" if self.is_new else "unchanged", f"{images:,} images"]
        told += [f"{len(self.quarantine):,} kept out"] if self.quarantine else []
        told += [f"{split} not read ({count:,})" for split, count in self.ingestion.left_out.items()]
        return f"Data: {', '.join(told)}; {self.directory / names.REPORT_FILE}"

    def facts(self) -> dict[str, object]:
        """Says the same in terms of JSON, for `summary.json`."""
        counts = {split: dataclasses.asdict(found) for split, found in self.ingestion.splits.items()}
        told = {"source": self.ingestion.source, names.FINGERPRINT: self.ingestion.fingerprint, "splits": counts}
        return {names.SPAN: self.ingestion.span, "is_new": self.is_new, **told}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Says what stops the run, a line each, what to do, and which images are the worst."""
        yield Text("The data stop the run.", style="bold red")
        yield from _listed([objection.sentence for objection in self.findings.objections])
        yield Text("What to do", style="bold")
        yield from _listed(self.findings.remedies)
        if self.quarantine:
            yield Text(f"The worst of {len(self.quarantine):,} images that were kept out", style="bold")
            yield tables.Fitted(self._worst)
            yield Text(f"All of them: {self.directory / QUARANTINE_FILE}", overflow="fold")

    def _worst(self, gap: int) -> Table:
        drawn = tables.ruled(("split", "class", "image", "why"), folding=["class", "image", "why"], gap=gap)
        for row in self.quarantine[:WORST]:
            why = f"{row.reason}: {row.detail}" if row.detail else row.reason
            drawn.add_row(*map(_plain, (row.split, row.class_name or "-", row.name, why)))
        return drawn


def keep(nodes: Sequence[NodeRecord], directory: Path) -> Seen | None:
    """Copies what nodes wrote of the data into the run's folder.

    Args:
      nodes: That ran, were cached or failed.
      directory: The run's.

    Returns:
      What was seen; None where the run did not come so far.
    """
    folders = _folders(nodes)
    for node, key, name in KEPT:
        if (folder := folders.get((node, key))) is not None:
            shutil.copyfile(folder / name, directory / name)
    return seen(nodes, directory)


def seen(nodes: Sequence[NodeRecord], directory: Path) -> Seen | None:
    """Reads what a run saw of its data, of which its folder has the copies; None where it did not come so far."""
    folders = _folders(nodes)
    report, ingestion = folders.get(("DataReport", "data_report")), folders.get(("DatasetGen", "ingestion"))
    if report is None or ingestion is None:
        return None
    is_new = any(node.id == "DatasetGen" and node.state == "ran" for node in nodes)
    return Seen(directory, Findings.read(report), Ingestion.read(ingestion), is_new)


def _folders(nodes: Sequence[NodeRecord]) -> dict[tuple[str, str], Path]:
    """Finds what nodes put out; one that failed put out nothing."""
    return {(node.id, key): Path(uris[0]) for node in nodes for key, uris in node.outputs.items() if uris}


def _plain(text: str) -> Text:
    """Takes what steers a terminal out of a file's name."""
    return Text("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text))


def _listed(sentences: Sequence[str]) -> Iterator[RenderableType]:
    for sentence in sentences:
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row("-", _plain(f"{sentence[0].upper()}{sentence[1:]}."))
        yield Padding(row, (0, 0, 0, 2))
