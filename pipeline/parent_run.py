"""What MLflow shows of a whole pipeline run: its description, the ranked table, a picture, and the data report."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import data_report, leaderboard, tradeoff
from pipeline.data_report import Seen
from pipeline.errors import ExitCode
from pipeline.leaderboard import Row
from pipeline.runners.local import NodeRecord
from pipeline.workspace import Workspace

SUMMARY_FILE = "summary.json"
TABLE_FILE = "leaderboard.json"
PICTURE_FILE = "tradeoff.png"
# So the picture is as wide as the column in which MLflow shows a description.
DPI = 80
# Its folder among the parent's artifacts.
DATA = "data"
# What ended well, in MLflow's eyes: a run that blessed nothing did all its work.
FINISHED = (ExitCode.OK, ExitCode.NOTHING_BLESSED)


@dataclasses.dataclass(frozen=True)
class Closing:
    """What a run came to, as its parent run in MLflow tells it.

    Attributes:
      dataset: Names the experiment.
      directory: The run's, with its summary and what it keeps of the data.
      rows: Ranked.
      seen: What it saw of its data; None where it did not come so far.
      code: That the run deserves.
      tally: How many steps ran, in a line.
    """

    run_id: str
    dataset: str
    directory: Path
    rows: Sequence[Row]
    seen: Seen | None
    code: ExitCode
    tally: str


def read(directory: Path) -> Closing:
    """Reads what a run came to from the summary in its folder, and from what it left of its data."""
    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    nodes = [NodeRecord(**node) for node in summary["nodes"]]
    rows = [Row(**row) for row in summary["rows"]]
    code, seen = ExitCode(summary["exit_code"]), data_report.seen(nodes, directory)
    return Closing(summary["run_id"], summary["dataset"], directory, rows, seen, code, summary["tally"])


def place(workspace: Workspace) -> Any:
    """Says where MLflow is, and by which mark it knows this workspace. Needs MLflow imported."""
    from components.registrar import connection

    return connection.Place(workspace.tracking_uri, workspace.artifact_location, workspace.mark)


def close(workspace: Workspace, closing: Closing) -> None:
    """Describes the parent run and ends it; a run that no branch came so far as to have one gets it here.

    Runs in a child, where MLflow is imported.
    """
    from components.registrar import connection, runs, view

    where = place(workspace)
    with connection.connected(where.tracking_uri) as client:
        experiment, parent = runs.pipeline_run(client, where, closing.dataset, closing.run_id)
        logged = _log(client, parent, closing)
        client.set_tag(parent, runs.NOTE, describe(closing, experiment, parent, logged))
        client.set_terminated(parent, "FINISHED" if closing.code in FINISHED else "FAILED")
        view.rank(client, experiment, runs.differing(client, experiment))


def _log(client: Any, parent: str, closing: Closing) -> list[str]:
    """Logs what the run left for people; returns the paths, most telling first."""
    kept = [closing.directory / name for name in data_report.RECORDED if (closing.directory / name).exists()]
    for path in kept:
        client.log_artifact(parent, str(path), DATA)
    logged = [f"{DATA}/{path.name}" for path in kept]
    if any(row.accuracy is not None for row in closing.rows):
        columns = {name: [getattr(row, name) for row in closing.rows] for name in leaderboard.RECORDED}
        if TABLE_FILE not in [file.path for file in client.list_artifacts(parent)]:  # MLflow would add to it.
            client.log_table(parent, columns, TABLE_FILE)
        picture = closing.directory / PICTURE_FILE
        tradeoff.draw({closing.dataset: closing.rows}, picture, dpi=DPI)
        client.log_artifact(parent, str(picture))
        logged = [PICTURE_FILE, TABLE_FILE, *logged]
    summary = closing.directory / SUMMARY_FILE
    client.log_artifact(parent, str(summary))
    return [*logged, summary.name]


def describe(closing: Closing, experiment: str, parent: str, logged: Sequence[str]) -> str:
    """Says in Markdown what a run was: what came of it, the ranked table, its data, and where to read on.

    Args:
      closing: What it came to.
      experiment: MLflow's id.
      parent: MLflow's id of the parent run.
      logged: Paths of its artifacts.
    """
    from components.registrar import view

    stopped = closing.seen if closing.code == ExitCode.DATA_GATE else None
    parts = [f"**{_headline(closing)}**", *(stopped_by(stopped) if stopped else _ranked(closing, experiment))]
    if closing.seen:
        parts.append(f"{closing.seen.line().partition(';')[0]}.")
    parts.append(f"{closing.tally} `convoy explain {closing.run_id}` says why each step ran or did not.")
    if PICTURE_FILE in logged:
        parts.append(f"![Accuracy against latency and size]({view.picture(parent, PICTURE_FILE)})")
    parts.append(" · ".join(f"[{path}]({view.artifact(experiment, parent, path)})" for path in logged))
    return "\n\n".join(parts)


def stopped_by(seen: Seen) -> list[str]:
    """Lists what speaks against the data, and what to do, in Markdown."""
    objections = "\n".join(f"- {_sentence(objection.sentence)}" for objection in seen.findings.objections)
    remedies = "\n".join(f"- {_sentence(remedy)}" for remedy in seen.findings.remedies)
    return [objections, f"What to do:\n\n{remedies}"]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _headline(closing: Closing) -> str:
    if closing.code == ExitCode.DATA_GATE:
        return f"The data stop the run: nothing was trained on {closing.dataset}."
    trained = [row for row in closing.rows if row.accuracy is not None]
    counted = f"{len(closing.rows)} network{'s' * (len(closing.rows) > 1)} on {closing.dataset}"
    if not trained:
        return f"{counted}: none came to its end."
    return f"{counted}; best on the test split: {trained[0].architecture}, {leaderboard.accuracy(trained[0])}."


def _ranked(closing: Closing, experiment: str) -> list[str]:
    """Writes the table, its networks linked to their runs, and the way to MLflow's page that compares them."""
    from components.registrar import view

    known = [row.run_id for row in closing.rows if row.run_id]
    linked = {row.architecture: view.run(experiment, row.run_id) for row in closing.rows if row.run_id}
    parts = [leaderboard.markdown(closing.rows, linked)]
    if len(known) > 1:
        parts.append(f"[Compare these runs side by side]({view.comparison(experiment, known)})")
    return parts
