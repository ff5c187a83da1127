"""Reading erasures and the rule how long identities are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from ensign.control.audit import history
from ensign.control.audit.models import Entry, Touch
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.privacy.domain import KEEP_MONTHS, ErasureView, months_later
from ensign.control.privacy.models import Erasure, Rules

RULES_ID = "privacy"
_CHUNK = 400


def keep_months() -> int:
    """How many months the identity of somebody who left is kept at least."""
    row = Rules.objects.filter(pk=RULES_ID).first()
    return KEEP_MONTHS if row is None else int(row.state["keep_months"])


def left_at(person_id: str) -> datetime | None:
    """Since when somebody is deactivated, as the log says, whoever did it; None when they are not."""
    return leavers([person_id]).get(person_id)


def leavers(ids: Iterable[str]) -> dict[str, datetime]:
    """Person -> since when they are deactivated, of those who are; in three queries for every 400 of them."""
    since: dict[str, int] = {}
    wanted = sorted(f"person:{id}" for id in ids)
    for start in range(0, len(wanted), _CHUNK):
        rows = Touch.objects.filter(object__in=wanted[start : start + _CHUNK]).order_by("object", "-version")
        touches = list(rows.values_list("object", "seq", "after"))
        states = history.documents(after for _, _, after in touches)
        for name, versions in groupby(touches, key=itemgetter(0)):
            for _, seq, after in versions:
                state = states.get(after)
                if state is None or state["status"] != "disabled":
                    break
                since[name.removeprefix("person:")] = seq
    times = dict(Entry.objects.filter(pk__in=set(since.values())).values_list("seq", "ts"))
    return {person: clock.parse(times[seq]) for person, seq in since.items()}


def kept_until(person_id: str) -> datetime | None:
    """Until when evidence needs to know who somebody was who left; None when it is not known when they left."""
    left = left_at(person_id)
    return None if left is None else months_later(left, keep_months())


def erasure(id: str) -> ErasureView:
    """One erasure.

    :raises NotFound: when there is none.
    """
    row = Erasure.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such erasure.", remedy="See Settings → Data map.")
    return view(row)


def erasures(*, person: str | None = None) -> tuple[ErasureView, ...]:
    """Erasures, newest first; of one person, or all."""
    rows = Erasure.objects.order_by("-pk")
    if person is not None:
        rows = rows.filter(person=person)
    return tuple(view(row) for row in rows)


def view(row: Erasure) -> ErasureView:
    """The frozen form of a row."""
    state = row.state
    return ErasureView(
        id=row.pk,
        person=state["person"],
        asked_by=state["asked_by"],
        asked_at=clock.parse(state["asked_at"]),
        early=state["early"],
        status=state["status"],
        ended_by=state["ended_by"],
        ended_at=None if state["ended_at"] is None else clock.parse(state["ended_at"]),
        remaining=tuple(state["remaining"]),
        version=row.version,
    )
