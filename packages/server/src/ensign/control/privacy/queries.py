"""Reading erasures and the rule how long identities are kept."""

from __future__ import annotations

from datetime import datetime

from ensign.control.audit import history
from ensign.control.audit.models import Entry, Touch
from ensign.control.kernel import clock
from ensign.control.kernel.errors import NotFound
from ensign.control.privacy.domain import KEEP_MONTHS, ErasureView, months_later
from ensign.control.privacy.models import Erasure, Rules

RULES_ID = "privacy"


def keep_months() -> int:
    """How many months the identity of somebody who left is kept at least."""
    row = Rules.objects.filter(pk=RULES_ID).first()
    return KEEP_MONTHS if row is None else int(row.state["keep_months"])


def left_at(person_id: str) -> datetime | None:
    """Since when somebody is deactivated, as the log says, whoever did it; None when they are not."""
    touches = list(Touch.objects.filter(object=f"person:{person_id}").order_by("-version").values_list("seq", "after"))
    states = history.documents(after for _, after in touches)
    since = None
    for seq, after in touches:
        state = states.get(after)
        if state is None or state["status"] != "disabled":
            break
        since = seq
    return None if since is None else clock.parse(Entry.objects.get(pk=since).ts)


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
