"""Every step that uses Beam, on each engine: the same results as in this process's memory.

The portable runner is the protocol of Flink and Spark: a job service and a pool of workers, both processes of their
own, spoken to over gRPC. No cluster is among them.
"""

import contextlib
import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import json_format

from components.evaluation.facts import Evaluation
from components.trainer import classes
from pipeline import config, engines, graph
from pipeline.workspace import Workspace

ROOT = Path(__file__).parents[2]
STEPS = ["DatasetGen", "StatisticsGen", "Transform", "Evaluator"]


@contextlib.contextmanager
def started(module, *arguments, log):
    """Runs a module as a process of its own, in a group that ends with the block."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-m", module, *arguments]
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=log.parent, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def said(log, beginning, process):
    """Waits until a process has written a line that begins so; returns its rest."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith(beginning):
                return line.removeprefix(beginning)
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def portable(tmp_path_factory):
    """Starts Beam's job service and a pool of our workers; returns the options that name them, and the pool's log."""
    folder = tmp_path_factory.mktemp("engine")
    service, pool = folder / "service.log", folder / "pool.log"
    with (
        started(
            "apache_beam.runners.portability.local_job_service_main", "--port_file", str(folder / "port"), log=service
        ) as jobs,
        started("pipeline.runners.beam_workers", "--port=0", log=pool) as workers,
    ):
        address = said(pool, "Workers for Beam address=", workers)
        port = said(service, "Writing port to", jobs) and read_when_written(folder / "port")
        yield Portable(
            [
                "--runner=PortableRunner",
                f"--job_endpoint=localhost:{port}",
                "--environment_type=EXTERNAL",
                f"--environment_config={address}",
            ],
            pool,
        )


def read_when_written(path):
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return path.read_text()


@dataclasses.dataclass(frozen=True)
class Portable:
    """The options that name a job service and a pool of workers, and the pool's log."""

    args: list[str]
    log: Path

    def workers(self):
        """Counts the workers that the pool has started so far."""
        return self.log.read_text().count("A worker starts")


@pytest.fixture(scope="module")
def run_step(execute, channel, data_dir, examples, schema, lenet5):
    """Runs one step by options for Beam, on what the steps before it made in memory; returns its outputs."""
    from tfx.components import StatisticsGen
    from tfx.types import standard_artifacts

    from components.dataset_gen import sources
    from components.dataset_gen.component import DatasetGen
    from components.dataset_gen.facts import Settings
    from components.evaluation.component import Evaluator

    model = standard_artifacts.Model()
    model.uri = str(lenet5[0].parent)
    settings = Settings("digits", str(data_dir))
    facts = sources.opened(settings).facts
    given = {"examples": examples, "schema": schema, "model": model}
    channels = {key: channel(artifact) for key, artifact in given.items()}
    checked = config.check({"dataset": {"name": "digits"}}, "mine.toml")
    steps = {
        "DatasetGen": lambda: (DatasetGen(settings, facts.fingerprint), []),
        "StatisticsGen": lambda: (StatisticsGen(examples=channels["examples"]), ["examples"]),
        "Transform": lambda: (graph.transform(channels["examples"], channels["schema"], facts), ["examples", "schema"]),
        "Evaluator": lambda: (
            Evaluator(
                channels["examples"],
                channels["model"],
                None,
                gate=checked.gate.evaluation(),
                class_names=facts.class_names,
            ),
            ["examples", "model"],
        ),
    }

    def run(step, root, args):
        component, inputs = steps[step]()
        return execute(component, root, engines.beam_args(args), **{key: given[key] for key in inputs})

    return run


@pytest.fixture(scope="module")
def in_memory(run_step, tmp_path_factory):
    """Runs each step once in this process's memory."""
    return functools.cache(lambda step: run_step(step, tmp_path_factory.mktemp("in_memory"), []))


def features(artifact, records):
    """Reads examples in an order and a form that depends on nothing but what they say."""
    splits = json.loads(artifact.split_names)
    return {split: sorted(map(canonical, records(artifact, split))) for split in splits}


def canonical(record):
    found = tf.train.Example.FromString(record).features.feature
    return sorted((key, value.SerializeToString(deterministic=True)) for key, value in found.items())


def statistics(artifact):
    """Reads each split's statistics by feature."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = {}
    for path in Path(artifact.uri).glob("Split-*/FeatureStats.pb"):
        (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets
        found[path.parent.name] = {
            feature.path.step[0]: json_format.MessageToDict(feature) for feature in dataset.features
        }
        found[path.parent.name]["examples"] = dataset.num_examples
    return found


def facts(step, outputs, records):
    """Says what a step found, so that two engines can be compared."""
    if step == "DatasetGen":
        return features(outputs["examples"], records)
    if step == "StatisticsGen":
        return statistics(outputs["statistics"])
    if step == "Transform":
        counted = classes.counted(outputs["transform_graph"].uri)
        return {"classes": counted, **features(outputs["transformed_examples"], records)}
    found = Evaluation.read(Path(outputs["evaluation"].uri))
    blessed = outputs["blessing"].get_int_custom_property("blessed")
    told = {"blessed": blessed, **dict(leaves(found.model_dump()))}
    numbers = {place: value for place, value in told.items() if isinstance(value, float)}
    return {"numbers": numbers, **{place: value for place, value in told.items() if place not in numbers}}


def leaves(content, place=""):
    """Lists what is in tables and lists, each with the way to it."""
    if not isinstance(content, dict | tuple):
        yield place, content
        return
    for key, one in content.items() if isinstance(content, dict) else enumerate(content):
        yield from leaves(one, f"{place}/{key}")


def expected(step, outputs, records):
    """What another engine must find: a model rounds its answers otherwise, in the eighth digit, in other batches."""
    found = facts(step, outputs, records)
    return found | {"numbers": pytest.approx(found["numbers"], rel=0, abs=1e-6)} if step == "Evaluator" else found


def test_every_step_that_uses_beam_is_among_these(tmp_path):
    from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

    content = {"dataset": {"name": "digits"}, "architectures": {"lenet5": {}}}
    nodes = graph.build(config.check(content, "mine.toml"), Workspace(tmp_path)).components
    beams = [node.id.partition(".")[0] for node in nodes if isinstance(node.executor_spec, BeamExecutorSpec)]
    assert beams == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_job_service_and_its_workers_find_what_this_process_finds(
    step, portable, in_memory, run_step, records, tmp_path
):
    before = portable.workers()
    outputs = run_step(step, tmp_path, portable.args)
    assert portable.workers() > before
    assert facts(step, outputs, records) == expected(step, in_memory(step), records)


@pytest.fixture
def interpreters(monkeypatch):
    """Lists the commands of the workers that Beam starts as processes of this machine."""
    commands = []

    class Spied(subprocess.Popen):
        def __init__(self, command, *given, **named):
            commands.extend([str(command)] * ("sdk_worker_main" in str(command)))
            super().__init__(command, *given, **named)

    monkeypatch.setattr(subprocess, "Popen", Spied)
    return commands


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_several_processes_find_what_this_one_finds(step, interpreters, in_memory, run_step, records, tmp_path):
    before = expected(step, in_memory(step), records)
    assert not interpreters
    outputs = run_step(step, tmp_path, ["--direct_num_workers=2"])
    assert len(interpreters) > 1
    assert facts(step, outputs, records) == before
