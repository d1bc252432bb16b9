"""Real statistics, TFX's ExampleValidator, and the gate behind it."""

from pathlib import Path

import pandas as pd
import pytest
import tfx.components  # noqa: F401 -- before TFDV, which needs its stand-in for a lost module
from tfx.types import artifact_utils, standard_artifacts

from components.data_gate.component import DataGate
from components.data_gate.executor import DataGateError

GOOD = {"label": [0, 1, 2] * 4, "height": [8] * 12, "brightness": [0.5] * 12}
SCHEMA = """
feature { name: "label" type: INT int_domain { min: 0 max: 9 } presence { min_fraction: 1 min_count: 1 } }
feature { name: "height" type: INT presence { min_fraction: 1 min_count: 1 } }
feature { name: "brightness" type: FLOAT float_domain { min: 0 max: 1 } presence { min_fraction: 1 min_count: 1 } }
"""


@pytest.fixture
def gate(execute, channel, tmp_path):
    """Validates the rows of each split against the schema, and puts what was found before the gate."""

    def pass_through(*, constraints="", **splits):
        schema = standard_artifacts.Schema()
        schema.uri = str(tmp_path / "schema")
        Path(schema.uri).mkdir()
        (Path(schema.uri) / "schema.pbtxt").write_text(SCHEMA + constraints)
        statistics = write_statistics(tmp_path / "statistics", splits)
        from tfx.components import ExampleValidator

        validator = ExampleValidator(statistics=channel(statistics), schema=channel(schema))
        anomalies = execute(validator, tmp_path / "validator", statistics=statistics, schema=schema)["anomalies"]
        return execute(DataGate(channel(anomalies)), tmp_path / "gate", anomalies=anomalies)

    return pass_through


def write_statistics(root, splits):
    import tensorflow_data_validation as tfdv

    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = str(root)
    artifact.split_names = artifact_utils.encode_split_names(list(splits))
    artifact.span = 0
    for split, rows in splits.items():
        found = tfdv.generate_statistics_from_dataframe(pd.DataFrame(rows))
        (root / f"Split-{split}").mkdir(parents=True)
        (root / f"Split-{split}" / "FeatureStats.pb").write_bytes(found.SerializeToString())
    return artifact


def test_data_without_anomalies_pass(gate):
    assert gate(train=GOOD, test=GOOD) == {}


def test_anomalies_are_named_by_split_feature_and_reason(gate):
    dark = GOOD | {"brightness": [-3.0] * 12}
    headless = {key: values for key, values in GOOD.items() if key != "height"}
    with pytest.raises(DataGateError) as error:
        gate(train=dark, validation=GOOD, test=headless)
    assert str(error.value) == (
        "Data without anomalies are required. "
        "Received: train/brightness: Unexpectedly low values: -3<0(upto six significant digits); "
        "test/height: Column is completely missing. "
        "Mend the data, or curate the schema if the data are right."
    )


def test_an_unexpected_feature_is_an_anomaly(gate):
    with pytest.raises(DataGateError, match="train/width: New column"):
        gate(train=GOOD | {"width": [8] * 12})


def test_an_anomaly_of_a_whole_split_is_told_without_a_feature(gate):
    few = {key: values[:5] for key, values in GOOD.items()}
    with pytest.raises(DataGateError, match=r"Received: test: .* has 5 examples, .* expected\. Mend"):
        gate(constraints="dataset_constraints { min_examples_count: 12 }", train=GOOD, test=few)
