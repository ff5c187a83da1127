"""Erasing somebody who left: one asks, another confirms, and in that transaction everything goes.

What the log keeps is an id. Rows, earlier versions, texts and reasons that say who that was are forgotten by entries
that name their digests; the log verifies as before. Afterwards the person's key is destroyed, and with it what every
backup holds of them (``audit.personal``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import decide, require, require_recent_mfa
from ensign.control.access.permissions import Permission
from ensign.control.audit import redaction
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Recorded, record
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import accounts
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.kernel.ids import new_id
from ensign.control.kernel.transactions import after_commit
from ensign.control.privacy import effects, keeping, queries
from ensign.control.privacy.actions import ERASURE_ASKED, ERASURE_WITHDRAWN, PERSON_ERASED, RULES_CHANGED
from ensign.control.privacy.domain import KEEP_MONTHS_MAX, ErasureView
from ensign.control.privacy.models import Erasure, Rules

#: So many touches and so many digests fit one entry of at most 65,535 bytes with room to spare.
TOUCHES = 80
DIGESTS = 400


@operation
def ask(*, actor: Actor, at: datetime, person_id: str, reason: str, early: bool = False) -> ErasureView:
    """Ask that somebody who left be erased. ``early``: although evidence may still need to know who they were.

    :raises Denied: without ``org:privacy:erase``, or for oneself.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises Invalid: without a reason, or with one that names them: it would have to be forgotten, too.
    :raises Conflict: when they are not deactivated, are erased already, an erasure is waiting, or (unless ``early``)
        the time is not over for which identities are kept.
    """
    _entitled(actor, person_id, at=at)
    person = accounts.locked_person(person_id)
    if not reason.strip():
        raise Invalid("An erasure needs a reason.", fields={"reason": "Say on what grounds, without naming them."})
    if effects.needles_of(person_id).found_in(reason):
        raise Invalid("The reason names the person.", fields={"reason": "Leave out their name and address."})
    _require_gone(person, early=early, at=at)
    waiting = [e for e in queries.erasures(person=person_id) if e.open(at=at)]
    if waiting:
        raise Conflict("An erasure of this person is waiting already.", remedy="Somebody else confirms it.")
    state = {
        "person": person_id,
        "asked_by": actor.id,
        "asked_at": clock.text(at),
        "early": _early(person_id, at=at),
        "status": "asked",
        "ended_by": None,
        "ended_at": None,
        "remaining": [],
    }
    staged = stage(Erasure, id=new_id("ers", at=at), state=state)
    detail = {"person": person_id, "early": state["early"]}
    record(action=ERASURE_ASKED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return queries.erasure(staged.id)


@operation
def withdraw(*, actor: Actor, at: datetime, erasure_id: str) -> ErasureView:
    """Take back an erasure that was asked for: whoever may ask for one may do that.

    :raises Denied: without ``org:privacy:erase``.
    :raises Conflict: when it is not waiting.
    """
    require(actor, Permission.ORG_PRIVACY_ERASE, at=at)
    row, asked = _waiting(erasure_id)
    staged = _ended(row, "withdrawn", actor=actor, at=at)
    record(action=ERASURE_WITHDRAWN, actor=actor, at=at, staged=[staged], detail={"person": asked.person})
    return queries.erasure(erasure_id)


@operation
def confirm(*, actor: Actor, at: datetime, erasure_id: str) -> ErasureView:
    """Erase the person for whom somebody else asked it. It cannot be taken back.

    :raises Denied: without ``org:privacy:erase``, for oneself, to who asked, or when who asked may no longer ask.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises Conflict: when it is not waiting, or has waited too long, or the person came back.
    """
    row, asked = _waiting(erasure_id)
    _entitled(actor, asked.person, at=at)
    _require_second(actor, asked, at=at)
    if not asked.open(at=at):
        raise Conflict("This erasure has waited too long for a second person.", remedy="Ask for it anew.")
    person = accounts.locked_person(asked.person)
    _require_gone(person, early=asked.early, at=at)
    redaction.overwrite_what_is_freed()
    found = effects.work_out(person.pk, by=actor.id, needles=effects.needles_of(person.pk))
    sessions = accounts.end_sessions(person.pk)
    removed = effects.remove_rows(person.pk)
    done = _ended(row, "done", actor=actor, at=at, remaining=found.remaining)
    detail = {
        "person": person.pk,
        "erasure": erasure_id,
        "documents": len(found.forget),
        "objects": len(found.staged),
        "rows": sum(removed.values()) + sessions,
        "remaining": len(found.remaining),
    }
    write(actor=actor, at=at, staged=[done, *found.staged], digests=found.forget, detail=detail)
    after_commit(lambda: keeping.forget_key(person.pk, at=at))
    return queries.erasure(erasure_id)


def write(
    *, actor: Actor, at: datetime, staged: Sequence[Staged], digests: Sequence[str], detail: dict[str, Any]
) -> Recorded:
    """Write the rows and forget the documents, with as many entries as they need; returns the first one.

    The entries after the first say which person and which part they are.
    """
    first: Recorded | None = None
    part = 0
    while first is None or staged or digests:
        part += 1
        facts = detail if first is None else {"person": detail["person"], "part": part}
        rows, staged = staged[:TOUCHES], staged[TOUCHES:]
        gone, digests = digests[:DIGESTS], digests[DIGESTS:]
        made = record(action=PERSON_ERASED, actor=actor, at=at, staged=rows, redacts=gone, detail=facts)
        redaction.forget(gone)
        first = first or made
    return first


@operation
def set_rules(*, actor: Actor, at: datetime, keep_months: int, reason: str) -> int:
    """How many months the identity of somebody who left is kept at least.

    :raises Denied: without ``org:settings:manage``.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises Invalid: for a number out of range, or without a reason.
    """
    require(actor, Permission.ORG_SETTINGS_MANAGE, at=at)
    _require_mfa(actor, Permission.ORG_SETTINGS_MANAGE, at=at)
    if not 0 <= keep_months <= KEEP_MONTHS_MAX:
        message = f"Choose 0 to {KEEP_MONTHS_MAX} months."
        raise Invalid("This number of months cannot be kept.", fields={"keep_months": message})
    if not reason.strip():
        raise Invalid("This needs a reason.", fields={"reason": "Say what asks for it: a policy, a law, an audit."})
    row = Rules.objects.select_for_update().filter(pk=queries.RULES_ID).first()
    before = queries.keep_months()
    staged = stage(Rules, id=queries.RULES_ID, state={"keep_months": keep_months}, current=row)
    detail = {"from": before, "to": keep_months}
    record(action=RULES_CHANGED, actor=actor, at=at, staged=[staged], reason=reason, detail=detail)
    return keep_months


def _entitled(actor: Actor, person_id: str, *, at: datetime) -> None:
    require(actor, Permission.ORG_PRIVACY_ERASE, at=at)
    if person_id == actor.id:
        raise Denied(
            "Nobody erases themselves.",
            permission=str(Permission.ORG_PRIVACY_ERASE),
            remedy="Two other administrators do that once you have left.",
            code="own-access",
        )
    _require_mfa(actor, Permission.ORG_PRIVACY_ERASE, at=at)


def _require_mfa(actor: Actor, permission: Permission, *, at: datetime) -> None:
    require_recent_mfa(
        actor,
        permission,
        "This needs your second factor, proved within the last 30 minutes.",
        at=at,
    )


def _require_second(actor: Actor, asked: ErasureView, *, at: datetime) -> None:
    """That it takes two: neither who asked, nor anybody in place of somebody who may no longer ask."""
    permission = str(Permission.ORG_PRIVACY_ERASE)
    if actor.id == asked.asked_by:
        raise Denied(
            "An erasure takes two people: you asked for this one.",
            permission=permission,
            remedy="Ask another administrator to confirm it.",
            code="second-person",
        )
    asker = Actor(kind="person", id=asked.asked_by, via="session")
    if not decide(asker, Permission.ORG_PRIVACY_ERASE, at=at).allowed:
        raise Denied(
            "Who asked for this erasure may no longer ask for one.",
            permission=permission,
            remedy="Withdraw it and ask for it yourself; somebody else confirms it.",
            code="second-person",
        )


def _require_gone(person: Person, *, early: bool, at: datetime) -> None:
    if person.status == "erased":
        raise Conflict("This person has been erased.", code="erased")
    if person.status != "disabled":
        raise Conflict(
            "Only who left can be erased, and this person is not deactivated.",
            remedy="Deactivate them first; that ends their access at once.",
            code="still-here",
        )
    until = queries.kept_until(person.pk)
    if not early and _early(person.pk, at=at):
        when = "an unknown day" if until is None else f"{until:%Y-%m-%d}"
        raise Conflict(
            f"Evidence needs to know who this was until {when} ({queries.keep_months()} months after they left).",
            remedy="Wait, or ask for an early erasure and say in the reason what weighs more.",
            code="still-kept",
        )


def _early(person_id: str, *, at: datetime) -> bool:
    until = queries.kept_until(person_id)
    return until is None or at < until


def _waiting(erasure_id: str) -> tuple[Erasure, ErasureView]:
    row = Erasure.objects.select_for_update().filter(pk=erasure_id).first()
    if row is None:
        raise NotFound("There is no such erasure.", remedy="See Settings → Data map.")
    if row.status != "asked":
        raise Conflict(f"This erasure is {row.status} already.")
    return row, queries.view(row)


def _ended(row: Erasure, status: str, *, actor: Actor, at: datetime, remaining: Sequence[str] = ()) -> Staged:
    state = {
        **row.state,
        "status": status,
        "ended_by": actor.id,
        "ended_at": clock.text(at),
        "remaining": list(remaining),
    }
    return stage(Erasure, id=row.pk, state=state, current=row)
