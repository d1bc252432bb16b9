"""How the chief of a training finds its workers: through files in a folder that all of them share.

The chief writes `job.json` again and again, with a beat that rises, until every worker has answered; then it writes the
file once more, to begin. A worker takes a job whose beat it has seen rise, so that what a killed chief left behind is
none. Nobody compares clocks.
"""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import filelock

from components.source import source_digest
from components.trainer.cluster import Cluster

FOLDER = "workers"
JOIN_S = 600.0  # How long a chief waits for its workers.
POLL_S = 0.5
SILENT_S = 90.0  # How long a job may go without a beat; NFS shows an old file for up to a minute.


class RendezvousError(RuntimeError):
    """Chief and workers did not come together."""


class NoJobError(RendezvousError):
    """No chief called."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a chief asks its workers to train with it.

    Attributes:
      addresses: Of all workers, the chief's first.
      config: The Trainer's `custom_config`.
      train_files: Glob patterns, relative to the folder that is shared; likewise `validation_files` and `checkpoints`.
      training: What a checkpoint must be of, as `Checkpoints` takes it.
      facts: What must be the same on every host: the digest of our source, the versions of TensorFlow and Keras.
    """

    id: str
    addresses: tuple[str, ...]
    config: dict[str, Any]
    train_files: tuple[str, ...]
    validation_files: tuple[str, ...]
    checkpoints: str
    training: Any
    facts: dict[str, str]


def described(root: Path, cluster: Cluster, fn_args: Any, checkpoints: Path, training: Any) -> Job:
    """Describes the training that TFX's `fn_args` ask for, its files as seen from the shared folder `root`."""
    train, validation = (
        tuple(os.path.relpath(pattern, root) for pattern in patterns)
        for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    kept = os.path.relpath(checkpoints, root)
    config = dict(fn_args.custom_config)
    return Job(secrets.token_hex(8), cluster.addresses, config, train, validation, kept, training, facts())


def facts() -> dict[str, str]:
    """Returns what must be the same on every host."""
    versions = {package: importlib.metadata.version(package) for package in ("tensorflow", "keras")}
    return {"source": source_digest("components", "models"), **versions}


@contextlib.contextmanager
def called(root: Path, job: Job) -> Iterator[None]:
    """Calls the workers together for the length of a block, one training at a time.

    Raises:
      RendezvousError: One refused, or did not come within `JOIN_S`.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _take_turn(folder)
    try:
        _gather(folder, job)
        yield
    finally:
        for told in [folder / "job.json", *folder.glob("answer-*.json")]:
            told.unlink(missing_ok=True)


_turns: list[filelock.FileLock] = []


def _take_turn(folder: Path) -> None:
    """Waits until no other training of this host has the workers.

    Only the end of this process gives the turn back: until then TensorFlow's server keeps the port.
    """
    turn = filelock.FileLock(folder / "turn.lock")
    turn.acquire(poll_interval=POLL_S)
    _turns.append(turn)


def _gather(folder: Path, job: Job) -> None:
    deadline = time.monotonic() + JOIN_S
    beat = 0
    while missing := [rank for rank in range(1, len(job.addresses)) if not _joined(folder, job, rank)]:
        if time.monotonic() > deadline:
            absent = ", ".join(job.addresses[rank] for rank in missing)
            raise RendezvousError(
                f"Every worker must join within {JOIN_S:g} s. Received: none from {absent}; start `convoy worker` "
                f"there, over the same shared workspace."
            )
        beat += 1
        _write(folder / "job.json", {"beat": beat, "begin": False, **dataclasses.asdict(job)})
        time.sleep(POLL_S)
    _write(folder / "job.json", {"beat": beat + 1, "begin": True, **dataclasses.asdict(job)})


def _joined(folder: Path, job: Job, rank: int) -> bool:
    answer = _read(folder / f"answer-{job.id}-{rank}.json")
    if refusal := answer.get("refusal"):
        raise RendezvousError(refusal)
    return bool(answer)


def joined(root: Path, cluster: Cluster, wait_s: float, done: Collection[str] = ()) -> Job:
    """Waits for a chief's call, answers it, and returns the job as soon as everyone is there.

    Args:
      root: The folder that is shared.
      cluster: As this host was told.
      wait_s: How long to wait for a job, in seconds.
      done: Ids of jobs that this worker had.

    Raises:
      NoJobError: There was none in that time.
      RendezvousError: Chief and worker are not alike, which the chief is told too.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    waited_until = time.monotonic() + wait_s
    seen: tuple[str, int] = ("", 0)
    heard = -SILENT_S
    while True:
        told = _read(folder / "job.json")
        now = time.monotonic()
        beat = (str(told.pop("id", "")), int(told.pop("beat", 0)))
        begin = told.pop("begin", False)
        answer = folder / f"answer-{beat[0]}-{cluster.rank}.json"
        if beat[0] and beat[0] not in done and beat[0] == seen[0] and beat[1] > seen[1]:
            heard = now
            if begin and answer.exists():
                return _job(beat[0], told)
            if not begin and not answer.exists():
                _answer(answer, _job(beat[0], told), cluster)
        seen = beat
        if now > max(waited_until, heard + SILENT_S):
            raise NoJobError(
                f"A worker must be called within {wait_s:g} s. Received: no training for {cluster.own_address} in "
                f"{root}; start `convoy run` on {cluster.addresses[0]}, over the same shared workspace."
            )
        time.sleep(POLL_S / 2)


def _job(identity: str, told: dict[str, Any]) -> Job:
    lists = {name: tuple(told[name]) for name in ("addresses", "train_files", "validation_files")}
    return Job(**{**told, **lists, "id": identity})


def _answer(path: Path, job: Job, cluster: Cluster) -> None:
    """Joins, or tells the chief and the caller why not."""
    own = facts()
    different = [f"{name} {job.facts[name]} and {own[name]}" for name in own if own[name] != job.facts[name]]
    if job.addresses != cluster.addresses:
        different.append(f"workers {', '.join(job.addresses)} and {', '.join(cluster.addresses)}")
    if not different:
        _write(path, {"address": cluster.own_address})
        return
    refusal = (
        f"All hosts must have the same source, packages and TF_CONFIG. Received: on {job.addresses[0]} and on "
        f"{cluster.own_address}, {'; '.join(different)}; make them alike."
    )
    _write(path, {"refusal": refusal})
    raise RendezvousError(refusal)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(content)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON so that a reader sees all of it or nothing."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)
