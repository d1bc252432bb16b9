"""The digits, and a LeNet-5 trained on some of them: real executors run once, and their artifacts are shared."""

import contextlib
import json
import multiprocessing
import os
import runpy
import shutil
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import cloudpickle
import pytest

# As `pipeline.engines` has it where a config says nothing.
BEAM = ["--direct_running_mode=in_memory", "--sdk_container_image=installed"]
CLASS_NAMES = [str(digit) for digit in range(10)]
CHILD = Path(__file__).with_name("child.py")
PRELOADED = [
    "components.infra_validator.executor",
    "components.publisher.executor",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "serving.server.app",
]

KINDS = {
    "image": "BYTES",
    "label": "INT",
    "class_name": "BYTES",
    "height": "INT",
    "width": "INT",
    "channels": "INT",
    "brightness": "FLOAT",
}
FEATURE = 'feature {{ name: "{}" type: {} presence {{ min_fraction: 1 min_count: 1 }} shape {{ dim {{ size: 1 }} }} }}'
SCHEMA = "\n".join(FEATURE.format(name, kind) for name, kind in KINDS.items())

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # A child can't import a test module.


def pytest_collection_finish(session):
    """Starts the fork server early: it imports while the first tests run."""
    if any("start_child" in getattr(item, "fixturenames", ()) for item in session.items):
        multiprocessing.set_forkserver_preload(PRELOADED)
        with quiet():
            forkserver.ensure_running()


@contextlib.contextmanager
def quiet():
    """Keeps off the screen what the fork server, its imports and its children say."""
    with tempfile.TemporaryFile() as log:
        saved = [(stream, os.dup(stream)) for stream in (1, 2)]
        try:
            for stream, _ in saved:
                os.dup2(log.fileno(), stream)
            yield
        finally:
            for stream, copy in saved:
                os.dup2(copy, stream)
                os.close(copy)


@pytest.fixture(scope="session")
def start_child():
    """Starts `work(*arguments)`, of any test module, in a process of its own; returns it and where its answer comes."""
    context = multiprocessing.get_context("forkserver")

    def start(work, *arguments):
        module = sys.modules[work.__module__]
        if Path(module.__file__).is_relative_to(CHILD.parent):
            cloudpickle.register_pickle_by_value(module)
        ours, theirs = context.Pipe(duplex=False)
        given = {"connection": theirs, "payload": cloudpickle.dumps((work, arguments))}
        process = context.Process(target=runpy.run_path, args=(str(CHILD), given))
        process.start()
        started.append(process)
        theirs.close()
        return process, ours

    started = []
    yield start
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def in_child(start_child):
    """Runs `work(*arguments)` in a process of its own; returns or raises what it did."""

    def run(work, *arguments):
        process, connection = start_child(work, *arguments)
        done, answer = connection.recv()
        process.join()
        if not done:
            raise answer
        return answer

    return run


@pytest.fixture(scope="session")
def execute():
    """Runs the executor of a real component on real artifacts; returns its output artifacts by key."""

    def run(component, root, beam=BEAM, **inputs):
        outputs = {key: channel.type() for key, channel in component.outputs.items()}
        for key, artifact in outputs.items():
            artifact.uri = str(root / key)
            Path(artifact.uri).mkdir(parents=True)
        executor = component.executor_spec.executor_class
        context = executor.Context(tmp_dir=str(root / "tmp"), unique_id="1", pipeline_run_id="run-1")
        context.beam_pipeline_args, context.make_beam_pipeline_fn = list(beam), None
        listed = ({key: [artifact] for key, artifact in given.items()} for given in (inputs, outputs))
        executor(context).Do(*listed, dict(component.exec_properties))
        return outputs

    return run


@pytest.fixture(scope="session")
def channel():
    """Makes a channel of one artifact."""
    from tfx.types import channel_utils

    return lambda artifact: channel_utils.as_channel([artifact])


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Returns the folder in which TFDS prepares data sets."""
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture(scope="session")
def ingest(execute):
    """Runs DatasetGen by some settings; returns its output artifacts by key."""
    from components.dataset_gen import sources
    from components.dataset_gen.component import DatasetGen

    def run(settings, root):
        return execute(DatasetGen(settings, sources.opened(settings).facts.fingerprint), root)

    return run


@pytest.fixture(scope="session")
def ingested(ingest, data_dir, tmp_path_factory):
    """Runs DatasetGen on the digits."""
    from components.dataset_gen.facts import Settings

    return ingest(Settings("digits", str(data_dir)), tmp_path_factory.mktemp("gen"))


@pytest.fixture(scope="session")
def examples(ingested):
    """Runs DatasetGen on the digits; returns its examples."""
    return ingested["examples"]


@pytest.fixture(scope="session")
def schema(tmp_path_factory):
    """Writes the schema of the examples."""
    from tfx.types import standard_artifacts

    artifact = standard_artifacts.Schema()
    artifact.uri = str(tmp_path_factory.mktemp("schema"))
    (Path(artifact.uri) / "schema.pbtxt").write_text(SCHEMA)
    return artifact


@pytest.fixture(scope="session")
def transformed(execute, channel, examples, schema, tmp_path_factory):
    """Runs TFX's Transform, with our preprocessing function, over train and validation; returns its outputs."""
    from tfx.components import Transform
    from tfx.proto import transform_pb2

    component = Transform(
        examples=channel(examples),
        schema=channel(schema),
        preprocessing_fn="components.transform.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "validation"]),
        custom_config={"image_shape": [8, 8, 1]},
        disable_statistics=True,
    )
    return execute(component, tmp_path_factory.mktemp("transform"), examples=examples, schema=schema)


@pytest.fixture(scope="session")
def records():
    """Reads the records of one split of an Examples artifact."""
    import tensorflow as tf

    def read(artifact, split):
        files = sorted(str(path) for path in Path(artifact.uri, f"Split-{split}").iterdir())
        return list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())

    return read


@pytest.fixture(scope="session")
def few(transformed, records, tmp_path_factory):
    """Writes 320 train and 64 validation examples, transformed; returns the two glob patterns."""
    import tensorflow as tf

    root = tmp_path_factory.mktemp("few")
    for split, count in {"train": 320, "validation": 64}.items():
        with tf.io.TFRecordWriter(str(root / f"{split}-00000-of-00001.gz"), "GZIP") as writer:
            for record in records(transformed["transformed_examples"], split)[:count]:
                writer.write(record)
    return str(root / "train-*"), str(root / "validation-*")


@pytest.fixture(scope="session")
def run_training(few, transformed):
    """Runs `run_fn` on the few examples; returns the SavedModel's folder and what was recorded."""
    from tfx.components.trainer.fn_args_utils import FnArgs

    from components.trainer import run

    graph = transformed["transform_graph"].uri

    def train(root, architecture="lenet5", precision="float32", options=None, xla="auto", **recipe):
        import dataclasses

        import models

        plan = {
            "architecture": architecture,
            "form": "small",
            "options": options or {},
            "recipe": dataclasses.asdict(models.recipe(architecture, "small", **recipe)),
            "image_shape": [8, 8, 1],
            "class_names": CLASS_NAMES,
            "precision": precision,
            "xla": xla,
        }
        train_files, eval_files = ([pattern] for pattern in few)
        run.run_fn(
            FnArgs(
                train_files=train_files,
                eval_files=eval_files,
                transform_graph_path=graph,
                serving_model_dir=str(root / "model" / "Format-Serving"),
                model_run_dir=str(root / "model_run"),
                custom_config=plan,
            )
        )
        recorded = json.loads((root / "model_run" / "training.json").read_text())
        return root / "model" / "Format-Serving", recorded

    return train


@pytest.fixture(scope="session")
def lenet5(run_training, tmp_path_factory):
    """Trains LeNet-5 for two epochs; returns the SavedModel's folder and what was recorded."""
    return run_training(tmp_path_factory.mktemp("lenet5"), epochs=2)


@pytest.fixture(scope="session")
def questions(examples):
    """Returns the first images of the test split."""
    from components.infra_validator import requests

    return requests.read(str(Path(examples.uri, "Split-test")), 32, (8, 8, 1))


@pytest.fixture(scope="session")
def servable(lenet5, questions, tmp_path_factory):
    """Returns LeNet-5 as infra validation leaves it: with the warm-up requests."""
    from components.infra_validator import requests

    path = tmp_path_factory.mktemp("servable") / "servable"
    shutil.copytree(lenet5[0], path)
    requests.write_warmup(path, "digits_lenet5", questions)
    return path


@pytest.fixture(scope="session")
def facts(lenet5, servable):
    """Returns what Registrar gathers of the LeNet-5."""
    from serving.repository import digest

    return {
        "model_name": "digits_lenet5",
        "dataset": "digits",
        "pipeline_run": "run-1",
        "model_uri": "/tfx/Trainer.lenet5/model/7",
        "sha256": digest(servable),
        "size_bytes": sum(path.stat().st_size for path in servable.rglob("*") if path.is_file()),
        "source_digest": "5eed",
        "mlmd": {"execution": "11", "model": 7, "evaluation": 8},
        "data": {
            "source": "digits",
            "fingerprint": "f" * 64,
            "span": 1,
            "class_names": CLASS_NAMES,
            "splits": {"train": 1294, "validation": 143, "test": 360},
        },
        "training": lenet5[1],
        "evaluation": {"accuracy": 0.96875, "cross_entropy": 0.125},
        "infra": {
            "blessed": True,
            "message": "",
            "engine": "embedded",
            "latency_ms": {"p50": 1.5, "p90": 2.0, "p99": 2.5},
        },
        "blessed": True,
        "infra_blessed": True,
        "objections": [],
    }


@pytest.fixture(scope="session")
def empty_mlflow(in_child, tmp_path_factory):
    """Lets MLflow make an empty database, once: it takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.sqlite"
    in_child(make_database, f"sqlite:///{path}")
    return path


def make_database(tracking_uri):
    from components.registrar import registry

    with registry.connected(tracking_uri) as client:
        client.search_experiments()


@pytest.fixture
def mlflow_place(empty_mlflow, tmp_path):
    """Returns an MLflow of the test's own."""
    from components.registrar import registry

    shutil.copy(empty_mlflow, tmp_path / "mlflow.sqlite")
    return registry.Place(f"sqlite:///{tmp_path / 'mlflow.sqlite'}", str(tmp_path / "mlartifacts"))
