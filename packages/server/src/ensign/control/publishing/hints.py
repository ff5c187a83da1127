"""Telling whoever waits that there is a newer revision. Hints only: listeners read the tables themselves.

In one process, subscribers are called; other processes hear it through PostgreSQL's NOTIFY (channel
``ensign_revision`` with the number as text; ``ensign_token`` for client tokens), or poll.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

from ensign.control.kernel.transactions import after_commit

CHANNEL = "ensign_revision"

Listener = Callable[[int], None]
_listeners: list[Listener] = []


def subscribe(listener: Listener) -> Callable[[], None]:
    """Have ``listener(number)`` called after every commit of a publication, in the committing thread; it must return
    at once and not raise. Returns a function that ends it.
    """
    _listeners.append(listener)

    def unsubscribe() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return unsubscribe


def announce(number: int) -> None:
    """Announce revision ``number``, once this transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(number)])

    def tell() -> None:
        for listener in tuple(_listeners):
            listener(number)

    after_commit(tell)
