"""The work of Publisher."""

import json
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from components import names
from components.evaluation.facts import EVALUATION_FILE, Evaluation
from components.promotion.journal import ALIASES, STABLE, Label
from components.promotion.promoter import Cause, Places, Promoter

MANUAL = "manual"
# Another promotion may wait a minute for a server to load a version.
WAIT_S = 300.0


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
        run_id = self._context.pipeline_run_id if self._context else facts["pipeline_run"]
        why = f"run {run_id}: {_verdict(Path(registered.uri))}"
        publication = publish(facts, exec_properties, why)
        output.set_int_custom_property(names.PUSHED, int(publication["published"]))
        output.set_string_custom_property(names.PUSHED_VERSION, str(facts["version"]))
        output.set_string_custom_property("model_name", facts["model_name"])
        output.set_string_custom_property("sha256", facts["sha256"])
        output.set_string_custom_property(names.PUSHED_DESTINATION, publication.get("path", ""))
        (Path(output.uri) / names.PUBLICATION_FILE).write_text(json.dumps(publication, indent=2), encoding="utf-8")


def publish(facts: dict[str, Any], settings: dict[str, Any], why: str) -> dict[str, Any]:
    """Does what the policy says with a version: it goes live, waits beside what is live, or waits in MLflow alone.

    A verdict moves a label once. Heard again, as when the repository was damaged, it restores what is live by now,
    which people may have chosen since.

    Args:
      facts: Of the registration.
      settings: The component's execution properties.
      why: For the history.

    Returns:
      What the output says: `published`; `state` (`published`, `waiting` or `withheld`); `reason`, why it is not live;
      where it is in the repository, also `label`, `before` and `now` (the versions that the label pointed to and
      points to), `path` and `sha256`.
    """
    places = Places(
        Path(settings["repository"]), Path(settings["history"]), settings["tracking_uri"], Path(settings["server_file"])
    )
    with Promoter.opened(places, facts["model_name"], WAIT_S) as promoter:
        before = promoter.repository.labels(promoter.model)
        promoter.restore()
        if not (facts["blessed"] and facts["infra_blessed"]):
            return {"published": False, "state": "withheld", "reason": "; ".join(facts["objections"])}
        if settings["policy"] == MANUAL:
            reason = f"in MLflow alone, until `convoy promote {promoter.model} {facts['version']}` publishes it"
            return {"published": False, "state": "waiting", "reason": reason}
        label = _label(promoter, facts["version"], settings["policy"])
        _publish(promoter, label, facts, why)
        promoter.prune(settings["keep_versions"], facts["version"])
        now = promoter.repository.labels(promoter.model).get(label)
        waits = label != STABLE and now == facts["version"]
        hint = f"as {label}, until `convoy promote {promoter.model} {ALIASES[label]}` makes it live"
        return {
            "published": True,
            "state": "waiting" if waits else "published",
            "reason": hint if waits else "",
            "label": label,
            "before": before.get(label),
            "now": now,
            "path": str(promoter.repository.path(promoter.model, facts["version"])),
            "sha256": facts["sha256"],
        }


def _label(promoter: Promoter, version: int, policy: Label) -> Label:
    """Returns the label of the policy; what is live already, as after a recipe was changed back, waits for nothing."""
    return STABLE if promoter.live() == version else policy


def _publish(promoter: Promoter, label: Label, facts: dict[str, Any], why: str) -> None:
    """Publishes the bytes that MLflow holds, and moves the label unless it has heard this verdict before."""
    version = promoter.known().resolve(str(facts["version"]))
    verdict = facts["pipeline_run"]
    if promoter.journal.answered(verdict, label, version.number):
        promoter.place(version)
    else:
        promoter.move(label, version, Cause("publish", why, verdict=verdict))


def _verdict(directory: Path) -> str:
    """Returns what the gate said, in its own words where the evaluation has left them."""
    if (directory / EVALUATION_FILE).exists():
        return Evaluation.read(directory).verdict.reason
    return "blessed by the evaluation and by infra validation"
