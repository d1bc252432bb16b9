"""Small real SavedModels, and real servers on real sockets."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from serving.server import Server, ServerOptions, ServingError

DTYPES = "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128"

Publish = Callable[..., Path]


class Linear(tf.Module):
    """`y` = factor * x: the answer says which version gave it."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = tf.Variable(factor)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def scale(self, x):
        y = self.factor * x
        return {"y": y, "total": tf.reduce_sum(y, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="steps")])
    def spin(self, steps):
        """Runs for as long as the request says: some 300,000 steps a second."""
        return {"done": tf.while_loop(lambda i: i < steps, lambda i: (i + 1,), [tf.constant(0, tf.int64)])[0]}


class Zoo(tf.Module):
    """Signatures of every kind that a request can meet."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.ones([3, 3, 1, 1]))

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, name="images")])
    def conv(self, images):
        return {"maps": tf.nn.conv2d(images, self.kernel, 1, "SAME")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def text(self, text):
        return {"length": tf.strings.length(text), "upper": tf.strings.upper(text)}

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="a"), tf.TensorSpec([None, 2], tf.float32, name="b")]
    )
    def add(self, a, b):
        return {"sum": a + b}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="any")])
    def shapeless(self, any):
        return {"rank": tf.rank(any)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="values")])
    def cast(self, values):
        return {name: tf.cast(values, name) for name in DTYPES.split()}


class Forms(tf.Module):
    """Signatures of the classify and regress forms, and of nearly these forms."""

    @staticmethod
    def signature(
        compute: Callable[[tf.Tensor], dict[str, tf.Tensor]], alias: str = "inputs"
    ) -> tf.types.experimental.Callable:
        """Makes a signature out of a function of the examples' feature `x`, float [N, 2]."""
        serialized = tf.TensorSpec([None], tf.string, name=alias)

        @tf.function(input_signature=[serialized])
        def parse(examples):
            return compute(tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([2], tf.float32)})["x"])

        return parse

    def signatures(self) -> dict[str, tf.types.experimental.Callable]:
        both = lambda x: {"classes": tf.as_string(x, precision=0), "scores": 2 * x}  # noqa: E731
        forms = {
            "serving_default": both,
            "scores": lambda x: {"scores": x},
            "classes": lambda x: {"classes": tf.as_string(x, precision=0)},
            "flat": lambda x: {"scores": x[:, 0]},
            "double": lambda x: {"scores": tf.cast(x, tf.float64)},
            "short": lambda x: {"scores": x[1:]},
            "ragged": lambda x: {"classes": tf.as_string(x[:, :1]), "scores": x},
            "three": lambda x: {**both(x), "more": x},
            "other": lambda x: {"probabilities": x},
            "regress": lambda x: {"outputs": x[:, 0]},
            "regress_column": lambda x: {"outputs": x[:, :1]},
            "regress_wide": lambda x: {"outputs": x},
            "regress_short": lambda x: {"outputs": x[1:, 0]},
            "regress_double": lambda x: {"outputs": tf.cast(x[:, 0], tf.float64)},
        }
        made = {name: self.signature(compute) for name, compute in forms.items()}
        return made | {"misnamed": self.signature(both, alias="examples")}


def save(model: tf.Module, path: Path, signatures: dict[str, object]) -> Path:
    model.functions = list(signatures.values())  # what a signature uses must be tracked by the model
    tf.saved_model.save(model, str(path), signatures=signatures)
    return path


@pytest.fixture(scope="session")
def publish_linear(tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """Publishes `Linear` with factor n as version n: copied to a hidden name, then renamed, as a publisher does."""
    saved: dict[float, Path] = {}

    def publish(base: Path, number: int, name: str | None = None, edit: Callable[[Path], object] | None = None) -> Path:
        if number not in saved:
            model = Linear(float(number))
            signatures = {"serving_default": model.scale, "spin": model.spin}
            saved[number] = save(model, tmp_path_factory.mktemp("linear") / "saved", signatures)
        hidden = base / f".incoming-{number}"
        shutil.copytree(saved[number], hidden)
        if edit is not None:
            edit(hidden)
        return hidden.rename(base / (name or str(number)))

    return publish


class Client:
    """The stubs of one server's two services."""

    def __init__(self, server: Server) -> None:
        self.server = server
        target = f"127.0.0.1:{server.port}"
        self.channel = grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)])
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def factor(self, name: str = "m", version: int | None = None, label: str | None = None) -> float:
        """Asks a `Linear` for its factor, which is its version's number."""
        request = make_request(name, x=ONES)
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
        return self.prediction.Predict(request).outputs["y"].float_val[0]

    def states(self, name: str = "m") -> dict[int, str]:
        """Asks for the states of a model's versions, in the order they come."""
        return {
            status.version: get_model_status_pb2.ModelVersionStatus.State.Name(status.state)
            for status in self.statuses(name)
        }

    def statuses(self, name: str = "m", version: int | None = None) -> list[get_model_status_pb2.ModelVersionStatus]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        if version is not None:
            request.model_spec.version.value = version
        return list(self.models.GetModelStatus(request).model_version_status)

    def until(self, states: dict[int, str], name: str = "m") -> None:
        wait_until(lambda: self.states(name) == states, lambda: f"{self.states(name)} instead of {states}")

    def reload(self, *entries: dict, timeout: float = 10) -> model_management_pb2.ReloadConfigResponse:
        request = model_management_pb2.ReloadConfigRequest(config=make_config(*entries))
        return self.models.HandleReloadConfigRequest(request, timeout=timeout)


def make_config(*entries: dict) -> model_server_config_pb2.ModelServerConfig:
    """Builds a config of a list; an entry is a ModelConfig's fields."""
    made = model_server_config_pb2.ModelServerConfig()
    made.model_config_list.SetInParent()
    for entry in entries:
        made.model_config_list.config.add(**{"model_platform": "tensorflow", **entry})
    return made


def make_request(name: str = "m", signature: str = "", **inputs: object) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def wait_until(condition: Callable[[], bool], explain: Callable[[], str] = lambda: "", seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, explain()
        time.sleep(0.005)


@contextlib.contextmanager
def expect_refusal(code: str, phrase: str) -> Iterator[None]:
    """Expects an RPC, or a server's start, to fail with this code and a message that holds the phrase."""
    with pytest.raises((grpc.RpcError, ServingError)) as caught:
        yield
    error = caught.value
    got, message = (
        (error.code.name, error.message) if isinstance(error, ServingError) else (error.code().name, error.details())
    )
    assert (got, phrase in message) == (code, True), f"{got}: {message}"


@pytest.fixture(scope="session")
def config() -> Callable[..., model_server_config_pb2.ModelServerConfig]:
    return make_config


@pytest.fixture(scope="session")
def predict_request() -> Callable[..., predict_pb2.PredictRequest]:
    return make_request


@pytest.fixture(scope="session")
def refused() -> Callable[[str, str], contextlib.AbstractContextManager[None]]:
    return expect_refusal


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Starts servers that end with the test, and returns a client of each."""
    with contextlib.ExitStack() as stack:

        def start(**options: object) -> Client:
            fast = {"port": 0, "file_system_poll_wait_seconds": 0.01, "max_num_load_retries": 0, "model_name": "m"}
            server = stack.enter_context(Server(ServerOptions(**{**fast, **options})))
            client = Client(server)
            stack.callback(client.channel.close)
            return client

        yield start


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, publish_linear: Publish) -> Iterator[Client]:
    """One server for the tests that only ask: `m` (Linear 1 and 3), `zoo` and `forms`."""
    base = tmp_path_factory.mktemp("shared")
    (base / "m").mkdir()
    publish_linear(base / "m", 1)
    publish_linear(base / "m", 3)
    zoo = Zoo()
    save(zoo, base / "zoo" / "1", {name: getattr(zoo, name) for name in ("conv", "text", "add", "shapeless", "cast")})
    save(forms := Forms(), base / "forms" / "1", forms.signatures())
    entries = [{"name": name, "base_path": str(base / name)} for name in ("m", "zoo", "forms")]
    entries[0]["model_version_policy"] = {"all": {}}
    (base / "models.config").write_text(str(make_config(*entries)))
    with Server(ServerOptions(port=0, model_config_file=str(base / "models.config"))) as server:
        client = Client(server)
        wait_until(lambda: client.states("m") == {3: "AVAILABLE", 1: "AVAILABLE"})
        yield client
        client.channel.close()


ONES = np.ones([1, 2], np.float32)
