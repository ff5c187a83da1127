"""When a message that did not go through is tried again, and when that ends. Pure.

The schedule is the one that Standard Webhooks recommends: ten tries over some three days.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

#: How long after each failed try the next one comes; after the last there is none.
WAITS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
TRIES: Final = len(WAITS) + 1
#: A try that nobody reported the end of (its process died) is made again after so long.
LEASE: Final = timedelta(minutes=2)


def next_try(tried: int, *, at: datetime) -> datetime | None:
    """When to try again after ``tried`` tries, the last of which failed at ``at``; None: that was the last.

    :raises ValueError: when nothing was tried yet.
    """
    if tried < 1:
        raise ValueError("nothing was tried yet")
    return at + WAITS[tried - 1] if tried <= len(WAITS) else None
