"""The pool of workers: what a job service asks of it over gRPC, and that it leaves no process behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pool(tmp_path):
    """Starts a pool as a process of its own; returns the process and a client."""
    from apache_beam.portability.api import beam_fn_api_pb2_grpc

    command = [sys.executable, "-m", "pipeline.runners.beam_workers", "--port=0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    log = (tmp_path / "log").open("w")
    with (
        log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, start_new_session=True
        ) as process,
    ):
        try:
            beginning, _, address = process.stdout.readline().strip().rpartition("=")
            assert beginning == "Workers for Beam address"
            with grpc.insecure_channel(address) as channel:
                yield process, beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        finally:
            process.kill()
            assert gone(process.pid, but=())


@pytest.fixture
def job_service():
    """Listens as a job service that never says a word; counts who comes."""
    with socket.create_server(("localhost", 0)) as listener:
        listener.settimeout(60)
        yield listener


def start(client, job_service, name):
    """Has a worker started; waits until it asks the job service for work."""
    from apache_beam.portability.api import beam_fn_api_pb2, endpoints_pb2

    address = f"localhost:{job_service.getsockname()[1]}"
    request = beam_fn_api_pb2.StartWorkerRequest(
        worker_id=name, control_endpoint=endpoints_pb2.ApiServiceDescriptor(url=address)
    )
    assert client.StartWorker(request).error == ""
    return job_service.accept()[0]


def group(leader):
    """Lists the processes of a group that are not yet dead."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgid = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgid) == leader and state != "Z":
            found.add(int(path.parent.name))
    return found


def gone(leader, but):
    """Whether all processes of a group end within some seconds, but for those."""
    deadline = time.monotonic() + 20
    while group(leader) - set(but) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not group(leader) - set(but)


def test_a_worker_is_started_and_stopped_as_asked(pool, job_service):
    from apache_beam.portability.api import beam_fn_api_pb2

    process, client = pool
    with start(client, job_service, "one"):
        both = group(process.pid)
        with start(client, job_service, "two"):
            assert len(group(process.pid) - both) == 1
            assert client.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="two")).error == ""
            assert gone(process.pid, but=both)
        assert group(process.pid) == both
    client.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="unknown"))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_pool_that_ends_takes_its_workers_with_it(pool, job_service, end):
    process, client = pool
    with start(client, job_service, "one"):
        assert len(group(process.pid)) > 1
        process.send_signal(end)
        assert process.wait(20) == (-end if end == signal.SIGKILL else 0)
        assert gone(process.pid, but=())
