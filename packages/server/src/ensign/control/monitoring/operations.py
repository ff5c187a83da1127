"""Judging alerts: acknowledge and triage. An act of people, never of a tool."""

from __future__ import annotations

from datetime import datetime

from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.access.queries import who_can
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import stage
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, NotFound
from ensign.control.monitoring import actions
from ensign.control.monitoring.domain import alerts
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.models import Alert as Row
from ensign.control.projects.domain import check_text


@operation
def acknowledge(*, actor: Actor, at: datetime, alert_id: str, expected_version: int | None = None) -> Alert:
    """Say that one looks into it. Its deadline stays.

    :raises Denied: for who may not triage it, and for tools. :raises Conflict: when it is not open any more.
    """
    row, alert = _locked(actor, alert_id, at=at, expected_version=expected_version)
    return _write(row, alerts.acknowledged(alert, by=actor.id, at=at), actions.ALERT_ACKNOWLEDGED, actor=actor, at=at)


@operation
def triage(
    *,
    actor: Actor,
    at: datetime,
    alert_id: str,
    verdict: str,
    reason: str,
    follow_up: str = "",
    expected_version: int | None = None,
) -> Alert:
    """Judge whether it was expected; what was not has to be followed up somewhere, which ``follow_up`` names.

    :raises Denied: for who may not, by token, for tools, and for whoever took part in what it is about while anybody
        else could.
    :raises Invalid: without a reason, or unexpected without a follow-up.
    :raises Conflict: when it was judged already.
    """
    row, alert = _locked(actor, alert_id, at=at, expected_version=expected_version)
    if not actor.interactive:
        permission, scope = needed(alert)
        raise Denied(
            "An alert is judged by a person who is signed in: a token may be in the hands of whoever caused it.",
            permission=str(permission),
            scope=str(scope),
            remedy="Open the alert's page and judge it there.",
            code="not-by-token",
        )
    judged = alerts.triaged(
        alert,
        by=actor.id,
        at=at,
        verdict=verdict,
        reason=check_text(reason, field="reason", limit=5_000),
        follow_up=check_text(follow_up, field="follow_up", limit=5_000),
        others=_others(alert, at=at),
    )
    return _write(row, judged, actions.ALERT_TRIAGED, actor=actor, at=at, reason=judged.reason)


def needed(alert: Alert) -> tuple[Permission, Scope]:
    """What judging it takes, and where: in its project, or in the organisation when it belongs to none."""
    if alert.project is None:
        return Permission.ORG_ALERT_TRIAGE, Scope()
    return Permission.ALERT_TRIAGE, Scope(alert.project)


def _others(alert: Alert, *, at: datetime) -> bool:
    """Whether a person who took no part in it could judge it."""
    permission, scope = needed(alert)
    holders = who_can(permission, scope, at=at)
    return any(one.kind == "person" and one.subject not in alert.caused_by for one in holders)


def _locked(actor: Actor, alert_id: str, *, at: datetime, expected_version: int | None) -> tuple[Row, Alert]:
    row = Row.objects.select_for_update().filter(pk=alert_id).first()
    if row is None:
        raise NotFound("There is no such alert.", remedy="Look at the list of alerts.")
    alert = Alert.from_state(row.pk, row.state)
    permission, scope = needed(alert)
    held(actor, at=at).require(permission, scope)
    if actor.kind != "person":
        raise Denied(
            "An alert is judged by a person: a tool could be that of whoever caused it.",
            permission=str(permission),
            scope=str(scope),
            code="not-by-tool",
        )
    if expected_version is not None and expected_version != row.version:
        raise Conflict("The alert changed meanwhile.", remedy="Reload it.", code="version-conflict")
    return row, alert


def _write(row: Row, alert: Alert, action: Action, *, actor: Actor, at: datetime, reason: str = "") -> Alert:
    detail: dict[str, object] = {"alert": alert.id, "kind": alert.kind, "severity": alert.severity}
    if alert.verdict is not None:
        detail |= {"verdict": alert.verdict, "late": alert.due_at < at}
        if alert.alone:
            detail["alone"] = True
    record(
        action=action,
        actor=actor,
        at=at,
        staged=[stage(Row, id=alert.id, state=alert.to_state(), current=row)],
        where=Where(project=alert.project, environment=alert.environment),
        reason=reason,
        detail=detail,
    )
    return alert
