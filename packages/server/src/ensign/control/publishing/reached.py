"""The log says when a publication was live: one entry for each that ran everywhere, or that was watched in vain.

The worker calls :func:`record_reached`. Publications that a later one overtook before they ran everywhere are summed up
in the entry of that one: whatever runs a revision runs all before it. So there is never more than one entry for a
publication, which had an entry of its own already, and nobody fills the log by stopping a client.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from ensign.control.audit.ledger import Where, record
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door
from ensign.control.publishing.actions import DELIVERY_REACHED
from ensign.control.publishing.models import Revision
from ensign.control.publishing.reach import ReachView
from ensign.control.publishing.reach_models import Reach
from ensign.control.publishing.reach_rows import NOW, of_publications

SETTLING: Final = timedelta(seconds=10)
"""So long after a publication every node that delivers has said who was there."""
PATIENCE: Final = timedelta(hours=1)
"""A publication that never ran everywhere is in the log by then, however many come after it."""
LIMIT: Final = 500
"""Publications that are looked at in one go."""
NOTHING: Final = 0
"""Marks what needs no entry: nobody was connected."""


def record_reached(*, at: datetime) -> int:
    """Write the entries that are due; returns how many. Run twice, or by two at once, it writes nothing twice."""
    pending = _pending()
    if not pending:
        return 0
    views = of_publications(pending, at=at)
    written = 0
    for _, some in groupby(pending, key=lambda place: place[:2]):
        written += _of_place([views[place] for place in some if place in views], at=at)
    return written


def _pending() -> list[tuple[str, str, int]]:
    rows = Reach.objects.filter(entry__isnull=True).exclude(number=NOW)
    places = rows.order_by("project", "environment", "number").values_list("project", "environment", "number")
    return list(places.distinct()[:LIMIT])


def _of_place(views: Sequence[ReachView], *, at: datetime) -> int:
    """``views`` are those of one environment without an entry, in order."""
    written = 0
    overtaken: list[ReachView] = []
    for view in views:
        age = at - view.published_at
        if age < SETTLING or not view.settled:
            overtaken.append(view)
            continue
        if not view.instances:
            _mark(view, NOTHING)
        elif view.running + view.sent == view.instances or view is views[-1] or age > PATIENCE:
            written += _record(view, overtaken, at=at)
            overtaken = []
        else:
            overtaken.append(view)
    return written


def _record(view: ReachView, overtaken: Sequence[ReachView], *, at: datetime) -> int:
    """One entry for ``view`` and those that it overtook, and the mark that there is one, together."""
    numbers = {view.number, *(one.number for one in overtaken if one.number < view.number)}
    with write_door():
        here = Reach.objects.filter(project=view.project, environment=view.environment)
        rows = here.filter(number__in=numbers).select_for_update()
        if any(row.entry is not None for row in rows if row.number == view.number):
            return 0
        publication = Revision.objects.values_list("ledger_seq", flat=True).get(number=view.number)
        detail: dict[str, Any] = {
            "epoch": view.epoch,
            "number": view.number,
            "publication": publication,
            "instances": view.instances,
            "running": view.running,
        }
        detail |= {name: count for name, count in (("sent", view.sent), ("ended", view.gone)) if count}
        if overtaken:
            detail["since"] = min(numbers)
        if view.ms is not None:
            detail["ms"] = view.ms
        recorded = record(
            action=DELIVERY_REACHED, actor=system("delivery"), at=at, detail=detail,
            where=Where(project=view.project, environment=view.environment),
        )  # fmt: skip
        here.filter(number__in=numbers, entry__isnull=True).update(entry=recorded.seq)
    return 1


def _mark(view: ReachView, entry: int) -> None:
    with write_door():
        here = Reach.objects.filter(project=view.project, environment=view.environment, number=view.number)
        here.filter(entry__isnull=True).update(entry=entry)
