"""Moves label and alias of one model, together."""

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from components.promotion import lock, registered
from components.promotion.journal import (
    ALIASES,
    CANARY,
    DONE,
    REFUSED,
    STABLE,
    TAKEN_BACK,
    Agreed,
    End,
    Intent,
    Journal,
    Label,
    Outcome,
)
from components.registrar import registry
from components.registrar.mlflow_model import SAVED_MODEL
from serving import labels, running
from serving.client import Client, ConvoyClientError
from serving.repository import Repository

# Tags of a version in MLflow: who put a label on it last, and when.
PROMOTED_AT, PROMOTED_BY = "promoted_at", "promoted_by"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where all that knows of a promotion is.

    Attributes:
      repository: Root of the model repository.
      history: The folder of the histories.
      tracking_uri: MLflow's.
      server_file: Where a running server of this repository says where it listens.
    """

    repository: Path
    history: Path
    tracking_uri: str
    server_file: Path


@dataclasses.dataclass(frozen=True)
class Cause:
    """Who wants a label moved, and why; see `Intent`."""

    verb: Literal["publish", "promote", "rollback"]
    why: str
    forced: bool = False
    verdict: str | None = None


class Promoter:
    """Moves label and alias of one model; to be had from `opened`, which holds the model's lock."""

    def __init__(self, places: Places, model: str) -> None:
        self.model = model
        self.journal = Journal(places.history, model)
        self.repository = Repository(places.repository)
        self._places = places

    @classmethod
    @contextlib.contextmanager
    def opened(cls, places: Places, model: str, wait_s: float = 0.0) -> Iterator[Self]:
        """Opens a model, and repairs what a crash left half done.

        Raises:
          PromotionBusyError: Another promotes this model.
        """
        with lock.alone(places.history, model, wait_s):
            promoter = cls(places, model)
            promoter._repair()
            yield promoter

    def known(self) -> registered.Model:
        """Reads what MLflow knows of the model.

        Raises:
          UnknownVersionError: MLflow doesn't know it.
        """
        with registry.connected(self._places.tracking_uri) as client:
            return registered.read(client, self.model)

    def live(self) -> int | None:
        """Returns the version that `stable` points to."""
        return self.repository.labels(self.model).get(STABLE)

    def move(self, label: Label, version: registered.Version, cause: Cause) -> Intent | None:
        """Moves a label and its alias to a version, whose bytes are published if need be.

        Returns:
          What was moved; None where both stand there already.

        Raises:
          ConvoyClientError: The server does not load the version, or refuses the label; nothing has moved.
          RepositoryError: The version can't be published; nothing has moved.
          RegistryError: MLflow can't be used. Where the label has moved, the next promotion moves the alias.
        """
        known = self.known()
        intent = self._intent(known, label, version, cause)
        self.place(version)
        if self._stands(known, intent):
            self._agree(intent)
            return None
        self.journal.append(intent)
        try:
            self._relabel(intent.label, intent.to_version)
        except ConvoyClientError as error:
            self._end(intent, REFUSED, str(error))
            raise
        self._follow(intent)
        return intent

    def place(self, version: registered.Version) -> None:
        """Publishes MLflow's bytes of a version; where they stand already, MLflow's files are not even asked for.

        Raises:
          RepositoryError: They can't be published.
          PromotionError: The version has no identity to check them by.
        """
        registered.require_ours(self.model, version)
        number = version.number
        intact = not self.repository.verify(self.model, number)
        if intact and self.repository.sha256(self.model, number) == version.sha256:
            return
        with registry.connected(self._places.tracking_uri):
            source = registered.stored(self.model, number) / SAVED_MODEL
            self.repository.publish(self.model, number, source, keep_versions=None, sha256=version.sha256)

    def restore(self) -> None:
        """Gives back to the repository what it has lost of what the history says is live; no label moves."""
        known = self.known()
        for label, number in self.journal.live().items():
            version = known.versions.get(number)
            if version is None:  # Deleted in MLflow too, so meant.
                continue
            self.place(version)
            if label not in self.repository.labels(self.model):
                self._relabel(label, number)

    def prune(self, keep: int, spare: int) -> None:
        """Removes old versions, but none that a label or an alias points to, nor the one that a rollback goes to.

        Args:
          keep: How many of the newest stay in any case.
          spare: One more that stays.
        """
        spared = {spare, *self.known().aliases.values()}
        if (before := self.journal.before(self.live())) is not None:
            spared.add(before)
        dropped = self.repository.prune(self.model, keep, spare=spared)
        with self._server() as client:
            if dropped and client:
                labels.tell(self.repository, client)

    def _intent(self, known: registered.Model, label: Label, version: registered.Version, cause: Cause) -> Intent:
        pointing = self.repository.labels(self.model)
        before = pointing.get(label)
        canary = version.number in (pointing.get(CANARY), known.aliases.get(ALIASES[CANARY]))
        old = known.versions.get(before) if before is not None else None
        return Intent(
            id=secrets.token_hex(4),
            when=lock.now(),
            who=lock.me(),
            model=self.model,
            verb=cause.verb,
            label=label,
            alias=ALIASES[label],
            from_version=before,
            to_version=version.number,
            drops=CANARY if label == STABLE and canary else None,
            why=cause.why,
            forced=cause.forced,
            verdict=cause.verdict,
            metrics={"from_version": old.metrics if old else {}, "to_version": version.metrics},
        )

    def _stands(self, known: registered.Model, intent: Intent) -> bool:
        there = intent.from_version == known.aliases.get(intent.alias) == intent.to_version
        return there and intent.drops is None

    def _agree(self, intent: Intent) -> None:
        """Takes down that a verdict has been heard: it moves its label no more, wherever people move it to."""
        if intent.verdict and not self.journal.answered(intent.verdict, intent.label, intent.to_version):
            self.journal.append(
                Agreed(
                    when=intent.when,
                    who=intent.who,
                    label=intent.label,
                    version=intent.to_version,
                    verdict=intent.verdict,
                )
            )

    def _repair(self) -> None:
        """Ends what a crash has stopped: by where the label points, as that is what clients see."""
        intent = self.journal.unfinished()
        if intent is None:
            return
        if self.repository.labels(self.model).get(intent.label) != intent.to_version:
            self._end(intent, TAKEN_BACK, "It was stopped before the label had moved.")
            return
        try:
            self._relabel(intent.label, intent.to_version)
        except ConvoyClientError as error:
            self.repository.set_label(self.model, intent.label, intent.from_version)
            self._end(intent, TAKEN_BACK, str(error))
            return
        self._follow(intent, "It was stopped, and finished later.")

    def _follow(self, intent: Intent, note: str = "") -> None:
        """Does what follows once the label has moved; doing it again changes nothing."""
        self._move_alias(intent)
        if intent.drops:
            self._drop(intent.drops)
        self._end(intent, DONE, note)

    def _relabel(self, label: str, version: int) -> None:
        """Moves the label, on the running server too, in the order that TF Serving allows."""
        with self._server() as client:
            labels.move(self.repository, self.model, label, version, client=client)

    def _move_alias(self, intent: Intent) -> None:
        version = str(intent.to_version)
        with registry.connected(self._places.tracking_uri) as client:
            client.set_registered_model_alias(self.model, intent.alias, version)
            client.set_model_version_tag(self.model, version, PROMOTED_AT, intent.when)
            client.set_model_version_tag(self.model, version, PROMOTED_BY, intent.who)

    def _drop(self, label: str) -> None:
        with self._server() as server:
            labels.drop(self.repository, self.model, label, client=server)
        with registry.connected(self._places.tracking_uri) as client:
            client.delete_registered_model_alias(self.model, ALIASES[label])

    def _end(self, intent: Intent, outcome: Outcome, note: str) -> None:
        self.journal.append(End(id=intent.id, when=lock.now(), who=lock.me(), outcome=outcome, note=note))

    @contextlib.contextmanager
    def _server(self) -> Iterator[Client | None]:
        target = running.find(self._places.server_file)
        if target is None:
            yield None
            return
        with Client(target) as client:
            yield client
