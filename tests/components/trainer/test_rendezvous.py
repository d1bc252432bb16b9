"""Chief and workers find each other through files, whoever is first; whoever waits in vain says so."""

import concurrent.futures
import dataclasses
import time
from types import SimpleNamespace

import pytest

from components.trainer import rendezvous
from components.trainer.cluster import Cluster
from components.trainer.rendezvous import NoJobError, RendezvousError

ADDRESSES = ("host1:2222", "host2:2222", "host3:2222")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(rendezvous, "POLL_S", 0.01)
    monkeypatch.setattr(rendezvous, "SILENT_S", 0.3)
    monkeypatch.setattr(rendezvous, "JOIN_S", 5.0)


@pytest.fixture
def job(tmp_path):
    given = SimpleNamespace(
        train_files=[str(tmp_path / "data" / "train-*")],
        eval_files=[str(tmp_path / "data" / "validation-*")],
        custom_config={"architecture": "lenet5"},
    )
    return rendezvous.described(tmp_path, Cluster(ADDRESSES, 0), given, tmp_path / "node" / "checkpoints", ["this"])


@pytest.fixture
def background():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield pool.submit


def call(root, job, lasting=0.1):
    """Calls, and says at once that the training is over."""
    with rendezvous.called(root, job):
        time.sleep(lasting)
    rendezvous._turns.pop().release()  # In life, the end of the process does.


@pytest.mark.parametrize("chief_first", [True, False])
def test_chief_and_workers_meet_whoever_comes_first(tmp_path, job, background, chief_first, monkeypatch):
    released = []

    def chief():
        with rendezvous.called(tmp_path, job):
            released.append(time.monotonic())
            time.sleep(0.3)
        rendezvous._turns.pop().release()

    started = background(chief) if chief_first else None
    time.sleep(0.1)
    workers = [background(rendezvous.joined, tmp_path, Cluster(ADDRESSES, rank), 5.0) for rank in (1, 2)]
    time.sleep(0.1)
    started = started or background(chief)
    assert [worker.result() for worker in workers] == [job, job]
    started.result()
    assert released
    assert sorted(path.name for path in (tmp_path / "workers").iterdir()) == ["turn.lock"]


def test_paths_are_relative_to_the_shared_folder(job):
    assert (job.train_files, job.validation_files) == (("data/train-*",), ("data/validation-*",))
    assert job.checkpoints == "node/checkpoints"


def test_a_worker_that_is_not_called_ends_with_a_sentence(tmp_path):
    with pytest.raises(NoJobError, match=r"within 0\.05 s\. Received: no training for host2:2222 in .*; start"):
        rendezvous.joined(tmp_path, Cluster(ADDRESSES, 1), 0.05)


def test_what_a_killed_chief_left_behind_is_no_job(tmp_path, job):
    folder = tmp_path / "workers"
    folder.mkdir()
    rendezvous._write(folder / "job.json", {"beat": 7, "begin": False, **dataclasses.asdict(job)})
    with pytest.raises(NoJobError):
        rendezvous.joined(tmp_path, Cluster(ADDRESSES, 1), 0.3)
    assert not list(folder.glob("answer-*"))


def test_a_chief_that_ends_while_it_waits_lets_its_workers_wait_for_another(tmp_path, job, background):
    folder = tmp_path / "workers"
    folder.mkdir()
    worker = background(rendezvous.joined, tmp_path, Cluster(ADDRESSES, 1), 0.2)
    for beat in range(1, 10):
        rendezvous._write(folder / "job.json", {"beat": beat, "begin": False, **dataclasses.asdict(job)})
        time.sleep(0.03)
    assert list(folder.glob("answer-*-1.json"))
    with pytest.raises(NoJobError):
        worker.result(timeout=5)


def test_a_chief_names_the_workers_that_did_not_come(tmp_path, job, background, monkeypatch):
    monkeypatch.setattr(rendezvous, "JOIN_S", 0.5)
    worker = background(rendezvous.joined, tmp_path, Cluster(ADDRESSES, 1), 0.1)
    with pytest.raises(RendezvousError, match=r"join within 0\.5 s\. Received: none from host3:2222; start `convoy w"):
        call(tmp_path, job)
    rendezvous._turns.pop().release()
    with pytest.raises(NoJobError):
        worker.result()


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"facts": {"source": "old", "tensorflow": "2.21.0", "keras": "3.15.1"}}, r"source old and [0-9a-f]{16}"),
        ({"addresses": ("host1:2222", "host9:2222")}, r"workers host1:2222, host9:2222 and host1:2222, host2:2222"),
    ],
)
def test_hosts_that_differ_are_refused_on_both_sides(tmp_path, job, background, changed, difference):
    other = dataclasses.replace(job, **changed)
    worker = background(rendezvous.joined, tmp_path, Cluster(ADDRESSES, 1), 5.0)
    sentence = rf"same source, packages and TF_CONFIG\. Received: .*{difference}.*; make them alike\."
    with pytest.raises(RendezvousError, match=sentence):
        call(tmp_path, other)
    rendezvous._turns.pop().release()
    with pytest.raises(RendezvousError, match=sentence):
        worker.result()


def test_a_job_that_was_had_is_not_had_again(tmp_path, job, background):
    ids = []
    for _ in range(2):
        fresh = dataclasses.replace(job, id=f"job{len(ids)}")
        chief = background(call, tmp_path, dataclasses.replace(fresh, addresses=ADDRESSES[:2]))
        # The folder's files are gone once the chief has begun: a beat to see them.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rendezvous, "POLL_S", 0.002)
            ids.append(rendezvous.joined(tmp_path, Cluster(ADDRESSES[:2], 1), 5.0, ids).id)
        chief.result()
    assert ids == ["job0", "job1"]
