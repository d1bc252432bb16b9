"""`convoy worker`: what the other hosts run where several train together."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

from components.trainer import rendezvous
from components.trainer.cluster import EXAMPLE, Cluster
from pipeline.errors import ConvoyError, ExitCode, UsageError
from pipeline.runners import hosts, local
from pipeline.workspace import Workspace


def work(workspace: Workspace, wait_s: float, say: Callable[[str], Any]) -> None:
    """Trains along with the chief, training after training, until none came for a while.

    A training that fails costs the worker nothing: it says why, and waits for the next.

    Args:
      workspace: Shared with the chief.
      wait_s: How long to wait for a training, in seconds.
      say: Hears what happens, a sentence at a time.

    Raises:
      ConvoyError: This host is not like the chief's, or no training came to its end here.
    """
    cluster = _cluster()
    root = workspace.pipeline_root
    done: dict[str, bool] = {}
    with _alone(root / rendezvous.FOLDER, cluster) as folder, local.opened(folder / f"logs-{cluster.rank}") as children:
        say(f"Worker {cluster.rank} of {cluster.size} ({cluster.own_address}) waits for trainings in {workspace.root}.")
        while (job := _next(root, cluster, wait_s, done)) is not None:
            name = job.config["architecture"]
            say(f"{name}: trains along with {job.addresses[0]}.")
            done[job.id] = False
            try:  # In a child: TensorFlow joins other workers once in a process alone.
                epochs = children.call(name, _take_part, root, cluster, job)
            except ConvoyError as error:
                say(f"{name}: {error}")
                continue
            done[job.id] = True
            say(f"{name}: done after {epochs} epochs.")
    say(f"No training for {wait_s:g} s: ends after {len(done)}, of which {sum(done.values())} were trained to the end.")


def _cluster() -> Cluster:
    cluster = hosts.cluster()
    if cluster is None:
        raise UsageError(f"TF_CONFIG must name several workers. Received: none or one; set it, such as {EXAMPLE}.")
    if cluster.is_chief:
        raise UsageError(
            f"`convoy worker` must run beside the chief. Received: TF_CONFIG of the chief, {cluster.own_address}; use "
            "`convoy run` here."
        )
    return cluster


def _next(root: Path, cluster: Cluster, wait_s: float, done: dict[str, bool]) -> rendezvous.Job | None:
    """Waits for the next job; None where there is no more of it."""
    try:
        return rendezvous.joined(root, cluster, wait_s, done)
    except rendezvous.NoJobError:
        if not any(done.values()):
            raise
        return None


def _take_part(root: Path, cluster: Cluster, job: rendezvous.Job) -> int:
    """Runs in a child; returns a number, for which this process need not import Keras, as it would for a `Progress`."""
    from components.trainer import worker

    return worker.take_part(root, cluster, job).epochs


@contextlib.contextmanager
def _alone(folder: Path, cluster: Cluster) -> Iterator[Path]:
    """Holds the place of this worker: two of the same address would answer for each other."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / f"worker-{cluster.rank}.lock", timeout=0):
            yield folder
    except filelock.Timeout as error:
        raise ConvoyError(
            f"A worker must have its index in TF_CONFIG to itself. Received: {cluster.rank}, which another process "
            "has; end that one, or give this one another.",
            ExitCode.LOCKED,
        ) from error
