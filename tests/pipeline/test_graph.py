"""Where a search stands in the graph, and what it leaves as it was."""

import json

import pytest
from PIL import Image

from pipeline import config, digests, graph
from pipeline.errors import UsageError
from pipeline.workspace import Workspace

TUNE = {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}, "batch_size": [32, 64]}
DATA = ["DatasetGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataReport", "DataGate", "Transform"]


@pytest.fixture
def nodes(tmp_path):
    """Builds the graph of a config; returns its nodes by id."""

    def build(lenet5, **tuner):
        content = {"dataset": {"name": "digits"}, "architectures": {"lenet5": lenet5, "resnet20": {}}, "tuner": tuner}
        pipeline = graph.build(config.check(content, "mine.toml"), Workspace(tmp_path))
        return {node.id: node for node in pipeline.components}

    return build


def custom_config(node):
    return json.loads(node.exec_properties["custom_config"])


def test_a_search_comes_before_its_own_trainer_and_no_other(nodes):
    found = nodes({"tune": TUNE}, trials=3, algorithm="bayesian", epochs=9)
    plain = nodes({})
    assert set(found) == {*plain, "Tuner.lenet5"}
    tuner, trainer = found["Tuner.lenet5"], found["Trainer.lenet5"]
    assert trainer.inputs["hyperparameters"] is tuner.outputs["best_hyperparameters"]
    assert found["Registrar.lenet5"].inputs["tuner_results"] is tuner.outputs["tuner_results"]
    said = custom_config(tuner)
    assert said["tune"] == TUNE
    assert said["tuner"] == {"trials": 3, "algorithm": "bayesian", "epochs": 9}
    for node in (found["Trainer.resnet20"], plain["Trainer.lenet5"]):
        assert "hyperparameters" not in node.inputs
    assert "tuner_results" not in found["Registrar.resnet20"].inputs


def test_a_search_changes_no_key_of_what_is_trained(nodes):
    found, plain = nodes({"tune": TUNE}), nodes({})
    for name in ("Trainer.lenet5", "Trainer.resnet20"):
        assert found[name].exec_properties == plain[name].exec_properties
    assert set(custom_config(plain["Trainer.lenet5"])) == {
        "architecture",
        "form",
        "options",
        "recipe",
        "image_shape",
        "class_names",
        "precision",
        "xla",
        "source_digest",
    }


def test_a_search_sees_what_its_trainer_sees_and_never_the_test_split(nodes):
    found = nodes({"tune": TUNE, "epochs": 7})
    tuner, trainer = found["Tuner.lenet5"], found["Trainer.lenet5"]
    for key in ("train_args", "eval_args"):
        assert tuner.exec_properties[key] == trainer.exec_properties[key]
        assert "test" not in tuner.exec_properties[key]
    assert tuner.inputs["examples"] is trainer.inputs["examples"] is found["Transform"].outputs["transformed_examples"]
    of_trainer = custom_config(trainer)
    assert {key: custom_config(tuner)[key] for key in of_trainer if key != "source_digest"} == {
        key: value for key, value in of_trainer.items() if key != "source_digest"
    }


def test_what_a_search_runs_is_in_its_key(nodes):
    checked = config.check({"dataset": {"name": "digits"}, "architectures": {"lenet5": {"tune": TUNE}}}, "mine.toml")
    known = custom_config(nodes({"tune": TUNE})["Tuner.lenet5"])["source_digest"]
    assert known == digests.tuning(checked.plan("lenet5"))
    assert known.startswith(digests.training(checked.plan("lenet5")))
    assert known != digests.training(checked.plan("lenet5"))


@pytest.fixture
def data_nodes(tmp_path):
    """Builds the graph of a data set's table; returns the nodes that all branches share, by id, in order."""

    def build(**dataset):
        content = {"dataset": {"name": "digits", **dataset}, "architectures": {"lenet5": {}}}
        pipeline = graph.build(config.check(content, "mine.toml"), Workspace(tmp_path))
        return {node.id: node for node in pipeline.components if "." not in node.id}

    return build


def test_the_report_sees_all_and_comes_before_the_gate_and_the_gate_before_training(data_nodes):
    found = data_nodes()
    assert set(found) == set(DATA)
    report, gate = found["DataReport"], found["DataGate"]
    assert gate.inputs["data_report"] is report.outputs["data_report"]
    assert gate in found["Transform"].upstream_nodes
    assert gate not in report.upstream_nodes
    for key, node in (("examples", "DatasetGen"), ("ingestion", "DatasetGen"), ("anomalies", "ExampleValidator")):
        assert report.inputs[key] is found[node].outputs[key]
    assert gate.inputs["statistics"] is report.inputs["statistics"] is found["StatisticsGen"].outputs["statistics"]


def test_limits_of_the_data_are_the_reports_and_in_its_key_alone(data_nodes):
    plain, strict = data_nodes(), data_nodes(max_bad_fraction=0.0, max_drift=0.5)
    assert plain["DataReport"].exec_properties["max_bad_fraction"] == 0.01
    assert strict["DataReport"].exec_properties["max_bad_fraction"] == 0.0
    assert (plain["DataReport"].exec_properties["max_drift"], strict["DataReport"].exec_properties["max_drift"]) == (
        0.1,
        0.5,
    )
    for name in set(DATA) - {"DataReport"}:
        assert plain[name].exec_properties == strict[name].exec_properties


def test_a_curated_schema_takes_the_place_of_the_inferred_one_everywhere(data_nodes, tmp_path):
    (tmp_path / "mine.pbtxt").write_text('feature { name: "image" type: BYTES } feature { name: "label" type: INT }')
    found = data_nodes(schema=str(tmp_path / "mine.pbtxt"))
    assert set(found) == {"SchemaImport", *DATA} - {"SchemaGen"}
    for node in ("ExampleValidator", "DataReport", "Transform"):
        assert found[node].inputs["schema"] is found["SchemaImport"].outputs["schema"]


def test_a_schema_is_inferred_from_the_train_split_alone(data_nodes):
    assert json.loads(data_nodes()["SchemaGen"].exec_properties["exclude_splits"]) == ["validation", "test"]


def test_a_bound_for_a_class_that_there_is_not_is_refused(tmp_path):
    gate = {"slices": {"class_name=seven": {"accuracy": {"min": 0.9}}}}
    content = {"dataset": {"name": "digits"}, "architectures": {"lenet5": {}}, "gate": gate}
    with pytest.raises(UsageError, match=r"about classes of the data set\. Received: 'seven', for digits.* 10 classes"):
        graph.build(config.check(content, "mine.toml"), Workspace(tmp_path))
    gate["slices"]["class_name=7"] = gate["slices"].pop("class_name=seven")
    found = {node.id: node for node in graph.build(config.check(content, "mine.toml"), Workspace(tmp_path)).components}
    assert (
        json.loads(found["Evaluator.lenet5"].exec_properties["gate"])["slices"]["class_name=7"]["accuracy"]["min"]
        == 0.9
    )


def test_a_bound_that_always_holds_is_refused(tmp_path):
    folder = tmp_path / "pets"
    for number, name in enumerate(("cat", "dog")):
        (folder / "train" / name).mkdir(parents=True)
        Image.new("L", (8, 8), number).save(folder / "train" / name / "1.png")
    dataset = {"name": "pets", "path": str(folder)}
    content = {
        "dataset": dataset,
        "architectures": {"lenet5": {}},
        "gate": {"metrics": {"top_5_accuracy": {"min": 0.9}}},
    }
    with pytest.raises(UsageError, match=r"more than 5 classes, or it always holds\. Received: .*pets with 2"):
        graph.build(config.check(content, "mine.toml"), Workspace(tmp_path / "workspace"))
