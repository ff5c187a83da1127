"""Who holds the emergency access, closing it, and its independent review. Giving codes is in ``identity.emergency``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ensign.control.access import providers
from ensign.control.access.decisions import entitled, require, require_recent_mfa
from ensign.control.access.domain import ORGANISATION
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import queries as identity
from ensign.control.identity import sessions
from ensign.control.identity.emergency import actions, queries
from ensign.control.identity.emergency.domain import HOLDERS, HOURS, VERDICTS, SealView, Verdict
from ensign.control.identity.emergency.models import EmergencySeal
from ensign.control.identity.emergency.operations import locked
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.kernel.ids import new_id


@operation
def name_holders(*, actor: Actor, at: datetime, people: Sequence[str], hours: int = 2, reason: str = "") -> SealView:
    """Begin a new seal: each of ``people`` then draws a code of their own. The codes of an earlier seal are void.

    :raises Denied: without ``org:security:manage``. :raises NeedsMfa: without a recent second factor.
    :raises Invalid: for fewer than two people, people who could not help, or hours out of range.
    :raises Conflict: while the last use is open or has not been reviewed.
    """
    _require(actor, at=at)
    wanted = sorted(set(people))
    if not HOLDERS[0] <= len(wanted) <= HOLDERS[1]:
        text = f"Name {HOLDERS[0]} to {HOLDERS[1]} different people."
        raise Invalid("Two people open it together.", fields={"people": text})
    if not HOURS[0] <= hours <= HOURS[1]:
        raise Invalid("The time is out of range.", fields={"hours": f"Choose {HOURS[0]} to {HOURS[1]} hours."})
    for id in wanted:
        _require_useful(id, at=at)
    before = locked()
    if before is not None and before.status == "unsealed":
        raise Conflict(
            "The last use of the emergency access has not been reviewed.",
            remedy="Have somebody review it who did not unseal it; then seal it anew.",
        )
    staged = []
    if before is not None and before.status in {"preparing", "sealed"}:
        staged.append(stage(EmergencySeal, id=before.pk, state={**before.state, "status": "replaced"}, current=before))
    id = new_id("emg", at=at)
    holders = [{"person": person, "code_hash": "", "drawn_at": "", "given_at": ""} for person in wanted]
    state: dict[str, Any] = {
        "number": 1 if before is None else before.number + 1,
        "status": "preparing", "holders": holders, "hours": hours, "named_by": actor.id, "named_at": clock.text(at),
        "unsealed_at": "", "unsealed_by": [], "ends_at": "", "reviewed_by": "", "reviewed_at": "", "verdict": "",
    }  # fmt: skip
    staged.append(stage(EmergencySeal, id=id, state=state))
    detail = {"seal": id, "people": wanted, "hours": hours}
    record(action=actions.HOLDERS_NAMED, actor=actor, at=at, staged=staged, reason=reason, detail=detail)
    return queries.view(EmergencySeal.objects.get(pk=id))


@operation
def close(*, actor: Actor, at: datetime, reason: str = "") -> SealView:
    """Close it before its time: sessions that came in by it end. Whoever manages sign-in may, or who unsealed it.

    :raises Denied: for everybody else. :raises Conflict: when it is not open.
    """
    row = locked()
    seal = None if row is None else queries.view(row)
    if seal is None or actor.id not in seal.unsealed_by or not actor.interactive:
        require(actor, Permission.ORG_SECURITY_MANAGE, at=at)
    if row is None or seal is None or not seal.open(at=at):
        raise Conflict("The emergency access is not open.")
    staged = stage(EmergencySeal, id=row.pk, state={**row.state, "ends_at": clock.text(at)}, current=row)
    record(action=actions.CLOSED, actor=actor, at=at, staged=[staged], reason=reason, detail={"seal": row.pk})
    sessions.end_by_way("emergency", "closed", at=at)
    return queries.view(EmergencySeal.objects.get(pk=row.pk))


@operation
def review(*, actor: Actor, at: datetime, verdict: Verdict, reason: str) -> SealView:
    """Judge a use that is over. Whoever holds a code of this seal does not review it, used or not.

    :raises Denied: without ``org:security:manage`` or ``org:ledger:read``, by token, or for a holder.
    :raises Invalid: without a verdict and what it rests on. :raises Conflict: when there is nothing to review.
    """
    require_reading(actor, at=at)
    row = locked()
    seal = None if row is None else queries.view(row)
    if row is None or seal is None or seal.status != "unsealed" or seal.open(at=at):
        raise Conflict("There is no use to review.", remedy="While it is open, close it first.")
    if not actor.interactive or seal.holder(actor.id) is not None:
        raise Denied(
            "The review is for somebody who does not hold this emergency access.",
            permission="emergency.review",
            remedy="Ask an auditor, or another administrator.",
            code="own-emergency",
        )
    if verdict not in VERDICTS:
        raise Invalid("There is no such verdict.", fields={"verdict": f"One of {', '.join(VERDICTS)}."})
    if not reason.strip():
        raise Invalid("The review says what it rests on.", fields={"reason": "Say what you looked at."})
    state = {
        **row.state,
        "status": "reviewed",
        "reviewed_by": actor.id,
        "reviewed_at": clock.text(at),
        "verdict": verdict,
    }
    staged = stage(EmergencySeal, id=row.pk, state=state, current=row)
    detail = {"seal": row.pk, "verdict": verdict}
    record(action=actions.REVIEWED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.view(EmergencySeal.objects.get(pk=row.pk))


def require_reading(actor: Actor, *, at: datetime) -> None:
    """The emergency access is seen by who manages sign-in, who reads the whole log, and its holders.

    :raises Denied: for everybody else.
    """
    seal = queries.current()
    if seal is not None and seal.holder(actor.id) is not None and actor.interactive:
        return
    providers.require_reading(actor, at=at)


def _require(actor: Actor, *, at: datetime) -> None:
    require(actor, Permission.ORG_SECURITY_MANAGE, at=at)
    require_recent_mfa(
        actor,
        Permission.ORG_SECURITY_MANAGE,
        "Naming who holds the emergency access needs a second factor, proved within the last 30 minutes.",
        at=at,
    )


def _require_useful(id: str, *, at: datetime) -> None:
    """A holder is an active person who could end the enforcement: otherwise getting in helps nobody."""
    try:
        person = identity.person(id)
    except NotFound as error:
        raise Invalid("There is no such person.", fields={"people": "Choose from the list."}) from error
    if person.status != "active" or not entitled(id, Permission.ORG_SECURITY_MANAGE, ORGANISATION, at=at):
        text = f"{person.display} is not an active person who may change how people sign in."
        raise Invalid("A holder could not help.", fields={"people": text})
