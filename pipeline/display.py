"""What people see of a run: a live view on a terminal, plain lines elsewhere."""

import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from components.progress import Event
from pipeline.leaderboard import duration, short
from pipeline.runners.local import Listener, NodeRecord

MARKS = {
    "waiting": ("·", "dim"),
    "ran": ("✓", "green"),
    "cached": ("=", "cyan"),
    "failed": ("✗", "red"),
    "skipped": ("-", "yellow"),
}
DATA = "data"
STARTING = "starting: TensorFlow, TFX and MLflow are being imported"
BAR_WIDTH = 7
# A plain view says no more often how far a long look at the data is.
SAY_EVERY_S = 10.0
# An event that has none of these is not for the screen.
SHOWN = {"epoch", "trial", "images"}
# What a screen too low for all branches shows first.
STANDINGS = ("running", "failed", "waiting", "skipped", "done")


class View(Protocol):
    """Shows a run."""

    def scanned(self, event: Event) -> None:
        """Is told how many of the data set's files have been looked at, before the run begins."""

    def observe(self, nodes: list[str]) -> Listener:
        """Is told the nodes of the run; returns who listens to them."""


@contextlib.contextmanager
def view(console: Console) -> Iterator[View]:
    """Opens the view that fits where output goes."""
    if console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            live.update(Spinner("dots", f" {STARTING}"))
            yield LiveView(live)
    else:
        console.print(STARTING, highlight=False)
        yield PlainView(console)


class PlainView:
    """One line for each node that ends, and for each trial of a search."""

    def __init__(self, console: Console) -> None:
        self._console, self._total, self._ended = console, 0, 0
        self._said = time.monotonic()

    def scanned(self, event: Event) -> None:
        """Says now and then how far it is."""
        self._say(_scanned(event))

    def _say(self, line: str) -> None:
        if time.monotonic() - self._said > SAY_EVERY_S:
            self._said = time.monotonic()
            self._console.print(line, highlight=False)

    def observe(self, nodes: list[str]) -> Listener:
        """Counts the nodes."""
        self._total = len(nodes)
        return self._hear

    def _hear(self, record: NodeRecord, event: Event | None) -> None:
        if event is not None and "values" in event:
            self._console.print(f"{record.id} {_trial(event)}", highlight=False, markup=False, soft_wrap=True)
        if event is not None and "images" in event:
            self._say(_read(event))
        if event is not None or record.state == "running":
            return
        if record.state == "waiting":
            again = f"{record.id} starts again in a moment: {record.error}"
            self._console.print(again, highlight=False, markup=False, soft_wrap=True)
            return
        self._ended += 1
        error = f" error={record.error!r}" if record.error else ""
        line = f"[{self._ended}/{self._total}] {record.id} {record.state} seconds={record.seconds:.1f}{error}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


@dataclasses.dataclass(eq=False)
class _Branch:
    """One line of the live view: an architecture, or the data that all share."""

    name: str
    nodes: dict[str, NodeRecord]
    event: Event | None = None

    @property
    def standing(self) -> str:
        """One of `STANDINGS`."""
        states = {record.state for record in self.nodes.values()}
        return next((state for state in STANDINGS if state in states), STANDINGS[-1])


class LiveView:
    """A line a branch: what each step came to, and how far training is."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._branches: dict[str, _Branch] = {}
        self._started = time.monotonic()

    def scanned(self, event: Event) -> None:
        """Says how far it is."""
        self._live.update(Spinner("dots", f" {_scanned(event)}"))

    def observe(self, nodes: list[str]) -> Listener:
        """Draws all nodes as waiting."""
        for node in nodes:
            name = node.partition(".")[2] or DATA
            branch = self._branches.setdefault(name, _Branch(name, {}))
            branch.nodes[node] = NodeRecord(node)
        self._live.update(_Drawn(self))
        return self._hear

    def _hear(self, record: NodeRecord, event: Event | None) -> None:
        branch = self._branches[record.id.partition(".")[2] or DATA]
        branch.nodes[record.id] = record
        if record.state != "running":
            branch.event = None
        elif event is not None and not event.keys().isdisjoint(SHOWN):
            branch.event = event

    def draw(self, height: int) -> RenderableType:
        """Draws the view as it is now, on at most so many lines."""
        branches = list(self._branches.values())
        shown = _foremost(branches, height - 1)
        table = Table.grid(padding=(0, 1, 0, 0), expand=True)
        for width in (max(len(one.name) for one in branches), max(len(one.nodes) for one in branches), BAR_WIDTH):
            table.add_column(no_wrap=True, width=width)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for branch in shown:
            table.add_row(branch.name, _marks(branch), _bar(branch.event), _now(branch))
        records = [record for branch in branches for record in branch.nodes.values()]
        done = sum(record.state not in ("waiting", "running") for record in records)
        seconds = time.monotonic() - self._started
        count = f"{done}/{len(records)} steps, {seconds:.0f} s{_hidden(branches, shown)}"
        return Group(table, Text(count, style="dim", no_wrap=True, overflow="ellipsis"))


class _Drawn:
    """Lets Live redraw the view at its own pace, on a screen that may change its size."""

    def __init__(self, view: LiveView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # A line stays free: one that fills the last line of the screen makes it scroll.
        yield self._view.draw(options.max_height - 1)


def _foremost(branches: list[_Branch], room: int) -> list[_Branch]:
    """Chooses the branches that there is room for: what runs, what failed, what comes next, the rest."""
    if len(branches) <= room:
        return branches
    chosen = sorted(branches, key=lambda branch: STANDINGS.index(branch.standing))[: max(room, 0)]
    return [branch for branch in branches if branch in chosen]


def _hidden(branches: list[_Branch], shown: list[_Branch]) -> str:
    """Counts the branches that there was no room for, by how they stand."""
    hidden = Counter(branch.standing for branch in branches if branch not in shown)
    counts = [f"{hidden[standing]} {standing}" for standing in reversed(STANDINGS) if hidden[standing]]
    return f"; not shown: {', '.join(counts)}" if counts else ""


def _marks(branch: _Branch) -> Text:
    text = Text()
    for record in branch.nodes.values():
        mark, style = MARKS.get(record.state, ("●", "bold blue"))
        text.append(mark, style=style)
    return text


def _scanned(event: Event) -> str:
    return f"looking at the data: {_number(event, 'scanned'):,.0f} of {_number(event, 'files'):,.0f} files"


def _read(event: Event) -> str:
    return f"reading the data: {_number(event, 'images'):,.0f} of {_number(event, 'of'):,.0f} images"


def _bar(event: Event | None) -> RenderableType:
    if event is None:
        return Text()
    if "images" in event:
        return ProgressBar(total=_number(event, "of"), completed=_number(event, "images"), width=BAR_WIDTH)
    # A trial that has ended says no epoch any more.
    share = _number(event, "epoch") / _number(event, "epochs") if "epoch" in event else 1.0
    if "trial" in event:
        return ProgressBar(
            total=_number(event, "trials"), completed=_number(event, "trial") - 1 + share, width=BAR_WIDTH
        )
    return ProgressBar(total=1.0, completed=share, width=BAR_WIDTH)


def _number(event: Event, name: str) -> float:
    return float(str(event[name]))


def _now(branch: _Branch) -> Text:
    """Says what a branch is doing, or what became of it."""
    records = list(branch.nodes.values())
    failed = [record for record in records if record.state == "failed"]
    running = [record.id.partition(".")[0] for record in records if record.state == "running"]
    if failed:
        return Text(f"{failed[0].id.partition('.')[0]} failed: {failed[0].error}", style="red")
    if branch.event is not None:
        return Text(_read(branch.event) if "images" in branch.event else _epoch(branch.event))
    if running:
        return Text(", ".join(running), style="blue")
    if branch.standing == "waiting":
        return Text()
    return Text(branch.standing, style=MARKS.get(branch.standing, MARKS["ran"])[1])


def _epoch(event: Event) -> str:
    """Says how far training or a search is, what matters most first: a narrow screen cuts off the end."""
    parts = (
        [f"trial {event['trial']}/{event['trials']}"] if "trial" in event else [f"{event['epoch']}/{event['epochs']}"]
    )
    if "seconds_left" in event:
        parts.append(f"{duration(_number(event, 'seconds_left'))} left")
    if event.get("best_val_accuracy") is not None:
        parts.append(f"best val acc {event['best_val_accuracy']:.3f}")
    if "epoch" not in event:
        return ", ".join(parts)
    if "trial" in event:
        parts.append(f"epoch {event['epoch']}/{event['epochs']}")
    if "val_accuracy" in event:
        parts.append(f"val acc {event['val_accuracy']:.3f}")
    return ", ".join(
        [*parts, f"loss {event['loss']:.3f}", f"{short(round(_number(event, 'images_per_second')))} img/s"]
    )


def _trial(event: Event) -> str:
    """Says in one line what a trial came to."""
    values = event["values"]
    assert isinstance(values, dict)
    tried = " ".join(f"{name}={_written(value)}" for name, value in values.items())
    place = f"trial {event['trial']}/{event['trials']}"
    if event["error"]:
        return f"{place} failed {tried} error={event['error']!r}"
    return f"{place} val_accuracy={event['val_accuracy']:.4f} best={event['best_val_accuracy']:.4f} {tried}"


def _written(value: object) -> str:
    """Writes a value of a recipe as a config does, with four digits."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
