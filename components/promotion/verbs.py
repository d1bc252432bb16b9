"""What people may ask for: promote, roll back, look at the history."""

import contextlib
from collections.abc import Callable, Sequence

from components.promotion.errors import NotBlessedError, NothingToMoveError, PromotionBusyError, UnknownVersionError
from components.promotion.journal import CANARY, STABLE, Entry, Intent, Journal, Label
from components.promotion.promoter import Cause, Places, Promoter
from components.promotion.registered import Version


def promote(
    places: Places,
    model: str,
    version: str,
    label: Label,
    reason: str,
    *,
    force: bool = False,
    objections: Callable[[int], Sequence[str]],
) -> Intent | None:
    """Moves a label and its alias to a version.

    Args:
      places: Where everything is.
      model: The model's name.
      version: Its number, or an alias or label that points to it.
      label: `stable` or `canary`.
      reason: For the history.
      force: Whether a version that the gate withheld is promoted all the same.
      objections: Says of a version what the gate has against it, where that is known.

    Returns:
      What was moved; None where both stand there already.

    Raises:
      UnknownVersionError: There is no such model or version.
      NotBlessedError: It is withheld.
      NothingToMoveError: It is live already, so it can be no canary.
      PromotionBusyError: Another promotes this model.
    """
    with _opened(places, model) as promoter:
        chosen = promoter.known().resolve(version)
        if chosen.withheld_by and not force:
            raise NotBlessedError(_withheld(model, chosen, objections(chosen.number)))
        if label == CANARY and chosen.number == promoter.live():
            raise NothingToMoveError(
                f"A version that is not live yet is required for a canary. Received: `{model}` version "
                f"{chosen.number}, which is {STABLE}; promote another."
            )
        return promoter.move(label, chosen, Cause("promote", reason, forced=bool(chosen.withheld_by)))


def rollback(places: Places, model: str, reason: str) -> Intent:
    """Moves `stable` and `champion` to the version that they were on before; a second time, to the one before that.

    Raises:
      UnknownVersionError: There is no such model, or MLflow has lost the version.
      NothingToMoveError: No version was stable before.
      PromotionBusyError: Another promotes this model.
    """
    with _opened(places, model) as promoter:
        known = promoter.known()
        number = promoter.journal.before(promoter.live())
        if number is None:
            raise NothingToMoveError(
                f"A version that was {STABLE} before is required. Received: `{model}`, whose history has none; "
                f"`convoy promote {model} VERSION` moves to any."
            )
        if number not in known.versions:
            raise UnknownVersionError(
                f"The version that was {STABLE} before must be registered. Received: `{model}` version {number}, "
                f"which MLflow knows no more; `convoy promote {model} VERSION` moves to another."
            )
        moved = promoter.move(STABLE, known.versions[number], Cause("rollback", reason))
        assert moved is not None  # The history never names the version that is live.
        return moved


def history(places: Places, model: str) -> list[Entry]:
    """Returns every promotion of a model, the first one first, after repairing what a crash left half done.

    Raises:
      UnknownVersionError: There is neither a history nor such a model.
    """
    journal = Journal(places.history, model)
    if journal.unfinished():
        # One that is under way is shown so.
        with contextlib.suppress(PromotionBusyError), Promoter.opened(places, model):
            pass
    found = journal.entries()
    if not found:
        Promoter(places, model).known()
    return found


def _opened(places: Places, model: str) -> contextlib.AbstractContextManager[Promoter]:
    """Opens a model that there is: one that there isn't leaves no trace."""
    Promoter(places, model).known()
    return Promoter.opened(places, model)


def _withheld(model: str, version: Version, objections: Sequence[str]) -> str:
    found = "; ".join(objections) or f"{' and '.join(version.withheld_by)} did not bless it"
    return (
        f"A doubly blessed version is required. Received: `{model}` version {version.number}: {found.rstrip('.')}; "
        "--force promotes it all the same."
    )
