"""The work of Evaluator: TFMA's, and what follows from it."""

import pickle
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tfx.components.evaluator import executor
from tfx.types import Artifact, artifact_utils, standard_component_specs

from components import names
from components.evaluation import answers, extractors, gate, read


class Executor(executor.Executor):
    """Evaluates a candidate, and its baseline if there is one, as TFX's Evaluator does."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes TFMA's results, the blessing and `evaluation.json`."""
        config = gate.eval_config(exec_properties["gate"])
        properties = {
            standard_component_specs.EVAL_CONFIG_KEY: json_format.MessageToJson(config),
            standard_component_specs.EXAMPLE_SPLITS_KEY: f'["{names.TEST}"]',
            standard_component_specs.MODULE_PATH_KEY: extractors.__name__,
        }
        folder = artifact_utils.get_single_uri(output_dict["evaluation"])
        file = Path(folder) / ".gathered"  # Where workers on other machines can write.
        with answers.kept_in(file):
            super().Do(input_dict, output_dict, properties)
        gathered = pickle.loads(file.read_bytes())
        file.unlink()
        baseline = input_dict.get("baseline_model", [])
        found = read.evaluation(
            folder,
            gathered,
            gate.thresholds(exec_properties["gate"]),
            exec_properties["class_names"],
            baseline[0].uri if baseline else None,
        )
        found.write(Path(folder))
