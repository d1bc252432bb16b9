"""`convoy worker`: who may be one, and a whole run with one."""

import json
import os
import socket
import subprocess
import sys

import filelock
import pytest
from click.testing import CliRunner

from pipeline import cli


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Runs `convoy worker` with a TF_CONFIG of two; returns its exit code and what it said."""

    def run(index=1, config=None):
        cluster = {"worker": ["host1:2222", "host2:2222"]}
        told = config or json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        monkeypatch.setenv("TF_CONFIG", told)
        result = CliRunner().invoke(cli.main, ["worker", "--workspace", str(tmp_path), "--wait", "0.001"])
        return result.exit_code, result.output

    return run


def test_it_needs_a_tf_config_with_others(work):
    code, said = work(config="{}")
    assert code == 2
    assert "TF_CONFIG must name several workers. Received: none or one; set it, such as {" in said


def test_the_chief_is_none(work):
    code, said = work(index=0)
    assert code == 2
    assert "Received: TF_CONFIG of the chief, host1:2222; use `convoy run` here." in said


def test_without_a_training_it_ends_with_a_sentence(work, tmp_path):
    code, said = work()
    assert code == 1
    assert f"Worker 1 of 2 (host2:2222) waits for trainings in {tmp_path}." in said
    assert "A worker must be called within 0.06 s. Received: no training for host2:2222" in said


def test_another_than_the_chief_cannot_run_the_pipeline(tmp_path, monkeypatch):
    cluster = {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    result = CliRunner().invoke(cli.main, ["run", "digits", "--workspace", str(tmp_path)])
    assert result.exit_code == 2
    assert "Received: worker 1, host2:2222; use `convoy worker` here." in result.output


def test_two_of_one_index_are_refused(work, tmp_path):
    folder = tmp_path / "tfx" / "workers"
    folder.mkdir(parents=True)
    with filelock.FileLock(folder / "worker-1.lock"):
        code, said = work()
    assert code == 5
    assert "A worker must have its index in TF_CONFIG to itself. Received: 1, which another process has" in said


@pytest.mark.slow
def test_a_run_trains_each_network_together_with_a_worker(tmp_path):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]}
    for one in sockets:
        one.close()

    def convoy(index, *arguments):
        config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        command = [sys.executable, "-m", "pipeline.cli", *arguments, "--workspace", str(tmp_path)]
        return subprocess.Popen(command, env=os.environ | {"TF_CONFIG": config}, stderr=subprocess.PIPE, text=True)

    worker = convoy(1, "worker", "--wait", "2")
    epochs = ("--set", "training.epochs=2", "--set", "gate.min_accuracy=0.0")
    chief = convoy(0, "run", "digits", "--architectures", "lenet5,resnet20", *epochs)
    chief.communicate()
    assert chief.returncode == 0
    _, said = worker.communicate()
    assert worker.returncode == 0
    for name in ("lenet5", "resnet20"):
        assert f"{name}: done after 2 epochs." in said
    assert "ends after 2, of which 2 were trained to the end." in said
    assert len(list(tmp_path.glob("tfx/Trainer.*/model/*"))) == 2, "one model a network, the chief's"
