"""Waiting in tests for what happens in other threads and processes: as short as it takes, and not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONGEST = 0.1
"""Seconds between two looks at the most: what is waited for shares the processor with the looking."""


def until(condition: Callable[[], object], seconds: float = 60.0) -> float:
    """Wait until `condition` holds; returns how long that took (s). Fails when it does not within `seconds`."""
    began, pause, between = time.monotonic(), threading.Event(), 0.005
    while not condition():
        assert time.monotonic() < began + seconds, "it never happened"
        pause.wait(between)
        between = min(LONGEST, 1.5 * between)
    return time.monotonic() - began
