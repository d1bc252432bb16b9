"""MLflow: experiment, runs, the logged model and its registered version."""

import contextlib
import dataclasses
import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import mlflow
from mlflow.entities import LoggedModelStatus, Metric, Param
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from components import names
from components.registrar.mlflow_model import SAVED_MODEL, write_mlmodel

LOCK_TIMEOUT_S = 300.0
PIPELINE_RUN = "convoy.pipeline_run"
MODEL_URI = "convoy.model_uri"
SHA256 = "sha256"
TRIALS_FILE = "trials.json"


class RegistryError(RuntimeError):
    """MLflow couldn't be used; the sentence says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where MLflow is: its tracking URI, and where new experiments keep their files."""

    tracking_uri: str
    artifact_location: str


def register(place: Place, facts: dict[str, Any], servable: Path) -> dict[str, Any]:
    """Registers a servable; a version already registered for the same trained model is found again.

    Returns:
      `version`, `run_id`, `parent_run_id` and `model_id`.

    Raises:
      RegistryError: MLflow can't be reached, is locked, or its database is of another schema.
    """
    with connected(place.tracking_uri) as client:
        experiment, parent, child = training_run(client, place, facts)
        version = _version(client, facts) or _new_version(client, experiment, child, facts, servable)
        live = aliases(client)[version.name].get(names.CHAMPION) == int(version.version)
        client.update_model_version(version.name, version.version, _verdict(facts, live=live))
        client.set_terminated(child)
        model_id = version.source.removeprefix("models:/")  # MLflow leaves the version's own `model_id` empty.
        return {"version": int(version.version), "run_id": child, "parent_run_id": parent, "model_id": model_id}


def training_run(client: mlflow.MlflowClient, place: Place, facts: dict[str, Any]) -> tuple[str, str, str]:
    """Finds the run of one training, or creates it, and where it belongs.

    Args:
      client: Connected.
      place: Where a new experiment keeps its files.
      facts: With `dataset`, `pipeline_run`, `model_uri` and `training`.

    Returns:
      The ids of the experiment, of the parent run, which is the pipeline's, and of the child run.
    """
    experiment = _experiment(client, facts["dataset"], place.artifact_location)
    parent = _run(client, experiment, PIPELINE_RUN, facts["pipeline_run"], name=facts["pipeline_run"])
    child = _run(client, experiment, MODEL_URI, facts["model_uri"], name=_architecture(facts), parent=parent)
    return experiment, parent, child


def end_lost(client: mlflow.MlflowClient, experiment: str, models: str) -> None:
    """Ends the runs of trainings that nobody ended, as a kill leaves them, and their parents.

    Args:
      client: Connected; no other pipeline run may be under way in the workspace.
      experiment: Its name.
      models: The folder with all models of the workspace: other workspaces may share MLflow.
    """
    if (found := client.get_experiment_by_name(experiment)) is None:
        return
    running = client.search_runs([found.experiment_id], "attributes.status = 'RUNNING'")
    children = [run for run in running if run.data.tags.get(MODEL_URI, "").startswith(models)]
    parents = {run.data.tags.get("mlflow.parentRunId") for run in children}
    for run in running:
        if run in children or run.info.run_id in parents:
            client.set_terminated(run.info.run_id, "KILLED")


@contextlib.contextmanager
def connected(tracking_uri: str) -> Iterator[mlflow.MlflowClient]:
    """Opens MLflow; one writer at a time where it is an SQLite file.

    Raises:
      RegistryError: It can't be opened or written.
    """
    mlflow.set_tracking_uri(tracking_uri)
    try:
        with _one_writer(tracking_uri):
            _make_whole(tracking_uri)
            yield mlflow.MlflowClient()
    except filelock.Timeout as error:
        raise RegistryError(
            f"A free MLflow database is required. Received: {tracking_uri}, locked for {LOCK_TIMEOUT_S:.0f} s; "
            "end the other run, or wait for it."
        ) from error
    except (MlflowException, SQLAlchemyError) as error:
        raise RegistryError(explain(tracking_uri, error)) from error


def explain(tracking_uri: str, error: Exception) -> str:
    """Says in one sentence why MLflow can't be used."""
    # SQLAlchemy adds the statement and a link.
    text = re.split(r" \[SQL:| \(Background", " ".join(str(error).split()))[0]
    if "out-of-date" in text or "Can't locate revision" in text or "schema" in text.lower():
        return (
            f"A database of this MLflow's schema (MLflow {mlflow.__version__}) is required. Received: {tracking_uri}, "
            "of another version; use that MLflow, or run `mlflow db upgrade` on a copy of an older database."
        )
    if "database is locked" in text:
        return f"A free MLflow database is required. Received: {tracking_uri}, locked by another program; end it."
    return f"A reachable MLflow is required. Received: {tracking_uri}, which answered: {text[:300]}"


def _one_writer(tracking_uri: str) -> contextlib.AbstractContextManager[Any]:
    scheme, _, path = tracking_uri.partition(":///")
    return filelock.FileLock(f"{path}.lock", timeout=LOCK_TIMEOUT_S) if scheme == "sqlite" else contextlib.nullcontext()


def _make_whole(tracking_uri: str) -> None:
    """Makes an SQLite database where there is none, as a whole: MLflow never mends one that a kill left half made."""
    scheme, _, path = tracking_uri.partition(":///")
    if scheme != "sqlite" or Path(path).exists():
        return
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    mlflow.MlflowClient(f"sqlite:///{new}").search_experiments()
    new.replace(path)


def _experiment(client: mlflow.MlflowClient, name: str, artifact_location: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, artifact_location=artifact_location))


def _run(
    client: mlflow.MlflowClient, experiment: str, tag: str, value: str, *, name: str, parent: str | None = None
) -> str:
    """Finds the run that carries a tag, or creates it: a killed registration goes on where it was."""
    found = client.search_runs([experiment], f"tags.`{tag}` = '{value}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    tags = {tag: value} | ({"mlflow.parentRunId": parent} if parent else {})
    return str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)


def _version(client: mlflow.MlflowClient, facts: dict[str, Any]) -> Any:
    """Finds the version of this very model, and brings its tags up to date."""
    for version in client.search_model_versions(f"name = '{facts['model_name']}'"):
        if version.tags.get(SHA256) == facts["sha256"] and version.tags.get(MODEL_URI) == facts["model_uri"]:
            for key, value in _tags(facts).items():
                client.set_model_version_tag(version.name, version.version, key, value)
            return version
    return None


def _new_version(client: mlflow.MlflowClient, experiment: str, run: str, facts: dict[str, Any], servable: Path) -> Any:
    # The time of the model, not of this call: MLflow keeps one of two equal metrics when a killed registration goes on.
    when = int((servable / "saved_model.pb").stat().st_mtime * 1000)
    client.log_batch(run, params=params(facts), metrics=_missing(client, run, facts, when) + _results(facts, when))
    _log_trials(client, run, facts.get("trials", []))
    logged = _logged_model(client, experiment, run, facts, servable)
    client.log_batch(run, metrics=_results(facts, when, logged.model_id))
    with contextlib.suppress(MlflowException):  # It exists already, from the second version on.
        client.create_registered_model(facts["model_name"], description=_description(facts))
    return client.create_model_version(
        facts["model_name"], logged.model_uri, run, tags=_tags(facts), model_id=logged.model_id
    )


def _log_trials(client: mlflow.MlflowClient, run: str, trials: list[dict[str, Any]]) -> None:
    """Puts the trials of a search beside the run, as a table, best first: how KerasTuner lists those that succeeded."""
    if not trials or TRIALS_FILE in [file.path for file in client.list_artifacts(run)]:
        return  # MLflow would add a second table to the first.
    columns = {"trial": [int(trial["trial_id"]) + 1 for trial in trials], "val_accuracy": [t["score"] for t in trials]}
    fields = [name for name in trials[0] if name not in ("trial_id", "score")]
    client.log_table(run, columns | {name: [trial[name] for trial in trials] for name in fields}, TRIALS_FILE)


def _logged_model(client: mlflow.MlflowClient, experiment: str, run: str, facts: dict[str, Any], servable: Path) -> Any:
    """Stores the servable in MLflow; what a killed registration left of it, and no version stands on, is deleted."""
    this_model = f"source_run_id = '{run}' AND tags.`{SHA256}` = '{facts[SHA256]}'"
    for leftover in client.search_logged_models([experiment], this_model):
        client.delete_logged_model(leftover.model_id)
    logged = client.create_logged_model(
        experiment,
        facts["model_name"],
        run,
        tags={SHA256: facts[SHA256]},
        params={param.key: param.value for param in params(facts)},
        model_type="tensorflow",
    )
    with tempfile.TemporaryDirectory(prefix="convoy-mlmodel-") as scratch:
        write_mlmodel(Path(scratch), servable, facts, run, logged.model_id)
        client.log_model_artifacts(logged.model_id, scratch)
    client.log_model_artifacts(logged.model_id, str(servable), artifact_path=SAVED_MODEL)
    return client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)


def _architecture(facts: dict[str, Any]) -> str:
    return str(facts["training"]["architecture"]["name"])


def _description(facts: dict[str, Any]) -> str:
    known = facts["training"]["architecture"]
    return f"{known['variant']} on {facts['dataset']}. Paper: {known['paper']}"


def _verdict(facts: dict[str, Any], *, live: bool) -> str:
    """Says what people who open the version in MLflow's UI want to know first.

    Args:
      facts: With what this run objects to.
      live: Whether it is the champion: a run that judges it anew doesn't take back that an earlier one blessed it.
    """
    if facts["objections"]:
        verdict = f"Champion still; run {facts['pipeline_run']} would not bless it again" if live else "Withheld"
        return f"{verdict}: {'; '.join(facts['objections'])}"
    return "Blessed by the evaluation and by infra validation."


def params(facts: dict[str, Any]) -> list[Param]:
    """Lists what is trained, and how."""
    training = facts["training"]
    named = {"architecture": _architecture(facts), "form": training["form"], "dataset": facts["dataset"]}
    named |= {"tuned": ", ".join(training["tuned"])} if training.get("tuned") else {}
    options = {f"option.{key}": value for key, value in training.get("options", {}).items()}
    recipe = {f"recipe.{key}": value for key, value in training["recipe"].items()}
    return [Param(key, _written(value)) for key, value in {**named, **options, **recipe}.items()]


def _written(value: object) -> str:
    """Writes a value the same whether it went through JSON or not: MLflow lets no parameter change."""
    return str(list(value) if isinstance(value, tuple) else value)


def _tags(facts: dict[str, Any]) -> dict[str, str]:
    keys = ("dataset", "blessed", "infra_blessed", "pipeline_run")
    tags = {key: str(facts[key]).lower() if isinstance(facts[key], bool) else str(facts[key]) for key in keys}
    return tags | {SHA256: facts["sha256"], MODEL_URI: facts["model_uri"]}


def _results(facts: dict[str, Any], when: int, model_id: str | None = None) -> list[Metric]:
    """Lists what the model came to, in the end: for its run, or tied to its logged model."""
    known = facts["training"]["architecture"]
    values = {
        **{f"eval/{name}": value for name, value in facts["evaluation"].items()},
        "train/seconds": facts["training"]["train_seconds"],
        "model/parameters": known["params"],
        "model/macs": known["macs"],
        "model/size_bytes": facts["size_bytes"],
        **{f"serve/latency_ms_{point}": value for point, value in facts["infra"].get("latency_ms", {}).items()},
    }
    return [Metric(name, value, when, 0, model_id=model_id) for name, value in values.items() if math.isfinite(value)]


def _missing(client: mlflow.MlflowClient, run: str, facts: dict[str, Any], when: int) -> list[Metric]:
    """Lists what the run lacks of the learning curves, one step an epoch: most was written while it trained."""
    found = []
    for name, values in facts["training"]["history"].items():
        there = {metric.step for metric in client.get_metric_history(run, f"train/{name}")}
        steps = [step for step in range(1, len(values) + 1) if step not in there]
        found += [Metric(f"train/{name}", values[step - 1], when, step) for step in steps]
    return found


def aliases(client: mlflow.MlflowClient) -> dict[str, dict[str, int]]:
    """Returns every registered model's aliases and the versions that they point to; MLflow lists them in pages."""
    found: dict[str, dict[str, int]] = {}
    token = None
    while True:
        page = client.search_registered_models(page_token=token)
        found |= {model.name: {alias: int(at) for alias, at in model.aliases.items()} for model in page}
        if not (token := page.token):
            return found


def find_run(client: mlflow.MlflowClient, experiment: str, tag: str, value: str) -> str | None:
    """Finds the run of an experiment that carries a tag."""
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], f"tags.`{tag}` = '{value}'", max_results=1) if found else []
    return str(runs[0].info.run_id) if runs else None
