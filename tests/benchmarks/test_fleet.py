import json

import fleet
import pytest

from pipeline.workspace import Workspace

ROW = {
    "architecture": "vgg11",
    "model": "digits_vgg11",
    "state": "withheld",
    "note": "the evaluation did not bless it",
    "accuracy": 0.5,
    "version": 1,
    "label": "",
    **dict.fromkeys(("params", "macs", "train_seconds", "size_bytes", "p50_ms"), 1),
}


@pytest.fixture
def workspace(tmp_path):
    """A workspace with two runs; the later one withheld the one network that it had."""
    for run, rows in (("20260101-000000", []), ("20260102-000000", [ROW])):
        content = {"rows": rows, "nodes": [], "config": {"dataset": {"name": "digits"}}}
        fleet.write(tmp_path / "runs" / run / "summary.json", content)
    return Workspace(tmp_path)


def test_the_wall_time_counts_what_was_killed_and_leaves_out_what_was_all_cached(workspace):
    tries = [{"seconds": 100.0, "ran": None}, {"seconds": 30.0, "ran": 12}, {"seconds": 9.0, "ran": 0}]
    fleet.write(workspace.root / "attempts.json", tries)
    result = fleet.measure(workspace)
    assert (result["wall_seconds"], len(result["attempts"])) == (130.0, 2)


def test_a_network_that_was_withheld_is_in_the_result_and_fails_the_benchmark(workspace, capsys):
    (row,) = fleet.measure(workspace)["rows"]
    assert (row["family"], row["state"], row["answer"]) == ("vgg", "withheld", None)
    assert fleet.report(fleet.measure(workspace)) == 1
    assert "0 of 1 published, served and asked; the best has 0.5000" in capsys.readouterr().out


def test_a_refused_run_is_no_attempt(tmp_path, capfd):
    assert fleet.attempt(Workspace(tmp_path), "vgg11", ["training.epochs=0"]) == 2
    assert "`epochs` must be greater than 0" in capfd.readouterr().err
    assert json.loads((tmp_path / "attempts.json").read_text()) == []
