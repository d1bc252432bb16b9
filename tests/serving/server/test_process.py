"""The server as a process of its own: flags, ready line, signals, exit status (contract F)."""

import multiprocessing
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest

from serving.server.app import command, main

pytestmark = pytest.mark.timeout(120)


def spawn(*flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "serving.server", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(*flags: str) -> subprocess.CompletedProcess:
    process = spawn(*flags)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(flags, process.returncode, out, err)


def test_F25_F26_version_and_unknown_flags_answer_without_tensorflow():
    begin = time.monotonic()
    assert finished("--version").stdout.startswith("Convoy model server ")
    unknown = finished("--no_such_flag=1")
    assert unknown.returncode == 2
    assert "--no_such_flag" in unknown.stderr
    assert finished("--port=many").returncode == 2
    assert time.monotonic() - begin < 6


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            [],
            "INVALID_ARGUMENT: Both server_options.model_base_path and server_options.model_config_file are empty!",
        ),
        (["--model_base_path=m"], "Expected model default to have an absolute path or URI; got base_path()=m"),
        (["--port=0"], "At least one of port or grpc_socket_path must be set"),
    ],
)
def test_flags_that_cannot_work_end_with_one_sentence(flags, sentence):
    result = finished(*(flags or []), *(["--port=-1"] if "--port=0" not in flags else []))
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Failed to start server." in result.stderr
    assert "Traceback" not in result.stderr


def test_W12_a_port_in_use_ends_with_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = finished(f"--port={port}", "--model_base_path=/m")
    assert result.returncode == 1
    assert f"`port` must be free. Received: 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("spelling", "value"),
    [([], False), ([""], True), (["=true"], True), (["=false"], False), (["=1"], True), (["=0"], False)],
)
def test_F9_a_flag_of_two_values_may_stand_alone_or_say_which(spelling, value):
    name = "allow_version_labels_for_unavailable_models"
    context = command.make_context("serve", [f"--{name}{text}" for text in spelling])
    assert context.params[name] is value


@pytest.mark.parametrize("flag", ["--port=65536", "--port=-2", "--max_num_load_retries=-1", "--grpc_max_threads=-1"])
def test_numbers_that_make_no_sense_are_usage_errors(flag):
    with pytest.raises(click.BadParameter):
        command.make_context("serve", [flag])


def wait_for_port(file: Path, process: subprocess.Popen) -> int:
    while not file.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return int(file.read_text())


@pytest.fixture
def client_of(tmp_path):
    """Makes a conftest `Client` for a port of another process."""
    clients = []

    def connect(client_type, port):
        clients.append(client_type(SimpleNamespace(port=port)))
        return clients[-1]

    yield connect
    for client in clients:
        client.channel.close()


def test_F28_a_process_serves_says_so_and_drains_on_sigterm(
    tmp_path, publish_linear, shared, client_of, predict_request
):
    base, port_file = tmp_path / "m", tmp_path / "port"
    base.mkdir()
    publish_linear(base, 1)
    process = spawn("--port=-1", f"--port_file={port_file}", "--model_name=m", f"--model_base_path={base}")
    try:
        client = client_of(type(shared), wait_for_port(port_file, process))
        assert client.factor() == 1
        answer = client.prediction.Predict.future(predict_request("m", "spin", steps=np.int64(300_000)))
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert answer.result().outputs["done"].int64_val[0] == 300_000
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert out == f"Running gRPC ModelServer at 127.0.0.1:{client.server.port}\n"
    assert "deprecated" not in err
    assert "Traceback" not in err


def test_R22_a_forkserver_child_serves_once_its_model_is_there(tmp_path, publish_linear, shared, client_of):
    port_file, base = tmp_path / "port", tmp_path / "m"
    flags = ["--port=-1", f"--port_file={port_file}", "--model_name=m", f"--model_base_path={base}"]
    child = multiprocessing.get_context("forkserver").Process(target=main, args=(flags,))
    child.start()
    time.sleep(1)
    assert not port_file.exists()
    publish_linear(tmp_path, 1, name="aside")
    base.mkdir()
    (tmp_path / "aside").rename(base / "1")
    while child.is_alive() and not port_file.exists():
        time.sleep(0.02)
    assert client_of(type(shared), int(port_file.read_text())).factor() == 1
    child.terminate()
    child.join(20)
    assert child.exitcode == 0


def test_a_signal_during_the_start_ends_the_process_with_0(tmp_path):
    process = spawn("--port=-1", f"--model_base_path={tmp_path}")
    time.sleep(1.5)  # flags are read, TensorFlow is being imported
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err
    assert "Traceback" not in err
