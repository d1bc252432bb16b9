"""The ranking over runs and data sets, from a real MLflow."""

import io
import json

import pytest
from rich.console import Console

from pipeline import compare
from pipeline.compare import Standing
from pipeline.errors import ExitCode, UsageError


def standing(name, version, accuracy, p50, label="", dataset="digits"):
    return Standing(
        name,
        f"{dataset}_{name}",
        "published",
        accuracy=accuracy,
        p50_ms=p50,
        size_bytes=10**6,
        version=version,
        label=label,
        dataset=dataset,
    )


ROWS = [
    standing("lenet5", 1, 0.5, 2.0, "champion", "cifar10"),
    standing("densenet_bc100", 12, 0.98, 12.34, "challenger"),
    standing("densenet_bc100", 11, 0.97, 10.0, "champion"),
]


def draw(rows, width=80):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(compare.table(rows))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_each_version_stands_beside_the_champion_of_its_own_model(workspace):
    found = {row.version: row for row in compare.read(workspace)}
    champion = found[2]
    assert (champion.label, champion.accuracy_gain, champion.p50_gain_ms) == ("champion", None, None)
    assert [found[version].accuracy_gain for version in (1, 3)] == pytest.approx([-0.01, 0.01])
    assert {(row.dataset, row.p50_gain_ms) for row in found.values()} == {("digits", None), ("digits", 0.0)}


def test_without_a_champion_nothing_is_compared(workspace):
    import mlflow

    mlflow.set_tracking_uri(workspace.tracking_uri)
    mlflow.MlflowClient().delete_registered_model_alias("digits_lenet5", "champion")
    assert {row.accuracy_gain for row in compare.read(workspace)} == {None}


def test_a_data_set_has_a_table_of_its_own():
    rows = [compare._against(row, ROWS[2] if row.model == ROWS[2].model else ROWS[0]) for row in ROWS]
    lines = draw(rows)
    first, second = (place for place, line in enumerate(lines) if "best first" in line)
    assert lines[first].startswith("cifar10: all registered versions, best first")
    assert lines[first + 3] == "1 lenet5 0.5000 - 1MB 2ms v1 champion"
    assert lines[second + 3] == "1 densenet_bc100 0.9800 +0.0100 - 1MB 12.3ms +2.3ms v12 challenger"
    assert lines[second + 4] == "2 densenet_bc100 0.9700 - 1MB 10ms v11 champion"


def test_an_interval_stands_beside_the_accuracy():
    row = Standing(**{**vars(ROWS[2]), "accuracy_low": 0.95, "accuracy_high": 0.985})
    assert draw([row])[-1] == "1 densenet_bc100 0.9700 ±0.018 - 1MB 10ms v11 champion"


def test_markdown_has_the_same_tables():
    lines = compare.markdown(ROWS).splitlines()
    assert lines[0] == "**cifar10: all registered versions, best first; vs live: against the champion**"
    assert lines[4] == "| 1 | lenet5 | 0.5000 |  | - | 1MB | 2ms |  | v1 champion |"
    assert len([line for line in lines if line.startswith("| ")]) == 7


def test_the_command_prints_each_form_and_draws(convoy, workspace):
    told = convoy("compare", "--json", "--plot", "plot.png", "--workspace", workspace.root)
    assert (told.code, told.err) == (ExitCode.OK, "Drawn into plot.png.\n")
    best = json.loads(told.out)[0]
    assert (best["dataset"], best["version"], best["accuracy_gain"]) == ("digits", 3, pytest.approx(0.01))
    both = convoy("compare", "--markdown", "--json", "--workspace", workspace.root)
    assert both.sentence == "One of --json and --markdown is required at most. Received: both."


@pytest.mark.parametrize("name", ["plot.nonsense", "nowhere/plot.png"])
def test_a_file_that_cannot_be_drawn_into_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="--plot must be a file"):
        compare.plot(ROWS, tmp_path / name)
