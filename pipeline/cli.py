"""The command line. TensorFlow, TFX and MLflow are imported by the verbs that need them, not here."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from pipeline.errors import ConvoyError

WORKSPACE = click.option(
    "--workspace",
    envvar="CONVOY_WORKSPACE",
    default="./workspace",
    show_default=True,
    help="The folder that holds everything a run writes.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

# The environment of this process and its children, set here and nowhere else. What each silences or chooses:
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "1",  # TensorFlow's C++ INFO lines on every start.
    "GRPC_VERBOSITY": "ERROR",  # gRPC's notes on forks and file descriptors.
    "KERAS_BACKEND": "tensorflow",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # No network beyond the package index.
    "DO_NOT_TRACK": "true",
    "TFDS_DISABLE_GCS": "1",
}


class _Group(click.Group):
    """Turns errors into one sentence and an exit code; `--debug` shows where they came from."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        return super().main(*args, **kwargs)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ConvoyError as error:
            if context.params.get("debug"):
                raise
            click.echo(f"convoy: {error}", err=True)
            sys.exit(error.code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="convoy")
def main(debug: bool) -> None:
    """From a data set to a TensorFlow Serving model repository, for the classic convolutional networks.

    Exit codes: 0 all branches published or unchanged, 1 some branch failed, 2 usage or config, 3 data gate, 4 nothing
    blessed, 5 locked by another run.
    """


@main.command()
@click.argument("config")
@WORKSPACE
@click.option("--architectures", default="", help="Train these alone: a,b.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override the config: training.epochs=3.")
@click.option("--jobs", type=click.IntRange(1), help="Steps at a time.  [default: one a core]")
def run(config: str, workspace: str, architectures: str, overrides: Sequence[str], jobs: int | None) -> None:
    """Run the pipeline of CONFIG: a TOML file, or the name of one that ships (digits)."""
    from rich.console import Console

    from pipeline import config as configs
    from pipeline import display, leaderboard
    from pipeline.run import run as run_pipeline
    from pipeline.workspace import Workspace

    checked = configs.load(config, overrides, [name for name in architectures.split(",") if name])
    console = Console()
    with display.view(console) as view:
        outcome = run_pipeline(checked, Workspace.open(workspace), jobs=jobs, observe=view.observe)
    console.print(leaderboard.table(outcome.rows, f"{checked.dataset.name}, run {outcome.run_id}"))
    sys.exit(outcome.code)


if __name__ == "__main__":
    main()
