"""Which data a run's data are compared with, asked of a real metadata store."""

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from components import artifacts
from components.ingestion import Ingestion
from components.previous_data import BLESSING, INGESTION, STATISTICS, PreviousDataStrategy


class History:
    """Runs of a pipeline on data with a name each, as MLMD remembers them."""

    def __init__(self, root):
        self.root = root
        config = metadata_store_pb2.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = mlmd.MetadataStore(config)
        self.statistics, self.blessings = {}, {}
        self.gate = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name="DataGate"))

    def run(self, data, passes=True):
        """Runs; what was made of the same before is found in the cache. Returns what these are compared with."""
        if data not in self.statistics:
            self.statistics[data] = self.put(standard_artifacts.ExampleStatistics(), f"statistics-{data}")
        before = self.before(data)
        if passes:
            self.bless(data)
        return before

    def before(self, data):
        ingestion = artifacts.Ingestion()
        ingestion.uri = str(self.root / "ingestion")
        (self.root / "ingestion").mkdir(exist_ok=True)
        Ingestion("pets", data, (), {}).write(self.root / "ingestion")
        given = {
            INGESTION: [ingestion],
            STATISTICS: list(self.statistics.values()),
            BLESSING: list(self.blessings.values()),
        }
        found = PreviousDataStrategy().resolve_artifacts(self.store, given)
        assert found[INGESTION] == [ingestion]
        assert len(found[STATISTICS]) == len(found[BLESSING]) <= 1
        ids = [one.id for one in found[STATISTICS]]
        return next((data for data, one in self.statistics.items() if one.id in ids), None)

    def bless(self, data):
        if data not in self.blessings:
            blessing = artifacts.DataBlessing()
            blessing.fingerprint, blessing.statistics_id = data, self.statistics[data].id
            self.blessings[data] = self.put(blessing, f"blessing-{data}")
        (execution,) = self.store.put_executions([metadata_store_pb2.Execution(type_id=self.gate)])
        event = metadata_store_pb2.Event(execution_id=execution, artifact_id=self.blessings[data].id)
        event.type = metadata_store_pb2.Event.OUTPUT
        self.store.put_events([event])

    def put(self, artifact, name):
        (self.root / name).mkdir()
        artifact.uri = str(self.root / name)
        artifact.mlmd_artifact.type_id = self.store.put_artifact_type(artifact.artifact_type)
        (artifact.id,) = self.store.put_artifacts([artifact.mlmd_artifact])
        return artifact


@pytest.fixture
def history(tmp_path):
    return History(tmp_path)


def test_the_first_data_have_none_before_them_however_often_they_are_used(history):
    assert [history.run("a"), history.run("a")] == [None, None]


def test_other_data_are_compared_with_those_of_the_run_before_and_stay_so(history):
    assert [history.run(data) for data in "abbccb"] == [None, "a", "a", "b", "b", "c"]


def test_data_used_again_are_compared_with_those_used_last(history):
    assert [history.run(data) for data in "abaac"] == [None, "a", "b", "b", "a"]


def test_data_that_the_gate_refused_are_no_measure(history):
    history.run("a")
    assert history.run("broken", passes=False) == "a"
    assert history.run("mended") == "a"
    assert history.run("broken", passes=False) == "mended"


def test_data_whose_statistics_are_gone_are_passed_over(history, tmp_path):
    history.run("a")
    history.run("b")
    (tmp_path / "statistics-b").rmdir()
    assert history.run("c") == "a"
