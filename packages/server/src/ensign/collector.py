"""When Python looks for cycles of garbage: at moments of its own, never in the middle of a publication.

A full look goes through every object of the process and stops all threads: about 0.25 s with a thousand flags and a
few thousand streams. By itself Python does one after so many allocations, and reading a ruleset is what allocates most,
so that every third kill switch or so had to wait for one. Nearly all garbage is freed without it, by reference counts,
and young cycles are still looked for as they come.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 10_000
"""Objects that are allocated before the young ones are looked at: a look for each 700, as is usual, costs more."""
MIDDLE = 20
"""Looks at the young before one at those that survived."""
NEVER = 1_000_000_000
MUCH = 50
"""Looks at survivors after which a full one is due: some ten million objects, or a hundred publications."""
INTERVAL = 600.0
"""Seconds between two full looks in any case."""
CHECK = 5.0
"""Seconds between two questions whether one is due."""


@contextmanager
def seldom() -> Iterator[None]:
    """Full looks in a thread of their own for the duration of the block."""
    before = gc.get_threshold()
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(stop,), name="ensign-collector", daemon=True)
    gc.collect()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        gc.set_threshold(*before)


def due(*, seconds: float) -> bool:
    """Whether a full look is due, the last one being so long ago."""
    return seconds >= INTERVAL or gc.get_count()[2] >= MUCH


def _run(stop: threading.Event) -> None:
    last = time.monotonic()
    while not stop.wait(CHECK):
        if due(seconds=time.monotonic() - last):
            gc.collect()
            last = time.monotonic()
