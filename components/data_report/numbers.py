"""What TFDV's statistics know of a feature, in plain numbers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from components import names


@dataclasses.dataclass(frozen=True)
class Numbers:
    """One feature of one split.

    Attributes:
      images: That have it.
      low: The least value.
      median: The middle one.
      high: The greatest.
      bars: A histogram: from, to, images.
    """

    images: int
    low: float
    median: float
    high: float
    bars: tuple[tuple[float, float, float], ...]


def read(statistics: Any) -> Mapping[str, Numbers]:
    """Reads the numeric features of TFDV's statistics of one split, by name; none where the split is empty."""
    features = {feature.path.step[0]: feature for feature in statistics.datasets[0].features}
    return {
        name: _numbers(features[name].num_stats)
        for name in (names.HEIGHT, names.WIDTH, names.CHANNELS, names.BRIGHTNESS)
        if name in features and features[name].WhichOneof("stats") == "num_stats"
    }


def _numbers(found: Any) -> Numbers:
    bars = next((one.buckets for one in found.histograms if one.type == one.STANDARD), ())
    return Numbers(
        found.common_stats.num_non_missing,
        found.min,
        found.median,
        found.max,
        tuple((bar.low_value, bar.high_value, bar.sample_count) for bar in bars),
    )
