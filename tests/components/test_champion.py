"""Which model a candidate must beat, asked of a real metadata store, a real MLflow and a real repository."""

import itertools
import json
import logging

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from components import artifacts
from components.champion import BLESSING, CANDIDATE, MODEL, ChampionStrategy

NAME = "digits_lenet5"


@pytest.fixture
def history(mlflow_place, tmp_path):
    """Puts models, blessings and registered versions where they are looked for."""
    config = metadata_store_pb2.ConnectionConfig()
    config.fake_database.SetInParent()
    store = mlmd.MetadataStore(config)

    class History:
        tracking_uri = mlflow_place.tracking_uri

        def __init__(self):
            self.models, self.blessings = [], []
            self.folders = (tmp_path / "tfx" / str(number) for number in itertools.count())

        def model(self):
            self.models.append(self.put(standard_artifacts.Model()))
            self.saved(self.models[-1]).parent.mkdir()
            self.saved(self.models[-1]).touch()
            return self.models[-1]

        def saved(self, model):
            return self.folder(model) / "Format-Serving" / "saved_model.pb"

        def judged(self, model, baseline=None):
            blessing = standard_artifacts.ModelBlessing()
            blessing.set_int_custom_property("blessed", 1)
            blessing.set_int_custom_property("current_model_id", model.id)
            if baseline is not None:
                blessing.set_int_custom_property("baseline_model_id", baseline.id)
            self.blessings.append(self.put(blessing))

        def registered(self, model, version):
            artifact = artifacts.RegisteredModel()
            artifact.model_name, artifact.model_version, artifact.sha256 = NAME, version, "0"
            self.put(artifact)
            facts = {"model_uri": model.uri}
            (self.folder(artifact) / "registration.json").write_text(json.dumps(facts))

        def put(self, artifact):
            folder = next(self.folders)
            folder.mkdir(parents=True)
            artifact.uri = str(folder)
            artifact.mlmd_artifact.type_id = store.put_artifact_type(artifact.artifact_type)
            (artifact.id,) = store.put_artifacts([artifact.mlmd_artifact])
            return artifact

        def folder(self, artifact):
            return tmp_path / "tfx" / artifact.uri.rpartition("/")[2]

        def baseline_of(self, candidate):
            known = {CANDIDATE: [candidate], MODEL: self.models, BLESSING: self.blessings}
            strategy = ChampionStrategy(NAME, self.tracking_uri, str(tmp_path / "repository"))
            resolved = strategy.resolve_artifacts(store, known)
            assert resolved[CANDIDATE] == [candidate]
            return [artifact.id for artifact in resolved[MODEL]]

    return History()


@pytest.fixture
def champion(in_child, mlflow_place):
    """Makes a version the champion, in MLflow."""
    return lambda version: in_child(set_champion, mlflow_place.tracking_uri, version)


def set_champion(tracking_uri, version):
    from components.registrar import registry

    with registry.connected(tracking_uri) as client:
        if not client.search_registered_models():
            client.create_registered_model(NAME)
        while len(client.search_model_versions(f"name = '{NAME}'")) < version:
            client.create_model_version(NAME, "/tmp/none")
        client.set_registered_model_alias(NAME, "champion", str(version))


def test_the_first_model_has_none_to_beat(history):
    assert history.baseline_of(history.model()) == []


def test_nor_has_one_where_no_version_is_live(history):
    older = history.model()
    history.judged(older)
    history.registered(older, 1)
    assert history.baseline_of(history.model()) == []


def test_the_version_that_is_live_is_the_champion_whatever_was_blessed_last(history, champion):
    first, second, third = (history.model() for _ in range(3))
    for version, model in enumerate((first, second, third), 1):
        history.judged(model)
        history.registered(model, version)
    champion(3)
    assert history.baseline_of(history.model()) == [third.id]
    champion(1)
    assert history.baseline_of(history.model()) == [first.id]


def test_a_candidate_that_was_judged_keeps_what_it_was_compared_with(history, champion):
    """The second run of an unchanged pipeline must see the baseline of the first, or it evaluates everything again."""
    older, candidate = history.model(), history.model()
    history.registered(older, 1)
    champion(1)
    assert history.baseline_of(candidate) == [older.id]
    history.judged(candidate, baseline=older)
    history.registered(candidate, 2)
    champion(2)
    assert history.baseline_of(candidate) == [older.id]
    assert history.baseline_of(history.model()) == [candidate.id]


def test_an_older_model_that_comes_back_is_judged_anew_and_keeps_that_once_it_is_live(history, champion):
    older, newer = history.model(), history.model()
    history.judged(older)
    history.registered(older, 1)
    history.judged(newer, baseline=older)
    history.registered(newer, 2)
    champion(2)
    assert history.baseline_of(older) == [newer.id]
    history.judged(older, baseline=newer)
    champion(1)
    assert history.baseline_of(older) == [newer.id]
    assert history.baseline_of(newer) == [older.id]


def test_a_baseline_of_the_champion_of_which_nothing_is_left_is_none_either(history, champion, caplog):
    gone, candidate = history.model(), history.model()
    history.judged(candidate, baseline=gone)
    history.registered(candidate, 2)
    champion(2)
    history.saved(gone).unlink()
    with caplog.at_level(logging.WARNING):
        assert history.baseline_of(candidate) == []
    assert f"What the candidate for {NAME} was compared with is gone: no baseline." in caplog.text


def test_no_run_undoes_a_rollback_by_judging_the_same_candidate_anew(history, champion):
    first, second, candidate = history.model(), history.model(), history.model()
    for version, model in enumerate((first, second, candidate), 1):
        history.registered(model, version)
    history.judged(candidate, baseline=second)
    champion(1)
    assert history.baseline_of(candidate) == [second.id]


def test_a_champion_that_comes_back_keeps_what_it_was_compared_with(history, champion):
    older, newer = history.model(), history.model()
    history.judged(older)
    history.registered(older, 1)
    history.judged(newer, baseline=older)
    champion(1)
    assert history.baseline_of(older) == []


def test_one_that_was_judged_alone_stays_alone(history, champion):
    candidate = history.model()
    history.judged(candidate)
    history.registered(candidate, 1)
    champion(1)
    assert history.baseline_of(candidate) == []


def test_a_champion_of_which_nothing_is_left_is_no_baseline_and_that_is_said(history, champion, caplog):
    gone = history.model()
    history.registered(gone, 1)
    champion(1)
    history.saved(gone).unlink()
    with caplog.at_level(logging.WARNING):
        assert history.baseline_of(history.model()) == []
    assert f"{NAME} version 1 is the champion, but what was trained of it is gone: no baseline." in caplog.text


def test_the_label_says_it_where_mlflow_cannot_be_reached(history, tmp_path, servable, caplog):
    from serving.repository import Repository, digest

    older = history.model()
    history.registered(older, 1)
    repository = Repository(tmp_path / "repository")
    repository.publish(NAME, 1, servable, keep_versions=3, sha256=digest(servable))
    repository.set_label(NAME, "stable", 1)
    (tmp_path / "torn.sqlite").write_text("no database")
    history.tracking_uri = f"sqlite:///{tmp_path / 'torn.sqlite'}"
    with caplog.at_level(logging.WARNING):
        assert history.baseline_of(history.model()) == [older.id]
    assert "The label 'stable' says who is champion, since MLflow does not: " in caplog.text
