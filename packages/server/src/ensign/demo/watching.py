"""Monitoring in the demo: reviewers open what they approve, the worker follows the log, somebody judges the alerts."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import datetime

from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied
from ensign.control.monitoring import detecting, opening, operations, queries, raising, settings
from ensign.control.monitoring.domain.alerts import Alert
from ensign.control.monitoring.queries import Readable, Wanted
from ensign.demo import cast
from ensign.demo.company import Company

_EXPECTED = (
    "Asked them: it was planned, and the ticket says so.",
    "Read the change and its review: nothing unusual about it.",
    "Known: part of the clean-up that the team announced.",
)


def reads(actor: Actor, request: ChangeRequest, *, at: datetime) -> None:
    """A reviewer opens the request; a few times in a year somebody approves without."""
    if zlib.crc32(f"{request.title} {request.project} {at:%Y-%m-%d %H}".encode()) % 97:
        opening.note(actor, request, at)


def watch(company: Company, at: datetime) -> None:
    """A week of the worker's, and somebody who judges what it raised."""
    follow(at=at)
    everything = Readable(projects=None, organisation=True)
    for view in queries.alerts(everything, Wanted(status="waiting"), at=at, limit=200):
        _judge(company, view.alert, at=at)


def sharpen(company: Company, at: datetime) -> None:
    """Working hours are watched, too, from now on: the newest alert, which waits for somebody else."""
    present = settings.present()
    wanted = replace(present.rules, off=(), hours=replace(present.rules.hours, zone="Europe/Oslo"))
    actor = company.actor(cast.FIRST.key, at=at)
    settings.change(actor=actor, at=at, wanted=wanted, reason="We know by now when our people work.")


def follow(*, at: datetime) -> None:
    """Judge all that the log has."""
    while detecting.follow(at=at) == detecting.BATCH * detecting.TURN:
        pass
    raising.escalate(at=at)


def _judge(company: Company, alert: Alert, *, at: datetime) -> None:
    """The first administrator or approver who took no part in it; what nobody may judge goes on waiting."""
    unread = alert.kind == "hasty-approval"
    keys = [*company.holders("admin", alert.project or ""), *company.holders("approver", alert.project or "")]
    for key in keys:
        actor = company.actor(key, at=at)
        if actor.id in alert.caused_by:
            continue
        try:
            operations.triage(
                actor=actor,
                at=at,
                alert_id=alert.id,
                verdict="unexpected" if unread else "expected",
                reason="The change was right, but nobody had read it: reviewed again together."
                if unread
                else _EXPECTED[len(alert.evidence) % len(_EXPECTED)],
                follow_up="Spoken about in the team's retrospective." if unread else "",
            )
        except Denied:
            continue
        return
