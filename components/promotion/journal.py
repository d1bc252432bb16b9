"""The history of one model: what was to be moved, and what came of it, in a file that only ever grows.

Each line is JSON, and on disk before anything follows from it. A last line without its end is what a crash left of one:
nothing has followed from it, so it counts for nothing, and the next line takes its place.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import pydantic

from components import names
from components.promotion.errors import PromotionError

Label = Literal["stable", "canary"]
STABLE: Final = "stable"
CANARY: Final = "canary"
# The alias in MLflow that moves with each label of TF Serving.
ALIASES = {STABLE: names.CHAMPION, CANARY: "challenger"}

Outcome = Literal["done", "refused", "taken back"]
DONE: Final = "done"
REFUSED: Final = "refused"
TAKEN_BACK: Final = "taken back"
UNFINISHED = "unfinished"


class Line(pydantic.BaseModel):
    """One line of the history; it never changes."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class Intent(Line):
    """What is about to be moved.

    Attributes:
      id: Of this promotion.
      when: UTC, ISO 8601.
      who: `user@host`.
      verb: What was asked for: `publish` by a run, `promote`, `rollback`.
      label: Of TF Serving; its alias moves with it.
      from_version: Where the label points; None for nowhere.
      to_version: Where it is to point.
      drops: The label that ends where this one arrives: what has become stable is no canary any more.
      why: In the words of who asked.
      forced: Whether the gate's objections were overruled.
      verdict: The run whose verdict this is; None where people decide.
      metrics: Of both versions, as MLflow knows them; `from_version` and `to_version` by name.
    """

    event: Literal["intent"] = "intent"
    id: str
    when: str
    who: str
    model: str
    verb: Literal["publish", "promote", "rollback"]
    label: Label
    alias: str
    from_version: int | None
    to_version: int
    drops: Literal["canary"] | None = None
    why: str
    forced: bool = False
    verdict: str | None = None
    metrics: Mapping[str, Mapping[str, float]]


class End(Line):
    """What came of an intent.

    Attributes:
      outcome: `done`; `refused`: nothing has moved, and `note` has the reason; `taken back`: a crash came before the
        label had moved.
      note: A sentence, where there is more to say.
    """

    event: Literal["end"] = "end"
    id: str
    when: str
    who: str
    outcome: Outcome
    note: str = ""


class Agreed(Line):
    """A run's verdict found its label where it wants it: nothing was to be moved."""

    event: Literal["agreed"] = "agreed"
    when: str
    who: str
    label: Label
    version: int
    verdict: str


class Entry(pydantic.BaseModel):
    """One promotion with its end; the outcome is `unfinished` where it has none."""

    model_config = pydantic.ConfigDict(frozen=True)

    intent: Intent
    end: End | None

    @property
    def outcome(self) -> str:
        """What came of it."""
        return UNFINISHED if self.end is None else self.end.outcome


_LINE: pydantic.TypeAdapter[Intent | End | Agreed] = pydantic.TypeAdapter(
    Annotated[Intent | End | Agreed, pydantic.Field(discriminator="event")]
)


class Journal:
    """The history of one model.

    Args:
      folder: Of all histories; made by the first promotion.
      model: The model's name.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self.path = folder / f"{model}.jsonl"
        self.model = model

    def append(self, line: Intent | End | Agreed) -> None:
        """Adds a line, down to the disk; the caller holds the model's lock."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            end = _whole(self.path.read_bytes())
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            os.write(descriptor, line.model_dump_json().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _sync(self.path.parent)

    def entries(self) -> list[Entry]:
        """Returns every promotion, the first one first.

        Raises:
          PromotionError: The file can't be read.
        """
        lines = self._lines()
        ends = {line.id: line for line in lines if isinstance(line, End)}
        return [Entry(intent=line, end=ends.get(line.id)) for line in lines if isinstance(line, Intent)]

    def unfinished(self) -> Intent | None:
        """Returns the promotion that is under way, or that a crash has stopped."""
        return next((entry.intent for entry in self.entries() if entry.end is None), None)

    def live(self) -> dict[str, int]:
        """Returns the version that each label points to, as the history has it."""
        found: dict[str, int] = {}
        for intent in self._done():
            found[intent.label] = intent.to_version
            if intent.drops:
                found.pop(intent.drops, None)
        return found

    def answered(self, verdict: str, label: str, version: int) -> bool:
        """Tells whether the verdict of a run has moved its label already: it does so once."""
        asked = (verdict, label, version)
        moved = any((intent.verdict, intent.label, intent.to_version) == asked for intent in self._done())
        agreed = (line for line in self._lines() if isinstance(line, Agreed))
        return moved or any((line.verdict, line.label, line.version) == asked for line in agreed)

    def before(self, live: int | None) -> int | None:
        """Returns the version that was stable before the one that is: where a rollback goes.

        A rollback takes back the newest promotion that none has taken back yet, so a second one goes further back.

        Args:
          live: Where the label points now; it may have been moved past the history.
        """
        found = _standing([intent for intent in self._done() if intent.label == STABLE])
        if live is not None and found[-1:] != [live]:
            found.append(live)
        return found[-2] if len(found) > 1 else None

    def _done(self) -> list[Intent]:
        return [entry.intent for entry in self.entries() if entry.outcome == DONE]

    def _lines(self) -> list[Intent | End | Agreed]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        try:
            return [_LINE.validate_json(line) for line in content[: _whole(content)].splitlines()]
        except ValueError as error:
            raise PromotionError(
                f"A history with a promotion in each line is required. Received: {self.path}, in which a line is none "
                f"({str(error).splitlines()[0]}); mend that line, or move the file away for the history to start anew."
            ) from error


def _standing(moves: Sequence[Intent]) -> list[int]:
    """Returns the versions that promotions put on one another, with those gone that a rollback took away."""
    stack: list[int] = []
    for move in moves:
        if move.from_version is not None and stack[-1:] != [move.from_version]:
            stack.append(move.from_version)  # Moved past the history.
        if move.verb == "rollback":
            stack = stack[:-1]
        if stack[-1:] != [move.to_version]:
            stack.append(move.to_version)
    return stack


def _whole(content: bytes) -> int:
    """Counts the bytes of the lines that have their end."""
    return content.rfind(b"\n") + 1


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
