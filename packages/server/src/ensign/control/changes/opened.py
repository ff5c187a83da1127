"""That somebody opened a request's page: apps above listen, changes know nothing of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.kernel.actor import Actor

Listener = Callable[[Actor, ChangeRequest, datetime], None]

_listeners: list[Listener] = []


def register(listener: Listener) -> None:
    """Have ``listener`` told whenever somebody opens a request's page."""
    if listener not in _listeners:
        _listeners.append(listener)


def tell(actor: Actor, request: ChangeRequest, at: datetime) -> None:
    """``actor`` has the request as it is before their eyes."""
    for listener in _listeners:
        listener(actor, request, at)
