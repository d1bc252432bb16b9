"""What speaks against training on the data: sentences for the page, the gate and the terminal."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components import names
from components.data_report.drift import Drift
from components.ingestion import Ingestion

# So many classes, or drifts, are named one by one.
NAMED = 5

MEND = f"mend or remove the images, or raise `{names.BAD_KEY}`"
FILL = "add images, or take out the class or the split"
DRIFTED = f"raise `{names.DRIFT_KEY}` if the data are meant to differ"
CURATE = f"mend the data, or, if they are right, edit a copy of the run's {names.SCHEMA_FILE} and name it in " + (
    f"`{names.SCHEMA_KEY}`"
)


@dataclasses.dataclass(frozen=True)
class Objection:
    """One reason not to train on the data: what is wrong, and what to do about it; neither ends in a full stop."""

    sentence: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found in the data.

    Attributes:
      source: Of the images.
      fingerprint: Of the source's content.
      objections: The weightiest first; none where the data are fit to train on.
    """

    source: str
    fingerprint: str
    objections: tuple[Objection, ...]

    def write(self, folder: Path) -> None:
        """Writes them as JSON."""
        text = json.dumps(dataclasses.asdict(self), indent=1)
        (folder / names.FINDINGS_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Findings":
        """Reads what `write` wrote."""
        facts = json.loads((folder / names.FINDINGS_FILE).read_text(encoding="utf-8"))
        return cls(facts["source"], facts["fingerprint"], tuple(Objection(**one) for one in facts["objections"]))

    @property
    def remedies(self) -> list[str]:
        """What to do, each thing once."""
        return list(dict.fromkeys(objection.remedy for objection in self.objections))


def judge(
    ingestion: Ingestion, anomalies: Mapping[str, Sequence[str]], drifts: Sequence[Drift], max_bad_fraction: float
) -> Findings:
    """Judges data.

    Args:
      ingestion: What became of the images.
      anomalies: What ExampleValidator found, by split.
      drifts: Against earlier data.
      max_bad_fraction: How large a part of the images may have been kept out.
    """
    objections = [*_bad(ingestion, max_bad_fraction), *_empty(ingestion), *_small(ingestion), *_drifted(drifts)]
    # Without an image to infer it from, the schema knows no feature, and every one is an anomaly.
    if ingestion.splits[names.TRAIN].kept:
        objections += [
            Objection(f"anomaly in {split}/{one}", CURATE) for split, found in anomalies.items() for one in found
        ]
    return Findings(ingestion.source, ingestion.fingerprint, tuple(objections))


def share(part: int, whole: int) -> str:
    """Writes a part of a whole: `4 %`, `0.024 %`."""
    return f"{_plain(100 * part / max(whole, 1))} %"


def total(ingestion: Ingestion) -> tuple[int, int]:
    """Counts the images that were kept out, and all."""
    counts = ingestion.splits.values()
    return sum(one.quarantined for one in counts), sum(one.read for one in counts)


def reasons(ingestion: Ingestion) -> Counter[str]:
    """Counts why images were kept out."""
    return Counter(row.reason for row in ingestion.quarantine)


def _bad(ingestion: Ingestion, limit: float) -> Iterator[Objection]:
    bad, read = total(ingestion)
    # Not `limit * read`: 0.29 * 100 is less than 29.
    if read and bad / read > limit:
        why = ", ".join(f"{count:,} {reason}" for reason, count in reasons(ingestion).most_common(4))
        yield Objection(
            f"{bad:,} of {read:,} images ({share(bad, read)}) were kept out{f': {why}' if why else ''}; "
            f"`{names.BAD_KEY}` allows {_plain(100 * limit)} %",
            MEND,
        )


def _empty(ingestion: Ingestion) -> Iterator[Objection]:
    for split, counts in ingestion.splits.items():
        if not counts.kept:
            yield Objection(f"the {split} split is empty", FILL)


def _small(ingestion: Ingestion) -> Iterator[Objection]:
    train = ingestion.splits[names.TRAIN]
    for count, number in ((0, "no example"), (1, "one example")) if train.kept else ():
        small = [name for name, images in zip(ingestion.class_names, train.classes, strict=True) if images == count]
        if small:
            verb = "class {} has" if len(small) == 1 else f"{len(small)} classes have"
            listed = _listed([repr(name) for name in small])
            yield Objection(f"{verb.format(listed)} {number} in train{'' if len(small) == 1 else f': {listed}'}", FILL)


def _drifted(drifts: Sequence[Drift]) -> Iterator[Objection]:
    for drift in drifts:
        if drift.exceeded:
            yield Objection(
                f"{drift.feature} of {drift.split} moved by {_plain(drift.distance)} ({drift.measure}) from the data "
                f"before; the limit is {drift.limit:g}",
                DRIFTED,
            )


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return f"{', '.join(words[:NAMED])}{more}"


def _plain(number: float) -> str:
    """Writes a number with three significant digits, and never as 1e-05."""
    return f"{float(f'{number:.3g}'):f}".rstrip("0").rstrip(".")
