"""What MLflow was not told, since it could not be reached: it waits in the workspace, and goes out with the next run.

A run marks its folder until MLflow has it; what it has to say is read from the run's own summary and artifacts. What a
training would have shown while it went on has a file of its own (see `components.registrar.live`).
"""

from pathlib import Path

from pipeline import parent_run
from pipeline.workspace import Workspace

MARK = "unsent"


def mark(directory: Path) -> None:
    """Notes that MLflow has yet to be told of a run, which has written its summary into this folder."""
    (directory / MARK).touch()


def waits(workspace: Workspace) -> bool:
    """Tells whether there is anything to be sent."""
    return bool(_marked(workspace) or _trainings(workspace))


def send(workspace: Workspace, experiment: str) -> None:
    """Sends what waits, in the order in which it came to be, and ends what a killed run left open in MLflow.

    What is there already is not sent again. Runs in a child, where MLflow is imported, while no node runs.

    Raises:
      RegistryError: MLflow can't be used; what was not sent waits on.
    """
    from components.registrar import connection, live, runs

    place = parent_run.place(workspace)
    for kept in _trainings(workspace):
        live.send(place, kept)
    for directory in _marked(workspace):
        parent_run.close(workspace, parent_run.read(directory))
        (directory / MARK).unlink()
    if workspace.mlflow_exists:
        with connection.connected(place.tracking_uri) as client:
            runs.end_lost(client, experiment, place.workspace)


def _marked(workspace: Workspace) -> list[Path]:
    return sorted(found.parent for found in (workspace.root / "runs").glob(f"*/{MARK}"))


def _trainings(workspace: Workspace) -> list[Path]:
    return sorted(workspace.unsent.glob("*.jsonl"))
