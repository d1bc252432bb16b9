"""A model repository that changes under a running server (contract R)."""

import logging
import re
import shutil
import socket
import threading
import time

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

from serving.server import Server, ServerOptions, ServingError

ONES = np.ones([1, 2], np.float32)


@pytest.fixture
def base(tmp_path):
    (tmp_path / "m").mkdir()
    return tmp_path / "m"


@pytest.fixture
def spinning(predict_request):
    """Holds a version with a request of about a second, until the block ends; gives the answer then."""

    def hold(client, steps=300_000):
        return client.prediction.Predict.future(predict_request("m", "spin", steps=np.int64(steps)))

    return hold


def break_saved_model(path):
    (path / "saved_model.pb").write_bytes(b"not a model")


def transitions(caplog) -> list[tuple[int, str]]:
    """Reads the versions' states from the log, in the order they came."""
    return [(int(number), state) for number, state in re.findall(r"model=m version=(\d+) state=(\w+)", caplog.text)]


def test_R12_R13_a_new_version_takes_over_without_a_failed_answer(serve, publish_linear, base):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    factors: list[float] = []
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            factors.append(client.factor())

    failures: list[BaseException] = []
    threads = [threading.Thread(target=lambda: _record(ask, failures)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in (2, 3, 4):
        publish_linear(base, number)
        client.until({n: "AVAILABLE" if n == number else "END" for n in range(number, 0, -1)})
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(factors) == {1, 2, 3, 4}
    assert client.factor() == 4


def _record(work, failures):
    try:
        work()
    except BaseException as error:
        failures.append(error)


def test_R13_the_old_version_serves_until_the_new_one_does(serve, publish_linear, base, caplog):
    caplog.set_level(logging.INFO)
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    publish_linear(base, 2)
    client.until({2: "AVAILABLE", 1: "END"})
    life = ["LOADING", "AVAILABLE", "UNLOADING", "END"]
    assert transitions(caplog) == [
        (1, "LOADING"),
        (1, "AVAILABLE"),
        (2, "LOADING"),
        (2, "AVAILABLE"),
        (1, life[2]),
        (1, life[3]),
    ]


def test_R4_R18_a_broken_version_leaves_the_old_one_serving(serve, publish_linear, base):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    (base / "2").write_text("a file")
    client.until({2: "END", 1: "AVAILABLE"})
    status = client.statuses(version=2)[0].status
    assert status.error_code == 5
    assert "Could not find SavedModel .pb or .pbtxt at supplied export directory path" in status.error_message
    time.sleep(0.1)
    assert client.states() == {2: "END", 1: "AVAILABLE"}
    assert client.factor() == 1


def test_R6_the_newest_is_wanted_even_if_an_older_one_is_better(serve, publish_linear, base, refused):
    publish_linear(base, 1)
    publish_linear(base, 2, edit=break_saved_model)
    with refused("UNKNOWN", "1 servable(s) did not become available: {{{name: m version: 2} due to error: DATA_LOSS"):
        serve(model_base_path=str(base))


def test_R12_a_deleted_version_is_unloaded_and_served_again_when_back(serve, publish_linear, base, refused):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    (base / "1").rename(base / ".gone")
    client.until({1: "END"})
    with refused("NOT_FOUND", "Servable not found for request: Latest(m)"):
        client.factor()
    (base / ".gone").rename(base / "1")
    client.until({1: "AVAILABLE"})
    assert client.factor() == 1


def test_R12_changed_contents_of_a_loaded_version_are_ignored(serve, publish_linear, base):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    break_saved_model(base / "1")
    time.sleep(0.1)
    assert client.states() == {1: "AVAILABLE"}
    assert client.factor() == 1


def test_R8_a_missing_base_path_unloads_nothing(serve, publish_linear, base, caplog, wait_for):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    base.rename(base.with_name("away"))
    wait_for(lambda: f"Could not find base path {base} for servable m" in caplog.text)
    assert client.factor() == 1


def test_R9_one_missing_base_path_leaves_other_models_alone(serve, publish_linear, base, tmp_path, config):
    publish_linear(base, 1)
    (tmp_path / "a").mkdir()
    publish_linear(tmp_path / "a", 1)
    entries = [{"name": name, "base_path": str(tmp_path / name)} for name in ("a", "m")]
    (tmp_path / "c").write_text(str(config(*entries)))
    client = serve(model_config_file=str(tmp_path / "c"))
    shutil.rmtree(tmp_path / "a")
    publish_linear(base, 2)
    client.until({2: "AVAILABLE", 1: "END"})


def test_R14_an_unwanted_version_goes_before_the_new_one_loads(serve, publish_linear, base, tmp_path, config, caplog):
    caplog.set_level(logging.INFO)
    for number in (1, 2):
        publish_linear(base, number)
    entry = {"name": "m", "base_path": str(base), "model_version_policy": {"latest": {"num_versions": 2}}}
    (tmp_path / "c").write_text(str(config(entry)))
    client = serve(model_config_file=str(tmp_path / "c"))
    client.until({2: "AVAILABLE", 1: "AVAILABLE"})
    publish_linear(base, 3)
    client.until({3: "AVAILABLE", 2: "AVAILABLE", 1: "END"})
    seen = transitions(caplog)
    assert seen.index((1, "END")) < seen.index((3, "LOADING"))
    assert seen[0] == (2, "LOADING")  # R15: the highest loads first


def test_R15_nothing_wanted_unloads_all_lowest_first(serve, publish_linear, base, tmp_path, config, caplog):
    caplog.set_level(logging.INFO)
    for number in (1, 2, 3):
        publish_linear(base, number)
    entry = {"name": "m", "base_path": str(base), "model_version_policy": {"all": {}}}
    (tmp_path / "c").write_text(str(config(entry)))
    client = serve(model_config_file=str(tmp_path / "c"))
    client.until({3: "AVAILABLE", 2: "AVAILABLE", 1: "AVAILABLE"})
    base.rename(base.with_name("away"))
    base.with_name("empty").mkdir()
    base.with_name("empty").rename(base)
    client.until({3: "END", 2: "END", 1: "END"})
    assert [number for number, state in transitions(caplog) if state == "UNLOADING"] == [1, 2, 3]


def test_R16_a_request_in_flight_finishes_on_the_version_it_holds(serve, publish_linear, base, spinning, refused):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    answer = spinning(client)
    time.sleep(0.1)
    publish_linear(base, 2)
    client.until({2: "AVAILABLE", 1: "UNLOADING"})
    assert client.factor() == 2
    with refused("NOT_FOUND", "Specific(m, 1)"):
        client.factor(version=1)
    assert not answer.done()
    assert answer.result().model_spec.version.value == 1
    client.until({2: "AVAILABLE", 1: "END"})


def test_R17_a_failed_load_is_tried_again_until_it_works(serve, publish_linear, base, caplog, wait_for):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base), max_num_load_retries=10_000, load_retry_interval_micros=10_000)
    publish_linear(base, 2, edit=break_saved_model)
    wait_for(lambda: "version=2 attempt=3" in caplog.text)
    assert client.states() == {2: "LOADING", 1: "AVAILABLE"}
    publish_linear(base, 3, name="2.good")
    shutil.copy(base / "2.good" / "saved_model.pb", base / "2")
    client.until({2: "AVAILABLE", 1: "END"})


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (2, 3)])
def test_R17_attempts_are_one_more_than_retries(serve, base, caplog, refused, retries, attempts):
    (base / "1").mkdir()
    with refused("UNKNOWN", "did not become available"):
        serve(model_base_path=str(base), max_num_load_retries=retries, load_retry_interval_micros=-1)
    assert len(re.findall(r"Failed to load .* version=1", caplog.text)) == attempts


def test_R17_a_version_no_longer_wanted_is_not_tried_again(serve, publish_linear, base, caplog, wait_for):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base), max_num_load_retries=5)  # the next try would come after a minute
    (base / "2").mkdir()
    wait_for(lambda: "version=2 attempt=1" in caplog.text)
    (base / "2").rmdir()
    client.until({2: "END", 1: "AVAILABLE"})
    assert client.statuses(version=2)[0].status.error_code == 5
    publish_linear(base, 2)
    client.until({2: "AVAILABLE", 1: "END"})  # S7: its number starts a new life


def test_R20_one_failing_model_holds_up_no_other(serve, publish_linear, base, tmp_path, config):
    """Upstream sleeps between retries in the loop that loads every model."""
    publish_linear(base, 1)
    (tmp_path / "a").mkdir()
    publish_linear(tmp_path / "a", 1)
    entries = [{"name": name, "base_path": str(tmp_path / name)} for name in ("a", "m")]
    (tmp_path / "c").write_text(str(config(*entries)))
    client = serve(model_config_file=str(tmp_path / "c"), max_num_load_retries=5)
    (tmp_path / "a" / "2").mkdir()
    client.until({2: "LOADING", 1: "AVAILABLE"}, "a")
    publish_linear(base, 2)
    client.until({2: "AVAILABLE", 1: "END"})


def test_R21_a_server_without_a_good_version_does_not_start(serve, base, refused):
    (base / "1").mkdir()
    message = "1 servable(s) did not become available: {{{name: m version: 1} due to error: NOT_FOUND: Could not find"
    with refused("UNKNOWN", message):
        serve(model_base_path=str(base))


def test_R22_the_port_opens_once_every_model_serves(publish_linear, base, wait_for, caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ServerOptions(port=port, model_name="m", model_base_path=str(base), file_system_poll_wait_seconds=0.01)
    server = Server(options)
    starting = threading.Thread(target=server.start)
    starting.start()
    wait_for(lambda: "No versions of servable m found" in caplog.text)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    publish_linear(base, 1)
    starting.join(10)
    socket.create_connection(("127.0.0.1", port), timeout=1).close()
    server.stop()


def test_R22_a_start_that_waits_can_be_stopped(base):
    server = Server(ServerOptions(port=0, model_base_path=str(base)))
    errors: list[BaseException] = []
    starting = threading.Thread(target=lambda: _record(server.start, errors))
    starting.start()
    time.sleep(0.1)
    server.stop()
    starting.join(10)
    assert [type(error) for error in errors] == [ServingError]


def remove_index(path):
    (path / "variables" / "variables.index").unlink()


def remove_variables(path):
    shutil.rmtree(path / "variables")


def remove_data(path):
    (path / "variables" / "variables.data-00000-of-00001").unlink()


@pytest.mark.parametrize("damage", [remove_index, remove_variables, remove_data])
def test_R25_half_a_model_does_not_load(serve, publish_linear, base, refused, damage):
    publish_linear(base, 1, edit=damage)
    with refused("UNKNOWN", "did not become available"):
        serve(model_base_path=str(base))


def test_R11_zero_polls_once_only(serve, publish_linear, base):
    publish_linear(base, 1)
    client = serve(model_base_path=str(base), file_system_poll_wait_seconds=0)
    publish_linear(base, 2)
    time.sleep(0.1)
    assert client.states() == {1: "AVAILABLE"}


def test_many_swaps_leave_one_version_and_no_thread(serve, publish_linear, base, wait_for):
    before = set(threading.enumerate())
    publish_linear(base, 1)
    client = serve(model_base_path=str(base))
    for number in (2, 3, 4, 5, 6):
        publish_linear(base, number)
        shutil.rmtree(base / str(number - 1))
    wait_for(lambda: [n for n, state in client.states().items() if state != "END"] == [6] and client.factor() == 6)
    client.server.stop()
    client.channel.close()
    wait_for(lambda: not set(threading.enumerate()) - before, lambda: str(set(threading.enumerate()) - before))


def test_a_request_that_would_never_end_is_cancelled_after_the_grace_time(
    serve, publish_linear, base, spinning, wait_for
):
    publish_linear(base, 1)
    before = set(threading.enumerate())
    client = serve(model_base_path=str(base), shutdown_grace_seconds=0.2)
    answer = spinning(client, steps=10**9)
    time.sleep(0.1)
    client.server.stop()
    assert answer.exception().code().name in {"CANCELLED", "UNAVAILABLE"}
    client.channel.close()
    wait_for(lambda: not set(threading.enumerate()) - before, lambda: str(set(threading.enumerate()) - before))


def test_F2_a_socket_path_serves_with_and_without_a_port(serve, publish_linear, base, tmp_path):
    publish_linear(base, 1)
    path = tmp_path / "socket"
    client = serve(model_base_path=str(base), port=None, grpc_socket_path=str(path))
    assert client.server.port == 0
    with grpc.insecure_channel(f"unix:{path}") as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        request = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "m"})
        assert stub.GetModelStatus(request).model_version_status[0].version == 1


def test_a_socket_path_that_cannot_be_opened_is_refused(serve, publish_linear, base, refused):
    publish_linear(base, 1)
    with refused("UNAVAILABLE", "Received: unix:/absent/socket"):
        serve(model_base_path=str(base), grpc_socket_path="/absent/socket")
