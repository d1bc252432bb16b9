"""The work of InfraValidator: a server process, real requests, warm-up records."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.utils import path_utils

from components import names
from components.infra_validator import probe, requests, server

IMAGES = 32
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
      `blessed`, `message` (why not, in the server's words), and what was measured.
    """
    shutil.copytree(saved_model, servable)
    requests.write_warmup(servable, model_name, questions)
    with tempfile.TemporaryDirectory(prefix="convoy-infra-") as folder:
        base_path = Path(folder) / model_name
        base_path.mkdir()
        (base_path / "1").symlink_to(servable.resolve(), target_is_directory=True)
        try:
            with server.running(model_name, base_path, Path(folder)) as target:
                measured = probe.ask(target, model_name, questions)
        except (server.ServerError, probe.ProbeError) as error:
            return {"blessed": False, "message": str(error)}
    return {**measured, **_verdict(measured, max_latency_ms)}


def _verdict(measured: dict[str, Any], max_latency_ms: float) -> dict[str, Any]:
    if measured["max_difference"] > probe.TOLERANCE:
        message = (
            f"The same answer from every signature is required, within {probe.TOLERANCE}. "
            f"Received: probabilities that differ by {measured['max_difference']:.2g}."
        )
    elif measured["latency_ms"]["p50"] > max_latency_ms:
        message = (
            f"A median latency of at most {max_latency_ms} ms for one image is required (`gate.max_latency_ms`). "
            f"Received: {measured['latency_ms']['p50']:.1f} ms."
        )
    else:
        return {"blessed": True, "message": ""}
    return {"blessed": False, "message": message}
