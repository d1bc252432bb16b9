"""One search: KerasTuner chooses the values, and every trial is a training as the Trainer's, by `trainer.run.train`."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from components.progress import Event, report, through
from components.trainer import checkpoints, hyperparameters, input_pipeline, run
from components.trainer.stopping import served_epoch
from components.tuner.space import OBJECTIVE
from components.tuner.trials import Outcome, Trials


class SearchFailedError(RuntimeError):
    """No trial of a search trained to its end."""


@dataclasses.dataclass(frozen=True)
class Data:
    """What every trial learns from.

    Attributes:
      train_files: Patterns of the transformed train split.
      validation_files: Of the validation split; a search sees no other.
      statistics: Of the pixels of the train split.
    """

    train_files: list[str]
    validation_files: list[str]
    statistics: input_pipeline.PixelStatistics


class Search(keras_tuner.Tuner):
    """Tries recipes, and keeps what they came to.

    A search that was killed starts anew, by its seed with the same values: what trials had come to is remembered, and
    the one that was in the middle goes on from its checkpoint. It ends as a search that nothing stopped.

    Args:
      plan: Of the architecture; each trial replaces fields of its recipe.
      epochs: Of a trial; None for the recipe's.
      number: Trials.
      oracle: Chooses the values of each.
      directory: For KerasTuner's own files, which nothing reads again.
      kept: Where a killed search finds what it knew.
      decisive: All that decides what a trial comes to, beside its values, as JSON takes it.
    """

    def __init__(
        self,
        *,
        plan: run.TrainingPlan,
        epochs: int | None,
        number: int,
        oracle: keras_tuner.Oracle,
        directory: Path,
        kept: Path,
        decisive: object,
    ) -> None:
        super().__init__(oracle, directory=str(directory), project_name="search", overwrite=True)
        self._plan, self._epochs, self._number, self._decisive = plan, epochs, number, decisive
        self._trials = Trials(kept, decisive)
        self._checkpoints = kept / "checkpoints"
        self._best: float | None = None
        self._begun, self._trained = time.monotonic(), 0
        self._last_error = ""

    def run_trial(self, trial: keras_tuner.engine.trial.Trial, data: Data) -> dict[str, float]:
        """Trains by the values of a trial, unless that was done before a kill.

        Returns:
          The accuracy on the validation split that the trained model has.

        Raises:
          FailedTrialError: These values cannot be trained by; the search goes on.
          FatalRuntimeError: Anything else went wrong; the search ends with that.
        """
        values = hyperparameters.decode(trial.hyperparameters.values)
        number = int(trial.trial_id) + 1
        outcome = self._trials.find(values)
        if outcome is None:
            with through(lambda event: self._placed(event, number)):
                outcome = self._train(values, data)
            self._trials.add(values, outcome)
            self._trained += 1
        if outcome.accuracy is not None:
            self._best = max(outcome.accuracy, self._best or 0.0)
        report(
            trial=number,
            trials=self._number,
            values=values,
            val_accuracy=outcome.accuracy,
            best_val_accuracy=self._best,
            error=outcome.error,
        )
        if outcome.accuracy is None:
            self._last_error = outcome.error
            raise keras_tuner.errors.FailedTrialError(outcome.error)
        return {OBJECTIVE: outcome.accuracy}

    def on_search_end(self) -> None:
        """Forgets what was kept for a kill.

        Raises:
          SearchFailedError: No trial trained to its end: KerasTuner would pass on the values of one that failed.
        """
        self._trials.forget()
        if self._best is None:
            failed = len(self.oracle.trials)
            raise SearchFailedError(
                f"A search needs a trial that trains to its end. Received: {failed} of {failed} that failed, the last "
                f"by this: {self._last_error.rstrip('.')}; change [architectures.{self._plan.architecture}.tune]."
            )

    def _train(self, values: dict[str, Any], data: Data) -> Outcome:
        plan = self._plan.with_recipe(values if self._epochs is None else values | {"epochs": self._epochs})
        kept = checkpoints.Checkpoints(self._checkpoints, [self._decisive, dataclasses.asdict(plan.recipe)])
        keras.utils.clear_session()  # Or the graphs of all trials would stay in memory.
        try:
            _, done = run.train(plan, data.statistics, data.train_files, data.validation_files, kept)
        except (run.DivergedError, run.MemoryShortError) as error:  # Its values are bad, and the search goes on.
            outcome = Outcome(None, str(error))
        except Exception as error:  # KerasTuner would call it a bad trial.
            raise keras_tuner.errors.FatalRuntimeError(f"A trial must train. Received: {error}") from error
        else:
            # KerasTuner would take that of the best epoch, which need not be the one whose weights would be served.
            outcome = Outcome(done.history[OBJECTIVE][served_epoch(done.history["val_loss"], plan.recipe.patience)])
        kept.forget()
        return outcome

    def _placed(self, event: Event, number: int) -> Event:
        """Says of an epoch of a trial which trial it is, and how long the whole search may take."""
        share = float(str(event["epoch"])) / float(str(event["epochs"]))
        a_trial = (time.monotonic() - self._begun) / (self._trained + share)
        left = a_trial * (self._number - number + 1 - share)
        place = {"trial": number, "trials": self._number, "best_val_accuracy": self._best, "seconds_left": left}
        return event | place
