"""A training's run in MLflow, written while it trains."""

import logging
import queue
import threading
import time
from typing import Any

from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from components.progress import Event
from components.registrar import registry

SAMPLE_EVERY_S = 10.0
END_TIMEOUT_S = 30.0
# What an epoch's event says that is no metric.
PLACES = {"epoch", "epochs", "seconds_left"}


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

    def __init__(self, place: registry.Place, experiment: str, pipeline_run: str) -> None:
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
        samples = 0
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
            with registry.connected(self._place.tracking_uri) as client:
                client.log_batch(run, metrics=load + _epoch(event, now))

    def _open(self, event: Event) -> tuple[str, list[Any]]:
        facts = {**event, "dataset": self._experiment, "pipeline_run": self._pipeline_run}
        with registry.connected(self._place.tracking_uri) as client:
            _, _, run = registry.training_run(client, self._place, facts)
            client.log_batch(run, params=registry.params(facts))
            return run, SystemMetricsMonitor(run).monitors

    def _fail(self, run: str, reason: str) -> None:
        with registry.connected(self._place.tracking_uri) as client:
            client.set_tag(run, "mlflow.note.content", reason)
            client.set_terminated(run, "FAILED")


def _load(monitors: list[Any]) -> dict[str, float]:
    """Measures the machine's load since the last time, by MLflow's own names."""
    found: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        found |= monitor.aggregate_metrics()
        monitor.clear_metrics()
    return found


def _epoch(event: dict[str, Any], now: int) -> list[Metric]:
    numbers = {name: float(value) for name, value in event.items() if name not in PLACES}
    return [Metric(f"train/{name}", value, now, int(event["epoch"])) for name, value in numbers.items()]
