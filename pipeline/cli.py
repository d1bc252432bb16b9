"""The command line. TensorFlow, TFX and MLflow are imported by the verbs that need them, not here."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from pipeline import errors, promote
from pipeline.errors import ExitCode
from pipeline.options import JSON, WORKSPACE, show

# The environment of this process and its children, set here and nowhere else. What each silences or chooses:
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "1",  # TensorFlow's C++ INFO lines on every start.
    "GRPC_VERBOSITY": "ERROR",  # gRPC's notes on forks and file descriptors.
    "KERAS_BACKEND": "tensorflow",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # No network beyond the package index.
    # A server that hangs costs half a minute, not MLflow's quarter of an hour; a step starts again by itself.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "PGCONNECT_TIMEOUT": "10",
    "DO_NOT_TRACK": "true",
    "TFDS_DISABLE_GCS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # Or the first process takes all of a GPU's memory.
}


def set_environment() -> None:
    """Sets the environment of this process and its children; what the user has set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


class _Group(click.Group):
    """Turns every error into one sentence and an exit code; `--debug` shows where it came from."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        set_environment()
        return super().main(*args, **kwargs)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own way to end.
        except KeyboardInterrupt:
            click.echo("convoy: stopped; what was done is kept, and the next run goes on from there.", err=True)
            sys.exit(130)
        except Exception as error:
            if context.params["debug"]:
                traceback.print_exc()
            click.echo(f"convoy: {errors.sentence(error)}", err=True)
            sys.exit(errors.exit_code(error))


class Architectures(click.ParamType):
    """Names with commas between them."""

    name = "A,B"

    def convert(self, value: Any, param: click.Parameter | None, context: object) -> list[str]:
        """Splits them; at least one is required."""
        found = [name.strip() for name in value.split(",") if name.strip()]
        if not found:
            raise errors.UsageError(f"--architectures must be names with commas between them. Received: {value!r}.")
        return found


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.version_option(package_name="convoy")
def main(debug: bool) -> None:
    """From a data set to a TensorFlow Serving model repository, for the classic convolutional networks.

    Exit codes: 0 all branches published, waiting or unchanged, 1 some branch failed, or the server refused a version,
    2 usage or config, 3 data gate, 4 nothing blessed, 5 locked by another run or promotion, 130 stopped by Ctrl-C.
    """


@main.command()
@click.argument("config")
@WORKSPACE
@click.option("--architectures", type=Architectures(), help="Train these alone: a,b.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override the config: training.epochs=3.")
@click.option("--force", multiple=True, metavar="NODE", help="Run this step even if nothing changed: Trainer.lenet5.")
@click.option("--jobs", type=click.IntRange(1), help="Steps at a time.  [default: one a core or GPU]")
def run(
    config: str,
    *,
    workspace: str,
    architectures: Sequence[str] | None,
    overrides: Sequence[str],
    force: Sequence[str],
    jobs: int | None,
) -> None:
    """Run the pipeline of CONFIG: a TOML file, or the name of one that ships (digits, fleet)."""
    from rich.console import Console

    from pipeline import config as configs
    from pipeline import display, leaderboard
    from pipeline.run import run as run_pipeline
    from pipeline.workspace import Workspace

    checked = configs.load(config, overrides, architectures or ())
    console = Console()
    with display.view(console) as view:
        folder = Workspace.open(workspace)
        outcome = run_pipeline(checked, folder, jobs=jobs, force=force, scanned=view.scanned, observe=view.observe)
    if outcome.data and outcome.code == ExitCode.DATA_GATE:
        console.print(outcome.data)  # No branch has anything to tell.
    else:
        console.print(leaderboard.table(outcome.rows, f"{checked.dataset.title}, run {outcome.run_id}"))
    if outcome.data:
        console.print(outcome.data.line(), highlight=False, soft_wrap=True)
    console.print(outcome.tally(), highlight=False)
    if outcome.untold:
        console.print(outcome.untold, style="yellow", markup=False, highlight=False, soft_wrap=True)
    sys.exit(outcome.code)


@main.command()
@WORKSPACE
@click.option("--wait", type=click.FloatRange(0), default=10.0, show_default=True, help="Minutes without a training.")
def worker(workspace: str, wait: float) -> None:
    """Train along with the chief, which runs `convoy run` over the same WORKSPACE; TF_CONFIG names all workers."""
    from pipeline.worker import work
    from pipeline.workspace import Workspace

    work(Workspace.open(workspace), wait * 60, lambda sentence: click.echo(f"convoy: {sentence}", err=True))


@main.command()
@click.argument("name", required=False)
@JSON
@click.option("--input-shape", metavar="H,W,C", help="Count for images of this shape.")
@click.option("--classes", type=click.IntRange(1), help="Count for this many classes.")
@click.option("--form", type=click.Choice(["paper", "small"]), default="paper", show_default=True)
def models(name: str | None, as_json: bool, input_shape: str | None, classes: int | None, form: str) -> None:
    """List the architectures: parameters, multiply-accumulates, paper.

    With a NAME: all that a config may set of this one, its recipes too.
    """
    from rich.console import Console

    from pipeline import architectures, quiet

    if name and (input_shape or classes or form != "paper"):
        raise errors.UsageError(
            f"NAME must go without --input-shape, --classes and --form. Received: {name!r} with one."
        )
    if name:
        show(architectures.details(name), as_json, architectures.page)
        return
    shape = architectures.parse_shape(input_shape)
    with quiet.without_noise(), Console().status("") as status:  # On a terminal alone, and gone at the end.
        found = architectures.describe_all(shape, classes, form, hear=status.update)
    show(found, as_json, architectures.table)


@main.command()
@WORKSPACE
@JSON
def status(workspace: str, as_json: bool) -> None:
    """Check that MLflow, MLMD, the repository and the server agree; exits 1 if they don't, or one can't be read."""
    from pipeline import status as statuses
    from pipeline.workspace import Workspace

    found = statuses.check(Workspace.open(workspace, create=False))
    if found or as_json:
        show(found, as_json, statuses.table)
    problems = [problem for version in found for problem in version.problems]
    if not as_json:
        good = f"{len(found)} versions, and every place agrees on each." if found else "No versions yet."
        click.echo("\n".join(problems) or good)
    sys.exit(ExitCode.BRANCH_FAILED if problems else ExitCode.OK)


@main.command(context_settings={"ignore_unknown_options": True})
@WORKSPACE
@click.option("--engine", type=click.Choice(["auto", "embedded", "tensorflow_model_server"]), default="auto")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at (embedded).")
@click.option("--port", type=click.IntRange(1, 65535), default=8500, show_default=True, help="For gRPC.")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def serve(workspace: str, engine: str, host: str, port: int, flags: Sequence[str]) -> None:
    """Serve the model repository; more FLAGS as tensorflow_model_server names them."""
    from pipeline.serve import serve as serve_models
    from pipeline.workspace import Workspace

    serve_models(Workspace.open(workspace, create=False), engine, host, port, flags)


@main.command()
@click.argument("model")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@WORKSPACE
@click.option("--server", help="HOST:PORT.  [default: that of the workspace, else 127.0.0.1:8500]")
@click.option("--label", help="Ask the version that this label points to.")
@click.option("--version", type=click.IntRange(1), help="Ask this version.")
@JSON
def predict(
    model: str,
    images: Sequence[str],
    *,
    workspace: str,
    server: str | None,
    label: str | None,
    version: int | None,
    as_json: bool,
) -> None:
    """Ask a server which class each IMAGE is."""
    from pipeline import predict as predictions

    asked = server or predictions.server_of(workspace)
    show(predictions.ask(asked, model, images, version, label), as_json, predictions.table)


@main.command()
@WORKSPACE
@JSON
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Draw accuracy against latency and size into this file.")
def compare(workspace: str, as_json: bool, markdown: bool, plot: str | None) -> None:
    """Rank every registered version over all runs and data sets, each beside the champion of its model."""
    from pathlib import Path

    from pipeline import compare as comparison
    from pipeline.workspace import Workspace

    if markdown and as_json:
        raise errors.UsageError("One of --json and --markdown is required at most. Received: both.")
    rows = comparison.read(Workspace.open(workspace, create=False))
    if markdown:
        click.echo(comparison.markdown(rows))
    else:
        show(rows, as_json, comparison.table)
    if plot:
        comparison.plot(rows, Path(plot))
        click.echo(f"Drawn into {plot}.", err=True)


@main.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@WORKSPACE
@JSON
def explain(run_id: str | None, workspace: str, as_json: bool) -> None:
    """Say of each step of RUN, by default the newest, why it ran, was cached, was skipped or failed."""
    from pipeline import explain as explanations
    from pipeline.workspace import Workspace

    show(explanations.explain(Workspace.open(workspace, create=False), run_id), as_json, explanations.table)


@main.command()
@WORKSPACE
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(workspace: str, host: str, port: int) -> None:
    """Open MLflow's own UI over the workspace."""
    from pipeline.ui import open_ui
    from pipeline.workspace import Workspace

    open_ui(Workspace.open(workspace, create=False), host, port)


@main.command()
@WORKSPACE
@JSON
@click.option("--port", type=click.IntRange(1, 65535), default=8500, show_default=True, help="The port to check.")
def doctor(workspace: str, as_json: bool, port: int) -> None:
    """Check this machine and the workspace, and say what would help; exits 1 if Convoy can't work so."""
    from pipeline import doctor as doctors

    found = list(doctors.examine(workspace, port))
    show(found, as_json, doctors.table)
    sys.exit(ExitCode.BRANCH_FAILED if any(finding.verdict == "fatal" for finding in found) else ExitCode.OK)


for verb in (promote.promote, promote.rollback, promote.history):
    main.add_command(verb)


if __name__ == "__main__":
    main()
