"""The work of Registrar: gather what is known of a model, and register its bytes."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components import names
from components.evaluation.facts import Evaluation
from components.infra_validator.executor import SERVABLE
from components.ingestion import Ingestion
from components.model_report import report
from components.registrar import provenance, registry
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
            "source_digest": exec_properties["training_digest"],
            "code_version": provenance.code_version(),
            "mlmd": {
                "execution": Path(output.uri).name,  # So TFX names the folder.
                "model": inputs["model"].id,
                "evaluation": inputs["evaluation"].id,
            },
            **gather(inputs),
        }
        place = registry.Place(*(exec_properties[key] for key in ("tracking_uri", "artifact_location", "workspace")))
        with _kept():
            facts |= registry.register(place, facts, servable)
            evaluation = _compared(Evaluation.read(Path(inputs["evaluation"].uri)), place, facts["model_name"])
            evaluation.write(Path(output.uri))
            report.write(Path(output.uri), facts, evaluation)
            output.model_name, output.model_version = facts["model_name"], facts["version"]
            output.sha256 = facts["sha256"]
            (Path(output.uri) / names.REGISTRATION_FILE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
            registry.present(place, facts, Path(output.uri))


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Says of a model that MLflow could not take what becomes of it: nothing here is lost."""
    try:
        yield
    except registry.RegistryError as error:
        raise registry.RegistryError(
            f"{str(error).rstrip('.')}; the model and what is known of it are kept, and the next run registers it."
        ) from error


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
        "data": _data(Ingestion.read(Path(inputs["ingestion"].uri))),
        "evaluation": {name: estimate.value for name, estimate in evaluation.metrics.items()},
        "infra": infra,
        "blessed": blessed,
        "infra_blessed": bool(infra["blessed"]),
        "objections": objections,
    }


def _compared(evaluation: Evaluation, place: registry.Place, model_name: str) -> Evaluation:
    """Says which version the candidate was compared with."""
    if (baseline := evaluation.baseline) is None:
        return evaluation
    version = registry.version_of(place, model_name, baseline.model_uri)
    return evaluation.model_copy(update={"baseline": baseline.model_copy(update={"version": version})})


def _data(ingestion: Ingestion) -> dict[str, Any]:
    """Says which data the model was trained and tested on, and how many images of each split."""
    splits = {split: counts.kept for split, counts in ingestion.splits.items()}
    facts = {key: getattr(ingestion, key) for key in ("source", "fingerprint", "span", "class_names")}
    return {**facts, "splits": splits}


def _trials(inputs: dict[str, Artifact]) -> list[dict[str, Any]]:
    """Reads what the trials of a search came to, best first; none without a search."""
    if "tuner_results" not in inputs:
        return []
    (file,) = Path(inputs["tuner_results"].uri).glob("*.json")
    return list(json.loads(file.read_text(encoding="utf-8")))
