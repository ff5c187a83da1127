"""Reading what SDKs measure: from whatever this process was told to read it from (``asgi.py`` registers delivery's).

A safeguard looks at a span of time; what was added up when is remembered here, in memory, as the counters themselves
are: with a restart both begin anew.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from ensign.control.monitoring.domain import sources
from ensign.control.monitoring.domain.safeguards import Reading, Safeguard
from ensign.control.monitoring.domain.sources import Sample, Total

Reader = Callable[[], bytes]
"""The metrics in Prometheus's text format."""

#: Longer than any safeguard looks back.
_KEEP: Final = timedelta(minutes=65)
_readers: dict[str, Reader] = {}
_totals: dict[str, deque[Total]] = {}
_lock = threading.Lock()


def register(name: str, reader: Reader) -> None:
    """Read from ``reader`` from now on, in place of an earlier one of this name."""
    _readers[name] = reader


def unregister(name: str) -> None:
    """Read from it no more."""
    _readers.pop(name, None)


def samples() -> list[Sample] | None:
    """Everything that is reported now; None where this process has nothing to read from."""
    if not _readers:
        return None
    found = []
    for reader in list(_readers.values()):
        for family in text_string_to_metric_families(reader().decode()):
            found += [Sample(one.name, one.labels, float(one.value)) for one in family.samples]
    return found


def read(one: Safeguard, now: Iterable[Sample] | None, *, at: datetime) -> Reading:
    """What the safeguard's measure comes to at ``at``."""
    if now is None:
        return Reading(problem="this worker runs apart from the server that SDKs report to: ask Prometheus instead")
    total = sources.total(one.source, one.environment, now, at=at)
    with _lock:
        kept = _totals.setdefault(one.id, deque())
        if total is None:
            kept.clear()
        else:
            kept.append(total)
        # The newest of those that are too old stays: a span begins at the last total before it.
        while len(kept) > 1 and kept[1].at < at - _KEEP:
            kept.popleft()
        return sources.measured(one.source, list(kept), at=at)


def forget() -> None:
    """Forget all totals: for tests."""
    with _lock:
        _totals.clear()
