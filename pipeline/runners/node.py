"""What runs in a child process: compiling the pipeline, launching one of its nodes.

Everything heavy is imported inside the functions: the parent imports this module too, and stays light.
"""

import contextlib
import dataclasses
import difflib
import logging
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from components import progress, servers, twin
from components.trainer import cluster
from pipeline import metadata
from pipeline.config import Config
from pipeline.errors import ConvoyError, ExitCode, UsageError, is_ours
from pipeline.runners import devices, hosts
from pipeline.workspace import Workspace

# What an upstream library wraps around the sentence that matters.
MESSAGE_LIMIT = 600
# What Python, requests, gRPC's and MLMD's wrappers call an error that passes; their classes cost seconds to import.
PASSING = {"ConnectionError", "ConnectTimeout", "ReadTimeout", "UnavailableError", "AbortedError"}
# The nodes that train, by the part of their id before the dot.
TRAINING = ("Trainer", "Tuner")


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a child failed.

    Attributes:
      message: A sentence for the screen; the traceback is in the child's log.
      code: The exit code that it asks for.
      passing: Whether the same may succeed a little later.
    """

    message: str
    code: int
    passing: bool = False


@dataclasses.dataclass(frozen=True)
class NodeResult:
    """What a node did.

    Attributes:
      state: `ran` or `cached`.
      outputs: URIs of the output artifacts by key.
      work: When its executor began and ended, by the clock that all processes share; nothing where it was cached.
    """

    state: str
    outputs: dict[str, list[str]]
    work: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Tracking:
    """Where in MLflow.

    Attributes:
      uri: MLflow's.
      artifact_location: Where a new experiment keeps its files.
      workspace: The workspace's mark.
      experiment: Its name.
      unsent: The folder for what MLflow could not be told.
    """

    uri: str
    artifact_location: str
    workspace: str
    experiment: str
    unsent: Path


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A compiled pipeline.

    Attributes:
      ir: Its intermediate representation.
      upstream: The nodes that each node waits for, in topological order.
      uncached: Why a node runs though nothing may have changed.
      training: The nodes that train, each on GPUs of its own; all others see none.
      gpus: Ids of those that TensorFlow can use.
      share: How many of them a node that trains has.
      tracking: Where trainings are recorded; None for nowhere.
    """

    ir: bytes
    upstream: dict[str, list[str]]
    uncached: dict[str, str] = dataclasses.field(default_factory=dict)
    training: frozenset[str] = frozenset()
    gpus: tuple[str, ...] = ()
    share: int = 0
    tracking: Tracking | None = None


def in_child(
    connection: Connection, log: Path, gpus: Sequence[str] | None, work: Callable[..., Any], *arguments: Any
) -> None:
    """Runs `work` with its output in a log file; sends its progress, then its result or a `Failure`.

    Args:
      connection: Where to send.
      log: The file.
      gpus: Ids of those that this process and its twin see; None for all.
      work: What to run.
      *arguments: Of `work`.
    """
    _volunteer()
    if gpus is not None:
        os.environ[devices.VISIBLE] = ",".join(gpus)
    twin.prepare(connection)
    _log_to(log)
    if (runner := multiprocessing.parent_process()) is not None:
        twin.end_with(runner.sentinel)
    progress.listen(lambda event: connection.send(("progress", event)))
    try:
        connection.send(("done", work(*arguments)))
    except BaseException as error:
        traceback.print_exc()
        with contextlib.suppress(OSError):
            connection.send(("done", _failure(error)))


def compile_pipeline(config: Config, workspace: Workspace, run_id: str, force: Sequence[str]) -> Compiled:
    """Builds the pipeline and compiles it to TFX's intermediate representation.

    Args:
      config: Checked.
      workspace: Where everything is written.
      run_id: Of this run.
      force: Nodes that run even if nothing changed; what depends on them follows.

    Raises:
      UsageError: The data set can't be used, or there is no such node.
    """
    from tfx.dsl.compiler import compiler, constants
    from tfx.orchestration.portable import runtime_parameter_utils

    from components.dataset_gen.errors import DatasetError, UnfitSourceError
    from components.schema_import.component import SchemaError
    from pipeline import graph

    try:
        ir = compiler.Compiler().compile(graph.build(config, workspace))
    except UnfitSourceError as error:
        raise ConvoyError(str(error), ExitCode.DATA_GATE) from error
    except (DatasetError, SchemaError) as error:
        raise UsageError(str(error)) from error
    runtime_parameter_utils.substitute_runtime_parameter(ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    uncached = dict.fromkeys(graph.damaged(config, workspace), "what it published was damaged or gone")
    uncached |= dict.fromkeys(force, "--force")
    _forbid_cache([node.pipeline_node for node in ir.nodes], list(uncached))
    upstream = {node.pipeline_node.node_info.id: list(node.pipeline_node.upstream_nodes) for node in ir.nodes}
    order = sorted(upstream, key=lambda node: _branch_rank(node, list(config.architectures)))
    training = frozenset(node for node in upstream if node.partition(".")[0] in TRAINING)
    gpus = devices.visible()
    share = devices.share(config.training.devices, len(gpus), len(config.architectures))
    ordered = {node: upstream[node] for node in order}
    mlflow = (workspace.tracking_uri, workspace.artifact_location, workspace.mark)
    tracking = Tracking(*mlflow, config.dataset.title, workspace.unsent)
    return Compiled(ir.SerializeToString(deterministic=True), ordered, uncached, training, gpus, share, tracking)


def _forbid_cache(nodes: list[Any], force: Sequence[str]) -> None:
    by_id = {node.node_info.id: node for node in nodes}
    for name in force:
        if name not in by_id:
            near = difflib.get_close_matches(name, by_id, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The nodes are {_kinds(list(by_id))}."
            raise UsageError(f"--force must name a node of the graph. Received: {name!r}. {hint}")
        by_id[name].execution_options.caching_options.enable_cache = False


def _kinds(nodes: list[str]) -> str:
    """Lists nodes in short: what every architecture has, once."""
    shared = [node for node in nodes if "." not in node]
    steps = dict.fromkeys(node.partition(".")[0] for node in nodes if "." in node)
    return f"{', '.join(shared)}, and of each architecture {', '.join(steps)}: {nodes[-1]}"


def _branch_rank(node: str, architectures: list[str]) -> int:
    """Ranks what all branches share first, then branch by branch: one is done before the last one starts."""
    branch = node.partition(".")[2]
    return architectures.index(branch) if branch else -1


def launch(ir_bytes: bytes, node_id: str, threads: int, tracking: Tracking | None = None) -> NodeResult:
    """Launches one node through TFX's own launcher.

    Args:
      ir_bytes: The pipeline's intermediate representation.
      node_id: The node.
      threads: Cores for TensorFlow's ops: two nodes that each use every core spend half of them on waiting.
      tracking: Where a training is recorded while it goes on.
    """
    import tensorflow as tf
    from tfx.orchestration.local import runner_utils
    from tfx.orchestration.portable import launcher
    from tfx.proto.orchestration import pipeline_pb2

    cluster.tell(hosts.cluster())
    if tracking is not None:
        servers.tell(tracking.uri)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    ir = pipeline_pb2.Pipeline.FromString(ir_bytes)
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection = deployment.metadata_connection_config
    mlmd = metadata.handle(getattr(connection, connection.WhichOneof("connection_config")))
    work: list[float] = []
    operators = {spec: _timed(operator, work) for spec, operator in launcher.DEFAULT_EXECUTOR_OPERATORS.items()}
    starting = launcher.Launcher(
        pipeline_node=next(node.pipeline_node for node in ir.nodes if node.pipeline_node.node_info.id == node_id),
        mlmd_connection=mlmd,
        pipeline_info=ir.pipeline_info,
        pipeline_runtime_spec=ir.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        custom_executor_operators=operators,
    )
    with _recorded(tracking if node_id.startswith("Trainer.") else None, ir.runtime_spec, node_id):
        execution = starting.launch()
    if execution.execution_id is None:
        raise ConvoyError(f"{node_id} needs all its inputs in MLMD. Received: some are missing; run again.")
    state, outputs = _outcome(mlmd, execution.execution_id)
    return NodeResult(state, outputs, tuple(work))


@contextlib.contextmanager
def _recorded(tracking: Tracking | None, runtime: Any, node_id: str) -> Iterator[None]:
    """Writes what is reported inside into MLflow, while it goes on."""
    if tracking is None:
        yield
        return
    from components.registrar import connection, live

    place = connection.Place(tracking.uri, tracking.artifact_location, tracking.workspace)
    run_id = runtime.pipeline_run_id.field_value.string_value
    recording = live.Recording(place, tracking.experiment, run_id, tracking.unsent / f"{run_id}.{node_id}.jsonl")

    def heard(event: progress.Event) -> progress.Event:
        recording.hear(event)
        return event

    try:
        with progress.through(heard):
            yield
    except BaseException as error:
        recording.end(_failure(error).message)
        raise
    recording.end()


def _timed(operator: Any, work: list[float]) -> Any:
    """Makes an executor operator of TFX's note when its executor begins and ends."""

    class Timed(operator):
        def run_executor(self, *arguments: Any, **options: Any) -> Any:
            work.append(time.monotonic())
            try:
                return super().run_executor(*arguments, **options)
            finally:
                work.append(time.monotonic())

    return Timed


def _outcome(mlmd: Any, execution_id: int) -> tuple[str, dict[str, list[str]]]:
    """Reads from MLMD whether an execution was cached, and what it put out."""
    from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

    with mlmd as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
        events = handle.store.get_events_by_execution_ids([execution_id])
        keys = {event.artifact_id: event.path.steps[0].key for event in events if event.type == event.OUTPUT}
        outputs: dict[str, list[str]] = {}
        for artifact in handle.store.get_artifacts_by_id(list(keys)):
            outputs.setdefault(keys[artifact.id], []).append(artifact.uri)
    cached = execution.last_known_state == mlmd_pb2.Execution.CACHED
    return ("cached" if cached else "ran"), outputs


def _failure(error: BaseException) -> Failure:
    """Finds the sentence that matters: TFX and Beam wrap what an executor raised."""
    code = error.code if isinstance(error, ConvoyError) else 1
    passing = _is_passing(error)
    while error.__cause__ is not None and not is_ours(error):
        error = error.__cause__
    # Some of Python's own errors say nothing but their name.
    message = str(error) if is_ours(error) else f"{type(error).__name__}: {str(error) or type(error).__doc__}"
    return Failure(" ".join(message.split())[:MESSAGE_LIMIT], int(code), passing)


def _is_passing(error: BaseException | None) -> bool:
    """Tells whether something that passes is at the bottom of an error: a connection, or a lock of a database."""
    while error is not None:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if kinds & PASSING or "database is locked" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _volunteer() -> None:
    """Has Linux end this process before the runner, the fork server or a server, where memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _log_to(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
