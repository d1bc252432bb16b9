"""The client against the embedded server, and against a peer that does what no server should."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from serving.client import (
    Client,
    ConvoyClientError,
    DeadlineExceededError,
    InvalidRequestError,
    LoadFailedError,
    ModelNotFoundError,
    ServerError,
    ServerUnavailableError,
    TensorInfo,
)

DARK, BRIGHT = np.zeros([8, 8, 1], np.uint8), np.full([8, 8, 1], 255, np.uint8)


def png(image):
    import tensorflow as tf

    return tf.io.encode_png(image).numpy()


@pytest.fixture
def client(repository, brightness, serve):
    """A client of a server that has two versions of one model."""
    repository.publish("tiny", 1, brightness, label="stable")
    repository.publish("tiny", 2, brightness, label="canary")
    with Client(f"127.0.0.1:{serve().port}", timeout=20) as client:
        for version in (1, 2):  # The port opens as soon as one of them can answer.
            client.wait_until_available("tiny", version, timeout=20)
        yield client


def test_predict_takes_raw_images(client):
    prediction = client.predict("tiny", images=np.stack([DARK, BRIGHT]))
    assert (prediction.model, prediction.version, len(prediction)) == ("tiny", 2, 2)
    assert prediction.class_id.tolist() == [0, 1]
    assert prediction.class_name == ["dark", "bright"]
    assert prediction.probabilities.dtype == np.float32
    assert prediction.probabilities.tolist() == [[1, 0], [0, 1]]
    dark, bright = prediction
    assert (dark.class_name, bright.class_id, bright.probability) == ("dark", 1, 1.0)
    assert client.predict("tiny", images=BRIGHT[None].tolist()).class_name == ["bright"]


def test_predict_takes_encoded_images_and_paths(client, tmp_path):
    path = tmp_path / "bright.png"
    path.write_bytes(png(BRIGHT))
    assert client.predict("tiny", image_bytes=[png(DARK), path, str(path)]).class_name == ["dark", "bright", "bright"]
    assert client.predict("tiny", image_bytes=png(DARK)).class_name == ["dark"]
    assert client.predict("tiny", image_bytes=path).class_name == ["bright"]
    assert len(client.predict("tiny", image_bytes=[])) == 0


def test_a_request_names_a_version_or_a_label(client):
    for choice, version in (({"version": 1}, 1), ({"label": "stable"}, 1), ({"label": "canary"}, 2), ({}, 2)):
        assert client.predict("tiny", images=DARK[None], **choice).version == version
    with pytest.raises(InvalidRequestError, match="One of `version` and `label` must be left out"):
        client.predict("tiny", images=DARK[None], version=1, label="stable")


def test_predict_raw_runs_any_signature(client):
    outputs = client.predict_raw("tiny", {"images": np.stack([DARK, BRIGHT])}, signature="pixels", label="stable")
    assert outputs["class_name"] == [b"dark", b"bright"]
    assert outputs["class_id"].dtype == np.int64
    assert outputs["probabilities"].shape == (2, 2)
    assert client.predict_raw("tiny", {"image_bytes": [png(BRIGHT)]})["class_id"].tolist() == [1]


def test_requests_and_answers_may_be_larger_than_grpc_lets_them(client):
    images = np.zeros([320_000, 8, 8, 1], np.uint8)  # 20 MB there, 5 MB back
    assert len(client.predict("tiny", images=images)) == 320_000


def test_a_client_is_shared_between_threads(client):
    with ThreadPoolExecutor(8) as pool:
        names = pool.map(lambda i: client.predict("tiny", images=[[DARK, BRIGHT][i % 2]]).class_name[0], range(100))
    assert list(names) == ["dark", "bright"] * 50


def test_status_and_metadata(client):
    assert [(status.version, status.state, status.error) for status in client.status("tiny")] == [
        (2, "AVAILABLE", ""),
        (1, "AVAILABLE", ""),
    ]
    assert [status.version for status in client.status("tiny", version=1)] == [1]
    metadata = client.metadata("tiny", label="stable")
    assert (metadata.model, metadata.version) == ("tiny", 1)
    pixels = metadata.signatures["pixels"]
    assert pixels.method == "tensorflow/serving/predict"
    assert pixels.inputs == {"images": TensorInfo("uint8", (None, 8, 8, 1))}
    assert pixels.outputs["class_name"] == TensorInfo("string", (None,))
    assert metadata.signatures["serving_default"].inputs == {"image_bytes": TensorInfo("string", (None,))}


@pytest.mark.parametrize(
    ("model", "choice", "details"),
    [
        ("absent", {}, "Servable not found for request: Latest(absent)"),
        ("tiny", {"version": 9}, "Servable not found for request: Specific(tiny, 9)"),
        ("tiny", {"label": "golden"}, "Unrecognized servable version label: golden"),
    ],
)
def test_what_is_not_served_is_told_in_the_servers_words(client, model, choice, details):
    with pytest.raises(ModelNotFoundError) as error:
        client.predict(model, images=DARK[None], **choice)
    assert error.value.details == details
    assert f"Received: {details}." in str(error.value)
    with pytest.raises(ModelNotFoundError):
        client.metadata(model, **choice)


def test_status_of_an_unknown_model(client):
    with pytest.raises(ModelNotFoundError, match="Could not find any versions of model absent"):
        client.status("absent")
    with pytest.raises(ModelNotFoundError, match="Could not find version 9 of model tiny"):
        client.status("tiny", version=9)


@pytest.mark.parametrize(
    ("inputs", "signature"),
    [
        ({"images": BRIGHT[None].astype(np.float32)}, "pixels"),
        ({"images": np.zeros([1, 9, 9, 1], np.uint8)}, "pixels"),
        ({"pictures": BRIGHT[None]}, "pixels"),
        ({"images": BRIGHT[None]}, "absent"),
        ({"image_bytes": [b"no image"]}, "serving_default"),
    ],
)
def test_what_the_model_does_not_take_is_told_in_one_line(client, inputs, signature):
    with pytest.raises(InvalidRequestError) as error:
        client.predict_raw("tiny", inputs, signature=signature)
    assert error.value.details
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("Ask `metadata` what the model takes.")


def test_a_path_that_is_no_image_is_refused_before_anything_is_sent(tmp_path):
    text = tmp_path / "notes.png"
    text.write_text("no image")
    with Client("127.0.0.1:1") as nobody:
        with pytest.raises(InvalidRequestError, match=r"absent\.png` must be an image file. Received: No such file"):
            nobody.predict("m", image_bytes=tmp_path / "absent.png")
        with pytest.raises(InvalidRequestError, match=r"notes\.png` must be a PNG, JPEG, GIF or BMP image"):
            nobody.predict("m", image_bytes=[text])
        with pytest.raises(InvalidRequestError, match="Is a directory"):
            nobody.predict("m", image_bytes=[str(tmp_path)])


@pytest.mark.parametrize(
    "images", [DARK, np.zeros([1, 8, 8, 1]), np.full([1, 8, 8, 1], 256), np.full([1, 8, 8, 1], -1), [b"png"]]
)
def test_what_is_no_uint8_image_is_refused_before_anything_is_sent(images):
    with (
        Client("127.0.0.1:1") as nobody,
        pytest.raises(InvalidRequestError, match=r"must be uint8 \[images, height, width, channels\]"),
    ):
        nobody.predict("m", images=images)


def test_images_come_one_way():
    with Client("127.0.0.1:1") as nobody:
        with pytest.raises(InvalidRequestError, match="One of `images` and `image_bytes`"):
            nobody.predict("m")
        with pytest.raises(InvalidRequestError, match="One of `images` and `image_bytes`"):
            nobody.predict("m", images=DARK[None], image_bytes=b"png")


def test_nobody_there():
    with Client("127.0.0.1:1") as nobody, pytest.raises(ServerUnavailableError) as error:
        nobody.predict("m", images=DARK[None])
    assert "127.0.0.1:1" in str(error.value)
    assert "Connection refused" in error.value.details


def test_reload_config_replaces_the_models(client, repository, brightness):
    repository.publish("other", 1, brightness)
    client.reload_config(repository.config_path)
    assert client.predict("other", images=DARK[None]).version == 1
    repository.config_path.write_text(repository.config_path.read_text().replace('"tensorflow"', '"torch"'))
    with pytest.raises(InvalidRequestError, match=r"torch.*no label moves to a version that is not loaded"):
        client.reload_config(repository.config_path)


def test_a_config_that_is_none_is_refused_before_anything_is_sent(tmp_path):
    (tmp_path / "models.config").write_text("models: none")
    with Client("127.0.0.1:1") as nobody:
        for path in (tmp_path / "models.config", tmp_path / "absent", tmp_path):
            with pytest.raises(InvalidRequestError, match="must be a ModelServerConfig in text form"):
                nobody.reload_config(path)


def test_waiting_for_a_version(client, repository, brightness):
    repository.publish("tiny", 3, brightness)
    client.reload_config(repository.config_path)
    client.wait_until_available("tiny", 3, timeout=20)
    assert client.predict("tiny", images=DARK[None], version=3).version == 3
    with pytest.raises(
        DeadlineExceededError, match=r"within 0\.2 s\. Received: Could not find version 4 of model tiny"
    ):
        client.wait_until_available("tiny", 4, timeout=0.2)


def test_waiting_for_a_version_that_does_not_load(client, repository, brightness, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no graph")
    repository.publish("tiny", 3, broken)
    client.reload_config(repository.config_path)
    with pytest.raises(LoadFailedError) as error:
        client.wait_until_available("tiny", 3, timeout=20)
    assert error.value.details
    assert client.predict("tiny", images=DARK[None]).version == 2


def test_waiting_for_a_server_that_is_still_starting(repository, brightness, serve):
    repository.publish("tiny", 1, brightness)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Client(f"127.0.0.1:{port}") as client:
        with pytest.raises(ServerUnavailableError):
            client.status("tiny")
        starter = threading.Timer(0.5, serve, kwargs={"port": port})
        starter.start()
        client.wait_until_available("tiny", 1, timeout=20)
        starter.join()
        assert client.predict("tiny", images=DARK[None]).version == 1


@contextlib.contextmanager
def peer(answer):
    """A server of the real protocol, by the real stubs, whose Predict is `answer(request, context)`."""
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            return answer(request, context)

    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, ServerUnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ServerUnavailableError),
        (grpc.StatusCode.NOT_FOUND, ModelNotFoundError),
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        (grpc.StatusCode.FAILED_PRECONDITION, InvalidRequestError),
        (grpc.StatusCode.INTERNAL, ServerError),
        (grpc.StatusCode.UNIMPLEMENTED, ServerError),
        (grpc.StatusCode.UNKNOWN, ServerError),
    ],
)
def test_every_status_is_one_of_our_errors(code, kind):
    with peer(lambda _, context: context.abort(code, "first line.\n\tsecond line.")) as client:
        with pytest.raises(ConvoyClientError) as error:
            client.predict_raw("m", {"x": 1})
        assert type(error.value) is kind
        assert error.value.details == "first line.\n\tsecond line."
        assert "first line. second line. " in str(error.value)
        assert isinstance(error.value.__cause__, grpc.RpcError)


def test_a_slow_answer_is_given_up():
    def sleep(request, context):
        time.sleep(1)

    with peer(sleep) as client:
        client.timeout = 0.2
        start = time.monotonic()
        with pytest.raises(DeadlineExceededError, match="or raise `timeout`"):
            client.predict_raw("m", {"x": 1})
        assert time.monotonic() - start < 0.9


@pytest.mark.parametrize("form", ["content", "typed"])
def test_both_forms_of_answers_are_read(form):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    from serving.server import tensors

    write = tf.make_tensor_proto if form == "content" else tensors.encode

    def echo(request, context):
        response = predict_pb2.PredictResponse()
        for name, proto in request.inputs.items():
            response.outputs[name].CopyFrom(write(tf.make_ndarray(proto)))
        return response

    sent = {
        "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
        "ids": np.array([-1, 2**40]),
        "names": [b"a", b"\0"],
    }
    with peer(echo) as client:
        outputs = client.predict_raw("m", sent)
    assert outputs["floats"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert outputs["ids"].tolist() == [-1, 2**40]
    assert outputs["names"] == [b"a", b"\0"]


def test_a_model_without_our_outputs_is_told_apart():
    from tensorflow_serving.apis import predict_pb2

    def answer(request, context):
        response = predict_pb2.PredictResponse()
        response.outputs["output_0"].float_val.append(1)
        response.outputs["output_0"].dtype = 1
        return response

    with (
        peer(answer) as client,
        pytest.raises(InvalidRequestError, match=r"Received: \['output_0'\]\. Ask .*predict_raw"),
    ):
        client.predict("m", images=DARK[None])
