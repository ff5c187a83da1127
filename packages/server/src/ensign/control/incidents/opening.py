"""Breaking the glass, applying under it, ending it, reviewing it, and telling that the review is overdue."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ensign.control.access.decisions import held, require_recent_mfa
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.rows import row as governed_row
from ensign.control.audit.rows import rows as governed_rows
from ensign.control.audit.staging import stage
from ensign.control.changes.applying import Applied, apply_request
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.drafting import lock_request, propose
from ensign.control.changes.loading import owners
from ensign.control.changes.rights import stored_facts
from ensign.control.incidents import actions, emergency, incident_queries, incidents
from ensign.control.incidents.emergency import Emergency
from ensign.control.incidents.models import EmergencyRow
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.kernel.transactions import write_door
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_text


@operation
def break_glass(
    *,
    actor: Actor,
    at: datetime,
    incident_id: str,
    project: str,
    environment: str,
    flags: Collection[str] = (),
    reason: str,
    hours: int = emergency.HOURS_DEFAULT,
) -> Emergency:
    """Open the environment for emergency changes by ``actor`` alone, for one to four hours; it ends by itself.

    ``flags`` confines it; without, it covers every flag and segment of the environment.

    :raises Denied: without ``change:break-glass`` there, or by token.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises Invalid: without a reason, or for a time out of range.
    :raises Conflict: when the incident is resolved or about something else; code ``review-overdue`` when an earlier
        emergency was not reviewed in time and this would be one more under the same incident.
    """
    rights = held(actor, at=at)
    place = Scope(project, environment)
    if not actor.interactive:
        raise Denied(
            "Breaking the glass is an act of a person in a session, never of a token.",
            permission=emergency.PERMISSION, scope=str(place), remedy="Sign in.", code="break-glass-by-token",
        )  # fmt: skip
    keys = tuple(sorted(set(flags)))
    known = stored_facts(frozenset(keys))
    if missing := [key for key in keys if key not in known]:
        raise Invalid("There is no such flag.", fields={"flags": f"There is no flag “{missing[0][:100]}”."})
    for scope in [place.of_flag(known[key]) for key in keys] or [place]:
        rights.require(Permission.CHANGE_BREAK_GLASS, scope)
    require_recent_mfa(
        actor,
        Permission.CHANGE_BREAK_GLASS,
        "Breaking the glass needs your second factor, proved within the last 30 minutes.",
        at=at,
    )
    projects.environment(project, environment)
    lasts = emergency.check_hours(hours)
    text = check_text(reason, field="reason", limit=5_000)
    if len(text) < 10:
        raise Invalid("The reason is missing.", fields={"reason": "Say in a sentence why it cannot wait."})
    incidents.going_on(incident_id, project=project, environment=environment)
    _require_reviewed(actor.id, project, environment, incident_id, at=at)
    made = Emergency(
        id=ids.new_id("bgo", at=at), version=0, person=actor.id, project=project, environment=environment, flags=keys,
        incident=incident_id, reason=text, opened_at=at, expires_at=at + lasts,
    )  # fmt: skip
    return _write(made, None, actions.OPENED, actor, at=at, reason=text, detail={"hours": hours, "flags": len(keys)})


def _require_reviewed(person: str, project: str, environment: str, incident: str, *, at: datetime) -> None:
    here = governed_rows(EmergencyRow, lock="share", project=project, environment=environment)
    own = governed_rows(EmergencyRow, lock="share", person=person)
    found = [incident_queries.to_emergency(row) for row in {row.pk: row for row in [*here, *own]}.values()]
    late = emergency.blocking(
        sorted(found, key=lambda one: one.id),
        person=person, project=project, environment=environment, incident=incident, at=at,
    )  # fmt: skip
    if late is not None:
        raise Conflict(
            "An earlier emergency was not reviewed within 24 hours; until then this incident's access is not extended.",
            remedy=f"Have {late.id} reviewed by somebody who had no part in it; or make a change request.",
            code="review-overdue",
        )


@operation
def apply_emergency(
    *,
    actor: Actor,
    at: datetime,
    emergency_id: str,
    request_id: str,
    expected_version: int | None = None,
) -> Applied:
    """Apply a request, one's own or a colleague's, without the approvals that it lacks.

    :raises Denied: when the opening does not cover it; see ``changes.domain.emergency.require_break_glass``.
    :raises Conflict: when it is closed, or something that it is about changed since it was written.
    """
    row, found = _locked(emergency_id)
    state = incidents.read_state(found.incident)
    request_row, request = lock_request(request_id, expected_version=expected_version)
    if request.status == "draft" and actor.id not in request.authors:
        raise NotFound("There is no such change request.", remedy="Drafts are seen by their author alone.")
    if request.incident not in {None, found.incident}:
        raise Conflict("This request belongs to another incident.", code="other-incident")
    ours = replace(request, incident=found.incident, reason=request.reason or found.reason)
    applied = apply_request(
        actor=actor,
        at=at,
        rights=held(actor, at=at),
        request=ours,
        row=request_row,
        mode="break-glass",
        opening=found.to_opening(incident_open=state.going_on),
        facts={"incident": found.incident, "opening": found.id},
    )
    if not found.open(at=applied.at):  # the log's clock is never behind; what it says is what an auditor goes by
        raise Conflict("The emergency access ended while this was applied.", code="opening-ended")
    part = applied.request.barred | owners(applied.request)
    after = emergency.used(found, request=applied.request.id, part=part)
    _write(after, row, actions.USED, actor, at=at, detail={"request": applied.request.id})
    return applied


@operation
def propose_emergency(
    *,
    actor: Actor,
    at: datetime,
    emergency_id: str,
    operations: Sequence[Operation],
    title: str = "",
    reason: str = "",
) -> Applied:
    """Write a change and apply it in one act, under an opening.

    :raises Denied, Invalid, Conflict, NotFound: as ``changes.propose`` and :func:`apply_emergency`.
    """
    _, found = _locked(emergency_id)
    made = propose(
        actor=actor, at=at, project=found.project, environment=found.environment, operations=operations, title=title,
        reason=reason or found.reason, wish="draft", incident=found.incident,
    )  # fmt: skip
    return apply_emergency(actor=actor, at=at, emergency_id=emergency_id, request_id=made.request.id)


@operation
def end(*, actor: Actor, at: datetime, emergency_id: str, reason: str = "") -> Emergency:
    """End it before its time: who opened it, or who manages incidents of the project.

    :raises Denied: for anybody else. :raises Conflict: when it is over.
    """
    row, found = _locked(emergency_id)
    if not (actor.id == found.person and actor.interactive):
        held(actor, at=at).require(Permission.INCIDENT_MANAGE, Scope(found.project))
    text = check_text(reason, field="reason", limit=5_000)
    return _write(emergency.end(found, by=actor.id, at=at), row, actions.ENDED, actor, at=at, reason=text)


@operation
def review(
    *, actor: Actor, at: datetime, emergency_id: str, verdict: str, finding: str, follow_up: str = ""
) -> Emergency:
    """The independent review.

    :raises Denied: without ``break-glass:review`` there; for who opened it or had part in it; by token.
    :raises NeedsMfa: without a second factor within the last 30 minutes.
    :raises Conflict: while it is open, or when it was reviewed. :raises Invalid: when it is incomplete.
    """
    row, found = _locked(emergency_id)
    facts = stored_facts(frozenset(found.flags))
    place = Scope(found.project, found.environment)
    rights = held(actor, at=at)
    for scope in [place.of_flag(facts.get(key)) for key in found.flags] or [place]:
        rights.require(Permission.BREAK_GLASS_REVIEW, scope)
    reviewed = emergency.review(
        found, actor, at=at, verdict=verdict, finding=check_text(finding, field="finding", limit=10_000),
        follow_up=check_text(follow_up, field="follow_up", limit=5_000),
    )  # fmt: skip
    require_recent_mfa(
        actor,
        Permission.BREAK_GLASS_REVIEW,
        "A review needs your second factor, proved within the last 30 minutes.",
        at=at,
    )
    return _write(reviewed, row, actions.REVIEWED, actor, at=at, reason=reviewed.finding, detail={"verdict": verdict})


def tick(*, at: datetime) -> int:
    """Tell overdue reviews: once at 24 hours, once more after five business days. For the worker; returns how many."""
    told = 0
    for known in incident_queries.unreviewed():
        if not emergency.telling_due(known, at=at):
            continue
        with write_door():
            row, found = _locked(known.id)
            if emergency.telling_due(found, at=at):
                after = replace(found, told=found.told + 1)
                detail = {"told": after.told, "changes": len(after.changes)}
                _write(after, row, actions.OVERDUE, system("scheduler"), at=at, detail=detail)
                told += 1
    return told


def _locked(emergency_id: str) -> tuple[EmergencyRow, Emergency]:
    row = governed_row(EmergencyRow, lock="update", id=emergency_id)
    if row is None:
        raise NotFound("There is no such emergency access.", remedy="See Incidents.")
    return row, incident_queries.to_emergency(row)


def _write(
    made: Emergency, row: EmergencyRow | None, action: Action, actor: Actor, *, at: datetime, reason: str = "",
    detail: dict[str, Any] | None = None,
) -> Emergency:  # fmt: skip
    facts = {
        "opening": made.id,
        "incident": made.incident,
        "person": made.person,
        "expires_at": made.to_opening(incident_open=True).to_approval()["expires_at"],
        **(detail or {}),
    }
    record(
        action=action, actor=actor, at=at, staged=[stage(EmergencyRow, id=made.id, state=made.to_state(), current=row)],
        where=Where(project=made.project, environment=made.environment), reason=reason or None, detail=facts,
    )  # fmt: skip
    return incident_queries.emergency(made.id)
