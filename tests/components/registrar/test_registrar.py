"""Registrar's executor: what it gathers from real artifacts, and what it writes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import validation_result_pb2
from tfx.types import channel_utils, standard_artifacts

from components.registrar import evaluation
from components.registrar.component import Registrar
from components.registrar.executor import gather
from serving.repository import digest


def model_artifact(saved_model):
    artifact = standard_artifacts.Model()
    artifact.uri = str(saved_model.parent)
    return artifact


@pytest.fixture(scope="module")
def evaluated(execute, channel, lenet5, run_training, examples, tmp_path_factory):
    """Runs TFX's Evaluator on the LeNet-5, its baseline a model that learnt nothing; no threshold holds."""
    from tfx.components import Evaluator

    root = tmp_path_factory.mktemp("evaluated")
    ignorant, _ = run_training(root / "ignorant", epochs=1, learning_rate=1e-9)
    models = {"model": model_artifact(lenet5[0]), "baseline_model": model_artifact(ignorant)}
    out_of_reach = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.9999}),
        change_threshold=tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": 0.99}
        ),
    )
    accuracy = {"class_name": "SparseCategoricalAccuracy", "config": '{"name": "accuracy"}'}
    metrics = [tfma.MetricConfig(**accuracy, threshold=out_of_reach)]
    config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name="classify", label_key="label", prediction_key="scores")],
        slicing_specs=[tfma.SlicingSpec()],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )
    component = Evaluator(
        examples=channel(examples),
        eval_config=config,
        example_splits=["test"],
        **{key: channel(model) for key, model in models.items()},
    )
    return execute(component, root / "evaluator", examples=examples, **models)


def test_the_metrics_are_the_candidates_on_the_test_split(evaluated, lenet5, examples, records):
    found = evaluation.metrics(evaluated["evaluation"].uri)
    rows = records(examples, "test")
    answer = tf.saved_model.load(str(lenet5[0])).signatures["classify"](inputs=tf.constant(rows))
    labels = [tf.train.Example.FromString(row).features.feature["label"].int64_list.value[0] for row in rows]
    right = float(np.mean(answer["scores"].numpy().argmax(axis=1) == labels))
    assert right > 0.3, "a candidate that knows no more than its baseline would prove nothing"
    assert found["accuracy"] == pytest.approx(right, abs=1e-6)


def test_an_objection_names_the_metric_what_was_required_and_what_came(evaluated):
    found = evaluation.metrics(evaluated["evaluation"].uri)
    assert sorted(evaluation.objections(evaluated["evaluation"].uri)) == [
        f"accuracy must be 0.99 better than the champion's. Received: {found['accuracy_diff']:.4f} better",
        f"accuracy must be at least 0.9999. Received: {found['accuracy']:.4f}",
    ]


@pytest.mark.parametrize(
    ("direction", "allowed", "came", "said"),
    [
        ("HIGHER_IS_BETTER", -0.01, -0.0278, "be no more than 0.01 worse than the champion's. Received: 0.0278 worse"),
        ("LOWER_IS_BETTER", 0.1, 0.25, "be no more than 0.1 worse than the champion's. Received: 0.2500 worse"),
        ("LOWER_IS_BETTER", -0.1, -0.05, "be 0.1 better than the champion's. Received: 0.0500 better"),
    ],
)
def test_an_objection_says_worse_and_better_whatever_way_a_metric_goes(direction, allowed, came, said):
    failure = validation_result_pb2.ValidationFailure()
    failure.metric_key.name = "metric"
    failure.metric_threshold.change_threshold.direction = getattr(tfma.MetricDirection, direction)
    failure.metric_threshold.change_threshold.absolute.value = allowed
    failure.metric_value.double_value.value = came
    assert evaluation._objection(failure) == f"metric must {said}"


def test_a_refusal_that_no_threshold_explains_is_a_refusal_all_the_same(
    evaluated, lenet5, facts, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluation, "objections", lambda uri: [])
    infra, blessing, run = (
        kind()
        for kind in (standard_artifacts.InfraBlessing, standard_artifacts.ModelBlessing, standard_artifacts.ModelRun)
    )
    infra.uri, run.uri = str(tmp_path), str(lenet5[0].parent.parent / "model_run")
    (tmp_path / "infra_validation.json").write_text(json.dumps(facts["infra"]))
    inputs = {
        "evaluation": evaluated["evaluation"],
        "infra_blessing": infra,
        "model_blessing": blessing,
        "model_run": run,
    }
    blessing.set_int_custom_property("blessed", 0)
    assert gather(inputs)["objections"] == ["the evaluation did not bless it"]
    blessing.set_int_custom_property("blessed", 1)
    assert gather(inputs)["objections"] == []


def test_registers_what_it_gathered(in_child, execute, evaluated, lenet5, servable, facts, mlflow_place, tmp_path):
    done = in_child(run_registrar, execute, evaluated, lenet5[0], servable, facts, mlflow_place, tmp_path)
    written = json.loads((tmp_path / "registrar" / "registered_model" / "registration.json").read_text())
    assert done == {"model_name": "digits_lenet5", "model_version": 1, "sha256": digest(servable)}
    assert written["version"] == 1
    assert written["sha256"] == digest(servable)
    assert written["model_uri"] == str(lenet5[0].parent)
    assert written["pipeline_run"] == "run-1"
    assert written["training"] == lenet5[1]
    assert written["evaluation"] == evaluation.metrics(evaluated["evaluation"].uri)
    assert written["infra"] == facts["infra"]
    assert written["objections"] == evaluation.objections(evaluated["evaluation"].uri)
    assert (written["blessed"], written["infra_blessed"]) == (False, True)
    assert all(written[key] for key in ("run_id", "parent_run_id", "model_id"))


def run_registrar(execute, evaluated, saved_model, servable, facts, place, root):
    run, infra, blessing = (
        standard_artifacts.ModelRun(),
        standard_artifacts.InfraBlessing(),
        standard_artifacts.ModelBlessing(),
    )
    run.uri, infra.uri = str(saved_model.parent.parent / "model_run"), str(root / "infra")
    shutil.copytree(servable, root / "infra" / "servable")
    (root / "infra" / "infra_validation.json").write_text(json.dumps(facts["infra"]))
    blessing.set_int_custom_property("blessed", 0)
    inputs = {
        "model": model_artifact(saved_model),
        "model_run": run,
        "evaluation": evaluated["evaluation"],
        "model_blessing": blessing,
        "infra_blessing": infra,
    }
    component = Registrar(
        **{key: channel_utils.as_channel([artifact]) for key, artifact in inputs.items()},
        model_name="digits_lenet5",
        dataset="digits",
        tracking_uri=place.tracking_uri,
        artifact_location=place.artifact_location,
    )
    registered = execute(component, root / "registrar", **inputs)["registered_model"]
    assert Path(registered.uri, "registration.json").exists()
    return {key: getattr(registered, key) for key in ("model_name", "model_version", "sha256")}
