"""MLflow's registry: the logged model, its registered version, and the aliases that point to versions."""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.utils import mlflow_tags

from components import names
from components.evaluation.facts import EVALUATION_FILE, Evaluation
from components.registrar import description, provenance, record, runs
from components.registrar.connection import Place, RegistryError, connected, explain
from components.registrar.mlflow_model import SAVED_MODEL, write_mlmodel

__all__ = ["SHA256", "Place", "RegistryError", "aliases", "connected", "explain", "present", "register", "version_of"]

SHA256 = "sha256"
# What is shown beside a run and in a logged model: pictures, and the card.
REPORT = "report"
CARD = "model_card.md"


def register(place: Place, facts: dict[str, Any], servable: Path) -> dict[str, Any]:
    """Registers a servable; a version already registered for the same trained model is found again.

    Returns:
      `version`, `run_id`, `parent_run_id` and `model_id`.

    Raises:
      RegistryError: MLflow can't be reached, is locked, or its database is of another schema.
    """
    with connected(place.tracking_uri) as client:
        experiment, parent, child = runs.training_run(client, place, facts)
        version = _version(client, place, facts) or _new_version(
            client, place, experiment, child, facts, servable=servable
        )
        known = {"version": int(version.version), "run_id": child, "parent_run_id": parent}
        live = aliases(client)[version.name].get(names.CHAMPION) == known["version"]
        client.update_model_version(version.name, version.version, description.verdict(facts, live=live))
        model = version.source.removeprefix("models:/")  # MLflow leaves the version's own `model_id` empty.
        told = [{"name": version.name, "version": version.version}]
        client.set_logged_model_tags(model, {mlflow_tags.MLFLOW_MODEL_VERSIONS: json.dumps(told)})
        if model not in [output.model_id for output in client.get_run(child).outputs.model_outputs]:
            client.log_outputs(child, [LoggedModelOutput(model, 0)])
        client.update_run(child, name=f"{facts['training']['architecture']['name']} v{version.version}")
        client.set_tag(child, runs.NOTE, description.of_training({**facts, **known}, experiment))
        client.set_terminated(child)
        return {**known, "model_id": model}


def present(place: Place, facts: dict[str, Any], folder: Path) -> None:
    """Shows in MLflow what was made of a registered version for people to read.

    Args:
      place: Where MLflow is.
      facts: With what `register` returned.
      folder: May hold the evaluation, whose intervals become metrics, and `report/`: its files go beside the run and
        into the logged model, where the served bytes stay as they are, and its card describes the version.

    Raises:
      RegistryError: MLflow can't be used.
    """
    report, run = folder / REPORT, facts["run_id"]
    with connected(place.tracking_uri) as client:
        if (folder / EVALUATION_FILE).exists():
            when = int((folder / EVALUATION_FILE).stat().st_mtime * 1000)
            client.log_batch(run, metrics=record.intervals(Evaluation.read(folder), when))
        if not report.is_dir():
            return
        client.log_artifacts(run, str(report), REPORT)
        client.log_model_artifacts(facts["model_id"], str(report), REPORT)
        experiment = client.get_run(run).info.experiment_id
        files = sorted(str(path.relative_to(report)) for path in report.rglob("*") if path.is_file())
        client.set_tag(run, runs.NOTE, description.of_training(facts, experiment, files))
        if (report / CARD).exists():
            version = client.get_model_version(facts["model_name"], str(facts["version"]))
            card = (report / CARD).read_text(encoding="utf-8")
            told = description.card(version.description, card, run)
            client.update_model_version(version.name, version.version, told)


def version_of(place: Place, model_name: str, model_uri: str) -> int | None:
    """Finds the version that was registered of a trained model; None where there is none any more."""
    with connected(place.tracking_uri) as client:
        versions = client.search_model_versions(f"name = '{model_name}'")
        ours = [one for one in versions if one.tags.get(runs.WORKSPACE, "") == place.workspace]
        return next((int(one.version) for one in ours if one.tags.get(runs.MODEL_URI) == model_uri), None)


def aliases(client: mlflow.MlflowClient) -> dict[str, dict[str, int]]:
    """Returns every registered model's aliases and the versions that they point to; MLflow lists them in pages."""
    found: dict[str, dict[str, int]] = {}
    token = None
    while True:
        page = client.search_registered_models(page_token=token)
        found |= {model.name: {alias: int(at) for alias, at in model.aliases.items()} for model in page}
        if not (token := page.token):
            return found


def _version(client: mlflow.MlflowClient, place: Place, facts: dict[str, Any]) -> Any:
    """Finds the version of this very model, and brings its tags up to date."""
    known = _identity(place, facts)
    for version in client.search_model_versions(f"name = '{facts['model_name']}'"):
        if known.items() <= version.tags.items():
            for key, value in (_tags(facts) | known).items():
                client.set_model_version_tag(version.name, version.version, key, value)
            return version
    return None


def _new_version(
    client: mlflow.MlflowClient, place: Place, experiment: str, run: str, facts: dict[str, Any], *, servable: Path
) -> Any:
    # The time of the model, not of this call: MLflow keeps one of two equal metrics when a killed registration goes on.
    when = int((servable / "saved_model.pb").stat().st_mtime * 1000)
    missing = record.missing(client, run, facts, when)
    record.log_data(client, run, facts)
    client.log_batch(run, params=record.params(facts), metrics=missing + record.results(facts, when))
    record.log_trials(client, run, facts.get("trials", []))
    logged = _logged_model(client, experiment, run, facts, servable)
    client.log_batch(run, metrics=record.results(facts, when, logged.model_id))
    with contextlib.suppress(MlflowException):  # It exists already, from the second version on.
        client.create_registered_model(facts["model_name"], description=description.of_model(facts))
    tags = _tags(facts) | _identity(place, facts) | provenance.of_version(facts, run)
    return client.create_model_version(facts["model_name"], logged.model_uri, run, tags=tags, model_id=logged.model_id)


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
        params={param.key: param.value for param in record.params(facts)},
        model_type="tensorflow",
    )
    with tempfile.TemporaryDirectory(prefix="convoy-mlmodel-") as scratch:
        write_mlmodel(Path(scratch), servable, facts, run, logged.model_id)
        client.log_model_artifacts(logged.model_id, scratch)
    client.log_model_artifacts(logged.model_id, str(servable), artifact_path=SAVED_MODEL)
    return client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)


def _tags(facts: dict[str, Any]) -> dict[str, str]:
    """Lists what later runs may say anew of a version."""
    keys = ("dataset", "blessed", "infra_blessed", "pipeline_run")
    return {key: str(facts[key]).lower() if isinstance(facts[key], bool) else str(facts[key]) for key in keys}


def _identity(place: Place, facts: dict[str, Any]) -> dict[str, str]:
    """Lists the tags that tell a version from all others."""
    tags = {SHA256: facts["sha256"], runs.MODEL_URI: facts["model_uri"]}
    return tags | ({runs.WORKSPACE: place.workspace} if place.workspace else {})
