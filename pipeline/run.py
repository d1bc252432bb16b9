"""One pipeline run, from a checked config to the ranked table."""

import contextlib
import dataclasses
import datetime
import json
import math
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock

from components.progress import Event
from pipeline import data_report, leaderboard, unsent
from pipeline.config import Config
from pipeline.errors import ConvoyError, ExitCode
from pipeline.leaderboard import Row
from pipeline.parent_run import SUMMARY_FILE
from pipeline.runners import hosts, local
from pipeline.runners.local import NodeRecord
from pipeline.runners.node import compile_pipeline
from pipeline.workspace import Workspace
from serving.repository import Repository

GATE_NODE = "DataGate"
# What a model is that the gate let through: it is live, or may go live.
BLESSED = ("published", "waiting")
# The nodes that write into MLflow what was not there; a run in which one did, or any failed, is shown there.
RECORDED = ("Trainer.", "Registrar.")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
      rows: Ranked.
      nodes: In topological order.
      seconds: Wall time of the whole run.
      data: What it saw of its data; None where it did not come so far.
      untold: Why MLflow does not show it yet; empty where it does.
    """

    run_id: str
    rows: list[Row]
    nodes: list[NodeRecord]
    seconds: float
    directory: Path
    data: data_report.Seen | None = None
    untold: str = ""

    @property
    def code(self) -> ExitCode:
        """The exit code that the run deserves."""
        failed = [node for node in self.nodes if node.state == "failed"]
        if any(node.id == GATE_NODE for node in failed):
            return ExitCode.DATA_GATE
        if failed:
            return ExitCode.BRANCH_FAILED
        return ExitCode.OK if any(row.state in BLESSED for row in self.rows) else ExitCode.NOTHING_BLESSED

    def tally(self) -> str:
        """Counts the nodes by state, in a line for people."""
        states = Counter(node.state for node in self.nodes)
        others = "".join(f", {states[state]} {state}" for state in ("failed", "skipped") if states[state])
        unchanged = "; nothing had changed" if states["cached"] == len(self.nodes) else ""
        return f"{states['ran']} steps ran, {states['cached']} were cached{others}{unchanged}; {self.seconds:.0f} s."


Starter = Callable[[list[str]], local.Listener]


def run(
    config: Config,
    workspace: Workspace,
    *,
    jobs: int | None = None,
    force: Sequence[str] = (),
    scanned: Callable[[Event], None] | None = None,
    observe: Starter,
) -> Outcome:
    """Runs the pipeline of a config.

    Args:
      config: Checked.
      workspace: Where everything is written.
      jobs: Nodes at a time; None for one a core, and one a GPU where those are more.
      force: Nodes that run even if nothing changed.
      scanned: Is told, before that, how many of the data set's files have been looked at.
      observe: Is told the nodes, and answers with who listens to them.

    Raises:
      ConvoyError: The pipeline can't be compiled, another run has the workspace, or this is not the chief of its hosts.
    """
    hosts.require_chief()
    started = time.monotonic()
    run_id = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    directory = workspace.run(run_id)
    with _alone(workspace), local.opened(directory / "logs") as children:
        compiled = children.call("compile", compile_pipeline, config, workspace, run_id, force, heard=scanned)
        if _stopped(workspace, run_id) or unsent.waits(workspace):
            _send(children, workspace, config.dataset.title)
        listener = observe(list(compiled.upstream))
        jobs = jobs or max(local.cores(), len(compiled.gpus))
        nodes = local.run(compiled, children, jobs, listener, _limits(config))
        rows = _rows(config, workspace, nodes)
        seen = data_report.keep(nodes, directory)
        outcome = Outcome(run_id, rows, nodes, time.monotonic() - started, directory, seen)
        _write_summary(outcome, config)
        if any(node.state == "failed" or (node.state == "ran" and node.id.startswith(RECORDED)) for node in nodes):
            unsent.mark(directory)
            outcome = dataclasses.replace(outcome, untold=_send(children, workspace, config.dataset.title))
    return dataclasses.replace(outcome, seconds=time.monotonic() - started)


def _stopped(workspace: Workspace, run_id: str) -> bool:
    """Tells whether the run before this one never came to its end."""
    before = sorted(path for path in (workspace.root / "runs").iterdir() if path.name < run_id)
    return bool(before) and not (before[-1] / SUMMARY_FILE).exists()


def _send(children: local.Children, workspace: Workspace, experiment: str) -> str:
    """Tells MLflow what it was not told yet; returns why that must wait, since no run is lost for it."""
    try:
        children.call("mlflow", unsent.send, workspace, experiment)
    except ConvoyError as error:
        return f"MLflow has yet to be told of this run: {error} The next run tells it."
    return ""


def _limits(config: Config) -> local.Limits:
    minutes = config.runner.step_minutes
    return local.Limits(math.inf if minutes is None else minutes * 60, config.runner.retries)


@contextlib.contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Holds the workspace; a second run is told since when, and by whom."""
    lock, holder = filelock.FileLock(workspace.root / "run.lock", timeout=0), workspace.root / "run.json"
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ConvoyError(
            f"A workspace without another run is required. Received: {workspace.root}, where {_who(holder)}; "
            "wait for it, or use another --workspace.",
            ExitCode.LOCKED,
        ) from error
    try:
        now = datetime.datetime.now().isoformat(sep=" ", timespec="seconds")
        _write(holder, {"since": now, "pid": os.getpid()})
        yield
    finally:
        lock.release()


def _who(holder: Path) -> str:
    try:
        held = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {held['pid']} runs since {held['since']}"
    except (OSError, ValueError, KeyError):
        return "another process has just begun to run"


def _write(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON so that a reader sees all of it or nothing."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")
    temporary.rename(path)


def _rows(config: Config, workspace: Workspace, nodes: list[NodeRecord]) -> list[Row]:
    """Reads each branch's outputs, cached or new, into ranked rows."""
    by_id = {node.id: node for node in nodes}
    repository = Repository(workspace.repository)
    rows = []
    for name in config.architectures:
        model = f"{config.dataset.title}_{name}"
        publisher = by_id[f"Publisher.{name}"]
        registered = by_id[f"Registrar.{name}"].outputs.get("registered_model", [None])[0]
        pushed = publisher.outputs.get("pushed_model", [None])[0]
        fresh = publisher.state == "ran"
        row = leaderboard.read(name, model, registered, pushed, _why(by_id, name), fresh=fresh)
        rows.append(row.with_labels(repository.labels(model)))
    return leaderboard.rank(rows)


def _why(by_id: dict[str, NodeRecord], architecture: str) -> str:
    """Finds why a branch did not get through: its own failed node, or one that all branches need."""
    own = [node for name, node in by_id.items() if name.endswith(f".{architecture}")]
    shared = [node for name, node in by_id.items() if "." not in name]
    return next((f"{node.id}: {node.error}" for node in own + shared if node.state == "failed"), "")


def _write_summary(outcome: Outcome, config: Config) -> None:
    content: dict[str, Any] = {
        "run_id": outcome.run_id,
        "dataset": config.dataset.title,
        "seconds": outcome.seconds,
        "exit_code": int(outcome.code),
        "tally": outcome.tally(),
        "config": config.model_dump(mode="json", by_alias=True),
        "data": outcome.data.facts() if outcome.data else None,
        "rows": [dataclasses.asdict(row) for row in outcome.rows],
        "nodes": [dataclasses.asdict(node) for node in outcome.nodes],
    }
    _write(outcome.directory / SUMMARY_FILE, content)
