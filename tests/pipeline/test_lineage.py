import sqlite3
from pathlib import Path

import pytest

from pipeline.errors import ConvoyError
from pipeline.lineage import Lineage, Published


@pytest.fixture
def database(tmp_path):
    return tmp_path / "metadata.sqlite"


def test_a_database_that_is_not_there_answers_with_nothing_and_is_not_made(database):
    lineage = Lineage(database)
    assert lineage.published() == {}
    assert lineage.registered_sha256("digits_lenet5", 1) is None
    assert lineage.ancestry("digits_lenet5", 1) == []
    assert not database.exists()


def test_a_database_without_our_types_answers_with_nothing(database, mlmd):
    mlmd(database).artifact("Examples")
    lineage = Lineage(database)
    assert lineage.published() == {}
    assert lineage.ancestry("digits_lenet5", 1) == []


def test_the_newest_publication_of_each_model_counts_and_what_was_withheld_does_not(database, mlmd):
    store = mlmd(database)
    for version, pushed in ((1, 1), (2, 1), (3, 0)):
        store.pushed(version, f"{version}" * 64, pushed=pushed, destination=f"/repository/{version}")
    store.pushed(7, "7" * 64, model="digits_vgg", destination="/repository/7")
    assert Lineage(database).published() == {
        "digits_lenet5": Published("digits_lenet5", 2, "2" * 64, Path("/repository/2")),
        "digits_vgg": Published("digits_vgg", 7, "7" * 64, Path("/repository/7")),
    }


def test_the_hash_of_a_version_is_that_of_its_latest_registration(database, mlmd):
    store = mlmd(database)
    store.registered(1, "a" * 64)
    store.registered(1, "b" * 64)
    store.registered(1, "c" * 64, model="digits_vgg")
    lineage = Lineage(database)
    assert lineage.registered_sha256("digits_lenet5", 1) == "b" * 64
    assert lineage.registered_sha256("digits_vgg", 1) == "c" * 64
    assert lineage.registered_sha256("digits_lenet5", 2) is None


@pytest.fixture
def trained(database, mlmd):
    """Two versions from the same examples, the second compared with the first; returns ids by what they are."""
    store = mlmd(database)
    examples = store.artifact("Examples")
    ids = {"examples": examples, "generated": store.execution("DatasetGen", {}, {"examples": examples})}
    baseline: dict[str, int] = {}
    for version in (1, 2):
        model, evaluation = store.artifact("Model"), store.artifact("ModelEvaluation")
        registered = store.registered(version, f"{version}" * 64)
        ids[f"trained{version}"] = store.execution("Trainer", {"examples": examples}, {"model": model})
        compared = {"examples": examples, "model": model, **baseline}
        ids[f"evaluated{version}"] = store.execution("Evaluator", compared, {"evaluation": evaluation})
        made_of = {"model": model, "evaluation": evaluation}
        ids[f"registered{version}"] = store.execution("Registrar", made_of, {"registered_model": registered})
        baseline = {"baseline_model": model}
    # A later run finds the first version again in the cache.
    ids["cached"] = store.execution("Registrar", made_of, {"registered_model": registered})
    return ids


def test_a_version_leads_back_to_its_examples_and_not_to_its_baseline_s_training(database, trained):
    steps = Lineage(database).ancestry("digits_lenet5", 2)
    assert [step["execution"] for step in steps] == [
        trained["registered2"],
        trained["evaluated2"],
        trained["trained2"],
        trained["generated"],
    ]
    assert [step["node"] for step in steps] == ["Registrar", "Evaluator", "Trainer", "DatasetGen"]
    (found,) = steps[2]["inputs"]
    assert found == {"key": "examples", "type": "Examples", "id": trained["examples"], "uri": "/tfx/Examples"}
    assert {found["key"] for found in steps[1]["inputs"]} == {"examples", "model", "baseline_model"}


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_one_sentence(database, content):
    database.write_bytes(content)
    with pytest.raises(ConvoyError, match=rf"MLMD database .* is required\. Received: {database}, which answered: "):
        Lineage(database)
    assert database.read_bytes() == content


def test_a_database_of_a_newer_schema_is_one_sentence(database, mlmd):
    mlmd(database).artifact("Examples")
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE MLMDEnv SET schema_version = 99")
    with pytest.raises(ConvoyError, match="MLMD database version 99 is greater than library version"):
        Lineage(database)
