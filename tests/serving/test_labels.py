import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from serving import labels
from serving.client import Client, ConvoyClientError, InvalidRequestError, LoadFailedError, ModelNotFoundError
from serving.repository import VersionNotFoundError

IMAGE = np.zeros([1, 8, 8, 1], np.uint8)


@pytest.fixture
def client(repository, brightness, serve):
    """A client of a server that serves version 1 as stable."""
    repository.publish("tiny", 1, brightness, label="stable")
    with Client(f"127.0.0.1:{serve().port}") as client:
        yield client


def test_without_a_server_only_the_disk_is_told(repository, brightness):
    repository.publish("tiny", 1, brightness)
    labels.move(repository, "tiny", "stable", 1)
    assert repository.labels("tiny") == {"stable": 1}


def test_a_server_that_is_down_leaves_the_disk_told(repository, brightness):
    repository.publish("tiny", 1, brightness)
    with Client("127.0.0.1:1") as nobody:
        labels.move(repository, "tiny", "stable", 1, client=nobody)
    assert repository.labels("tiny") == {"stable": 1}


def test_no_request_by_label_goes_unanswered_while_it_moves(repository, brightness, client):
    versions, done = [], threading.Event()

    def ask():
        while not done.is_set():
            try:
                versions.append(client.predict("tiny", images=IMAGE, label="stable").version)
            except ConvoyClientError as error:
                versions.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for version in (2, 3):
            repository.publish("tiny", version, brightness)
            labels.move(repository, "tiny", "stable", version, client=client, timeout=20)
        labels.move(repository, "tiny", "stable", 2, client=client, timeout=20)
    finally:
        done.set()
        asking.join()
    assert set(versions) == {1, 2, 3}
    assert client.predict("tiny", images=IMAGE, label="stable").version == 2
    assert repository.labels("tiny") == {"stable": 2}


def test_both_written_at_once_would_be_refused(repository, brightness, client):
    # Why `move` takes its steps: what a server makes of a config that names a version and a label on it together.
    repository.publish("tiny", 2, brightness, label="stable")
    with pytest.raises(InvalidRequestError, match="Request to assign label to version 2 of model tiny"):
        client.reload_config(repository.config_path)
    assert [status.version for status in client.status("tiny")] == [1]


def test_a_version_that_does_not_load_gets_no_label(repository, client, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no graph")
    repository.publish("tiny", 2, broken)
    with pytest.raises(LoadFailedError):
        labels.move(repository, "tiny", "stable", 2, client=client, timeout=20)
    assert repository.labels("tiny") == {"stable": 1}
    assert client.predict("tiny", images=IMAGE, label="stable").version == 1


def test_a_label_on_no_version_is_refused(repository, client):
    with pytest.raises(ConvoyClientError, match="version 2"):
        labels.move(repository, "tiny", "stable", 2, client=client, timeout=0.2)
    with pytest.raises(VersionNotFoundError):
        labels.move(repository, "tiny", "stable", 2)
    assert repository.labels("tiny") == {"stable": 1}


def test_a_label_that_is_dropped_is_gone_on_the_server_too_and_its_version_stays(repository, brightness, client):
    repository.publish("tiny", 2, brightness)
    labels.move(repository, "tiny", "canary", 2, client=client, timeout=20)
    assert client.predict("tiny", images=IMAGE, label="canary").version == 2
    labels.drop(repository, "tiny", "canary", client=client)
    assert repository.labels("tiny") == {"stable": 1}
    with pytest.raises(ModelNotFoundError, match="canary"):
        client.predict("tiny", images=IMAGE, label="canary")
    assert client.predict("tiny", images=IMAGE, version=2).version == 2
    with Client("127.0.0.1:1") as nobody:
        labels.drop(repository, "tiny", "stable", client=nobody)
    assert repository.labels("tiny") == {}


def test_a_label_that_the_server_refuses_stays_where_it_was(repository, brightness):
    from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

    class Refusing(model_service_pb2_grpc.ModelServiceServicer):
        """Loads whatever it is told of, and never moves `stable`."""

        def GetModelStatus(self, request, context):
            status = get_model_status_pb2.ModelVersionStatus(version=request.model_spec.version.value, state=30)
            return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])

        def HandleReloadConfigRequest(self, request, context):
            if request.config.model_config_list.config[0].version_labels["stable"] != 1:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so")
            return model_management_pb2.ReloadConfigResponse()

    repository.publish("tiny", 1, brightness, label="stable")
    repository.publish("tiny", 2, brightness)
    server = grpc.server(ThreadPoolExecutor(1))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Refusing(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}") as client, pytest.raises(InvalidRequestError, match="Received: not so"):
            labels.move(repository, "tiny", "stable", 2, client=client, timeout=20)
    finally:
        server.stop(None).wait()
    assert repository.labels("tiny") == {"stable": 1}
