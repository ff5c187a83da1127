"""The clock. Interfaces (views, API, CLI, workers) read it once and pass ``at`` down; nothing below does.

The demo and the tests move it with :func:`simulated`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

#: By how much the clocks of two nodes may differ without anybody noticing: what one node wrote a moment ago may seem to
#: lie in the future of another. Judgements about what people did a moment ago allow for it; docs/howto/production asks
#: for less, and a node whose clock differs by more from its database's says so.
SKEW = timedelta(minutes=2)

_simulated: ContextVar[datetime | None] = ContextVar("ensign_simulated_now", default=None)


def now() -> datetime:
    """The present instant in UTC, or the simulated one inside :func:`simulated`."""
    return _simulated.get() or datetime.now(UTC)


@contextmanager
def simulated(instant: datetime) -> Iterator[None]:
    """Let :func:`now` answer ``instant`` (aware, UTC) within the block."""
    if instant.tzinfo is None:
        raise ValueError("a simulated instant needs a time zone")
    token = _simulated.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _simulated.reset(token)


def text(instant: datetime) -> str:
    """``instant`` as RFC 3339 UTC with six fractional digits and ``Z``: sorts as text, fixed length of 27."""
    # The C library may write the year 800 without its leading zero.
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def parse(value: str) -> datetime:
    """The inverse of :func:`text`.

    :raises ValueError: when ``value`` is not of that form.
    """
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
