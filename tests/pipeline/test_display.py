import io
import os
import pty
import re
import subprocess
import sys
import termios

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live

import models
from pipeline import display
from pipeline.display import STARTING, LiveView, PlainView, _bar
from pipeline.runners.local import NodeRecord

SHARED = ["DatasetGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataGate", "Transform"]
STEPS = ["Trainer", "Evaluator", "InfraValidator", "Registrar", "Publisher"]
NODES = SHARED + [f"{step}.{name}" for name in models.names() for step in STEPS]
EPOCH = {
    "epoch": 12,
    "epochs": 15,
    "loss": 0.1234,
    "val_accuracy": 0.9567,
    "images_per_second": 12345.6,
    "seconds_left": 95.2,
}
LONG = (
    "A finite loss is required. Received: nan in epoch 1 of resnet20; try a `learning_rate` below 0.1 or `clip_norm`."
)


TALL = 100  # Lines, more than there are branches.


def draw(view, width, height=TALL):
    """Draws the view as it is now, on a terminal that wide and that high."""
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    console.print(view.draw(height))
    return console.file.getvalue().splitlines()


@pytest.fixture
def live():
    """A view in the middle of a run: the first architecture trains, the second failed, the third is done."""
    view = LiveView(Live(console=Console(file=io.StringIO(), force_terminal=True), auto_refresh=False))
    hear = view.observe(NODES)
    first, second, third, fourth = models.names()[:4]
    for node in SHARED:
        hear(NodeRecord(node, "cached"), None)
    hear(NodeRecord(f"Trainer.{first}", "running"), EPOCH)
    hear(NodeRecord(f"Trainer.{second}", "failed", error=LONG), None)
    hear(NodeRecord(f"Evaluator.{second}", "skipped"), None)
    for step in STEPS:
        hear(NodeRecord(f"{step}.{third}", "ran"), None)
    hear(NodeRecord(f"Evaluator.{fourth}", "running"), None)
    hear(NodeRecord(f"InfraValidator.{fourth}", "running"), None)
    return view, hear


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_view_is_a_line_a_branch_and_none_is_wider_than_the_terminal(live, width):
    lines = draw(live[0], width)
    assert len(lines) == len(models.names()) + 2
    assert max(cell_len(line) for line in lines) <= width
    by_name = {line.split()[0]: line for line in lines}
    first, second, third, fourth = models.names()[:4]
    assert "====== " in by_name["data"]
    assert by_name["data"].split()[-1] == "done"
    assert "●····" in by_name[first]
    assert "12/15, 95.2s left, val acc 0.957, loss 0.123" in by_name[first]
    assert "✗-···" in by_name[second]
    assert "Trainer failed: A finite loss is required." in by_name[second]
    assert "✓✓✓✓✓" in by_name[third]
    assert by_name[third].split()[-1] == "done"
    assert "·●●··" in by_name[fourth]
    assert "Evaluator, InfraValidator" in by_name[fourth]
    assert lines[-1].split()[0] == f"13/{len(NODES)}"


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_cuts_but_does_not_wrap(live, width):
    lines = draw(live[0], width)
    assert len(lines) == len(models.names()) + 2
    assert max(cell_len(line) for line in lines) <= width


@pytest.mark.parametrize("height", [24, 10, 5, 3, 2, 1])
def test_a_low_terminal_shows_what_runs_and_what_failed_and_counts_the_rest(live, height):
    lines = draw(live[0], 80, height)
    first, second, third, fourth = models.names()[:4]
    names = [line.split()[0] for line in lines[:-1]]
    assert len(lines) == height
    assert set(names) >= set([first, fourth, second][: height - 1])
    assert third not in names  # It is done, as the data are; what comes next is shown before them.
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)(?=,|$)", lines[-1].partition(": ")[2])}
    assert counts["done"] == 2
    assert sum(counts.values()) + len(names) == len(models.names()) + 1
    assert max(cell_len(line) for line in lines) <= 80


def test_what_is_shown_keeps_its_order(live):
    names = [line.split()[0] for line in draw(live[0], 80, 12)[:-1]]
    assert names == [name for name in models.names() if name in names]


def test_a_branch_that_the_data_gate_stopped_was_skipped_and_not_done(live):
    view, hear = live
    name = models.names()[5]
    for step in STEPS:
        hear(NodeRecord(f"{step}.{name}", "skipped", error="needs DataGate"), None)
    line = next(line for line in draw(view, 80) if line.startswith(f"{name} "))
    assert line.split()[1:] == ["-----", "skipped"]


def test_progress_ends_with_the_training_that_reported_it(live):
    view, hear = live
    assert "val acc" in "".join(draw(view, 120))
    hear(NodeRecord(f"Trainer.{models.names()[0]}", "ran"), None)
    assert "val acc" not in "".join(draw(view, 120))


def test_plain_lines_say_each_end_once():
    console = Console(file=io.StringIO(), width=40)
    hear = PlainView(console).observe(["DatasetGen", "Trainer.lenet5", "Evaluator.lenet5"])
    hear(NodeRecord("DatasetGen", "running"), None)
    hear(NodeRecord("DatasetGen", "ran", seconds=1.25), None)
    hear(NodeRecord("Trainer.lenet5", "running"), None)
    hear(NodeRecord("Trainer.lenet5", "running"), EPOCH)
    hear(NodeRecord("Trainer.lenet5", "failed", seconds=2.5, error=f"[red] {LONG}"), None)
    hear(NodeRecord("Evaluator.lenet5", "skipped", error="needs Trainer.lenet5"), None)
    assert console.file.getvalue().splitlines() == [
        "[1/3] DatasetGen ran seconds=1.2",
        f"[2/3] Trainer.lenet5 failed seconds=2.5 error={'[red] ' + LONG!r}",
        "[3/3] Evaluator.lenet5 skipped seconds=0.0 error='needs Trainer.lenet5'",
    ]


READ = {"images": 12_345, "of": 60_000}


def test_both_views_say_how_far_the_reading_of_the_data_is(monkeypatch):
    monkeypatch.setattr(display, "SAY_EVERY_S", 0.0)
    console = Console(file=io.StringIO(), width=120)
    plain, live = PlainView(console), LiveView(Live(console=console, auto_refresh=False))
    for view in (plain, live):
        view.observe(["DatasetGen"])(NodeRecord("DatasetGen", "running"), READ)
    assert console.file.getvalue() == "reading the data: 12,345 of 60,000 images\n"
    assert "reading the data: 12,345 of 60,000 images" in draw(live, 80)[0]
    assert _bar(READ).completed / _bar(READ).total == 12_345 / 60_000


TRIAL = {"trial": 3, "trials": 8, "best_val_accuracy": 0.9567}
VALUES = {"learning_rate": 0.0123456, "batch_size": 32, "milestones": (0.5, 0.75)}
TUNED = [f"{step}.lenet5" for step in ("Tuner", *STEPS)]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            EPOCH | TRIAL,
            "trial 3/8, 95.2s left, best val acc 0.957, epoch 12/15, val acc 0.957, loss 0.123, 12.3k img/s",
        ),
        (EPOCH | TRIAL | {"best_val_accuracy": None, "trial": 1}, "trial 1/8, 95.2s left, epoch 12/15, val acc 0.957"),
        (TRIAL | {"values": VALUES, "val_accuracy": 0.9, "error": ""}, "trial 3/8, best val acc 0.957"),
        (TRIAL | {"values": VALUES, "val_accuracy": None, "error": "no", "best_val_accuracy": None}, "trial 3/8"),
    ],
)
def test_the_live_view_says_how_far_a_search_is(event, said):
    view = LiveView(Live(console=Console(file=io.StringIO(), force_terminal=True), auto_refresh=False))
    hear = view.observe(TUNED)
    hear(NodeRecord("Tuner.lenet5", "running"), event)
    line = draw(view, 120)[0]
    assert "●·····" in line
    assert said in line
    assert max(cell_len(one) for one in draw(view, 60)) <= 60
    hear(NodeRecord("Tuner.lenet5", "ran"), None)
    hear(NodeRecord("Trainer.lenet5", "running"), None)
    assert "trial" not in draw(view, 120)[0]


def test_the_bar_of_a_search_is_the_share_of_all_its_trials():
    assert _bar(EPOCH | TRIAL | {"epoch": 5, "epochs": 10}).completed / _bar(EPOCH | TRIAL).total == 2.5 / 8
    ended = _bar(TRIAL | {"values": VALUES, "val_accuracy": 0.9, "error": ""})
    assert ended.completed / ended.total == 3 / 8
    assert _bar(EPOCH).completed / _bar(EPOCH).total == 12 / 15


def test_plain_lines_say_what_each_trial_came_to():
    console = Console(file=io.StringIO(), width=40)
    hear = PlainView(console).observe(TUNED)
    hear(NodeRecord("Tuner.lenet5", "running"), None)
    hear(NodeRecord("Tuner.lenet5", "running"), EPOCH | TRIAL)
    hear(NodeRecord("Tuner.lenet5", "running"), TRIAL | {"values": VALUES, "val_accuracy": 0.9, "error": ""})
    failed = TRIAL | {"trial": 4, "values": VALUES, "val_accuracy": None, "error": "[red] nan"}
    hear(NodeRecord("Tuner.lenet5", "running"), failed)
    hear(NodeRecord("Tuner.lenet5", "ran", seconds=2.5), None)
    tried = "learning_rate=0.01235 batch_size=32 milestones=[0.5, 0.75]"
    assert console.file.getvalue().splitlines() == [
        f"Tuner.lenet5 trial 3/8 val_accuracy=0.9000 best=0.9567 {tried}",
        f"Tuner.lenet5 trial 4/8 failed {tried} error='[red] nan'",
        "[1/6] Tuner.lenet5 ran seconds=2.5",
    ]


FLEET = """
import time
import models
from rich.console import Console
from pipeline import display
from pipeline.runners.local import NodeRecord
with display.view(Console()) as view:
    hear = view.observe([f"Trainer.{name}" for name in models.names()])
    hear(NodeRecord(f"Trainer.{models.names()[-1]}", "running"), None)
    time.sleep(0.5)
print("the table")
"""


def test_the_view_of_a_fleet_fits_a_terminal_of_24_lines(environment):
    """No line goes up more than was drawn, and none is drawn beyond the screen, where it couldn't be erased."""
    shown = _on_terminal(FLEET, environment | {"TERM": "xterm-256color"})
    assert f"Trainer.{models.names()[-1]}" not in shown
    assert models.names()[-1] in shown
    frames = shown.split("\x1b[2K")
    assert max(frame.count("\n") for frame in frames) <= 24
    assert "the table" in frames[-1]


PROGRAM = """
from rich.console import Console
from pipeline import display
from pipeline.runners.local import NodeRecord
with display.view(Console()) as view:
    hear = view.observe(["DatasetGen", "Trainer.lenet5"])
    hear(NodeRecord("DatasetGen", "ran", seconds=1.0), None)
print("the table")
"""


def test_a_pipe_gets_plain_lines(environment):
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True)
    assert ended.stdout.splitlines() == [STARTING, "[1/2] DatasetGen ran seconds=1.0", "the table"]


@pytest.mark.parametrize(("kind", "moves"), [("xterm-256color", True), ("dumb", False)])
def test_a_terminal_gets_a_view_that_moves_and_leaves_nothing_behind(environment, kind, moves):
    shown = _on_terminal(PROGRAM, environment | {"TERM": kind})
    assert ("\x1b[" in shown) == moves
    assert ("lenet5" in shown) == moves
    assert ("[1/2] DatasetGen ran" in shown) == (not moves)
    last_frame, _, after = shown.rpartition("lenet5")
    assert last_frame or not moves
    assert ("\x1b[2K" in after) == moves  # It erases what it drew last.
    assert shown.rstrip().endswith("the table")


def _on_terminal(program, environment, size=(24, 80)):
    """Runs a program on a terminal of so many lines and columns; returns all that it wrote."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, **streams)
    os.close(theirs)
    shown = _read_all(ours)
    assert process.wait() == 0, shown
    return shown


def _read_all(terminal):
    shown = b""
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # How Linux says that the other end is closed.
            os.close(terminal)
            return shown.decode()
        shown += read
