"""What DatasetGen says of the images it read: counts that add up, and every one that was kept out.

Its `ingestion` artifact is a folder with `ingestion.json`, the counts, `quarantine.csv`, a row for each image kept out,
and small pictures of some of these.
"""

import csv
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

INGESTION_FILE = "ingestion.json"
QUARANTINE_FILE = "quarantine.csv"


@dataclasses.dataclass(frozen=True)
class SplitCounts:
    """What became of one split's images: `read` = `kept` + `quarantined`.

    Attributes:
      read: Images that the source has.
      kept: Images that became examples.
      quarantined: Images that were kept out.
      converted: Of those kept, how many had to be converted, by reason (`cmyk`, `rotated by EXIF`).
      classes: Images kept, by label.
    """

    read: int
    kept: int
    quarantined: int
    converted: Mapping[str, int]
    classes: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Quarantined:
    """One image that was kept out.

    Attributes:
      split: That it would have been in.
      name: Of the file, relative to the source's folder; of a record, its file and number.
      class_name: As the source says; empty where the label means nothing.
      reason: In a word or three: `truncated`, `duplicate`.
      detail: What more is known: `the same image as train/cat/1.png`.
      picture: File name of a small PNG beside the list; empty where there is none.
    """

    split: str
    name: str
    class_name: str
    reason: str
    detail: str = ""
    picture: str = ""


@dataclasses.dataclass(frozen=True)
class Ingestion:
    """What became of all images of a source.

    Attributes:
      source: What was read: `cifar10:3.0.2`, or a folder.
      fingerprint: Of the source's content, hexadecimal digits.
      class_names: In the order of the labels.
      splits: Counts of train, validation and test.
      quarantine: All that was kept out, the worst first.
      span: Number of this content among those that the pipeline has read, from 1.
      left_out: Images that were not read, by the name of their split, which has another purpose: `unlabelled`.
    """

    source: str
    fingerprint: str
    class_names: tuple[str, ...]
    splits: Mapping[str, SplitCounts]
    quarantine: tuple[Quarantined, ...] = ()
    span: int = 1
    left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes both files."""
        facts = {key: value for key, value in vars(self).items() if key not in ("quarantine", "splits")}
        facts["splits"] = {name: dataclasses.asdict(counts) for name, counts in self.splits.items()}
        (folder / INGESTION_FILE).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        with (folder / QUARANTINE_FILE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Quarantined)])
            writer.writeheader()
            writer.writerows(dataclasses.asdict(row) for row in self.quarantine)

    @classmethod
    def read(cls, folder: Path) -> "Ingestion":
        """Reads what `write` wrote."""
        facts = json.loads((folder / INGESTION_FILE).read_text(encoding="utf-8"))
        splits = {
            name: SplitCounts(**{**counts, "classes": tuple(counts["classes"])})
            for name, counts in facts["splits"].items()
        }
        with (folder / QUARANTINE_FILE).open(newline="", encoding="utf-8") as file:
            quarantine = tuple(Quarantined(**row) for row in csv.DictReader(file))
        known = {"class_names": tuple(facts["class_names"]), "splits": splits, "quarantine": quarantine}
        return cls(**{**facts, **known})
