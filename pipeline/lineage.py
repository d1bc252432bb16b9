"""Questions to MLMD: what was published, and what a served version came from. Needs no TensorFlow."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from components import names
from pipeline import metadata

# How far to walk back: a version is a handful of steps from its examples.
MAX_HOPS = 20
# The Evaluator's input that a version was compared with, not made from.
BASELINE = "baseline_model"


@dataclasses.dataclass(frozen=True)
class Published:
    """A version that was published: the last word of MLMD on a model."""

    model: str
    version: int
    sha256: str
    path: Path


@dataclasses.dataclass(frozen=True)
class Execution:
    """One node in one run.

    Attributes:
      id: In MLMD; later ones are larger.
      run_id: Of the run.
      properties: Execution properties by name.
      inputs: Ids of the input artifacts by key.
    """

    id: int
    run_id: str
    properties: dict[str, Any]
    inputs: dict[str, frozenset[int]]


class Lineage:
    """Reads one MLMD database."""

    def __init__(self, place: Path | str) -> None:
        """Opens the database of a workspace; one that doesn't exist yet answers every question with nothing.

        Args:
          place: An SQLite file, or the URL of PostgreSQL's database.

        Raises:
          ConvoyError: It can't be opened.
        """
        self._store = metadata.opened(place)

    def published(self) -> dict[str, Published]:
        """Finds the newest publication of every model."""
        found: dict[str, Published] = {}
        for artifact in sorted(self._artifacts("PushedModel"), key=lambda artifact: artifact.id):
            custom = {key: _value(value) for key, value in artifact.custom_properties.items()}
            if custom.get("pushed"):
                model = str(custom["model_name"])
                path = Path(str(custom["pushed_destination"]))
                found[model] = Published(model, int(str(custom["pushed_version"])), str(custom["sha256"]), path)
        return found

    def registered_sha256(self, model: str, version: int) -> str | None:
        """Returns the SHA-256 that MLMD holds for a registered version."""
        artifact = self._registered(model, version)
        return str(artifact.properties["sha256"].string_value) if artifact is not None else None

    def objections(self, model: str, version: int) -> list[str]:
        """Returns what the gate had against a registered version; nothing where that is not known any more."""
        artifact = self._registered(model, version)
        with contextlib.suppress(OSError, ValueError, KeyError):
            facts = (Path(artifact.uri) / names.REGISTRATION_FILE).read_text(encoding="utf-8") if artifact else "{}"
            return list(json.loads(facts)["objections"])
        return []

    def spans(self, pipeline: str) -> dict[str, int]:
        """Returns the number of each content that a pipeline's data set has had, by fingerprint, in their order."""
        from ml_metadata import errors

        if self._store is None:
            return {}
        with contextlib.suppress(errors.NotFoundError):
            found = self._store.get_context_by_type_and_name("pipeline", pipeline)
            artifacts = self._store.get_artifacts_by_context(found.id) if found is not None else []
            told = [artifact for artifact in artifacts if names.FINGERPRINT in artifact.custom_properties]
            return {
                artifact.custom_properties[names.FINGERPRINT].string_value: artifact.properties[names.SPAN].int_value
                for artifact in sorted(told, key=lambda artifact: artifact.id)
            }
        return {}

    def executions(self, run_id: str) -> dict[str, Execution]:
        """Returns the last execution of each node in a run."""
        from ml_metadata import errors

        if self._store is None:
            return {}
        with contextlib.suppress(errors.NotFoundError):
            run = self._store.get_context_by_type_and_name("pipeline_run", run_id)
            found = self._store.get_executions_by_context(run.id) if run is not None else []
            return {self._node(one.id): self._execution(one) for one in sorted(found, key=lambda one: one.id)}
        return {}

    def before(self, execution: Execution) -> Execution | None:
        """Returns the last earlier execution of the same node that did its work, rather than find it done."""
        assert self._store is not None
        (node,) = self._contexts(execution.id, "node")
        done = [
            one
            for one in self._store.get_executions_by_context(node.id)
            if one.id < execution.id and one.last_known_state == one.COMPLETE
        ]
        return self._execution(max(done, key=lambda one: one.id)) if done else None

    def origin(self, execution: Execution) -> Execution | None:
        """Returns the execution that made what this one, being cached, passed on."""
        assert self._store is not None
        events = self._store.get_events_by_execution_ids([execution.id])
        makers = self._makers([event.artifact_id for event in events if event.type == event.OUTPUT]) - {execution.id}
        if not makers:
            return self.before(execution)
        (made,) = self._store.get_executions_by_id([min(makers)])
        return self._execution(made)

    def ancestry(self, model: str, version: int) -> list[dict[str, Any]]:
        """Walks from a registered version back to the examples it was trained on, and not into its baseline's past.

        Returns:
          The executions on the way, nearest first: `node`, `execution`, and `inputs` as key, type, id and URI.
        """
        artifact = self._registered(model, version)
        frontier = [artifact.id] if artifact is not None else []
        steps: list[dict[str, Any]] = []
        seen: set[int] = set()
        for _ in range(MAX_HOPS):
            makers = self._makers(frontier) - seen
            if not makers:
                break
            seen |= makers
            described = [self._step(execution) for execution in sorted(makers, reverse=True)]
            steps += described
            frontier = [found["id"] for step in described for found in step["inputs"] if found["key"] != BASELINE]
        return steps

    def _execution(self, execution: Any) -> Execution:
        assert self._store is not None
        (run,) = self._contexts(execution.id, "pipeline_run")
        inputs: dict[str, set[int]] = {}
        for event in self._store.get_events_by_execution_ids([execution.id]):
            if event.type == event.INPUT:
                inputs.setdefault(event.path.steps[0].key, set()).add(event.artifact_id)
        properties = {key: _value(value) for key, value in execution.custom_properties.items()}
        return Execution(execution.id, run.name, properties, {key: frozenset(ids) for key, ids in inputs.items()})

    def _node(self, execution_id: int) -> str:
        """Names the node of an execution: its context says `<pipeline>.<node>`."""
        (node,) = self._contexts(execution_id, "node")
        return str(node.name.partition(".")[2])

    def _contexts(self, execution_id: int, kind: str) -> list[Any]:
        assert self._store is not None
        return [found for found in self._store.get_contexts_by_execution(execution_id) if found.type == kind]

    def _registered(self, model: str, version: int) -> Any:
        for artifact in reversed(self._artifacts("RegisteredModel")):
            known = artifact.properties
            if known["model_name"].string_value == model and known["model_version"].int_value == version:
                return artifact
        return None

    def _artifacts(self, type_name: str) -> list[Any]:
        from ml_metadata import errors

        if self._store is None:
            return []
        with contextlib.suppress(errors.NotFoundError):
            return list(self._store.get_artifacts_by_type(type_name))
        return []

    def _makers(self, artifact_ids: list[int]) -> set[int]:
        """Finds the executions that put out artifacts; a cached execution only passed them on."""
        if self._store is None or not artifact_ids:
            return set()
        events = self._store.get_events_by_artifact_ids(artifact_ids)
        outputs = [event for event in events if event.type == event.OUTPUT]
        first: dict[int, int] = {}
        for event in sorted(outputs, key=lambda event: event.execution_id):
            first.setdefault(event.artifact_id, event.execution_id)
        return set(first.values())

    def _step(self, execution_id: int) -> dict[str, Any]:
        assert self._store is not None
        (execution,) = self._store.get_executions_by_id([execution_id])
        (kind,) = self._store.get_execution_types_by_id([execution.type_id])
        events = self._store.get_events_by_execution_ids([execution_id])
        keys = {event.artifact_id: event.path.steps[0].key for event in events if event.type == event.INPUT}
        inputs = [
            {"key": keys[artifact.id], "type": self._type_name(artifact), "id": artifact.id, "uri": artifact.uri}
            for artifact in (self._store.get_artifacts_by_id(sorted(keys)) if keys else [])
        ]
        return {"node": kind.name.rpartition(".")[2], "execution": execution_id, "inputs": inputs}

    def _type_name(self, artifact: Any) -> str:
        assert self._store is not None
        (kind,) = self._store.get_artifact_types_by_id([artifact.type_id])
        return str(kind.name)


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
