"""Registrar's executor: what it gathers from real artifacts, and what it writes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import channel_utils, standard_artifacts

from components.evaluation.component import Evaluator
from components.evaluation.facts import Evaluation
from components.registrar.component import Registrar
from components.registrar.executor import gather
from serving.repository import digest


def model_artifact(saved_model):
    artifact = standard_artifacts.Model()
    artifact.uri = str(saved_model.parent)
    return artifact


@pytest.fixture(scope="module")
def evaluated(execute, channel, lenet5, run_training, examples, tmp_path_factory):
    """Evaluates the LeNet-5, its baseline a model that learnt nothing; one threshold is out of reach."""
    root = tmp_path_factory.mktemp("evaluated")
    ignorant, _ = run_training(root / "ignorant", epochs=1, learning_rate=1e-9)
    given = {"examples": examples, "model": model_artifact(lenet5[0]), "baseline_model": model_artifact(ignorant)}
    component = Evaluator(
        **{key: channel(artifact) for key, artifact in given.items()},
        gate={"min_accuracy": 0.9999, "max_regression": 0.01, "metrics": {}, "slices": {}},
        class_names=[str(digit) for digit in range(10)],
    )
    return execute(component, root / "evaluator", **given)


@pytest.fixture(scope="module")
def evaluation(evaluated):
    return Evaluation.read(Path(evaluated["evaluation"].uri))


def test_the_metrics_are_the_candidates_on_the_test_split(evaluation, lenet5, examples, records):
    rows = records(examples, "test")
    answer = tf.saved_model.load(str(lenet5[0])).signatures["classify"](inputs=tf.constant(rows))
    labels = [tf.train.Example.FromString(row).features.feature["label"].int64_list.value[0] for row in rows]
    right = float(np.mean(answer["scores"].numpy().argmax(axis=1) == labels))
    assert right > 0.3, "a candidate that knows no more than its baseline would prove nothing"
    assert evaluation.metrics["accuracy"].value == pytest.approx(right, abs=1e-6)
    assert evaluation.baseline.metrics["accuracy"].value < right


def test_a_refusal_that_no_threshold_explains_is_a_refusal_all_the_same(ingested, evaluation, lenet5, facts, tmp_path):
    verdict = evaluation.verdict.model_copy(update={"checks": (), "reason": "TFMA did not say why."})
    infra, blessing, run, unexplained = (
        kind()
        for kind in (
            standard_artifacts.InfraBlessing,
            standard_artifacts.ModelBlessing,
            standard_artifacts.ModelRun,
            standard_artifacts.ModelEvaluation,
        )
    )
    evaluation.model_copy(update={"verdict": verdict}).write(tmp_path)
    infra.uri, run.uri, unexplained.uri = str(tmp_path), str(lenet5[0].parent.parent / "model_run"), str(tmp_path)
    (tmp_path / "infra_validation.json").write_text(json.dumps(facts["infra"]))
    inputs = {
        "ingestion": ingested["ingestion"],
        "evaluation": unexplained,
        "infra_blessing": infra,
        "model_blessing": blessing,
        "model_run": run,
    }
    blessing.set_int_custom_property("blessed", 0)
    assert gather(inputs)["objections"] == ["TFMA did not say why."]
    blessing.set_int_custom_property("blessed", 1)
    assert gather(inputs)["objections"] == []


def test_registers_what_it_gathered(
    in_child, execute, evaluated, evaluation, ingested, lenet5, servable, facts, mlflow_place, tmp_path
):
    done = in_child(
        run_registrar, execute, evaluated, ingested["ingestion"], lenet5[0], servable, facts, mlflow_place, tmp_path
    )
    written = json.loads((tmp_path / "registrar" / "registered_model" / "registration.json").read_text())
    assert done == {"model_name": "digits_lenet5", "model_version": 1, "sha256": digest(servable)}
    assert written["version"] == 1
    assert written["sha256"] == digest(servable)
    assert written["model_uri"] == str(lenet5[0].parent)
    assert written["pipeline_run"] == "run-1"
    assert written["training"] == lenet5[1]
    assert written["evaluation"] == {name: estimate.value for name, estimate in evaluation.metrics.items()}
    assert Evaluation.read(tmp_path / "registrar" / "registered_model") == evaluation
    assert written["infra"] == facts["infra"]
    received = (
        f"{evaluation.metrics['accuracy'].value:.4f}, the champion {evaluation.baseline.metrics['accuracy'].value:.4f}"
    )
    assert written["objections"] == [f"accuracy must be at least 0.9999. Received: {received}"]
    assert (written["blessed"], written["infra_blessed"]) == (False, True)
    assert all(written[key] for key in ("run_id", "parent_run_id", "model_id", "code_version"))
    card = (tmp_path / "registrar" / "registered_model" / "report" / "model_card.html").read_text()
    assert all(written[key] in card for key in ("sha256", "run_id", "model_id", "code_version"))
    assert "digits_lenet5, version 1" in card


def run_registrar(execute, evaluated, ingestion, saved_model, servable, facts, place, root):
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
        "ingestion": ingestion,
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
        workspace="ours",
        training_digest="5eed",
    )
    registered = execute(component, root / "registrar", **inputs)["registered_model"]
    assert Path(registered.uri, "registration.json").exists()
    return {key: getattr(registered, key) for key in ("model_name", "model_version", "sha256")}
