"""What a folder of images holds, cut into units: written once for each content, when a run begins, and read by it."""

import dataclasses
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

# Most of a unit, which becomes one file of examples a split.
UNIT_FILES, UNIT_BYTES = 2_048, 64 << 20
FACTS_FILE = "listing.json"


class Piece(NamedTuple):
    """One image file, as a worker needs to know it; `label` is -1 where it lies in no class's folder."""

    name: str
    path: str
    digest: str
    label: int
    split: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
      fingerprint: Of it, hexadecimal digits.
      class_names: In the order of the labels.
      available: The splits that it has.
      sizes: Height, width, channels of images, and how many have these.
      files: How many there are, images or not.
    """

    fingerprint: str
    class_names: tuple[str, ...]
    available: tuple[str, ...]
    sizes: tuple[tuple[int, int, int, int], ...]
    files: int

    def write(self, folder: Path, pieces: Iterable[tuple[Piece, int]]) -> None:
        """Writes it with its units, whole or not at all; what was listed there of another content goes.

        Args:
          folder: For the listings of one folder of images.
          pieces: All files, and the size of each, bytes.
        """
        temporary = folder / f".{uuid.uuid4().hex}"
        temporary.mkdir(parents=True)
        # In the order of their digests, every unit has some of each class.
        ordered = sorted(pieces, key=lambda one: (one[0].digest, one[0].name))
        for number, unit in enumerate(_cut(ordered)):
            (temporary / f"{number:06d}").write_text(json.dumps(unit), encoding="utf-8")
        (temporary / FACTS_FILE).write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        for old in folder.iterdir():
            if old != temporary:
                shutil.rmtree(old)
        temporary.rename(folder / self.fingerprint)

    @classmethod
    def read(cls, folder: Path, fingerprint: str) -> "Listing | None":
        """Reads what `write` wrote; None where it wrote of another content, or nothing."""
        try:
            found = json.loads((folder / fingerprint / FACTS_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        sizes = tuple(tuple(size) for size in found["sizes"])
        return cls(found["fingerprint"], tuple(found["class_names"]), tuple(found["available"]), sizes, found["files"])

    def units(self, folder: Path) -> list[Path]:
        """Lists the files with the pieces of each unit, in order."""
        return sorted(path for path in (folder / self.fingerprint).iterdir() if path.name != FACTS_FILE)


def pieces(unit: Path) -> Iterator[Piece]:
    """Reads the pieces of a unit."""
    for row in json.loads(unit.read_text(encoding="utf-8")):
        yield Piece(*row)


def _cut(ordered: Iterable[tuple[Piece, int]]) -> Iterator[list[Piece]]:
    unit: list[Piece] = []
    total = 0
    for piece, size in ordered:
        if len(unit) == UNIT_FILES or (unit and total + size > UNIT_BYTES):
            yield unit
            unit, total = [], 0
        unit.append(piece)
        total += size
    yield unit
