"""Requests that apply at a time: setting it, taking it back, and applying what is due."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, connection

from ensign.control.access.decisions import Held, held
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.changes import actions
from ensign.control.changes.applying import Applied, apply_request
from ensign.control.changes.domain import scheduling, trust
from ensign.control.changes.domain.requests import Approval, ChangeRequest, Schedule
from ensign.control.changes.drafting import lock_request
from ensign.control.changes.loading import policy_for, reached, signing_for
from ensign.control.changes.models import Request
from ensign.control.changes.rights import apply_scopes, require_to_apply, seen_by
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, EnsignError, NotFound, Unavailable
from ensign.control.projects.demands import Freeze

log = logging.getLogger("ensign.changes.timing")

SCHEDULER: Final = system("scheduler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A request after its time was set or taken back. ``lapsing`` are approvals that will have expired by then,
    ``frozen`` the freeze window that lies over it.
    """

    request: ChangeRequest
    version: int
    lapsing: tuple[Approval, ...] = ()
    frozen: Freeze | None = None


def _require(rights: Held, request: ChangeRequest) -> None:
    """Scheduling takes the right to schedule and to apply, wherever and for whatever the request has effect."""
    place = {"project": request.project}
    keys = reached(environment=request.environment, operations=request.operations, **place)
    facts = seen_by(rights, request.operations)
    for scope in apply_scopes(environments=keys, facts=facts, **place):
        rights.require(Permission.CHANGE_SCHEDULE, scope)
    require_to_apply(rights, request, environments=keys, facts=facts)


def _seen(request_id: str, *, actor: Actor, expected_version: int | None) -> tuple[Request, ChangeRequest]:
    row, request = lock_request(request_id, expected_version=expected_version)
    if request.status == "draft" and actor.id != request.author:
        raise NotFound("There is no such change request.", remedy="Drafts are seen by their author alone.")
    return row, request


def _write(request: ChangeRequest, row: Request, action: Action, *, actor: Actor, at: datetime, **detail: Any) -> int:
    staged = stage(Request, id=request.id, state=request.to_state(), current=row)
    record(
        action=action,
        actor=actor,
        at=at,
        staged=[staged],
        where=Where(project=request.project, environment=request.environment),
        detail={"request": request.id, "round": request.round, **detail},
    )
    return staged.version


@operation
def schedule(
    *, actor: Actor, at: datetime, request_id: str, when: datetime, expected_version: int | None = None
) -> Timed:
    """Let a request apply by itself at ``when``, as the actor; it may still be in review. Approvals stay.

    :raises Denied: without ``change:schedule`` and ``change:apply``, or when the actor had no part in the request.
    :raises Invalid: when the time has passed or lies too far ahead.
    :raises Conflict: when it is not submitted, or closed.
    """
    row, request = _seen(request_id, actor=actor, expected_version=expected_version)
    _require(held(actor, at=at), request)
    timed = scheduling.schedule(request, by=actor.id, when=when, at=at)
    version = _write(timed, row, actions.SCHEDULED, actor=actor, at=at, due=clock.text(when))
    policy = policy_for(timed, at=at)
    lapsing = scheduling.lapsing(timed, policy=policy, at=at, signing=signing_for(timed))
    return Timed(request=timed, version=version, lapsing=lapsing, frozen=scheduling.frozen(timed, policy=policy))


@operation
def unschedule(*, actor: Actor, at: datetime, request_id: str, expected_version: int | None = None) -> Timed:
    """Take the time back, whoever set it: it only makes the change wait for a person.

    :raises Denied: without ``change:schedule``. :raises Conflict: when no time is set.
    """
    row, request = _seen(request_id, actor=actor, expected_version=expected_version)
    rights = held(actor, at=at)
    keys = reached(project=request.project, environment=request.environment, operations=request.operations)
    facts = seen_by(rights, request.operations)
    for scope in apply_scopes(project=request.project, environments=keys, facts=facts):
        rights.require(Permission.CHANGE_SCHEDULE, scope)
    untimed = scheduling.unschedule(request, at=at)
    return Timed(request=untimed, version=_write(untimed, row, actions.SCHEDULE_CANCELLED, actor=actor, at=at))


def as_whom(subject: str) -> Actor:
    """Who set a time, or owns a ramp, as an actor whose rights are read anew: nobody's session, and no token."""
    return Actor(kind="service" if subject.startswith("svc_") else "person", id=subject, via="system")


@operation
def apply_due(*, actor: Actor, at: datetime, request_id: str) -> Applied | None:
    """Apply a request whose time has come; None when it does not wait for a time, or not yet.

    Under lock, so that of several workers one applies it. Everything is asked as of now; what who set the time may do,
    too. Its own clock never stands before what was written to the request, whichever node wrote it.

    :raises EnsignError: why it cannot apply. Nothing is written.
    """
    row, request = lock_request(request_id)
    timed = scheduling.pending(request)
    if timed is None or at < timed.at:
        return None
    if scheduling.missed(request, at=at):
        minutes = int(scheduling.MOST_LATE.total_seconds()) // 60
        raise Conflict(f"Its time was missed by more than {minutes} minutes.", code="missed")
    at = max(at, request.updated_at)
    return apply_request(
        actor=actor, at=at, rights=held(as_whom(timed.by), at=at), request=request, row=row, mode="request"
    )


@operation
def fail_due(*, actor: Actor, at: datetime, request_id: str, timed: Schedule, problem: str, code: str) -> bool:
    """Write why a request could not apply at its time; False when ``timed`` is no longer what it waits for."""
    row, request = lock_request(request_id)
    if scheduling.pending(request) != timed or actor.id != trust.SCHEDULER:
        return False
    over = scheduling.failed(request, problem=problem, at=max(at, request.updated_at))
    _write(
        over, row, actions.SCHEDULE_FAILED, actor=actor, at=at, code=code.replace("-", "_"), due=clock.text(timed.at)
    )
    return True


def waiting(*, projects: frozenset[str] | None = None) -> Sequence[ChangeRequest]:
    """Requests that wait for a time, or whose time failed, the earliest first; of ``projects`` (None: all)."""
    rows = Request.objects.filter(status__in=("in_review", "approved", "scheduled"), content__contains='"schedule":{')
    if projects is not None:
        rows = rows.filter(project__in=projects)
    found = [ChangeRequest.from_state(row.pk, row.state) for row in rows]
    return sorted((one for one in found if one.schedule is not None), key=_when)


def _when(request: ChangeRequest) -> tuple[datetime, str]:
    return (request.schedule.at if request.schedule else request.updated_at, request.id)


def tick(*, at: datetime) -> int:
    """Apply all that is due at ``at``; returns how many applied. Safe to run from several workers and to kill anywhere.

    A judgement ends the schedule, once and for all. A fault of the database does not: the next beat tries again, until
    :data:`scheduling.MOST_LATE`.
    """
    done = 0
    for request in waiting():
        timed = scheduling.pending(request)
        if timed is None or at < timed.at:
            continue
        try:
            done += apply_due(actor=SCHEDULER, at=at, request_id=request.id) is not None
            continue
        except (DatabaseError, Unavailable) as fault:
            log.warning("%s could not apply at its time yet", request.id, exc_info=fault)
            connection.close_if_unusable_or_obsolete()
            continue
        except EnsignError as refused:
            problem, code = f"{refused.message} {refused.remedy}".strip(), refused.code
        except Exception as error:  # one request that nobody foresaw must not keep all others from applying
            log.error("%s could not apply at its time", request.id, exc_info=error)
            problem, code = "Ensign ran into a fault of its own; its log says more.", "internal"
        fail_due(actor=SCHEDULER, at=at, request_id=request.id, timed=timed, problem=problem, code=code)
    return done
