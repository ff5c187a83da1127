"""Hints after commits: whoever waits is told that there is something newer, and reads the tables itself.

In one process subscribers are called; other processes hear PostgreSQL's NOTIFY, or poll.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

from ensign.control.kernel.transactions import after_commit

Listener = Callable[[str], None]


class Hints:
    """One channel. ``name`` is that of the NOTIFY channel."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener(text)`` called after every commit that announced something, in the committing thread; it
        must return at once and not raise. Returns a function that ends it.
        """
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def announce(self, text: str) -> None:
        """Announce ``text`` once this transaction commits."""
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, %s)", [self.name, text])

        def tell() -> None:
            for listener in tuple(self._listeners):
                listener(text)

        after_commit(tell)


#: A client token was made or revoked; the text is its id.
TOKENS = Hints("ensign_token")
