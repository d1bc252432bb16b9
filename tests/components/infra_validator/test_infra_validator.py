"""A candidate in a server process of its own, asked before anybody else can."""

import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components.infra_validator import executor, server
from components.infra_validator.component import InfraValidator

NAME = "digits_lenet5"


@pytest.fixture(scope="module")
def validate(in_child, questions):
    """Validates a SavedModel in a child process, as the runner does."""

    def run(saved_model, servable, max_latency_ms=10_000.0):
        return in_child(executor.validate, saved_model, questions, servable, NAME, max_latency_ms)

    return run


@pytest.fixture(scope="module")
def blessed(validate, lenet5, tmp_path_factory):
    """Validates LeNet-5; returns the report and the servable."""
    servable = tmp_path_factory.mktemp("blessed") / "servable"
    return validate(lenet5[0], servable), servable


def test_a_model_that_serves_is_blessed_and_measured(blessed, lenet5, questions):
    report, _ = blessed
    assert report["blessed"] is True
    assert report["message"] == ""
    assert report["images"] == 32
    assert report["max_difference"] <= 1e-5
    assert report["evaluated_difference"] <= 1e-4
    assert report["engine"] == "embedded"
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p90"] <= report["latency_ms"]["p99"]
    signature = tf.saved_model.load(str(lenet5[0])).signatures["serving_default"]
    answered = signature(image_bytes=tf.constant([question.encoded for question in questions]))["class_id"].numpy()
    assert report["accuracy"] == sum(answered == [question.label for question in questions]) / 32


def test_the_servable_is_the_exported_model_with_requests_beside_it(blessed, lenet5):
    _, servable = blessed
    warmup = servable / "assets.extra" / "tf_serving_warmup_requests"
    added = {path.relative_to(servable) for path in servable.rglob("*") if path.is_file()} - {
        path.relative_to(lenet5[0]) for path in lenet5[0].rglob("*") if path.is_file()
    }
    assert added == {warmup.relative_to(servable)}
    for path in lenet5[0].rglob("*"):
        assert path.is_dir() or path.read_bytes() == (servable / path.relative_to(lenet5[0])).read_bytes()


def test_the_warm_up_requests_are_real_images_for_every_signature(blessed, questions):
    _, servable = blessed
    path = servable / "assets.extra" / "tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    requests = [log.predict_log.request for log in logs]
    assert {request.model_spec.name for request in requests} == {NAME}
    inputs = {
        (request.model_spec.signature_name, name): tf.make_ndarray(proto)
        for request in requests
        for name, proto in request.inputs.items()
    }
    first = questions[0]
    assert set(inputs) == {("serving_default", "image_bytes"), ("pixels", "images"), ("classify", "inputs")}
    assert inputs["serving_default", "image_bytes"].tolist() == [first.encoded]
    assert inputs["classify", "inputs"].tolist() == [first.example]
    assert inputs["pixels", "images"].tolist() == [first.pixels.tolist()]


def test_the_server_replays_them_when_it_loads_the_model(blessed):
    from serving.server.engine import SavedModel
    from serving.server.warmup import warm_up

    _, servable = blessed
    model = SavedModel.load(servable)
    assert warm_up(model, servable) == 3
    model.close()


def test_a_slow_model_is_not_blessed(validate, lenet5, tmp_path):
    report = validate(lenet5[0], tmp_path / "servable", 0.01)
    assert report["blessed"] is False
    assert report["latency_ms"]["p50"] > 0.01
    assert report["message"].startswith(
        "A median latency of at most 0.01 ms for one image is required (`gate.max_latency_ms`). Received: "
    )


def test_a_corrupt_model_is_not_blessed_in_the_servers_own_words(validate, lenet5, tmp_path):
    shutil.copytree(lenet5[0], tmp_path / "corrupt")
    (tmp_path / "corrupt" / "saved_model.pb").write_bytes(b"no graph")
    report = validate(tmp_path / "corrupt", tmp_path / "servable")
    assert report["blessed"] is False
    assert report["message"].startswith("The server ended with exit code 1: ")
    assert "Failed to start server. Error: " in report["message"]
    assert "saved_model.pb" in report["message"]


def test_a_model_without_a_signature_is_not_blessed_in_the_servers_own_words(validate, tmp_path):
    class Dumb(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def answer(self, image_bytes):
            return {"probabilities": tf.zeros([tf.size(image_bytes), 10])}

    model = Dumb()
    tf.saved_model.save(model, str(tmp_path / "dumb"), signatures={"serving_default": model.answer})
    report = validate(tmp_path / "dumb", tmp_path / "servable")
    assert report["blessed"] is False
    assert "pixels" in report["message"]


def test_signatures_that_disagree_are_not_blessed(validate, lenet5, tmp_path):
    loaded = tf.saved_model.load(str(lenet5[0]))
    module = tf.Module()
    module.loaded = loaded
    pixels = loaded.signatures["pixels"]

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.uint8, name="images")])
    def inverted(images):
        return pixels(images=255 - images)

    signatures = {**loaded.signatures, "pixels": inverted}
    tf.saved_model.save(module, str(tmp_path / "inverted"), signatures=signatures)
    report = validate(tmp_path / "inverted", tmp_path / "servable")
    assert report["blessed"] is False
    assert report["message"].startswith("The same answer from every signature is required, within 1e-05. Received: ")


@pytest.fixture
def binary(tmp_path, monkeypatch):
    """Puts a `tensorflow_model_server` first on PATH: our own server, told what the real one would be."""
    path = tmp_path / "bin" / "tensorflow_model_server"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nexec {sys.executable} -m serving.server "$@" $MORE\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return tmp_path / "told"


@pytest.mark.usefixtures("binary")
def test_answers_that_are_not_those_that_were_evaluated_are_not_blessed(questions, lenet5, tmp_path, monkeypatch):
    """By a server that answers for the next class, in every signature."""
    loaded = tf.saved_model.load(str(lenet5[0]))
    module = tf.Module()
    module.loaded = loaded
    others = {name: rolled(signature) for name, signature in loaded.signatures.items()}
    tf.saved_model.save(module, str(tmp_path / "other" / "1"), signatures=others)
    monkeypatch.setenv("MORE", f"--model_base_path={tmp_path / 'other'}")
    report = executor.validate(lenet5[0], questions, tmp_path / "servable", NAME, 10_000.0)
    assert report["blessed"] is False
    assert report["max_difference"] <= 1e-5
    assert report["message"].startswith("The answers that were evaluated are required, within 0.0001. Received: ")


def rolled(signature):
    (spec,) = signature.structured_input_signature[1].values()

    @tf.function(input_signature=[tf.TensorSpec(spec.shape, spec.dtype, name=spec.name)])
    def answer(given):
        answered = signature(**{spec.name: given})
        return {
            key: tf.roll(value, 1, axis=1) if value.dtype == tf.float32 else value for key, value in answered.items()
        }

    return answer


def test_the_real_server_is_asked_where_it_is_on_path(binary, questions, lenet5, tmp_path):
    report = executor.validate(lenet5[0], questions, tmp_path / "servable", NAME, 10_000.0)
    assert (report["blessed"], report["engine"]) == (True, "tensorflow_model_server")
    told = dict(flag.removeprefix("--").split("=") for flag in binary.read_text().split())
    assert set(told) == {"port", "model_name", "model_base_path", "max_num_load_retries"}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(told["port"]))) != 0, "it is gone"


def test_the_server_does_not_outlive_who_started_it(binary, start_child, lenet5, tmp_path):
    process, _ = start_child(serve_and_die, lenet5[0], tmp_path, os.environ["PATH"])
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    port = int(dict(flag.removeprefix("--").split("=") for flag in binary.read_text().split())["port"])
    deadline = time.monotonic() + 10
    while server._listening(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def serve_and_die(saved_model, root, search_path):
    os.environ["PATH"] = search_path
    (root / "base").mkdir()
    (root / "base" / "1").symlink_to(saved_model)
    with server.running(NAME, root / "base", root):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("binary")
def test_the_real_servers_own_words_are_said(questions, lenet5, tmp_path):
    shutil.copytree(lenet5[0], tmp_path / "corrupt")
    (tmp_path / "corrupt" / "saved_model.pb").write_bytes(b"no graph")
    report = executor.validate(tmp_path / "corrupt", questions, tmp_path / "servable", NAME, 10_000.0)
    assert report["blessed"] is False
    assert "Failed to start server. Error: " in report["message"]


def test_the_executor_writes_blessing_report_and_servable(in_child, lenet5, examples, channel, tmp_path):
    blessed, report = in_child(run_executor, str(lenet5[0].parent), examples.uri, tmp_path)
    assert blessed == 1
    assert report["blessed"] is True
    assert (tmp_path / "blessing" / "servable" / "saved_model.pb").exists()


def run_executor(model_uri, examples_uri, root):
    from tfx.types import channel_utils, standard_artifacts

    model, examples, blessing = (
        standard_artifacts.Model(),
        standard_artifacts.Examples(),
        standard_artifacts.InfraBlessing(),
    )
    model.uri, examples.uri, blessing.uri = model_uri, examples_uri, str(root / "blessing")
    examples.split_names = '["train", "validation", "test"]'
    Path(blessing.uri).mkdir()
    channels = (channel_utils.as_channel([artifact]) for artifact in (model, examples))
    component = InfraValidator(*channels, model_name=NAME, image_shape=[8, 8, 1], max_latency_ms=500.0)
    executor.Executor().Do(
        {"model": [model], "examples": [examples]}, {"blessing": [blessing]}, dict(component.exec_properties)
    )
    written = json.loads((root / "blessing" / "infra_validation.json").read_text())
    return blessing.get_int_custom_property("blessed"), written
