"""What MLflow keeps of one training: parameters, metrics, the data as an input, the trials of a search."""

import itertools
import json
import math
from collections.abc import Iterable
from typing import Any

import mlflow
import numpy as np
from mlflow.data.schema import TensorDatasetSchema
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.types import Schema, TensorSpec

from components.evaluation.facts import Evaluation

TRIALS_FILE = "trials.json"
# MLflow's own limit; the whole fingerprint is in the source of the data.
DIGEST_LENGTH = 36


def params(facts: dict[str, Any]) -> list[Param]:
    """Lists what is trained, and how. The data set is the experiment's, so it is none of them."""
    training = facts["training"]
    named = {"architecture": training["architecture"]["name"], "form": training["form"]}
    named |= {"tuned": ", ".join(training["tuned"])} if training.get("tuned") else {}
    options = {f"option.{key}": value for key, value in training.get("options", {}).items()}
    recipe = {f"recipe.{key}": value for key, value in training["recipe"].items()}
    return [Param(key, _written(value)) for key, value in {**named, **options, **recipe}.items()]


def _written(value: object) -> str:
    """Writes a value the same whether it went through JSON or not: MLflow lets no parameter change."""
    return str(list(value) if isinstance(value, tuple) else value)


def results(facts: dict[str, Any], when: int, model_id: str | None = None) -> list[Metric]:
    """Lists what the model came to, in the end: for its run, or tied to its logged model.

    The metrics of a logged model that the data decide are tied to the data too.
    """
    known, infra = facts["training"]["architecture"], facts["infra"]
    own = {
        "train/seconds": facts["training"]["train_seconds"],
        "model/parameters": known["params"],
        "model/macs": known["macs"],
        "model/size_bytes": facts["size_bytes"],
        **{f"serve/latency_ms_{point}": value for point, value in infra.get("latency_ms", {}).items()},
    }
    history = facts["training"]["history"]
    epochs, tested = len(history["loss"]), {f"eval/{name}": value for name, value in facts["evaluation"].items()}
    tied: dict[str, Any] = {"model_id": model_id, **(_tied(facts) if model_id else {})}
    return [
        *_metrics(tested, when, **tied),
        *_metrics(_best_and_final(history), when, epochs, **tied),
        *_metrics(own, when, model_id=model_id),
    ]


def _best_and_final(history: dict[str, list[float]]) -> dict[str, float]:
    """Says what the best epoch came to and what the last one did, and which they were."""
    found = {f"best/{name}": best(name, values) for name, values in history.items()}
    found |= {f"final/{name}": values[-1] for name, values in history.items()}
    losses = np.nan_to_num(history["val_loss"], nan=np.inf)
    return found | {"best/epoch": int(np.argmin(losses)) + 1, "final/epoch": len(losses)}


def best(name: str, values: Iterable[float]) -> float:
    """Returns the best of a curve's values: the smallest of a loss, the largest of anything else."""
    finite = [value for value in values if math.isfinite(value)] or [math.nan]
    return min(finite) if name.endswith("loss") else max(finite)


def _metrics(values: dict[str, float], when: int, step: int = 0, **tied: Any) -> list[Metric]:
    return [Metric(name, value, when, step, **tied) for name, value in values.items() if math.isfinite(value)]


def missing(client: mlflow.MlflowClient, run: str, facts: dict[str, Any], when: int) -> list[Metric]:
    """Lists what the run lacks of the learning curves, one step an epoch: most was written while it trained."""
    found = []
    for name, values in facts["training"]["history"].items():
        there = {metric.step for metric in client.get_metric_history(run, f"train/{name}")}
        steps = [step for step in range(1, len(values) + 1) if step not in there]
        found += [Metric(f"train/{name}", values[step - 1], when, step) for step in steps]
    return found


def intervals(evaluation: Evaluation, when: int) -> list[Metric]:
    """Lists the bounds of the metrics' confidence intervals, where there are any."""
    bounds = itertools.chain.from_iterable(
        ((f"interval/{name}_low", found.low), (f"interval/{name}_high", found.high))
        for name, found in evaluation.metrics.items()
    )
    return _metrics({name: value for name, value in bounds if value is not None}, when)


def log_data(client: mlflow.MlflowClient, run: str, facts: dict[str, Any]) -> None:
    """Logs the data set as an input of the run: which it is, what it holds, and how many of each split."""
    data = facts["data"]
    pixels = TensorSpec(np.dtype(np.uint8), (-1, *facts["training"]["architecture"]["input_shape"]), "image")
    label = TensorSpec(np.dtype(np.int64), (-1,), "label")
    told = Dataset(
        **_entity(facts),
        source_type="convoy",
        source=json.dumps({key: data[key] for key in ("source", "fingerprint", "span")}),
        schema=json.dumps(TensorDatasetSchema(Schema([pixels]), Schema([label])).to_dict()),
        profile=json.dumps({"images": data["splits"], "classes": data["class_names"]}),
    )
    context = InputTag("mlflow.data.context", ", ".join(data["splits"]))
    client.log_inputs(run, [DatasetInput(told, [context])])


def _entity(facts: dict[str, Any]) -> dict[str, str]:
    return {"name": facts["dataset"], "digest": facts["data"]["fingerprint"][:DIGEST_LENGTH]}


def _tied(facts: dict[str, Any]) -> dict[str, str]:
    return {f"dataset_{key}": value for key, value in _entity(facts).items()}


def log_trials(client: mlflow.MlflowClient, run: str, trials: list[dict[str, Any]]) -> None:
    """Puts the trials of a search beside the run, as a table, best first: how KerasTuner lists those that succeeded."""
    if not trials or TRIALS_FILE in [file.path for file in client.list_artifacts(run)]:
        return  # MLflow would add a second table to the first.
    columns = {"trial": [int(trial["trial_id"]) + 1 for trial in trials], "val_accuracy": [t["score"] for t in trials]}
    fields = [name for name in trials[0] if name not in ("trial_id", "score")]
    client.log_table(run, columns | {name: [trial[name] for trial in trials] for name in fields}, TRIALS_FILE)
