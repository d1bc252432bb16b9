"""A training's run in MLflow, written while it trains."""

import json
import logging
import queue
import threading
import time
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from components.progress import Event
from components.registrar import record, runs
from components.registrar.connection import Place, RegistryError, connected

SAMPLE_EVERY_S = 10.0
# Longer than a request may take.
END_TIMEOUT_S = 60.0
# What is said of a training: what opens it, metrics, or why it failed.
Message = dict[str, Any]
# What an epoch's event says that is no metric.
PLACES = {"epoch", "epochs", "seconds_left"}
# Of those that are, what has a best value: on validation, by which people choose.
JUDGED = "val_"


class Recording:
    """Writes what a training reports into its child run, from a thread of its own: training waits for nothing.

    The first event must have `model_uri`, where the model will be, by which Registrar finds the run again, and
    `training`, what is trained and how. Each later one is an epoch, whose numbers become metrics `train/…`. Between
    them, the machine's load becomes metrics `system/…`. Where MLflow can't be used, training goes on without, and what
    MLflow would have been told goes into a file.

    Args:
      place: Where MLflow is.
      experiment: The data set's name.
      pipeline_run: The parent run's.
      kept: The file for what can't be told; `send` tells it later.
    """

    def __init__(self, place: Place, experiment: str, pipeline_run: str, kept: Path | None = None) -> None:
        self._experiment, self._pipeline_run = experiment, pipeline_run
        self._account = _Account(place, kept)
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def hear(self, event: Event) -> None:
        """Takes an event; the first one opens the run."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._record, daemon=True, name="mlflow")
            self._thread.start()
        self._events.put(event)

    def end(self, failure: str = "") -> None:
        """Writes what is left; a failed training's run is ended, with the reason for its description."""
        if self._thread is None:
            return
        self._events.put({"failure": failure} if failure else None)
        self._thread.join(END_TIMEOUT_S)

    def _record(self) -> None:
        try:
            self._write()
        except Exception as error:
            logging.warning("MLflow does not show this training while it goes on: %s", error)

    def _write(self) -> None:
        opening = {**(self._events.get() or {}), "dataset": self._experiment, "pipeline_run": self._pipeline_run}
        self._account.tell({"opening": opening})
        monitors = SystemMetricsMonitor("").monitors
        samples, best = 0, _Best()
        while True:
            try:
                event = self._events.get(timeout=SAMPLE_EVERY_S)
            except queue.Empty:
                event = {}
            if event is None:
                return
            if "failure" in event:
                self._account.tell(dict(event))
                return
            now = int(time.time() * 1000)
            load = [Metric(f"system/{name}", value, now, samples) for name, value in _load(monitors).items()]
            samples += 1
            self._account.tell({"metrics": [_plain(metric) for metric in _epoch(event, best, now) + load]})


class _Account:
    """What is said of a training, in order: to MLflow, or from the first moment that it can't be, to a file."""

    def __init__(self, place: Place, kept: Path | None) -> None:
        self._place, self._kept = place, kept
        self._run = ""
        self._opening: Message = {}
        self._keeps = False

    def tell(self, message: Message) -> None:
        """Tells MLflow, or keeps it.

        Raises:
          RegistryError: MLflow can't be used, and nothing is to be kept.
        """
        self._opening = self._opening or message
        if not self._keeps:
            try:
                with connected(self._place.tracking_uri) as client:
                    self._run = _told(client, self._place, self._run, message)
                return
            except RegistryError as error:
                if self._kept is None:
                    raise
                logging.warning("MLflow is told of this training by the next run: %s", error)
                self._keeps = True
                if message != self._opening:
                    self._keep(self._opening)
        self._keep(message)

    def _keep(self, message: Message) -> None:
        assert self._kept is not None
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        with self._kept.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(message)}\n")


def send(place: Place, kept: Path) -> None:
    """Tells MLflow what a training could not, but for what it knows by now; then deletes the file.

    Raises:
      RegistryError: MLflow can't be used.
    """
    with connected(place.tracking_uri) as client:
        run = ""
        for message in _messages(kept):
            if "metrics" in message:
                message["metrics"] = _unknown(client, run, message["metrics"])
            run = _told(client, place, run, message)
        kept.unlink()


def _messages(kept: Path) -> list[Message]:
    """Reads a file of messages, metrics that follow each other as one; a line that a kill cut off is none."""
    found: list[Message] = []
    for line in kept.read_text(encoding="utf-8").splitlines(keepends=True):
        message = json.loads(line) if line.endswith("\n") else {"metrics": []}
        if found and "metrics" in message and "metrics" in found[-1]:
            found[-1]["metrics"] += message["metrics"]
        else:
            found.append(message)
    return found


def _told(client: mlflow.MlflowClient, place: Place, run: str, message: Message) -> str:
    """Tells MLflow one message; returns the run that it is about."""
    if "opening" in message:
        _, _, run = runs.training_run(client, place, message["opening"])
        client.log_batch(run, params=record.params(message["opening"]))
    elif "failure" in message:
        client.set_tag(run, runs.NOTE, message["failure"])
        client.set_terminated(run, "FAILED")
    else:
        client.log_batch(run, metrics=[Metric(**metric) for metric in message["metrics"]])
    return run


def _unknown(client: mlflow.MlflowClient, run: str, metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leaves out the points that a run has: a request that was given up may have been heard after all."""
    names = {one["key"] for one in metrics}
    known = {(name, point.step) for name in names for point in client.get_metric_history(run, name)}
    return [one for one in metrics if (one["key"], one["step"]) not in known]


def _plain(metric: Metric) -> dict[str, Any]:
    return {key: getattr(metric, key) for key in ("key", "value", "timestamp", "step")}


def _load(monitors: list[Any]) -> dict[str, float]:
    """Measures the machine's load since the last time, by MLflow's own names."""
    found: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        found |= monitor.aggregate_metrics()
        monitor.clear_metrics()
    return found


class _Best:
    """The best value of each number so far."""

    def __init__(self) -> None:
        self._found: dict[str, float] = {}

    def of(self, name: str, value: float) -> float:
        """Takes a number's value, and returns the best that it has had."""
        self._found[name] = record.best(name, [value, self._found.get(name, value)])
        return self._found[name]


def _epoch(event: dict[str, Any], best: _Best, now: int) -> list[Metric]:
    """Lists what an epoch came to; the best first, since MLflow's comparison draws the metric that was first."""
    numbers = {name: float(value) for name, value in event.items() if name not in PLACES}
    found = {f"best/{name}": best.of(name, value) for name, value in numbers.items() if name.startswith(JUDGED)}
    found |= {f"train/{name}": value for name, value in numbers.items()}
    return [Metric(name, value, now, int(event["epoch"])) for name, value in found.items()]
