"""Telling whoever waits that there is a newer revision. Hints only: listeners read the tables themselves."""

from __future__ import annotations

from collections.abc import Callable

from ensign.control.projects.hints import Hints

_revisions = Hints("ensign_revision")

CHANNEL = _revisions.name


def subscribe(listener: Callable[[int], None]) -> Callable[[], None]:
    """Have ``listener(number)`` called after every commit of a publication, in the committing thread; it must return
    at once and not raise. Returns a function that ends it.
    """
    return _revisions.subscribe(lambda text: listener(int(text)))


def announce(number: int) -> None:
    """Announce revision ``number`` once this transaction commits (on PostgreSQL also by NOTIFY ``ensign_revision``)."""
    _revisions.announce(str(number))
