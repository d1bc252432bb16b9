"""The work of Registrar: gather what is known of a model, and register its bytes."""

import json
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components import names
from components.evaluation.facts import Evaluation
from components.infra_validator.executor import SERVABLE
from components.registrar import registry
from serving.repository import digest


class Executor(base_executor.BaseExecutor):
    """Registers one model."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Registers the model and writes its facts."""
        inputs = {key: artifact_utils.get_single_instance(found) for key, found in input_dict.items()}
        output = artifact_utils.get_single_instance(output_dict["registered_model"])
        servable = Path(inputs["infra_blessing"].uri) / SERVABLE
        facts = {
            "model_name": exec_properties["model_name"],
            "dataset": exec_properties["dataset"],
            "pipeline_run": self._context.pipeline_run_id if self._context else "",
            "model_uri": inputs["model"].uri,
            "sha256": digest(servable),
            "size_bytes": sum(path.stat().st_size for path in servable.rglob("*") if path.is_file()),
            **gather(inputs),
        }
        place = registry.Place(exec_properties["tracking_uri"], exec_properties["artifact_location"])
        facts |= registry.register(place, facts, servable)
        found = Evaluation.read(Path(inputs["evaluation"].uri))
        found.write(Path(output.uri))
        output.model_name, output.model_version = facts["model_name"], facts["version"]
        output.sha256 = facts["sha256"]
        (Path(output.uri) / names.REGISTRATION_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")


def gather(inputs: dict[str, Artifact]) -> dict[str, Any]:
    """Gathers what the search, training, evaluation and infra validation found out."""
    training = json.loads((Path(inputs["model_run"].uri) / names.TRAINING_FILE).read_text(encoding="utf-8"))
    infra = json.loads((Path(inputs["infra_blessing"].uri) / names.INFRA_FILE).read_text(encoding="utf-8"))
    evaluation = Evaluation.read(Path(inputs["evaluation"].uri))
    blessed = bool(inputs["model_blessing"].get_int_custom_property(names.BLESSED))
    objections = evaluation.verdict.objections
    if not (blessed or objections):  # What TFMA could not check, it does not bless either.
        objections = [evaluation.verdict.reason]
    if not infra["blessed"]:
        objections.append(f"infra validation did not bless it: {infra['message']}")
    return {
        "training": training,
        "trials": _trials(inputs),
        "evaluation": {name: estimate.value for name, estimate in evaluation.metrics.items()},
        "infra": infra,
        "blessed": blessed,
        "infra_blessed": bool(infra["blessed"]),
        "objections": objections,
    }


def _trials(inputs: dict[str, Artifact]) -> list[dict[str, Any]]:
    """Reads what the trials of a search came to, best first; none without a search."""
    if "tuner_results" not in inputs:
        return []
    (file,) = Path(inputs["tuner_results"].uri).glob("*.json")
    return list(json.loads(file.read_text(encoding="utf-8")))
