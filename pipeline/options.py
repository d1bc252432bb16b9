"""What several verbs of the command line take, and how they print what they found."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import click

WORKSPACE = click.option(
    "--workspace",
    envvar="CONVOY_WORKSPACE",
    default="./workspace",
    show_default=True,
    help="The folder that holds everything a run writes.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def show(found: Any, as_json: bool, table: Callable[[Any], Any]) -> None:
    """Prints what a verb found: as JSON, or as its table."""
    if as_json:
        click.echo(json.dumps(found, indent=2, default=dataclasses.asdict))
    else:
        from rich.console import Console

        Console(markup=False, highlight=False, emoji=False).print(table(found))
