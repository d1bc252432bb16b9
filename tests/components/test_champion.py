"""Which model a candidate must beat, asked of a real metadata store."""

import itertools

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from components.champion import BLESSING, CANDIDATE, MODEL, ChampionStrategy


@pytest.fixture
def store():
    config = metadata_store_pb2.ConnectionConfig()
    config.fake_database.SetInParent()
    return mlmd.MetadataStore(config)


@pytest.fixture
def history(store):
    """Puts models and blessings into the store, which numbers them in that order."""

    class History:
        def __init__(self):
            self.models, self.blessings = [], []
            self.uris = (f"/tfx/{number}" for number in itertools.count())

        def model(self):
            self.models.append(self.put(standard_artifacts.Model()))
            return self.models[-1]

        def judged(self, model, blessed):
            blessing = standard_artifacts.ModelBlessing()
            blessing.set_int_custom_property("blessed", int(blessed))
            blessing.set_int_custom_property("current_model_id", model.id)
            self.blessings.append(self.put(blessing))
            return self.blessings[-1]

        def put(self, artifact):
            artifact.uri = next(self.uris)
            artifact.mlmd_artifact.type_id = store.put_artifact_type(artifact.artifact_type)
            (artifact.id,) = store.put_artifacts([artifact.mlmd_artifact])
            return artifact

        def champion_of(self, candidate):
            known = {CANDIDATE: [candidate], MODEL: self.models, BLESSING: self.blessings}
            resolved = ChampionStrategy().resolve_artifacts(store, known)
            assert resolved[CANDIDATE] == [candidate]
            return [artifact.id for artifact in resolved[MODEL]], [artifact.id for artifact in resolved[BLESSING]]

    return History()


def test_the_first_model_has_none_to_beat(store):
    candidate = standard_artifacts.Model()
    candidate.id = 1
    resolved = ChampionStrategy().resolve_artifacts(store, {CANDIDATE: [candidate]})
    assert resolved == {CANDIDATE: [candidate], MODEL: [], BLESSING: []}


def test_nor_has_one_that_follows_unblessed_models(history):
    history.judged(history.model(), blessed=False)
    assert history.champion_of(history.model()) == ([], [])


def test_the_latest_blessed_model_is_the_champion(history):
    history.judged(history.model(), blessed=True)
    champion = history.model()
    blessing = history.judged(champion, blessed=True)
    history.judged(history.model(), blessed=False)
    assert history.champion_of(history.model()) == ([champion.id], [blessing.id])


def test_a_candidate_already_blessed_is_not_its_own_champion(history):
    """The second run of an unchanged pipeline must see the baseline of the first, or it evaluates everything again."""
    champion, candidate = history.model(), history.model()
    blessing = history.judged(champion, blessed=True)
    before = history.champion_of(candidate)
    history.judged(candidate, blessed=True)
    assert history.champion_of(candidate) == before == ([champion.id], [blessing.id])


def test_the_latest_blessing_counts_not_the_latest_model(history):
    older, newer = history.model(), history.model()
    history.judged(newer, blessed=True)
    blessing = history.judged(older, blessed=True)
    assert history.champion_of(history.model()) == ([older.id], [blessing.id])


def test_a_blessing_of_a_model_that_is_gone_is_passed_over(history):
    champion, gone = history.model(), history.model()
    blessing = history.judged(champion, blessed=True)
    history.judged(gone, blessed=True)
    history.models.remove(gone)
    assert history.champion_of(history.model()) == ([champion.id], [blessing.id])
