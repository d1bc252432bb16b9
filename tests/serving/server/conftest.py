"""Small real SavedModels and a real server on a real socket."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc

from serving.server import Server, ServerOptions


class Linear(tf.Module):
    """`y` = factor * x, and its sum by row: says which version answers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = tf.Variable(factor)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x):
        y = self.factor * x
        return {"y": y, "total": tf.reduce_sum(y, axis=1)}

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.float32, "a"), tf.TensorSpec([None, None], tf.float32, "b")]
    )
    def add(self, a, b):
        return {"sum": a + b}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="steps")])
    def spin(self, steps):
        """Runs for a time that the request sets: some ten million steps a second."""
        return {"done": tf.while_loop(lambda i: i < steps, lambda i: (i + 1,), [tf.constant(0, tf.int64)])[0]}


def save_linear(path: Path, factor: float) -> Path:
    model = Linear(factor)
    signatures = {"serving_default": model.__call__, "add": model.add, "spin": model.spin}
    tf.saved_model.save(model, str(path), signatures=signatures)
    return path


@pytest.fixture(scope="session")
def linear(tmp_path_factory) -> Callable[[Path, int], Path]:
    """Publishes `linear` with factor n as version n: saved once, copied aside and renamed, as a publisher does."""
    made: dict[int, Path] = {}

    def publish(base: Path, number: int, name: str | None = None) -> Path:
        if number not in made:
            made[number] = save_linear(tmp_path_factory.mktemp("linear") / "saved", float(number))
        hidden = base / f".incoming-{number}"
        shutil.copytree(made[number], hidden)
        return hidden.rename(base / (name or str(number)))

    return publish


class Client:
    """The stubs of a server's two services."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{server.port}", options=[("grpc.max_receive_message_length", -1)]
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, name: str = "m", **inputs: object) -> predict_pb2.PredictResponse:
        return self.prediction.Predict(predict_request(name, **inputs))


def predict_request(name: str = "m", signature: str = "", **inputs: object) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


ONES = np.ones([1, 2], np.float32)


@pytest.fixture
def serve():
    """Starts servers that end with the test, and returns a client of each."""
    with contextlib.ExitStack() as stack:

        def start(**options: object) -> Client:
            fast = {"port": 0, "file_system_poll_wait_seconds": 0.01, "max_num_load_retries": 0, "model_name": "m"}
            server = stack.enter_context(Server(ServerOptions(**{**fast, **options})))
            client = Client(server)
            stack.callback(client.channel.close)
            return client

        yield start
