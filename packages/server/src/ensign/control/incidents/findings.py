"""What is to be put right about kill switches, emergency changes, addresses, incidents and drills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from ensign.control.access.findings import Finding
from ensign.control.identity.leavers import left
from ensign.control.incidents import drills, incident_queries, queries, triggers
from ensign.control.incidents.emergency import ESCALATE_DAYS, after_business_days
from ensign.control.incidents.queries import REASON_WITHIN


def reasons(at: datetime) -> Sequence[Finding]:
    """``kill-unexplained``: pressed more than a day ago, and nobody said why."""
    return [
        Finding(
            code="kill-unexplained",
            subject=one.id,
            title=f"Nobody has said why {one.flag} was switched off in {one.environment}.",
            remedy="Whoever pressed it gives the reason, or somebody who may explain it.",
            since=one.pressed_at + REASON_WITHIN,
            url=f"{reverse('incidents:kills')}#{one.id}",
        )
        for one in queries.kills(reason_status="open", limit=500)
        if one.late(at=at)
    ]


def emergencies(at: datetime) -> Sequence[Finding]:
    """``break-glass-unreviewed``: an emergency access whose review is overdue."""
    found = []
    for one in incident_queries.unreviewed():
        if not one.overdue(at=at):
            continue
        escalated = at >= after_business_days(one.opened_at, ESCALATE_DAYS)
        found.append(
            Finding(
                code="break-glass-unreviewed",
                subject=one.id,
                title=f"The emergency access in {one.project}/{one.environment} has not been reviewed"
                + (f" for more than {ESCALATE_DAYS} business days." if escalated else "."),
                remedy="Somebody who may review and had no part in it judges it. Until then it is not extended.",
                since=one.due_at,
                url=reverse("incidents:emergency", kwargs={"id": one.id}),
            )
        )
    return found


def addresses(at: datetime) -> Sequence[Finding]:
    """``trigger-of-leaver``: an address that switches a flag off, made by somebody who has left."""
    listed = [one for one in triggers.triggers() if one.usable(at=at)]
    gone = left(one.created_by for one in listed)
    return [
        Finding(
            code="trigger-of-leaver",
            subject=one.id,
            title=f"The address “{one.name}”, which switches {one.flag} off, was made by somebody who has left.",
            remedy="Make another one, give it to the monitoring system, and revoke this one.",
            since=gone[one.created_by],
            url=reverse("incidents:triggers"),
        )
        for one in listed
        if one.created_by in gone
    ]


def follow_ups(at: datetime) -> Sequence[Finding]:
    """``follow-up-overdue``: what was to be done after an incident, and was not."""
    return [
        Finding(
            code="follow-up-overdue",
            subject=one.id,
            title=f"A follow-up of the incident “{one.title}” is overdue.",
            remedy="Do it, or say on the incident's page that it is done.",
            url=reverse("incidents:incident", kwargs={"id": one.id}),
            detail=todo.id,
        )
        for one in incident_queries.incidents(projects=None)
        for todo in one.follow_ups
        if todo.overdue(at=at)
    ]


def rehearsals(at: datetime) -> Sequence[Finding]:
    """``drill-overdue``: a kill switch that was not rehearsed as planned."""
    return [
        Finding(
            code="drill-overdue",
            subject=one.id,
            title=f"The kill switch of {one.flag} in {one.environment} was not rehearsed as planned.",
            remedy="Run the drill, or end its plan. If the flag is off, approve the request that switches it on.",
            since=one.last_at or one.planned_at,
            url=reverse("incidents:drills"),
        )
        for one in drills.plans(projects=None)
        if one.overdue(at=at)
    ]
