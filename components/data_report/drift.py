"""How far data have moved from earlier ones, as TFDV measures it."""

import dataclasses
from pathlib import Path
from typing import Any

from components import names

STATISTICS_FILE = "FeatureStats.pb"
# With fewer images on either side, chance alone moves the distances by what `max_drift` allows.
ENOUGH = 200
L_INFINITY, JENSEN_SHANNON = "L-infinity", "Jensen-Shannon"
# The feature of categories has the largest difference of a share as its distance, the numbers have the divergence.
FEATURES = (names.CLASS_NAME, names.BRIGHTNESS, names.HEIGHT, names.WIDTH)


@dataclasses.dataclass(frozen=True)
class Drift:
    """How far one feature of one split has moved.

    Attributes:
      measure: `L-infinity` or `Jensen-Shannon`.
      distance: From 0, the same, to 1.
      limit: Of the distance.
      images: In this split, the fewer of now and before.
    """

    split: str
    feature: str
    measure: str
    distance: float
    limit: float
    images: int

    @property
    def counts(self) -> bool:
        """Whether there are images enough to tell drift from chance."""
        return self.images >= ENOUGH

    @property
    def exceeded(self) -> bool:
        """Whether it is one to stop for."""
        return self.counts and self.distance > self.limit


def measure(now: Any, before: Any, schema: Any, limit: float) -> list[Drift]:
    """Compares the statistics of each split with earlier ones of the same split.

    Args:
      now: ExampleStatistics artifact.
      before: The earlier one.
      schema: Its own drift comparators go before `limit`.
      limit: Of every distance that the schema has no comparator for.

    Returns:
      One a split and a feature; none for a split that is empty now or was.
    """
    from tfx.types import artifact_utils

    splits = artifact_utils.decode_split_names(now.split_names)
    earlier = set(artifact_utils.decode_split_names(before.split_names))
    asked = _comparators(schema, limit)
    return [
        drift
        for split in splits
        if split in earlier
        for drift in _measure_split(split, read_statistics(now, split), read_statistics(before, split), asked)
    ]


def read_statistics(artifact: Any, split: str) -> Any:
    """Reads TFDV's statistics of one split."""
    from tensorflow_metadata.proto.v0 import statistics_pb2
    from tfx.types import artifact_utils

    path = Path(artifact_utils.get_split_uri([artifact], split)) / STATISTICS_FILE
    return statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())


def _measure_split(split: str, now: Any, before: Any, asked: Any) -> list[Drift]:
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    images = min(now.datasets[0].num_examples, before.datasets[0].num_examples)
    if not images:
        return []
    measured = tfdv.validate_statistics(now, asked, previous_statistics=before)
    kinds = {anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY: L_INFINITY}
    found = {
        info.path.step[0]: Drift(
            split, info.path.step[0], kinds.get(one.type, JENSEN_SHANNON), one.value, one.threshold, images
        )
        for info in measured.drift_skew_info
        for one in info.drift_measurements
    }
    return [found[feature] for feature in FEATURES if feature in found]


def _comparators(schema: Any, limit: float) -> Any:
    """Makes a schema that asks for distances and nothing else."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    own = {feature.name: feature for feature in schema.feature if feature.HasField("drift_comparator")}
    kinds = {names.CLASS_NAME: schema_pb2.BYTES, names.BRIGHTNESS: schema_pb2.FLOAT}
    asked = schema_pb2.Schema()
    for name in FEATURES:
        comparator = asked.feature.add(name=name, type=kinds.get(name, schema_pb2.INT)).drift_comparator
        if name in own:
            comparator.CopyFrom(own[name].drift_comparator)
        elif name == names.CLASS_NAME:
            comparator.infinity_norm.threshold = limit
        else:
            comparator.jensen_shannon_divergence.threshold = limit
    return asked
