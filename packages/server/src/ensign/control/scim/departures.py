"""When a person's employment ends: told by the directory or by hand, for the report of leavers.

It deactivates nobody: that is the directory's ``active: false``, or an administrator.
"""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound
from ensign.control.kernel.transactions import require_write_door
from ensign.control.scim import actions
from ensign.control.scim.domain import GONE, instant
from ensign.control.scim.models import Departure, LeaverPolicy

HOURS = 24
"""How soon leavers must be out unless the organisation sets another figure."""
HOURS_MAX = 24 * 30
_POLICY = "leavers"


def terminated_at(person_id: str) -> datetime | None:
    """When the person's employment ends or ended, if anybody said so."""
    row = Departure.objects.filter(pk=person_id).first()
    text = None if row is None else row.state["terminated_at"]
    return None if text is None else clock.parse(text)


def still_here(person_id: str) -> bool:
    """Whether there is such a person and nobody has deactivated them, joined or not."""
    try:
        return identity.person(person_id).status not in GONE
    except NotFound:
        return False


def hold(person_id: str) -> None:
    """Lock it, before the first entry is written: the log's lock comes last."""
    require_write_door()
    list(Departure.objects.select_for_update().filter(pk=person_id))


def told(*, actor: Actor, at: datetime, person_id: str, terminated_at: str | None) -> None:
    """Note what the directory says. Inside its write door; it takes back only what it said itself."""
    require_write_door()
    row = Departure.objects.select_for_update().filter(pk=person_id).first()
    known = None if row is None else row.state["text"]
    if terminated_at == known or (terminated_at is None and row is not None and row.state["source"] != "directory"):
        return
    _write(actor, at, person_id, terminated_at, source="directory", row=row)


@operation
def set_by_hand(
    *, actor: Actor, at: datetime, person_id: str, terminated_at: datetime | None, reason: str = ""
) -> None:
    """Note when somebody's employment ends or ended; None takes it back.

    :raises Denied: without ``org:people:manage``. :raises NotFound: when there is no such person.
    :raises Invalid: for oneself: nobody writes evidence about their own leaving.
    """
    require(actor, Permission.ORG_PEOPLE_MANAGE, at=at)
    person = identity.person(person_id)
    if person.id == actor.id:
        raise Invalid("Somebody else notes when you leave.", fields={"person": "yourself"})
    row = Departure.objects.select_for_update().filter(pk=person_id).first()
    text = None if terminated_at is None else clock.text(terminated_at)
    if text != (None if row is None else row.state["text"]):
        _write(actor, at, person_id, text, source="hand", row=row, reason=reason)


def _write(
    actor: Actor,
    at: datetime,
    person_id: str,
    text: str | None,
    *,
    source: str,
    row: Departure | None,
    reason: str = "",
) -> None:
    when = None if text is None else clock.text(instant(text))
    state = {"terminated_at": when, "text": text, "source": source, "told_by": actor.id, "told_at": clock.text(at)}
    staged = stage(Departure, id=person_id, state=state, current=row)
    detail = {"person": person_id, "source": source}
    record(action=actions.DEPARTURE_SET, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)


def hours() -> int:
    """Within how many hours a leaver must be out, as the organisation decided."""
    row = LeaverPolicy.objects.filter(pk=_POLICY).first()
    return HOURS if row is None else int(row.state["hours"])


@operation
def set_hours(*, actor: Actor, at: datetime, hours: int, reason: str = "") -> None:
    """Set within how many hours a leaver must be out. It marks exceptions; it deactivates nobody.

    :raises Denied: without ``org:security:manage``. :raises Invalid: unless from 1 hour to 30 days.
    """
    require(actor, Permission.ORG_SECURITY_MANAGE, at=at)
    if not 1 <= hours <= HOURS_MAX:
        raise Invalid("This is no limit for leavers.", fields={"hours": f"Choose 1 to {HOURS_MAX} hours."})
    row = LeaverPolicy.objects.select_for_update().filter(pk=_POLICY).first()
    if hours == (HOURS if row is None else row.state["hours"]):
        return
    staged = stage(LeaverPolicy, id=_POLICY, state={"hours": hours}, current=row)
    record(
        action=actions.LEAVER_POLICY_SET, actor=actor, at=at, staged=[staged], reason=reason, detail={"hours": hours}
    )
