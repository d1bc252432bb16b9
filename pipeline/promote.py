"""`convoy promote`, `rollback` and `history`: alias and label of a model, moved together."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pipeline.errors import ConvoyError, ExitCode, UsageError
from pipeline.options import JSON, WORKSPACE, show

if TYPE_CHECKING:
    from components.promotion.journal import Intent, Label
    from components.promotion.promoter import Places
    from pipeline.workspace import Workspace

REASON = click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")


@click.command()
@click.argument("model")
@click.argument("version")
@WORKSPACE
@click.option(
    "--label",
    type=click.Choice(["stable", "canary"]),
    default="stable",
    show_default=True,
    help="The label to move; stable takes the alias champion along, canary takes challenger.",
)
@REASON
@click.option("--force", is_flag=True, help="Promote what the gate withheld, too; the history says so.")
def promote(model: str, version: str, *, workspace: str, label: "Label", reason: str, force: bool) -> None:
    """Move label and alias of MODEL to VERSION: a number, or what an alias points to (challenger).

    A running server loads the version before the label moves; where it refuses, nothing moves, and the exit code is 1.
    """
    from components.promotion import verbs
    from pipeline.lineage import Lineage
    from pipeline.workspace import Workspace

    folder = Workspace.open(workspace, create=False)
    with _sentences():
        objections = Lineage(folder.metadata).objections
        moved = verbs.promote(
            _places(folder, model),
            model,
            version,
            label,
            reason,
            force=force,
            objections=lambda at: objections(model, at),
        )
    click.echo(_said(moved) if moved else f"{model}: {label} and its alias are there already; nothing has moved.")


@click.command()
@click.argument("model")
@WORKSPACE
@REASON
def rollback(model: str, *, workspace: str, reason: str) -> None:
    """Move stable and champion of MODEL to the version that they were on before.

    A second time goes to the one before that. What was removed from the repository comes back from MLflow.
    """
    from components.promotion import verbs
    from pipeline.workspace import Workspace

    folder = Workspace.open(workspace, create=False)
    with _sentences():
        moved = verbs.rollback(_places(folder, model), model, reason)
    click.echo(_said(moved))


@click.command()
@click.argument("model")
@WORKSPACE
@JSON
def history(model: str, workspace: str, as_json: bool) -> None:
    """Show who moved label and alias of MODEL, when, from which version to which, and why; the newest first."""
    from components.promotion import verbs
    from pipeline import history as histories
    from pipeline.workspace import Workspace

    folder = Workspace.open(workspace, create=False)
    with _sentences():
        found = verbs.history(_places(folder, model), model)
    if found or as_json:
        show([histories.facts(entry) for entry in reversed(found)], as_json, histories.table)
    else:
        click.echo("No promotions yet.")


def _places(workspace: "Workspace", model: str) -> "Places":
    from components.promotion.promoter import Places

    if not workspace.mlflow_exists:  # Asking MLflow would make its database.
        raise UsageError(f"MODEL must be a registered model. Received: {model!r}; `convoy run` registers the first.")
    return Places(workspace.repository, workspace.promotions, workspace.tracking_uri, workspace.server_file)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Gives each refusal its exit code."""
    from components.promotion import errors

    codes = {
        errors.UnknownVersionError: ExitCode.USAGE,
        errors.NothingToMoveError: ExitCode.USAGE,
        errors.NotBlessedError: ExitCode.NOTHING_BLESSED,
        errors.PromotionBusyError: ExitCode.LOCKED,
    }
    try:
        yield
    except errors.PromotionError as error:
        raise ConvoyError(str(error), codes.get(type(error), ExitCode.BRANCH_FAILED)) from error


def _said(moved: "Intent") -> str:
    origin = "" if moved.from_version in (None, moved.to_version) else f" from v{moved.from_version}"
    dropped = f"; it is {moved.drops} no more" if moved.drops else ""
    return f"{moved.model}: {moved.label} and {moved.alias} moved{origin} to v{moved.to_version}{dropped}."
