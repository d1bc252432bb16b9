"""The work of Publisher."""

import json
from pathlib import Path
from typing import Any

import mlflow
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components import names
from components.registrar import registry
from components.registrar.mlflow_model import SAVED_MODEL
from serving import labels, running
from serving.client import Client
from serving.repository import Repository

# The alias in MLflow that moves with each label of TF Serving.
ALIASES = {"stable": names.CHAMPION, "canary": "challenger"}


class Executor(base_executor.BaseExecutor):
    """Publishes one version, or says why not."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Publishes the model if it is doubly blessed, and writes what was done."""
        registered = artifact_utils.get_single_instance(input_dict["registered_model"])
        output = artifact_utils.get_single_instance(output_dict["pushed_model"])
        facts = json.loads((Path(registered.uri) / names.REGISTRATION_FILE).read_text(encoding="utf-8"))
        if facts["blessed"] and facts["infra_blessed"]:
            publication = publish(facts, exec_properties)
        else:
            publication = {"published": False, "reason": "; ".join(facts["objections"])}
        output.set_int_custom_property(names.PUSHED, int(publication["published"]))
        output.set_string_custom_property(names.PUSHED_VERSION, str(facts["version"]))
        output.set_string_custom_property("model_name", facts["model_name"])
        output.set_string_custom_property("sha256", facts["sha256"])
        output.set_string_custom_property(names.PUSHED_DESTINATION, publication.get("path", ""))
        (Path(output.uri) / names.PUBLICATION_FILE).write_text(json.dumps(publication, indent=2), encoding="utf-8")


def publish(facts: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Publishes the bytes that MLflow holds, then moves the label, then the alias.

    Returns:
      What the output says: `published`, `label`, `before` (the version that the label pointed to, or None), `path` and
      `sha256`.
    """
    name, version, label = facts["model_name"], facts["version"], settings["label"]
    repository = Repository(Path(settings["repository"]))
    before = repository.labels(name).get(label)
    with registry.connected(settings["tracking_uri"]) as client:
        stored = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}")
        published = repository.publish(
            name, version, Path(stored) / SAVED_MODEL, keep_versions=settings["keep_versions"], sha256=facts["sha256"]
        )
        _move(repository, name, label, version, Path(settings["server_file"]))
        client.set_registered_model_alias(name, ALIASES[label], str(version))
    return {
        "published": True,
        "label": label,
        "before": before,
        "path": str(published.path),
        "sha256": published.sha256,
    }


def _move(repository: Repository, name: str, label: str, version: int, server_file: Path) -> None:
    """Moves the label, on the running server too, in the order that TF Serving allows."""
    target = running.find(server_file)
    if target is None:
        labels.move(repository, name, label, version)
    else:
        with Client(target) as client:
            labels.move(repository, name, label, version, client=client)
