import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import ExitCode
from pipeline.workspace import Workspace
from serving import running
from serving.client import Client
from serving.repository import Repository

SCRIPT = Path(sys.executable).with_name("convoy")
MODEL = "digits_brightness"
BINARY = "tensorflow_model_server"


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    """Saves a model that tells dark images of 8 x 8 pixels from bright ones."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    def decode(encoded):
        image = tf.io.decode_image(encoded, channels=1, expand_animations=False)
        return tf.cast(tf.ensure_shape(image, [8, 8, 1]), tf.float32) / 255.0

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serving_default(image_bytes):
        bright = tf.reduce_mean(tf.map_fn(decode, image_bytes, fn_output_signature=tf.float32), axis=[1, 2, 3])
        class_id = tf.cast(bright > 0.5, tf.int64)
        names = tf.gather(tf.constant(["dark", "bright"]), class_id)
        return {"probabilities": tf.stack([1 - bright, bright], axis=1), "class_id": class_id, "class_name": names}

    path = tmp_path_factory.mktemp("brightness") / "saved"
    tf.saved_model.save(tf.Module(), str(path), signatures={"serving_default": serving_default})
    return path


@pytest.fixture(scope="module")
def served(saved_model, tmp_path_factory, environment):
    """A workspace with two published versions, and `convoy serve` over it; yields both and `host:port`."""
    workspace = Workspace(tmp_path_factory.mktemp("served"))
    repository = Repository(workspace.repository)
    repository.publish(MODEL, 1, saved_model)
    repository.publish(MODEL, 2, saved_model, label="stable")
    port = free_port()
    command = [SCRIPT, "serve", f"--workspace={workspace.root}", f"--port={port}", "--max_num_load_retries=0"]
    with (workspace.root / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, "--engine=embedded"], stdout=log, stderr=log, env=environment)
    with Client(f"127.0.0.1:{port}") as client:
        client.wait_until_available(MODEL, 2, timeout=120)
    yield workspace, process, f"127.0.0.1:{port}"
    process.kill()
    process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """PNG files of 8 x 8 pixels: a dark one and a bright one, and what is no image."""
    folder = tmp_path_factory.mktemp("images")
    for name, grey in (("[dark]", 20), ("bright", 240)):
        Image.new("L", (8, 8), grey).save(folder / f"{name}.png")
    whole = (folder / "bright.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("no image at all")
    return folder


class TestPredict:
    def test_answers_for_every_image(self, convoy, served, images):
        ended = convoy("predict", MODEL, images / "[dark].png", images / "bright.png", "--server", served[2])
        assert (ended.code, ended.err) == (ExitCode.OK, "")
        lines = [line.split() for line in ended.out.splitlines()]
        assert lines[0] == [MODEL, "version", "2"]
        assert lines[1] == ["image", "class", "probability"]
        text = " ".join("".join(ended.out.split("\n")).split())  # A long path may go on in the next line.
        assert "dark 0.9216" in text
        assert "bright 0.9412" in text
        assert "[dark].png" in text.replace(" ", "")

    @pytest.mark.parametrize(("option", "version"), [([], 2), (["--label=stable"], 2), (["--version=1"], 1)])
    def test_asks_the_newest_a_label_or_a_version(self, convoy, served, images, option, version):
        image = images / "bright.png"
        ended = convoy("predict", MODEL, image, "--server", served[2], "--json", *option)
        (answer,) = json.loads(ended.out)
        assert answer["probability"] == pytest.approx(240 / 255)
        assert {**answer, "probability": 0} == {
            "image": str(image),
            "model": MODEL,
            "version": version,
            "class_name": "bright",
            "class_id": 1,
            "probability": 0,
        }

    @pytest.mark.parametrize(
        ("model", "image", "options", "phrase"),
        [
            (MODEL, "nothing.png", [], "nothing.png` must be an image file. Received: No such file or directory"),
            (MODEL, ".", [], "must be an image file. Received: Is a directory"),
            (MODEL, "text.png", [], "text.png` must be a PNG, JPEG, GIF or BMP image. Received: a file that begins"),
            (MODEL, "half.png", [], "The request must be one that"),
            (MODEL, "bright.png", ["--label=stable", "--version=1"], "One of `version` and `label` must be left out"),
            (MODEL, "bright.png", ["--label=nightly"], "Unrecognized servable version label: nightly"),
            (MODEL, "bright.png", ["--version=9"], "The request must name what"),
            ("digits_nothing", "bright.png", [], "`convoy status` lists what is published."),
        ],
    )
    def test_what_cannot_be_asked_is_a_usage_error(self, convoy, served, images, model, image, options, phrase):
        ended = convoy("predict", model, images / image, "--server", served[2], *options)
        assert (ended.code, ended.out) == (ExitCode.USAGE, "")
        assert phrase in ended.sentence

    def test_asks_the_server_of_the_workspace_wherever_it_is(self, convoy, served, images):
        ended = convoy("predict", MODEL, images / "bright.png", "--workspace", served[0].root)
        assert (ended.code, ended.err) == (ExitCode.OK, "")

    @pytest.mark.parametrize("port", ["0", "65536", "99999"])
    def test_a_port_that_is_none_is_a_usage_error(self, convoy, images, port):
        ended = convoy("predict", MODEL, images / "bright.png", f"--server=127.0.0.1:{port}")
        assert (ended.code, ended.out) == (ExitCode.USAGE, "")
        assert f"must be from 1 to 65535. Received: '127.0.0.1:{port}'" in ended.sentence

    @pytest.mark.parametrize("server", ["127.0.0.1:1", "nowhere.invalid:8500", "no-port-at-all"])
    def test_no_server_is_one_sentence(self, convoy, images, server):
        ended = convoy("predict", MODEL, images / "bright.png", "--server", server)
        assert (ended.code, ended.out) == (ExitCode.BRANCH_FAILED, "")
        assert f"A model server must answer at {server}. Received: " in ended.sentence
        assert ended.sentence.endswith("`convoy serve` starts one.")


class TestServe:
    def test_status_asks_the_server(self, convoy, served):
        workspace, _, _ = served
        found = json.loads(convoy("status", "--json", "--workspace", workspace.root).out)
        assert [(one["version"], one["server"]) for one in found] == [(1, "AVAILABLE"), (2, "AVAILABLE")]

    def test_a_second_server_of_the_workspace_is_refused(self, convoy, served):
        workspace, _, target = served
        ended = convoy("serve", "--workspace", workspace.root, "--port", free_port())
        assert (ended.code, ended.out) == (ExitCode.BRANCH_FAILED, "")
        assert ended.sentence == f"One server a workspace is required. Received: another, at {target}; stop it first."

    @pytest.mark.parametrize("verb", ["serve", "ui"])
    def test_a_port_in_use_is_refused(self, convoy, published, served, verb):
        port = served[2].partition(":")[2]
        ended = convoy(verb, "--workspace", published.root, "--port", port)
        assert (ended.code, ended.out) == (ExitCode.BRANCH_FAILED, "")
        assert f"A free port is required. Received: {served[2]} (Address already in use); " in ended.sentence
        assert not published.server_file.exists()

    @pytest.mark.parametrize("host", ["203.0.113.7", "nowhere.invalid"])
    def test_an_address_that_is_not_ours_is_refused(self, convoy, published, host):
        ended = convoy("serve", "--workspace", published.root, "--host", host, "--port", free_port())
        assert ended.code == ExitCode.BRANCH_FAILED
        assert f"A free port is required. Received: {host}:" in ended.sentence
        assert "Unknown error" not in ended.sentence

    def test_a_workspace_without_models_is_refused(self, convoy, tmp_path):
        ended = convoy("serve", "--workspace", tmp_path)
        assert (ended.code, ended.out) == (ExitCode.BRANCH_FAILED, "")
        assert f"A published model is required. Received: {tmp_path}/model_repository" in ended.sentence
        assert list(tmp_path.iterdir()) == []

    def test_the_binary_must_be_there_to_be_chosen(self, convoy, published, tmp_path):
        ended = convoy("serve", "--workspace", published.root, "--engine", BINARY, PATH=str(tmp_path))
        assert (ended.code, ended.out) == (ExitCode.USAGE, "")
        assert f"`{BINARY}` must be on PATH. Received: none; " in ended.sentence

    @pytest.mark.parametrize("engine", ["auto", BINARY])
    def test_the_binary_on_path_gets_tf_serving_s_flags(self, convoy, published, tmp_path, engine):
        binary = tmp_path / BINARY
        binary.write_text(f'#!/bin/sh\ncat {published.server_file}\nprintf "\\n%s" "$@"\n')
        binary.chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        port, more = free_port(), "--rest_api_port=8501"
        ended = convoy("serve", "--workspace", published.root, f"--engine={engine}", f"--port={port}", more, PATH=path)
        announced, *flags = ended.out.splitlines()
        assert json.loads(announced)["target"] == f"127.0.0.1:{port}"
        assert flags == [
            f"--port={port}",
            f"--model_config_file={published.repository / 'models.config'}",
            "--model_config_file_poll_wait_seconds=1",
            "--allow_version_labels_for_unavailable_models=true",
            more,
        ]
        assert running.find(published.server_file) is None  # It is gone, whatever it left behind.

    def test_a_flag_that_no_server_knows_is_a_usage_error(self, convoy, published):
        ended = convoy(
            "serve", "--workspace", published.root, "--engine=embedded", "--port", free_port(), "--nonsense=1"
        )
        assert ended.code == ExitCode.USAGE
        assert "No such option '--nonsense'" in ended.err
        assert not published.server_file.exists()

    # Last: these change the server.

    def test_status_tells_what_the_server_could_not_load(self, convoy, served, saved_model, tmp_path):
        workspace, _, _ = served
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "saved_model.pb").write_bytes(b"no graph")
        Repository(workspace.repository).publish(MODEL, 3, broken)
        deadline = time.monotonic() + 60
        while (found := self._third(convoy, workspace))["server"] != "END" and time.monotonic() < deadline:
            time.sleep(0.5)
        assert found["server"] == "END"
        assert any(f"{MODEL} version 3 must load in the server. Received: " in told for told in found["problems"])

    @staticmethod
    def _third(convoy, workspace):
        found = json.loads(convoy("status", "--json", "--workspace", workspace.root).out)
        return next(one for one in found if one["version"] == 3)

    def test_a_signal_ends_it_and_takes_its_announcement_away(self, served):
        workspace, process, target = served
        assert running.find(workspace.server_file) == target
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == ExitCode.OK
        assert not workspace.server_file.exists()
