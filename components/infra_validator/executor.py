"""The work of InfraValidator: a server process, real requests, warm-up records."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from components import names
from components.infra_validator import probe, requests, server

IMAGES = 32
# Between signatures of one server; and between it, which may fold and reorder the arithmetic, and TensorFlow itself.
TOLERANCE, SERVED_TOLERANCE = 1e-5, 1e-4
SERVABLE = "servable"


class Executor(base_executor.BaseExecutor):
    """Serves one model and asks it."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Validates the model and writes the blessing."""
        model = artifact_utils.get_single_instance(input_dict["model"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        servable = Path(blessing.uri) / SERVABLE
        height, width, channels = exec_properties["image_shape"]
        split = artifact_utils.get_split_uri([examples], names.TEST)
        questions = requests.read(split, IMAGES, (height, width, channels))
        report = validate(
            Path(path_utils.serving_model_path(model.uri)),
            questions,
            servable,
            exec_properties["model_name"],
            exec_properties["max_latency_ms"],
        )
        (Path(blessing.uri) / names.INFRA_FILE).write_text(json.dumps(report, indent=2), encoding="utf-8")
        blessing.set_int_custom_property(names.BLESSED, int(report["blessed"]))


def validate(
    saved_model: Path, questions: list[requests.Question], servable: Path, model_name: str, max_latency_ms: float
) -> dict[str, Any]:
    """Makes a servable of a SavedModel, serves it as version 1 and asks it.

    Args:
      saved_model: As the Trainer exported it.
      questions: To ask it.
      servable: Where the SavedModel with its warm-up requests goes; must not exist.
      model_name: The name to serve under.
      max_latency_ms: Bound on the median of single-image requests.

    Returns:
      `blessed`, `message` (why not, in the server's words); and what was measured: by which `engine`, on how many
      `images` with which `accuracy`, the `max_difference` between the signatures' probabilities, their
      `evaluated_difference` to those that the Evaluator saw, and `latency_ms` (p50, p90, p99 of one image).
    """
    shutil.copytree(saved_model, servable)
    requests.write_warmup(servable, model_name, questions)
    with tempfile.TemporaryDirectory(prefix="convoy-infra-") as folder:
        base_path = Path(folder) / model_name
        base_path.mkdir()
        (base_path / "1").symlink_to(servable.resolve(), target_is_directory=True)
        try:
            with server.running(model_name, base_path, Path(folder)) as (engine, target):
                answers = probe.ask(target, model_name, questions)
        except (server.ServerError, probe.ProbeError) as error:
            return {"blessed": False, "message": str(error)}
    measured = {"engine": engine, **_measured(answers, questions, requests.evaluated(saved_model, questions))}
    return {**measured, **_verdict(measured, max_latency_ms)}


def _measured(answers: probe.Answers, questions: list[requests.Question], evaluated: np.ndarray) -> dict[str, Any]:
    default = answers.probabilities[names.SERVING_DEFAULT]
    labels = np.array([question.label for question in questions])
    return {
        "images": len(questions),
        "accuracy": float((default.argmax(axis=1) == labels).mean()),
        "max_difference": max(float(np.abs(other - default).max()) for other in answers.probabilities.values()),
        "evaluated_difference": float(np.abs(default - evaluated).max()),
        "latency_ms": dict(answers.latency_ms),
    }


def _verdict(measured: dict[str, Any], max_latency_ms: float) -> dict[str, Any]:
    objections = {
        f"The same answer from every signature is required, within {TOLERANCE}. "
        f"Received: probabilities that differ by {measured['max_difference']:.2g}.": measured["max_difference"]
        > TOLERANCE,
        f"The answers that were evaluated are required, within {SERVED_TOLERANCE}. "
        f"Received: probabilities that differ by {measured['evaluated_difference']:.2g} once served.": measured[
            "evaluated_difference"
        ]
        > SERVED_TOLERANCE,
        f"A median latency of at most {max_latency_ms} ms for one image is required (`gate.max_latency_ms`). "
        f"Received: {measured['latency_ms']['p50']:.1f} ms.": measured["latency_ms"]["p50"] > max_latency_ms,
    }
    message = next((sentence for sentence, holds in objections.items() if holds), "")
    return {"blessed": not message, "message": message}
