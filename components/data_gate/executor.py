"""The work of DataGate."""

from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components.data_report.findings import Findings

# Characters for what was found: with the remedies, a message that the runner shows whole.
ROOM = 330


class DataGateError(RuntimeError):
    """The data are not fit to train on."""


class Executor(base_executor.BaseExecutor):
    """Lets data through that nothing speaks against."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Blesses the data.

        Raises:
          DataGateError: Something speaks against them; the message says what, and what to do.
        """
        findings = Findings.read(Path(artifact_utils.get_single_uri(input_dict["data_report"])))
        if findings.objections:
            raise DataGateError(sentence(findings))
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        blessing.fingerprint = findings.fingerprint
        blessing.statistics_id = artifact_utils.get_single_instance(input_dict["statistics"]).id


def sentence(findings: Findings) -> str:
    """Says what speaks against the data, the first of it where not all has room, and what to do."""
    said = [objection.sentence for objection in findings.objections]
    while len(said) > 1 and len("; ".join(said)) > ROOM:
        said.pop()
    more = len(findings.objections) - len(said)
    listed = "; ".join([*said, f"and {more} more"] if more else said)
    todo = findings.remedies[0] if len(findings.remedies) == 1 else "the data report says what to do about each"
    return f"Data fit to train on are required. Received: {listed}. {todo[0].upper()}{todo[1:]}."
