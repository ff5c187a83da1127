"""When a request applies by itself: setting a time, taking it back, and what could not apply then. Pure.

A time is no part of what is approved: setting one voids nothing, and who edits the request ends it. Whether it may
apply is judged when the time has come, by :func:`lifecycle.applied` and the gates, as for every other request.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ensign.control.changes.domain.lifecycle import approved_status
from ensign.control.changes.domain.requests import Approval, ChangeRequest, PolicyInForce, Schedule, Status
from ensign.control.changes.domain.signing import NO_KEYS, Signing
from ensign.control.changes.domain.trust import in_force
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.projects.demands import Freeze, frozen_by

#: How far ahead a time may lie. What waits longer would be decided by people who have forgotten it.
MOST_AHEAD = timedelta(days=90)
#: How late a change may still apply by itself, as when no server ran at its time. Later, a person decides.
MOST_LATE = timedelta(hours=1)

_WAITS: frozenset[Status] = frozenset({"in_review", "approved", "scheduled"})


def pending(request: ChangeRequest) -> Schedule | None:
    """The time that it waits for, or None."""
    timed = request.schedule
    return timed if timed is not None and timed.state == "pending" and request.status in _WAITS else None


def schedule(request: ChangeRequest, *, by: str, when: datetime, at: datetime) -> ChangeRequest:
    """Let it apply at ``when``, as ``by``, who wrote, edited or approved it. Replaces the time that was set before.

    :raises Invalid: when ``when`` is not ahead, or further than :data:`MOST_AHEAD`.
    :raises Conflict: when it is closed.
    :raises Denied: when ``by`` had no part in it.
    """
    if request.status not in _WAITS:
        raise Conflict(
            f"This request is {request.status.replace('_', ' ')}; it cannot be scheduled.",
            remedy="Submit it first." if request.status in {"draft", "changes_requested"} else "",
            code="wrong-state",
        )
    if by not in request.authors and all(by != given.person for given in request.approvals):
        raise Denied(
            "Only who wrote, edited or approved this request schedules it: it applies as them.",
            permission="change:schedule",
            scope=f"{request.project}/{request.environment}",
            remedy="Approve it first, or ask its author.",
            code="not-involved",
        )
    if when <= at:
        raise Invalid("This time has passed.", fields={"at": "Choose a time that lies ahead (UTC)."})
    if when > at + MOST_AHEAD:
        raise Invalid("This time lies too far ahead.", fields={"at": f"At most {MOST_AHEAD.days} days ahead."})
    timed = replace(request, schedule=Schedule(at=when, by=by), updated_at=at)
    return replace(timed, status="in_review" if request.status == "in_review" else approved_status(timed))


def unschedule(request: ChangeRequest, *, at: datetime) -> ChangeRequest:
    """Take the time back; it waits for a person again.

    :raises Conflict: when no time is set, or it is closed.
    """
    if request.schedule is None or request.status not in _WAITS:
        raise Conflict("This request has no time at which it would apply.", code="not-scheduled")
    untimed = replace(request, schedule=None, updated_at=at)
    return replace(untimed, status="in_review" if request.status == "in_review" else "approved")


def failed(request: ChangeRequest, *, problem: str, at: datetime) -> ChangeRequest:
    """It was due and could not apply: ``problem`` says why. It is never tried again by itself.

    :raises Conflict: when it does not wait for a time.
    """
    timed = pending(request)
    if timed is None:
        raise Conflict("This request has no time at which it would apply.", code="not-scheduled")
    ended = replace(request, schedule=replace(timed, state="failed", problem=problem), updated_at=at)
    return replace(ended, status="in_review" if request.status == "in_review" else "approved")


def lapsing(
    request: ChangeRequest, *, policy: PolicyInForce, at: datetime, signing: Signing = NO_KEYS
) -> tuple[Approval, ...]:
    """The approvals that count at ``at`` and no longer at the time that is set, oldest first."""
    timed = pending(request)
    if timed is None:
        return ()
    binding = in_force(request, at=at, policy=policy, signing=signing)
    return tuple(given for given in binding if given.at + policy.lifetime <= timed.at)


def frozen(request: ChangeRequest, *, policy: PolicyInForce) -> Freeze | None:
    """The freeze window of the policy that lies over the time that is set: by what is known now it would not apply."""
    timed = pending(request)
    return None if timed is None else frozen_by(policy.freezes, timed.at)


def missed(request: ChangeRequest, *, at: datetime) -> bool:
    """Whether its time is so long ago that it must not apply by itself any more."""
    timed = pending(request)
    return timed is not None and at > timed.at + MOST_LATE
