"""What became of the images of one unit, in files beside its examples."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from components.dataset_gen.inspection import Sound, Unfit
from components.dataset_gen.splits import SPLITS
from components.dataset_gen.units import Row
from components.ingestion import Quarantined

REPORT_FILE = "report.json"
KEPT_FILE, COUNT_FILE = "kept.bin", "count"
# Of an image that was kept: its pixels' digest in two halves, its split's place in `SPLITS`, its label, its place in
# the unit's file of that split.
KEPT = np.dtype([("first", "<u8"), ("second", "<u8"), ("split", "u1"), ("label", "<i4"), ("place", "<i4")])


@dataclasses.dataclass
class Report:
    """What became of the images of one unit.

    Attributes:
      names: Of the images kept, by split, in the order of the split's file.
      quarantine: Those kept out.
      converted: Why one of those kept is not quite what came, by split and place in the split's file.
    """

    names: dict[str, list[str]] = dataclasses.field(default_factory=lambda: {split: [] for split in SPLITS})
    quarantine: list[Quarantined] = dataclasses.field(default_factory=list)
    converted: dict[str, dict[int, tuple[str, ...]]] = dataclasses.field(
        default_factory=lambda: {split: {} for split in SPLITS}
    )
    _kept: list[tuple[int, int, int, int, int]] = dataclasses.field(default_factory=list)

    def keep(self, split: str, row: Row, sound: Sound) -> None:
        """Notes an image that was written."""
        first, second = (int.from_bytes(half, "little") for half in (sound.digest[:8], sound.digest[8:]))
        self._kept.append((first, second, SPLITS.index(split), row.label, len(self.names[split])))
        if sound.converted:
            self.converted[split][len(self.names[split])] = sound.converted
        self.names[split].append(row.name)

    def refuse(self, row: Row, class_name: str, fault: Unfit) -> None:
        """Notes an image that was kept out."""
        self.quarantine.append(Quarantined(row.split, row.name, class_name, fault.reason, fault.detail))

    def write(self, folder: Path) -> None:
        """Writes its files."""
        content = {
            "names": self.names,
            "quarantine": [dataclasses.astuple(row) for row in self.quarantine],
            "converted": self.converted,
        }
        (folder / REPORT_FILE).write_text(json.dumps(content), encoding="utf-8")
        np.array(self._kept, KEPT).tofile(folder / KEPT_FILE)
        (folder / COUNT_FILE).write_text(str(len(self._kept) + len(self.quarantine)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Report":
        """Reads what `write` wrote, but for what `kept` reads."""
        content = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        quarantine = [Quarantined(*row) for row in content["quarantine"]]
        converted = {
            split: {int(place): tuple(reasons) for place, reasons in found.items()}
            for split, found in content["converted"].items()
        }
        return cls(content["names"], quarantine, converted)


def kept(folder: Path) -> np.ndarray:
    """Reads the images kept of one unit: an array of `KEPT`, in the order in which they came."""
    return np.fromfile(folder / KEPT_FILE, KEPT)


def images_done(staging: Path) -> int:
    """Counts the images, kept or not, of the units that are done, whose folders lie in `staging`."""
    return sum(int(path.read_text(encoding="utf-8")) for path in staging.glob(f"[!.]*/{COUNT_FILE}"))
