import contextlib
import io
import json
import socket
import sqlite3
import subprocess
import sys
import time

import pytest
from rich.console import Console

from components.registrar.registry import RegistryError
from pipeline import compare, doctor, status
from pipeline.errors import ExitCode, sentence
from pipeline.status import VersionStatus
from serving import running
from serving.repository import Repository

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")
MODEL = "digits_lenet5"


def test_a_workspace_that_a_run_left_agrees_everywhere(workspace):
    first, second, third = status.check(workspace)
    sha256 = Repository(workspace.repository).sha256(MODEL, 2)
    assert second == VersionStatus(
        MODEL,
        2,
        labels=["stable"],
        aliases=["champion"],
        sha256={"mlflow": sha256, "mlmd": sha256, "repository": sha256},
        published=True,
        server="off",
        problems=[],
        lineage=[],
    )
    assert (first.labels, first.aliases, first.published, first.problems) == ([], [], True, [])
    assert (third.published, third.problems) == (False, [])
    assert third.sha256 == {"mlflow": "f" * 64, "mlmd": "f" * 64, "repository": None}


def problems(workspace):
    """Returns what is wrong, by version."""
    return {found.version: found.problems for found in status.check(workspace) if found.problems}


def test_a_changed_byte_in_the_repository_is_found(workspace):
    path = workspace.repository / MODEL / "2" / "variables" / "variables.data"
    path.write_bytes(b"\x07" + path.read_bytes()[1:])
    found = problems(workspace)
    assert list(found) == [2]
    assert any("variables/variables.data" in problem for problem in found[2])


def test_a_file_that_the_repository_lost_is_found(workspace):
    (workspace.repository / MODEL / "1" / "saved_model.pb").unlink()
    found = problems(workspace)
    assert list(found) == [1]
    assert any("saved_model.pb" in problem for problem in found[1])


def test_a_manifest_that_the_repository_lost_is_found(workspace):
    (workspace.repository / MODEL / "2.sha256").unlink()
    assert f"{MODEL} version 2 is not known to repository." in problems(workspace)[2]


def test_a_version_that_mlflow_does_not_know_is_found(workspace):
    with _mlflow(workspace) as client:
        client.delete_model_version(MODEL, "1")
    assert problems(workspace) == {1: [f"{MODEL} version 1 is not known to mlflow."]}


def test_a_hash_that_differs_in_mlflow_is_found(workspace):
    with _mlflow(workspace) as client:
        client.set_model_version_tag(MODEL, "2", "sha256", "0" * 64)
    sha256 = Repository(workspace.repository).sha256(MODEL, 2)[:12]
    assert problems(workspace) == {
        2: [
            f"{MODEL} version 2 must have one SHA-256. Received: mlflow {'0' * 12}, mlmd {sha256}, repository {sha256}."
        ]
    }


def test_a_hash_that_differs_in_mlmd_is_found(workspace, mlmd):
    mlmd(workspace.metadata).registered(3, "0" * 64)
    assert problems(workspace) == {
        3: [f"{MODEL} version 3 must have one SHA-256. Received: mlflow {'f' * 12}, mlmd {'0' * 12}."]
    }


def test_a_repository_alone_is_known_to_nobody_else(workspace):
    workspace.metadata.unlink()
    (workspace.root / "mlflow.sqlite").unlink()
    found = problems(workspace)
    assert found == {version: [f"{MODEL} version {version} is not known to mlflow and mlmd."] for version in (1, 2)}
    assert not (workspace.root / "mlflow.sqlite").exists()


@contextlib.contextmanager
def _mlflow(workspace):
    import mlflow

    mlflow.set_tracking_uri(workspace.tracking_uri)
    yield mlflow.MlflowClient()


def test_the_command_says_that_all_agree(convoy, workspace):
    ended = convoy("status", "--workspace", workspace.root)
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    lines = [line.split() for line in ended.out.splitlines()]
    sha256 = Repository(workspace.repository).sha256(MODEL, 2)
    assert lines[0] == ["model", "version", "label", "alias", "sha256", "places", "server"]
    assert lines[3] == [MODEL, "v2", "stable", "champion", sha256[:8], "agree", "off"]
    assert lines[4] == [MODEL, "v3", "-", "-", "ffffffff", "unpublished", "off"]
    assert ended.out.splitlines()[-1] == "3 versions, and every place agrees on each."
    assert max(map(len, ended.out.splitlines())) <= 80


def test_the_command_exits_1_where_places_disagree(convoy, workspace):
    workspace.metadata.unlink()
    told = convoy("status", "--json", "--workspace", workspace.root)
    assert told.code == ExitCode.BRANCH_FAILED
    assert [found["problems"] for found in json.loads(told.out)] == [
        [f"{MODEL} version {version} is not known to mlmd."] for version in (1, 2, 3)
    ]


def test_what_disagrees_is_marked_in_the_table(workspace):
    workspace.metadata.unlink()
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(status.table(status.check(workspace)))
    assert [line.split()[-2] for line in console.file.getvalue().splitlines()[2:]] == ["disagree"] * 3


def test_the_command_of_an_empty_workspace_says_so(convoy, tmp_path):
    ended = convoy("status", "--workspace", tmp_path)
    assert (ended.code, ended.out.splitlines()[-1]) == (ExitCode.OK, "No versions yet.")
    assert list(tmp_path.iterdir()) == []


def test_compare_ranks_what_mlflow_knows(workspace):
    rows = compare.read(workspace)
    assert [(row.version, row.state, row.label) for row in rows] == [
        (3, "withheld", ""),
        (2, "published", "champion"),
        (1, "published", ""),
    ]
    champion = rows[1]
    assert (champion.architecture, champion.model, champion.accuracy) == ("lenet5", MODEL, 0.92)
    assert (champion.params, champion.macs, champion.size_bytes) == (61706, 416520, 105)
    assert (champion.train_seconds, champion.p50_ms) == (9.8, 2.0)


@contextlib.contextmanager
def _locked(*databases):
    """Holds SQLite databases as another program would."""
    program = (
        "import sqlite3, sys\n"
        "held = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[1:]]\n"
        "for connection in held:\n    connection.execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, *map(str, databases)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        yield
        holder.stdin.close()


def test_a_locked_database_is_one_sentence(start, workspace):
    mlflow, mlmd = workspace.root / "mlflow.sqlite", workspace.metadata
    with _locked(mlflow, mlmd):  # MLflow gives up after ten seconds, so two commands wait side by side.
        asked = {
            path: start(verb, "--workspace", workspace.root) for path, verb in ((mlmd, "status"), (mlflow, "compare"))
        }
        said = {path: process.communicate(timeout=60) for path, process in asked.items()}
    for path, (out, err) in said.items():
        assert (asked[path].returncode, out) == (ExitCode.BRANCH_FAILED, "")
        assert len(err.splitlines()) == 1, err
        assert str(path) in err
        assert "database is locked" in err or "locked by another program" in err
    assert problems(workspace) == {}


def test_an_mlflow_database_of_a_newer_schema_is_one_sentence_and_stays_as_it_is(convoy, workspace):
    database = workspace.root / "mlflow.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        connection.commit()
    before = database.read_bytes()
    ended = convoy("status", "--workspace", workspace.root)
    assert (ended.code, ended.out) == (ExitCode.BRANCH_FAILED, "")
    assert "A database of this MLflow's schema" in ended.sentence
    assert str(database) in ended.sentence
    (found,) = (one for one in doctor.examine(str(workspace.root), 1) if one.subject == "MLflow")
    assert (found.verdict, found.found) == ("fatal", ended.sentence)
    assert database.read_bytes() == before


def test_an_mlflow_file_that_is_no_database_is_one_sentence(workspace):
    (workspace.root / "mlflow.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(RegistryError, match="file is not a database") as caught:
        status.check(workspace)
    assert len(sentence(caught.value).splitlines()) == 1


def test_more_models_than_mlflow_lists_at_once(workspace):
    import mlflow

    mlflow.set_tracking_uri(workspace.tracking_uri)
    client = mlflow.MlflowClient()
    for number in range(100):
        client.create_registered_model(f"another_{number:03}")  # All of them before ours in the alphabet.
    assert [found.aliases for found in status.check(workspace)] == [[], ["champion"], []]
    assert {row.label for row in compare.read(workspace)} == {"", "champion"}


def test_a_server_that_does_not_answer_is_waited_for_once(published, monkeypatch):
    source = published.root / "source1"
    for number in range(5):
        Repository(published.repository).publish(f"digits_{number}", 1, source, label="stable")
    monkeypatch.setattr(status, "SERVER_TIMEOUT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        running.announce(published.server_file, f"127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        found = status.check(published)
    assert {version.server for version in found} == {"unreachable"}
    assert len(found) == 6
    assert time.monotonic() - started < 3
