"""The gate behind a report's findings."""

import pytest

from components import artifacts
from components.data_gate import executor
from components.data_gate.component import DataGate
from components.data_gate.executor import DataGateError
from components.data_report.findings import CURATE, FILL, Findings, Objection
from pipeline.runners.node import MESSAGE_LIMIT


@pytest.fixture
def gate(execute, channel, tmp_path):
    """Puts findings before the gate."""
    from tfx.types import standard_artifacts

    def pass_through(*objections):
        report, statistics = artifacts.DataReport(), standard_artifacts.ExampleStatistics()
        report.uri, statistics.id = str(tmp_path / "report"), 7
        (tmp_path / "report").mkdir()
        Findings("pets", "f1", objections).write(tmp_path / "report")
        given = {"data_report": report, "statistics": statistics}
        component = DataGate(**{key: channel(artifact) for key, artifact in given.items()})
        return execute(component, tmp_path / "gate", **given)

    return pass_through


def test_data_that_nothing_speaks_against_pass_and_are_remembered(gate):
    blessing = gate()["blessing"]
    assert (blessing.fingerprint, blessing.statistics_id) == ("f1", 7)


def test_what_speaks_against_them_is_said_with_what_to_do(gate):
    with pytest.raises(DataGateError) as error:
        gate(Objection("the train split is empty", FILL), Objection("the test split is empty", FILL))
    assert str(error.value) == (
        "Data fit to train on are required. Received: the train split is empty; the test split is empty. "
        "Add images, or take out the class or the split."
    )


def test_a_message_is_never_cut_by_the_runner():
    many = [Objection(f"anomaly in train/{number}: {'x' * 100}", CURATE) for number in range(30)]
    for found in (many, [*many, Objection("the test split is empty", FILL)], [Objection("y" * 300, CURATE)]):
        said = executor.sentence(Findings("pets", "f1", tuple(found)))
        assert len(said) <= MESSAGE_LIMIT
        assert said.endswith(".")
        named = said.count("anomaly in train/")
        assert len(found) == 1 or f"; and {len(found) - named} more. " in said
