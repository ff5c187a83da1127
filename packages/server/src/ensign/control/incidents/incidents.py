"""Incidents: declared, written about, mitigated, resolved, concluded; and what belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, cast

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.rows import row as governed_row
from ensign.control.audit.staging import Staged, stage
from ensign.control.changes.drafting import lock_request
from ensign.control.changes.models import Request
from ensign.control.identity import queries as identity
from ensign.control.incidents import actions, incident_queries, states
from ensign.control.incidents.models import IncidentRow, IncidentUpdate, Kill
from ensign.control.incidents.states import FollowUp, Incident, Severity
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_text

Read = incident_queries.IncidentView


@operation
def declare(
    *,
    actor: Actor,
    at: datetime,
    title: str,
    severity: str,
    project_keys: Collection[str],
    environment: str = "",
    detected_at: datetime | None = None,
    began_at: datetime | None = None,
    suspected_flag: str = "",
    suspected_change: str = "",
    kills: Collection[str] = (),
    text: str = "",
) -> Read:
    """Declare an incident, with the kill switches that were pressed before there was time to declare it.

    ``detected_at`` None: just now.

    :raises Denied: without ``incident:declare`` in each of the projects.
    :raises Invalid: naming what cannot be so.
    """
    keys = tuple(sorted(set(project_keys)))
    rights = held(actor, at=at)
    for key in keys:
        rights.require(Permission.INCIDENT_DECLARE, Scope(key))
        projects.project(key)
        if environment:
            projects.environment(key, environment)
    made = states.check(
        Incident(
            id=ids.new_id("inc", at=at),
            title=check_text(title, field="title", limit=200).replace("\n", " "),
            severity=cast("Severity", severity),
            projects=keys,
            environment=environment,
            state="open",
            began_at=began_at,
            detected_at=detected_at or at,
            declared_at=at,
            declared_by=actor.id,
            suspected_flag=check_text(suspected_flag, field="suspected_flag", limit=100),
            suspected_change=check_text(suspected_change, field="suspected_change", limit=64),
        ),
        at=at,
    )
    staged = [stage(IncidentRow, id=made.id, state=made.to_state())]
    said = check_text(text, field="text", limit=5_000)
    if said:
        staged.append(_line(made.id, actor, said, at=at))
    staged += [_joined(id, made) for id in sorted(set(kills))]
    detail = {"incident": made.id, "severity": made.severity, "projects": list(keys), "kills": len(set(kills))}
    record(
        action=actions.DECLARED, actor=actor, at=at, staged=staged, where=_where(made), reason=said or None,
        detail=detail,
    )  # fmt: skip
    return incident_queries.incident(made.id)


@operation
def update(*, actor: Actor, at: datetime, incident_id: str, text: str) -> Read:
    """Write a line into its log.

    :raises Denied: without ``incident:declare``. :raises Invalid: without a text.
    """
    row, incident = _locked(incident_id)
    _require(actor, incident, Permission.INCIDENT_DECLARE, at=at)
    said = check_text(text, field="text", limit=5_000)
    if not said:
        raise Invalid("The line is empty.", fields={"text": "Say what happened or what is known now."})
    line = _line(row.pk, actor, said, at=at)
    record(
        action=actions.UPDATED, actor=actor, at=at, staged=[line], where=_where(incident), reason=said,
        detail={"incident": row.pk, "what": "log"},
    )  # fmt: skip
    return incident_queries.incident(row.pk)


@operation
def mitigate(
    *, actor: Actor, at: datetime, incident_id: str, when: datetime | None = None, text: str = "",
    expected_version: int | None = None,
) -> Read:  # fmt: skip
    """Say that the harm has ended; ``when``, if not now.

    :raises Denied: without ``incident:declare``. :raises Conflict: unless it is open.
    """
    return _move(
        actor, incident_id, Permission.INCIDENT_DECLARE, actions.MITIGATED,
        lambda one: states.mitigate(one, at=at, when=when), at=at, text=text, expected_version=expected_version,
    )  # fmt: skip


@operation
def resolve(
    *, actor: Actor, at: datetime, incident_id: str, text: str = "", expected_version: int | None = None
) -> Read:
    """End it. Emergency access under it opens nothing from now on.

    :raises Denied: without ``incident:manage``. :raises Conflict: when it is resolved.
    """
    return _move(
        actor, incident_id, Permission.INCIDENT_MANAGE, actions.RESOLVED,
        lambda one: states.resolve(one, at=at), at=at, text=text, expected_version=expected_version,
    )  # fmt: skip


@operation
def reopen(*, actor: Actor, at: datetime, incident_id: str, text: str, expected_version: int | None = None) -> Read:
    """It was not over after all.

    :raises Denied: without ``incident:manage``. :raises Conflict: when it is open. :raises Invalid: without a reason.
    """
    if not text.strip():
        raise Invalid("A reason is missing.", fields={"text": "Say what came back."})
    return _move(
        actor, incident_id, Permission.INCIDENT_MANAGE, actions.UPDATED,
        lambda one: states.reopen(one, at=at), at=at, text=text, expected_version=expected_version, what="reopened",
    )  # fmt: skip


@operation
def conclude(
    *,
    actor: Actor,
    at: datetime,
    incident_id: str,
    root_cause: str | None = None,
    severity: str | None = None,
    began_at: datetime | None = None,
    detected_at: datetime | None = None,
    expected_version: int | None = None,
) -> Read:
    """Write down the cause, and correct what was said in a hurry; None leaves a member as it is.

    :raises Denied: without ``incident:manage``. :raises Invalid: naming what cannot be so.
    """

    def correct(one: Incident) -> Incident:
        return states.check(
            replace(
                one,
                root_cause=one.root_cause
                if root_cause is None
                else check_text(root_cause, field="root_cause", limit=10_000),
                severity=one.severity if severity is None else cast("Severity", severity),
                began_at=began_at or one.began_at,
                detected_at=detected_at or one.detected_at,
            ),
            at=at,
        )

    return _move(
        actor, incident_id, Permission.INCIDENT_MANAGE, actions.UPDATED, correct, at=at,
        expected_version=expected_version, what="concluded",
    )  # fmt: skip


@operation
def follow_up(*, actor: Actor, at: datetime, incident_id: str, text: str, owner: str, due: date) -> Read:
    """Give somebody something to do, by a day.

    :raises Denied: without ``incident:manage``. :raises Invalid: for an unknown person or a day that has passed.
    """
    try:
        active = identity.person(owner).status == "active"
    except NotFound:
        active = False
    wrong = {} if active else {"owner": "Choose an active person."}
    if due < at.date():
        wrong["due"] = "Choose a day to come."
    if wrong:
        raise Invalid("This follow-up cannot be kept.", fields=wrong)
    one = FollowUp(id=ids.new_id("fup", at=at), text=check_text(text, field="text", limit=1_000), owner=owner, due=due)
    return _move(
        actor, incident_id, Permission.INCIDENT_MANAGE, actions.UPDATED,
        lambda incident: states.with_follow_up(incident, one), at=at, what="follow_up",
    )  # fmt: skip


@operation
def finish_follow_up(*, actor: Actor, at: datetime, incident_id: str, follow_up_id: str) -> Read:
    """Say that it is done: who owns it, or who manages the incident.

    :raises Denied: for anybody else. :raises Conflict: when it is done.
    """
    _, incident = _locked(incident_id)
    owned = any(one.id == follow_up_id and one.owner == actor.id for one in incident.follow_ups)
    permission = Permission.INCIDENT_READ if owned else Permission.INCIDENT_MANAGE
    return _move(
        actor, incident_id, permission, actions.UPDATED,
        lambda one: states.done(one, follow_up_id, by=actor.id, at=at), at=at, what="follow_up_done",
    )  # fmt: skip


@operation
def attach(*, actor: Actor, at: datetime, incident_id: str, kill: str = "", request: str = "") -> Read:
    """Put a kill switch that was pressed, or a request that is still open, under the incident.

    :raises Denied: without ``incident:manage``.
    :raises Conflict: when it belongs to an incident already, or is of another project.
    """
    row, incident = _locked(incident_id)
    _require(actor, incident, Permission.INCIDENT_MANAGE, at=at)
    staged = _joined(kill, incident) if kill else _request(request, incident)
    record(
        action=actions.UPDATED, actor=actor, at=at, staged=[staged], where=_where(incident),
        detail={"incident": row.pk, "what": "kill" if kill else "request", "subject": kill or request},
    )  # fmt: skip
    return incident_queries.incident(row.pk)


def going_on(incident_id: str, *, project: str, environment: str) -> Incident:
    """The incident, held until the commit, if something may be done there in its name.

    :raises Conflict: when it is resolved, or about something else.
    """
    incident = read_state(incident_id)
    if not incident.going_on:
        raise Conflict("This incident is resolved.", remedy="Declare another one.", code="incident-closed")
    if not incident.concerns(project, environment):
        raise Conflict(
            f"This incident is not about {project}/{environment}.", remedy="Declare another one.", code="other-incident"
        )
    return incident


def read_state(incident_id: str) -> Incident:
    """The incident as it is, held until the commit.

    :raises NotFound: when there is none.
    """
    row = governed_row(IncidentRow, lock="share", id=incident_id)
    if row is None:
        raise NotFound("There is no such incident.", remedy="See Incidents.")
    return Incident.from_state(row.pk, row.state)


def _joined(kill_id: str, incident: Incident) -> Staged:
    """A kill record, put under the incident."""
    row = governed_row(Kill, lock="update", id=kill_id)
    if row is None:
        raise NotFound("There is no such kill record.", remedy="Look at the list of kill switches.")
    _fits(incident, row.state["project"], row.state["environment"], row.state.get("incident"))
    return stage(Kill, id=row.pk, state={**row.state, "incident": incident.id}, current=row)


def _request(request_id: str, incident: Incident) -> Staged:
    """An open request, put under the incident; what was approved stays so, as it says nothing else than before."""
    row, request = lock_request(request_id)
    if not request.open:
        raise Conflict(
            f"This request is {request.status}.", remedy="Name it in the incident's log instead.", code="wrong-state"
        )
    _fits(incident, request.project, request.environment, request.incident)
    return stage(Request, id=row.pk, state=replace(request, incident=incident.id).to_state(), current=row)


def _fits(incident: Incident, project: str, environment: str, known: str | None) -> None:
    if known:
        raise Conflict("It belongs to an incident already.", code="wrong-state")
    if not incident.concerns(project, environment):
        raise Conflict(f"This incident is not about {project}/{environment}.", code="other-incident")


def _line(incident_id: str, actor: Actor, text: str, *, at: datetime) -> Staged:
    state = {"incident": incident_id, "by": actor.id, "at": clock.text(at), "text": text}
    return stage(IncidentUpdate, id=ids.new_id("inu", at=at), state=state)


def _locked(incident_id: str) -> tuple[IncidentRow, Incident]:
    row = governed_row(IncidentRow, lock="update", id=incident_id)
    if row is None:
        raise NotFound("There is no such incident.", remedy="See Incidents.")
    return row, Incident.from_state(row.pk, row.state)


def _require(actor: Actor, incident: Incident, permission: Permission, *, at: datetime) -> None:
    rights = held(actor, at=at)
    for key in incident.projects:
        rights.require(permission, Scope(key))


def _where(incident: Incident) -> Where:
    """An incident of several projects stands in the log under the first; the detail of its declaration names them."""
    return Where(project=incident.projects[0], environment=incident.environment or None)


def _move(
    actor: Actor,
    incident_id: str,
    permission: Permission,
    action: Action,
    step: Callable[[Incident], Incident],
    *,
    at: datetime,
    text: str = "",
    what: str = "",
    expected_version: int | None = None,
) -> Read:
    """Take the incident one step on, with a line in its log where something was said."""
    row, incident = _locked(incident_id)
    _require(actor, incident, permission, at=at)
    if expected_version is not None and row.version != expected_version:
        raise Conflict("The incident changed since you looked at it.", remedy="Look again.", code="version-conflict")
    after = step(incident)
    said = check_text(text, field="text", limit=5_000)
    staged: Sequence[Staged] = [stage(IncidentRow, id=row.pk, state=after.to_state(), current=row)]
    if said:
        staged = [*staged, _line(row.pk, actor, said, at=at)]
    detail: dict[str, Any] = {"incident": row.pk, "state": after.state, "severity": after.severity}
    if what:
        detail["what"] = what
    record(action=action, actor=actor, at=at, staged=staged, where=_where(after), reason=said or None, detail=detail)
    return incident_queries.incident(row.pk)
