"""What a component tells its runner while it works; nothing listens unless the runner says so."""

from collections.abc import Callable
from contextvars import ContextVar

Event = dict[str, object]

_listener: ContextVar[Callable[[Event], None] | None] = ContextVar("listener", default=None)


def listen(listener: Callable[[Event], None]) -> None:
    """Sends every later `report` of this process to `listener`."""
    _listener.set(listener)


def listen_too(listener: Callable[[Event], None]) -> None:
    """Sends every later `report` to `listener` as well as to who listens already."""
    before = _listener.get() or (lambda event: None)

    def both(event: Event) -> None:
        before(event)
        listener(event)

    listen(both)


def report(**event: object) -> None:
    """Reports one step of long work, such as `report(epoch=3, epochs=5, loss=0.12)`."""
    if (listener := _listener.get()) is not None:
        listener(event)
