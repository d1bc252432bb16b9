import json
import socket
from importlib.metadata import version

import pytest

from pipeline import doctor
from pipeline.errors import ExitCode
from serving import running


def by_subject(findings):
    return {finding.subject: finding for finding in findings}


def test_this_machine_is_fit_and_a_workspace_is_not_made(convoy, tmp_path):
    ended = convoy("doctor", "--workspace", "nowhere/yet", "--json")
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    found = {finding["subject"]: finding for finding in json.loads(ended.out)}
    assert found["Python"]["verdict"] == found["glibc"]["verdict"] == found["tensorflow"]["verdict"] == "good"
    assert found["workspace"]["found"] == f"{tmp_path}/nowhere/yet, not made yet"
    assert found["MLMD"]["found"] == found["MLflow"]["found"] == "none yet"
    assert list(tmp_path.iterdir()) == []


def test_the_table_marks_each_finding(convoy, tmp_path):
    (tmp_path / "[file]").write_text("")
    ended = convoy("doctor", "--workspace", "[file]")
    assert ended.code == ExitCode.BRANCH_FAILED
    lines = ended.out.splitlines()
    assert lines[0].split()[:2] == ["✓", "Python"]
    (workspace,) = (index for index, line in enumerate(lines) if line.startswith("✗"))
    assert " ".join(lines[workspace].split()).startswith("✗ workspace The workspace must be a folder")
    # A path without blanks is broken where the line ends.
    assert "[file](Notadirectory);nameanotherwith--workspace." in "".join("".join(lines[workspace:]).split())
    assert max(map(len, lines)) <= 80


def test_a_port_that_serves_this_workspace_is_as_it_should_be(tmp_path):
    with running.announced(tmp_path / "server.json", "127.0.0.1:8500"):
        assert by_subject(doctor.examine(str(tmp_path), 8500))["port"].found == "8500 serves this workspace"


def test_a_port_in_use_is_a_warning(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = by_subject(doctor.examine(str(tmp_path), port))
    assert found["port"].verdict == "warning"
    assert f"A free port is required. Received: 127.0.0.1:{port}" in found["port"].found


def test_a_lineage_that_cannot_be_read_is_fatal(tmp_path):
    (tmp_path / "metadata.sqlite").write_bytes(b"no database at all" * 100)
    found = by_subject(doctor.examine(str(tmp_path), 1))
    assert found["MLMD"].verdict == "fatal"
    assert "file is not a database" in found["MLMD"].found


@pytest.mark.parametrize(
    ("name", "locked", "verdict", "fix"),
    [
        ("keras", {"keras": version("keras")}, "good", ""),
        ("keras", {}, "good", ""),
        ("keras", {"keras": "2.0"}, "warning", "tested with 2.0: run `make install`"),
        ("no-such-distribution", {"no-such-distribution": "1"}, "fatal", "run `make install`"),
    ],
)
def test_packages_are_compared_with_the_lock(name, locked, verdict, fix):
    (found,) = doctor.packages([name], locked)
    assert (found.subject, found.verdict, found.fix) == (name, verdict, fix)


def test_cuda_is_looked_for_under_the_names_that_tensorflow_asks_for():
    names = doctor.cuda_packages()
    assert "nvidia-cudnn-cu12" in names
    assert all(name.startswith("nvidia-") for name in names)
