"""All that a data report is about, in plain values: what the page and the picture are drawn from."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from components import names
from components.data_report.drift import Drift
from components.data_report.findings import Findings, share, total
from components.data_report.numbers import Numbers
from components.data_report.samples import Samples
from components.ingestion import Ingestion
from components.words import counted


@dataclasses.dataclass(frozen=True)
class Subject:
    """One data set.

    Attributes:
      ingestion: What became of its images.
      ingestion_folder: With pictures of some that were kept out.
      numbers: By split and feature.
      before: Of the data before, likewise; None where there are none.
      drifts: Against them.
      samples: Of the train split.
      findings: What speaks against the data.
    """

    ingestion: Ingestion
    ingestion_folder: Path
    numbers: Mapping[str, Mapping[str, Numbers]]
    before: Mapping[str, Mapping[str, Numbers]] | None
    drifts: Sequence[Drift]
    samples: Samples
    findings: Findings

    @property
    def headline(self) -> str:
        """The data in one sentence."""
        splits = self.ingestion.splits
        counts = ", ".join(f"{counts.kept:,} {split}" for split, counts in splits.items())
        number = len(self.ingestion.class_names)
        return (
            f"{sum(one.kept for one in splits.values()):,} images ({counts}) in {counted(number, 'class', 'classes')}"
        )

    @property
    def kept_out(self) -> str:
        """What was kept out, and what was not even read."""
        bad, read = total(self.ingestion)
        kept = f"{bad:,} of {read:,} images were kept out ({share(bad, read)})." if bad else "No image was kept out."
        unread = ", ".join(f"{split} ({images:,})" for split, images in self.ingestion.left_out.items())
        return f"{kept} Splits that were not read: {unread}." if unread else kept

    @property
    def sizes(self) -> str:
        """How large the train split's images are, in one sentence."""
        numbers = self.numbers.get(names.TRAIN, {})
        if names.WIDTH not in numbers or names.HEIGHT not in numbers:
            return "There are no images to measure."
        width, height = numbers[names.WIDTH], numbers[names.HEIGHT]
        if (width.low, height.low) == (width.high, height.high):
            return f"Every image is {width.low:g}x{height.low:g} pixels{self._channels()}."
        return (
            f"From {width.low:g} to {width.high:g} pixels wide (median {width.median:g}), from {height.low:g} to "
            f"{height.high:g} high (median {height.median:g}){self._channels()}."
        )

    def _channels(self) -> str:
        numbers = self.numbers[names.TRAIN].get(names.CHANNELS)
        if numbers is None:
            return ""
        if numbers.low == numbers.high:
            return f", {'grey' if numbers.low == 1 else f'in {numbers.low:g} channels'}"
        return f", in {numbers.low:g} to {numbers.high:g} channels"

    @property
    def drift(self) -> str:
        """What became of the data since the run before, in one sentence."""
        if self.before is None:
            return "No earlier data to compare with."
        if not self.drifts:
            return "The earlier data have no split in common with these."
        far = max(self.drifts, key=lambda one: one.distance / max(one.limit, 1e-9) * one.counts)
        exceeded = sum(one.exceeded for one in self.drifts)
        if exceeded:
            return (
                f"{exceeded} of {len(self.drifts)} distances are above their limit, {far.feature} of {far.split} most."
            )
        few = (
            "; splits too small to tell drift from chance don't count" if not all(o.counts for o in self.drifts) else ""
        )
        return f"No distance from the earlier data is above its limit{few}."
