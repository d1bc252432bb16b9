"""`make demo`: the main job on real data, from the data set to a plain TF Serving client's answers."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image
from rich.console import Console

from components.dataset_gen import scans
from pipeline import config, display, errors, leaderboard
from pipeline.cli import set_environment
from pipeline.errors import ConvoyError, ExitCode
from pipeline.leaderboard import Row
from pipeline.run import run
from pipeline.workspace import Workspace
from serving import running
from serving.client import Client, DeadlineExceededError

SAMPLES = 8
# Not imported here: its stubs import all of TensorFlow.
PLAIN_CLIENT = Path(__file__).with_name("plain_client.py")
LOAD_TIMEOUT_S = 120.0
POLL_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 15.0


def main() -> int:
    """Runs the demo; returns the exit code of the run, or 1 if the served models don't answer."""
    set_environment()
    console = Console()
    try:
        return _demo(console, Workspace.open(os.environ.get("CONVOY_WORKSPACE", "workspace")))
    except Exception as error:
        console.print(f"convoy: {errors.sentence(error)}", style="red", highlight=False, markup=False)
        return int(errors.exit_code(error))


def _demo(console: Console, workspace: Workspace) -> int:
    console.print("Convoy: [bold]digits[/], four architectures, from the data set to a served model", highlight=False)
    checked = config.load("digits")
    with display.view(console) as view:
        outcome = run(checked, workspace, observe=view.observe)
    live = [row for row in outcome.rows if row.label]
    if live:
        _ask(console, workspace, live)
    console.print(leaderboard.table(outcome.rows, "Ranked by test accuracy; version = MLflow's = the served folder's"))
    if outcome.data:
        console.print(outcome.data.line(), highlight=False, soft_wrap=True)
    console.print(outcome.tally(), highlight=False)
    _what_next(console, workspace, live[0].model if live else "MODEL")
    return int(outcome.code)


def _ask(console: Console, workspace: Workspace, live: Sequence[Row]) -> None:
    """Serves the repository and lets a plain client, a process of its own, ask every model."""
    images, labels = write_samples(workspace.root / "samples")
    console.print(f"Serving {len(live)} models; a plain TF Serving client asks each for {SAMPLES} test images.")
    with serving(workspace) as server:
        for row in live:
            assert row.version is not None  # A label points to it.
            server.wait_for(row.model, row.version)
        models = ",".join(row.model for row in live)
        command = [sys.executable, str(PLAIN_CLIENT), server.target, models, *map(str, images)]
        answered = subprocess.run(command, capture_output=True, text=True, check=False)
    if answered.returncode:
        last = answered.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ConvoyError(f"An answer from every model is required. Received: {last[0]}", ExitCode.BRANCH_FAILED)
    width = max(len(line.partition(":")[0]) for line in answered.stdout.splitlines()) + 1
    console.print(f"  {'the right classes':{width}} {' '.join(labels)}", style="dim", highlight=False)
    for line in answered.stdout.splitlines():
        who, _, classes = line.partition(": ")
        console.print(f"  {who + ':':{width}} {classes}", highlight=False)


def write_samples(folder: Path) -> tuple[list[Path], list[str]]:
    """Writes the first test images as PNG files; returns their paths and right classes."""
    folder.mkdir(exist_ok=True)
    images, labels = scans.load_images()
    paths = []
    for row in scans.split_rows(labels)["test"][:SAMPLES]:
        path = folder / f"{row}-is-{labels[row]}.png"
        Image.fromarray(images[row, :, :, 0]).save(path)
        paths.append(path)
    return paths, [path.stem[-1] for path in paths]


@dataclasses.dataclass(frozen=True)
class Server:
    """Who serves the workspace.

    Attributes:
      target: `host:port`.
      process: None where somebody else started it.
      log: Of our own.
    """

    target: str
    process: subprocess.Popen[bytes] | None
    log: Path

    def wait_for(self, model: str, version: int) -> None:
        """Waits until a version answers: a server of many opens its port with the first of each model's.

        Raises:
          ConvoyError: Our own server ended.
          ConvoyClientError: The version can't be loaded, or takes too long.
        """
        deadline = time.monotonic() + LOAD_TIMEOUT_S
        with Client(self.target) as client:
            while True:
                if self.process and self.process.poll() is not None:
                    last = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                    raise ConvoyError(f"A server that stays is required. Received: its end. {' '.join(last)}")
                try:
                    return client.wait_until_available(model, version, timeout=POLL_TIMEOUT_S)
                except DeadlineExceededError:
                    if time.monotonic() > deadline:
                        raise


@contextlib.contextmanager
def serving(workspace: Workspace) -> Iterator[Server]:
    """Gives the server that reads the workspace; runs `convoy serve` on a free port for the block where none does."""
    log = workspace.root / "server.log"
    if target := running.find(workspace.server_file):
        yield Server(target, None, log)
        return
    port = _free_port()
    command = [sys.executable, "-m", "pipeline.cli", "serve", f"--workspace={workspace.root}", f"--port={port}"]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield Server(f"127.0.0.1:{port}", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _what_next(console: Console, workspace: Workspace, model: str) -> None:
    convoy = Path(sys.executable).with_name("convoy")
    with contextlib.suppress(ValueError):
        convoy = convoy.relative_to(Path.cwd())
    sample = next((workspace.root / "samples").glob("*.png"), Path("IMAGE"))
    with contextlib.suppress(ValueError):
        sample = sample.relative_to(Path.cwd())
    console.print("[bold]Try next[/]")
    lines = {
        f"{convoy} ui": "compare the models in MLflow's UI",
        f"{convoy} serve": f"then, in another terminal: {convoy} predict {model} {sample}",
        f"{convoy} run digits --set architectures.lenet5.epochs=40": "train one anew; the others are cached",
    }
    for command, purpose in lines.items():
        console.print(f"  {command}  [dim]# {purpose}[/]", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"The demo took {time.monotonic() - started:.0f} s in all.")
    sys.exit(code)
