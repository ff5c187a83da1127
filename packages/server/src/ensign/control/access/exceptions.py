"""Exceptions from segregation of duties: proposed by one person, approved by a second, ending by themselves.

Neither is who the exception is about. Another period is another exception, which takes two people again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ensign.control.access.actions import (
    EXCEPTION_APPROVED,
    EXCEPTION_ENDED,
    EXCEPTION_PROPOSED,
    EXCEPTION_REFUSED,
)
from ensign.control.access.asked import EXCEPTION_MAX, SETUP_EXCEPTION, ExceptionView
from ensign.control.access.decisions import Held, denied, held, require_recent_mfa, step_up
from ensign.control.access.domain import ORGANISATION, Scope, subject_kind
from ensign.control.access.duties import PAIRS
from ensign.control.access.grants import clean_reason
from ensign.control.access.models import DutyException
from ensign.control.access.permissions import Permission
from ensign.control.access.places import require_known
from ensign.control.access.segregation import view
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.kernel.ids import new_id

_CONTROL_MIN = 10


@operation
def propose(
    *,
    actor: Actor,
    at: datetime,
    subject: str,
    pairs: Sequence[str],
    scope: Scope,
    reason: str,
    control: str,
    expires_at: datetime,
) -> ExceptionView:
    """Propose that somebody may hold what is kept apart, until ``expires_at``, with ``control`` in its place.

    :raises Denied: without the permission to give roles there, or for oneself.
    :raises Invalid: for an unknown pair, person or place, without reason or control, for more than 180 days.
    """
    _require_giving(actor, scope, at=at)
    _require_somebody_else(actor, subject, scope)
    require_known(scope)
    chosen = sorted(set(pairs))
    if not chosen or not PAIRS.keys() >= set(chosen):
        raise Invalid("Choose what is excepted.", fields={"pairs": f"Choose among {', '.join(PAIRS)}."})
    _require_known_subject(subject)
    reason, control = clean_reason(reason), clean_reason(control)
    if not reason:
        raise Invalid("A reason is missing.", fields={"reason": "Say why nobody else can hold one of the two."})
    if len(control) < _CONTROL_MIN:
        raise Invalid("The compensating control is missing.", fields={"control": "Say what is done instead."})
    if not at < expires_at <= at + EXCEPTION_MAX:
        raise Invalid("An exception ends.", fields={"expires_at": f"Choose an end within {EXCEPTION_MAX.days} days."})
    state = _state(subject, chosen, scope, reason=reason, control=control, by=actor.id, at=at, until=expires_at)
    row = stage(DutyException, id=new_id("dex", at=at), state=state)
    return _record(EXCEPTION_PROPOSED, actor, row, state, at=at, reason=reason)


@operation
def approve(*, actor: Actor, at: datetime, exception_id: str, reason: str = "") -> ExceptionView:
    """Approve a proposed exception: it counts from now until its end.

    :raises Denied: by token; for who proposed it or whom it is about; without the permission to give roles there.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises Conflict: when it is not proposed any more, or its end has passed.
    """
    row, exception = _locked(exception_id)
    _require_answering(actor, exception, at=at)
    require_recent_mfa(
        actor,
        Permission.ORG_ACCESS_GRANT,
        "Approving an exception needs your second factor, proved within the last 30 minutes.",
        at=at,
    )
    _require_proposed(exception)
    if exception.expires_at <= at:
        raise Conflict("Its end has passed already.", remedy="Refuse it, and propose another.")
    state = {**row.state, "status": "approved", "approved_by": actor.id, "approved_at": clock.text(at)}
    return _next(EXCEPTION_APPROVED, actor, row, state, at=at, reason=reason)


@operation
def refuse(*, actor: Actor, at: datetime, exception_id: str, reason: str) -> ExceptionView:
    """Refuse a proposed exception; who proposed it takes it back this way, too.

    :raises Denied: by token; for whom it is about; without the permission to give roles there.
    :raises Invalid: without a reason.
    :raises Conflict: when it is not proposed any more.
    """
    row, exception = _locked(exception_id)
    if actor.id != exception.requested_by or not actor.interactive:
        _require_answering(actor, exception, at=at)
    _require_proposed(exception)
    if not clean_reason(reason):
        raise Invalid("A refusal needs a reason.", fields={"reason": "Say why."})
    state = {**row.state, "status": "refused", "ended_by": actor.id}
    return _next(EXCEPTION_REFUSED, actor, row, state, at=at, reason=reason)


@operation
def end(*, actor: Actor, at: datetime, exception_id: str, reason: str = "") -> ExceptionView:
    """End an exception before its time; what it covered becomes a finding unless the roles end, too.

    :raises Denied: without the permission to give roles there (whom it is about may give it up).
    :raises Conflict: when it is not in force.
    """
    row, exception = _locked(exception_id)
    if actor.id != exception.subject or not actor.interactive:
        _require_giving(actor, exception.scope, at=at)
    if not exception.in_force(at=at):
        raise Conflict("This exception is not in force.")
    state = {**row.state, "status": "ended", "ended_by": actor.id}
    return _next(EXCEPTION_ENDED, actor, row, state, at=at, reason=reason)


def exception(id: str) -> ExceptionView:
    """One exception.

    :raises NotFound: when there is none.
    """
    row = DutyException.objects.filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such exception.", remedy="See Exceptions.")
    return view(row)


def stage_setup(subject: str, pairs: Sequence[str], *, control: str, at: datetime) -> Staged:
    """The exception of the first person, who holds everything as there is nobody else yet. Ends after 90 days."""
    reason = "The first person sets everything up; there is nobody else yet."
    until = at + SETUP_EXCEPTION
    state = _state(subject, pairs, ORGANISATION, reason=reason, control=control, by=subject, at=at, until=until)
    state |= {"status": "approved", "approved_at": clock.text(at), "setup": True}
    return stage(DutyException, id=new_id("dex", at=at), state=state)


def answerable(exception: ExceptionView, holds: Held) -> bool:
    """Whether to offer an answer; the operation decides again."""
    actor = holds.actor
    apart = actor.interactive and actor.id not in {exception.requested_by, exception.subject}
    return exception.status == "proposed" and apart and gives(holds, exception.scope)


def gives(holds: Held, scope: Scope) -> bool:
    """Whether somebody may give roles in ``scope``."""
    if holds.allows(Permission.ORG_ACCESS_GRANT):
        return True
    return scope.project is not None and holds.allows(Permission.PROJECT_ACCESS_GRANT, Scope(scope.project))


def gives_anywhere(holds: Held) -> bool:
    """Whether somebody may give roles in the organisation or in any project."""
    return holds.allows(Permission.ORG_ACCESS_GRANT) or holds.projects(Permission.PROJECT_ACCESS_GRANT) != frozenset()


def _state(
    subject: str,
    pairs: Sequence[str],
    scope: Scope,
    *,
    reason: str,
    control: str,
    by: str,
    at: datetime,
    until: datetime,
) -> dict[str, Any]:
    return {
        "subject": subject,
        "pairs": sorted(pairs),
        "project": scope.project,
        "environment": scope.environment,
        "reason": reason,
        "control": control,
        "requested_by": by,
        "requested_at": clock.text(at),
        "expires_at": clock.text(until),
        "approved_by": None,
        "approved_at": None,
        "status": "proposed",
        "ended_by": None,
        "setup": False,
    }


def _require_giving(actor: Actor, scope: Scope, *, at: datetime) -> None:
    """An exception in a project may be proposed by who gives roles in it.

    :raises Denied: otherwise.
    :raises NeedsMfa: as ``decisions.step_up``.
    """
    holds = held(actor, at=at)
    permission = Permission.ORG_ACCESS_GRANT if scope.project is None else Permission.PROJECT_ACCESS_GRANT
    if gives(holds, scope):
        step_up(actor, permission, Scope(scope.project), at=at)
        return
    raise denied(holds.decide(permission, Scope(scope.project)), permission, scope)


def _require_somebody_else(actor: Actor, subject: str, scope: Scope) -> None:
    if actor.id == subject:
        raise Denied(
            "Nobody makes an exception for themselves.",
            permission=str(Permission.ORG_ACCESS_GRANT),
            scope=str(scope),
            remedy="Ask somebody else who gives roles.",
            code="own-access",
        )


def _require_answering(actor: Actor, exception: ExceptionView, *, at: datetime) -> None:
    if not actor.interactive:
        raise Denied(
            "An answer about access is given in person, never by a token.",
            permission=str(Permission.ORG_ACCESS_GRANT),
            remedy="Sign in.",
            code="approval-by-token",
        )
    if actor.id == exception.requested_by:
        raise Denied(
            "Nobody answers what they proposed themselves.",
            permission=str(Permission.ORG_ACCESS_GRANT),
            remedy="Ask somebody else who gives roles.",
            code="own-access",
        )
    _require_somebody_else(actor, exception.subject, exception.scope)
    _require_giving(actor, exception.scope, at=at)


def _require_known_subject(subject: str) -> None:
    kind = subject_kind(subject)
    try:
        if kind == "person":
            usable = identity.person(subject).status not in {"disabled", "erased"}
        elif kind == "service":
            usable = identity.service_account(subject).status == "active"
        else:
            usable = False
    except NotFound:
        usable = False
    if not usable:
        raise Invalid("Nobody here has this id.", fields={"subject": "Choose a person or a service account."})


def _require_proposed(exception: ExceptionView) -> None:
    if exception.status != "proposed":
        raise Conflict(f"This exception is not proposed any more: {exception.status}.")


def _locked(exception_id: str) -> tuple[DutyException, ExceptionView]:
    row = DutyException.objects.select_for_update().filter(pk=exception_id).first()
    if row is None:
        raise NotFound("There is no such exception.", remedy="See Exceptions.")
    return row, view(row)


def _next(
    action: Action, actor: Actor, row: DutyException, state: Mapping[str, Any], *, at: datetime, reason: str
) -> ExceptionView:
    return _record(
        action, actor, stage(DutyException, id=row.pk, state=state, current=row), state, at=at, reason=reason
    )


def _record(
    action: Action, actor: Actor, row: Staged, state: Mapping[str, Any], *, at: datetime, reason: str
) -> ExceptionView:
    where = Where(project=state["project"], environment=state["environment"])
    detail = {"subject": state["subject"], "pairs": list(state["pairs"]), "until": state["expires_at"]}
    record(action=action, actor=actor, at=at, staged=[row], where=where, reason=reason, detail=detail)
    return view(DutyException.objects.get(pk=row.id))
