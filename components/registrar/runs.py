"""The layout of MLflow: an experiment a data set, a parent run a pipeline run, a child run a training."""

from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from components.registrar import provenance, view
from components.registrar.connection import Place, one_maker

PIPELINE_RUN = "convoy.pipeline_run"
MODEL_URI = "convoy.model_uri"
WORKSPACE = "convoy.workspace"
# MLflow's own names.
NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"


def training_run(client: mlflow.MlflowClient, place: Place, facts: dict[str, Any]) -> tuple[str, str, str]:
    """Finds the run of one training, or creates it, and where it belongs.

    Args:
      client: Connected.
      place: Where a new experiment keeps its files.
      facts: With `dataset`, `pipeline_run`, `model_uri` and `training`.

    Returns:
      The ids of the experiment, of the parent run, which is the pipeline's, and of the child run.
    """
    experiment, parent = pipeline_run(client, place, facts["dataset"], facts["pipeline_run"])
    name = str(facts["training"]["architecture"]["name"])
    child = _run(client, place, experiment, {MODEL_URI: facts["model_uri"]}, name=name, parent=parent)
    return experiment, parent, child


def pipeline_run(client: mlflow.MlflowClient, place: Place, dataset: str, run_id: str) -> tuple[str, str]:
    """Finds the experiment of a data set and the run of a pipeline run in it, or creates them; returns their ids."""
    experiment = _experiment(client, place, dataset)
    return experiment, _run(client, place, experiment, {PIPELINE_RUN: run_id}, name=run_id)


def find_run(client: mlflow.MlflowClient, experiment: str, tag: str, value: str) -> str | None:
    """Finds the run of an experiment that carries a tag."""
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], f"tags.`{tag}` = '{value}'", max_results=1) if found else []
    return str(runs[0].info.run_id) if runs else None


def end_lost(client: mlflow.MlflowClient, experiment: str, workspace: str) -> None:
    """Ends the runs of trainings that nobody ended, as a kill leaves them, and their parents.

    Args:
      client: Connected; no other pipeline run may be under way in the workspace.
      experiment: Its name.
      workspace: The mark of the workspace: others may share MLflow.
    """
    if (found := client.get_experiment_by_name(experiment)) is None:
        return
    ours = f"attributes.status = 'RUNNING' AND tags.`{WORKSPACE}` = '{workspace}'"
    for run in client.search_runs([found.experiment_id], ours):
        client.set_terminated(run.info.run_id, "KILLED")


def differing(client: mlflow.MlflowClient, experiment: str) -> list[str]:
    """Names the parameters by which the trainings of an experiment differ, the most telling first: of most values."""
    values: dict[str, set[str]] = {}
    trainings = client.search_runs([experiment], f"tags.`{PARENT}` != ''")
    for run in trainings:
        for name, value in run.data.params.items():
            values.setdefault(name, set()).add(value)
    found = {name: len(told) for name, told in values.items() if len(told) > 1}
    return sorted(found, key=lambda name: (-found[name], name))


def _experiment(client: mlflow.MlflowClient, place: Place, name: str) -> str:
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        experiment = str(client.create_experiment(name, artifact_location=place.artifact_location or None))
    except MlflowException:  # Somebody else may have made it by now.
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        raise
    view.describe(client, experiment, name)
    return experiment


def _run(
    client: mlflow.MlflowClient,
    place: Place,
    experiment: str,
    mark: dict[str, str],
    *,
    name: str,
    parent: str | None = None,
) -> str:
    """Finds the run that carries a mark, or creates it: a killed registration goes on where it was.

    A request that was given up, and asked again, may have been heard twice: of two such runs the first one counts.
    """
    marks = {**mark, **({WORKSPACE: place.workspace} if place.workspace else {})}
    ours = " AND ".join(f"tags.`{tag}` = '{value}'" for tag, value in marks.items())
    with one_maker(place.tracking_uri):
        found = client.search_runs([experiment], ours, order_by=["attributes.start_time ASC"])
        for twin in found[1:]:
            client.delete_run(twin.info.run_id)
        if found:
            return str(found[0].info.run_id)
        tags = {**marks, **provenance.of_run(), **({PARENT: parent} if parent else {})}
        return str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)
