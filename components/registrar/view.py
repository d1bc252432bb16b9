"""What people see first of an experiment: its description, and a ranked view of its runs."""

import json
from collections.abc import Sequence
from urllib.parse import quote

import mlflow

NOTE = "mlflow.note.content"
RANKING = "ranking"
# The tag in which MLflow keeps a view that a link names.
KEPT = f"mlflow.sharedViewState.{RANKING}"
# Beyond the parameters that differ: accuracy first, which is what ranks.
COLUMNS = (
    "attributes.`Models`",
    "metrics.`eval/accuracy`",
    "metrics.`eval/macro_f1`",
    "metrics.`best/val_accuracy`",
    "metrics.`serve/latency_ms_p50`",
    "metrics.`model/size_bytes`",
    "metrics.`model/parameters`",
    "attributes.`Created`",
)
# Else MLflow's pages show what is there for language models.
KIND = "workflowType=machine_learning"
# MLflow's field and what it says where nothing is chosen.
UNFILTERED = {
    "searchFilter": "",
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "modelVersionFilter": "All Runs",
    "datasetsFilter": [],
}


def describe(client: mlflow.MlflowClient, experiment: str, dataset: str) -> None:
    """Describes a new experiment, and makes MLflow show it as one of models that are trained."""
    client.set_experiment_tag(experiment, NOTE, _description(experiment, dataset))
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
    rank(client, experiment, ())


def rank(client: mlflow.MlflowClient, experiment: str, params: Sequence[str]) -> None:
    """Keeps the view that ranks the trainings: one row each, best first, and the parameters by which they differ."""
    columns = [*COLUMNS, *(f"params.`{name}`" for name in params)]
    order = {"orderByKey": "metrics.`eval/accuracy`", "orderByAsc": False}
    state = {**UNFILTERED, **order, "selectedColumns": columns}
    client.set_experiment_tag(experiment, KEPT, json.dumps(state))


def ranking(experiment: str) -> str:
    """Returns the link to that view, as of MLflow's root."""
    return f"#/experiments/{experiment}/runs?{KIND}&viewStateShareKey={RANKING}"


def models(experiment: str) -> str:
    """Returns the link to the models of an experiment."""
    return f"#/experiments/{experiment}/models?{KIND}"


def comparison(experiment: str, runs: Sequence[str]) -> str:
    """Returns the link to MLflow's page that shows runs side by side."""
    chosen = f"runs={quote(json.dumps(list(runs)))}&experiments={quote(json.dumps([experiment]))}"
    return f"#/compare-runs?{chosen}&{KIND}"


def run(experiment: str, run: str) -> str:
    """Returns the link to a run."""
    return f"#/experiments/{experiment}/runs/{run}?{KIND}"


def artifact(experiment: str, run: str, path: str) -> str:
    """Returns the link to the page that shows a file of a run."""
    return f"#/experiments/{experiment}/runs/{run}/artifacts/{quote(path)}?{KIND}"


def picture(run: str, path: str) -> str:
    """Returns the address of a picture of a run, to show it in a description."""
    return f"get-artifact?path={quote(path, safe='')}&run_uuid={run}"


def _description(experiment: str, dataset: str) -> str:
    links = f"[ranked by test accuracy]({ranking(experiment)}), or [as models]({models(experiment)})"
    return f"""Networks trained on **{dataset}**: {links}.

One run a training, below the pipeline run that it belongs to. What their metrics mean:

- `eval/…` on the test split, which training never sees; `interval/…` its 95 % confidence
- `serve/…` what an answer takes, measured in a server; `model/…` how large it is
- `best/…` the best value of an epoch, `final/…` the last; `train/…` the curves by epoch (`val_…` on validation)

A version in the registry is the folder of that number in the model repository; `champion` is the one that is live.
"""
