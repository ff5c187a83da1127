"""A hint that the log grew, for who follows it in this process. Whoever follows reads the log by number, anyway."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def subscribe(listener: Callable[[], None]) -> Callable[[], None]:
    """Have ``listener()`` called after every commit that appended to the log, in the committing thread: it must return
    at once and not raise. Returns a function that ends it.
    """
    _listeners.append(listener)

    def unsubscribe() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return unsubscribe


def tell() -> None:
    """Call everybody who listens."""
    for listener in tuple(_listeners):
        listener()
