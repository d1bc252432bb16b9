"""A training's run in MLflow, written while it trains."""

import logging
import queue
import threading
import time
from typing import Any

from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from components.progress import Event
from components.registrar import record, runs
from components.registrar.connection import Place, connected

SAMPLE_EVERY_S = 10.0
END_TIMEOUT_S = 30.0
# What an epoch's event says that is no metric.
PLACES = {"epoch", "epochs", "seconds_left"}
# Of those that are, what has a best value: on validation, by which people choose.
JUDGED = "val_"


class Recording:
    """Writes what a training reports into its child run, from a thread of its own: training waits for nothing.

    The first event must have `model_uri`, where the model will be, by which Registrar finds the run again, and
    `training`, what is trained and how. Each later one is an epoch, whose numbers become metrics `train/…`. Between
    them, the machine's load becomes metrics `system/…`. Where MLflow can't be used, training goes on without.

    Args:
      place: Where MLflow is.
      experiment: The data set's name.
      pipeline_run: The parent run's.
    """

    def __init__(self, place: Place, experiment: str, pipeline_run: str) -> None:
        self._place, self._experiment, self._pipeline_run = place, experiment, pipeline_run
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
        run, monitors = self._open(self._events.get() or {})
        samples, best = 0, _Best()
        while True:
            try:
                event = self._events.get(timeout=SAMPLE_EVERY_S)
            except queue.Empty:
                event = {}
            if event is None:
                return
            if "failure" in event:
                self._fail(run, str(event["failure"]))
                return
            now = int(time.time() * 1000)
            load = [Metric(f"system/{name}", value, now, samples) for name, value in _load(monitors).items()]
            samples += 1
            with connected(self._place.tracking_uri) as client:
                client.log_batch(run, metrics=_epoch(event, best, now) + load)

    def _open(self, event: Event) -> tuple[str, list[Any]]:
        facts = {**event, "dataset": self._experiment, "pipeline_run": self._pipeline_run}
        with connected(self._place.tracking_uri) as client:
            _, _, run = runs.training_run(client, self._place, facts)
            client.log_batch(run, params=record.params(facts))
            return run, SystemMetricsMonitor(run).monitors

    def _fail(self, run: str, reason: str) -> None:
        with connected(self._place.tracking_uri) as client:
            client.set_tag(run, runs.NOTE, reason)
            client.set_terminated(run, "FAILED")


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
