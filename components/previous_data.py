"""Which data the data of a run are compared with."""

from pathlib import Path

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.ingestion import Ingestion

# Keys of the resolver's channels.
INGESTION = "ingestion"
STATISTICS = "statistics"
BLESSING = "blessing"


class PreviousDataStrategy(resolver.ResolverStrategy):
    """Resolves the statistics of the data that passed the gate last, other than the data at hand.

    Data that the gate refused don't count: mended data would be refused for their distance from the broken ones. Other
    data are told by the fingerprint of their source, so a run with nothing changed sees what the run before it saw, and
    stays cached.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Picks the statistics.

        Args:
          store: Knows when a blessing was last given: a cached gate gives an old one again.
          input_dict: This run's `ingestion`, and of all runs the `statistics` and the `blessing`.

        Returns:
          The same keys: the statistics and their blessing, or none of either where there are no earlier data.
        """
        ingestion = input_dict[INGESTION][0]
        fingerprint = Ingestion.read(Path(ingestion.uri)).fingerprint
        known = {one.id: one for one in input_dict.get(STATISTICS, []) if Path(one.uri).exists()}
        others = [
            one for one in input_dict.get(BLESSING, []) if one.fingerprint != fingerprint and one.statistics_id in known
        ]
        given = last_given(store, [one.id for one in others])
        last = sorted(others, key=lambda one: given.get(one.id, 0))[-1:]
        return {INGESTION: [ingestion], STATISTICS: [known[one.statistics_id] for one in last], BLESSING: last}


def last_given(store: mlmd.MetadataStore, artifact_ids: list[int]) -> dict[int, int]:
    """Finds for each artifact the last execution that put it out, by MLMD's ascending ids."""
    found: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids(artifact_ids) if artifact_ids else []:
        if event.type == event.OUTPUT:
            found[event.artifact_id] = max(found.get(event.artifact_id, 0), event.execution_id)
    return found
