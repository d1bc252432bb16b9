"""What a component tells its runner while it works; nothing listens unless the runner says so."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Event = dict[str, object]

_listener: ContextVar[Callable[[Event], None] | None] = ContextVar("listener", default=None)


def listen(listener: Callable[[Event], None]) -> None:
    """Sends every later `report` of this process to `listener`."""
    _listener.set(listener)


def report(**event: object) -> None:
    """Reports one step of long work, such as `report(epoch=3, epochs=5, loss=0.12)`."""
    if (listener := _listener.get()) is not None:
        listener(event)


@contextlib.contextmanager
def through(change: Callable[[Event], Event]) -> Iterator[None]:
    """Passes what is reported in a block through `change`: work that is part of longer work says so."""
    if (listener := _listener.get()) is None:
        yield
        return
    token = _listener.set(lambda event: listener(change(event)))
    try:
        yield
    finally:
        _listener.reset(token)
