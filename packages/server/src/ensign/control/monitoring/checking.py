"""Checking every armed safeguard that Ensign asks itself, in bounded time, and what follows.

Queries run in a few threads, which touch no database; who was checked longest ago comes first, so that servers that do
not answer delay the others by one round at most. What was seen commits before anything fires: whoever is interrupted
between the two sees it once more and fires then, and a safeguard that has fired fires no second time.
"""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from ensign.control.kernel.errors import EnsignError
from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring import firing, impact, prometheus, raising
from ensign.control.monitoring.domain import safeguards as domain
from ensign.control.monitoring.domain.facts import Found
from ensign.control.monitoring.domain.kinds import KINDS
from ensign.control.monitoring.domain.safeguards import POLLED, Reading, Safeguard, Watch
from ensign.control.monitoring.models import Safeguard as Row
from ensign.control.monitoring.models import Watch as WatchRow

#: Queries at once.
THREADS: Final = 8
#: Seconds that a round of queries may take; who was not asked in it comes first in the next.
BUDGET: Final = 8.0

Ask = Callable[[Safeguard], Reading]


def check(*, at: datetime, now: Callable[[], datetime], budget: float = BUDGET) -> int:
    """One round: ask, judge, act; returns how many safeguards were checked."""
    waiting = armed()
    if not waiting:
        return 0
    readings = [
        *_asked([one for one in waiting if one.source.kind == "prometheus"], budget=budget),
        *_measured([one for one in waiting if one.source.kind == "impact"], at=at),
    ]
    settle(readings, at=at, now=now)
    return len(readings)


def armed() -> list[Safeguard]:
    """Armed safeguards that Ensign asks itself, the one that was checked longest ago first."""
    rows = [Safeguard.from_state(row.pk, row.state) for row in Row.objects.filter(status="armed").order_by("pk")]
    polled = [one for one in rows if one.source.kind in POLLED]
    checked = dict(WatchRow.objects.filter(pk__in=[one.id for one in polled]).values_list("pk", "checked_at"))
    return sorted(polled, key=lambda one: (checked.get(one.id) is not None, checked.get(one.id) or one.made_at))


def _asked(ones: list[Safeguard], *, budget: float) -> Iterable[tuple[Safeguard, Reading]]:
    if not ones:
        return []
    try:
        server = prometheus.server()
    except EnsignError as error:
        return [(one, Reading(problem=error.message)) for one in ones]
    if server is None:
        return [(one, Reading(problem="no Prometheus was chosen")) for one in ones]
    end = time.monotonic() + budget
    pool = concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="ensign-prometheus")
    try:
        asked = {pool.submit(prometheus.ask, server, one.source.query): one for one in ones}
        done, _ = concurrent.futures.wait(asked, timeout=max(0.0, end - time.monotonic()))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [(asked[future], future.result()) for future in done]


def _measured(ones: list[Safeguard], *, at: datetime) -> Iterable[tuple[Safeguard, Reading]]:
    if not ones:
        return []
    now = impact.samples()
    return [(one, impact.read(one, now, at=at)) for one in ones]


def settle(readings: Iterable[tuple[Safeguard, Reading]], *, at: datetime, now: Callable[[], datetime]) -> None:
    """Remember what was seen, raise where there is no data for long, and fire where it is too much."""
    due: list[tuple[Safeguard, Reading]] = []
    silent: list[Found] = []
    with write_door():
        for one, reading in readings:
            judged = domain.judge(one, watch_of(one.id), reading, at=at)
            _keep(one.id, judged.watch)
            if judged.fire:
                due.append((one, reading))
            if judged.silent:
                silent.append(_silence(one, judged.watch))
        raising.raise_all(silent, at=at)
    for one, reading in due:
        firing.fire(one, reading, at=at, now=now)


def watch_of(id: str) -> Watch:
    """What a safeguard saw last."""
    return watches([id]).get(id, Watch())


def watches(ids: Collection[str]) -> dict[str, Watch]:
    """What several safeguards saw last, by id; one that was never checked is left out."""
    rows = WatchRow.objects.filter(pk__in=ids)
    return {row.pk: Watch(**{name: getattr(row, name) for name in Watch.__slots__}) for row in rows}


def _keep(id: str, watch: Watch) -> None:
    bounded = replace(watch, problem=watch.problem[:200], value=watch.value[:40])
    WatchRow.objects.update_or_create(pk=id, defaults={name: getattr(bounded, name) for name in Watch.__slots__})


def _silence(one: Safeguard, watch: Watch) -> Found:
    seq = Row.objects.values_list("ledger_seq", flat=True).get(pk=one.id)
    return Found(
        kind="safeguard-no-data",
        severity=KINDS["safeguard-no-data"].severity,
        subject=one.id,
        caused_by=frozenset(),
        evidence=(seq,),
        project=one.project,
        environment=one.environment,
        facts={"minutes": one.no_data_minutes, "problem": watch.problem[:200]},
    )
