"""What the home page shows of incidents, emergency changes and alerts: to whom each of them matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from django.urls import reverse

from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.incidents import incident_queries
from ensign.control.incidents.emergency import Emergency
from ensign.control.monitoring import queries as monitoring
from ensign.control.monitoring.queries import Wanted
from ensign.control.ui import looks
from ensign.control.ui.desk_lines import Line
from ensign.control.ui.visitor import Visitor

Look = Callable[[str, str], looks.Environment | None]

#: Alerts that are looked at for how many of them somebody may judge.
COUNTED: Final = 200


def pressing(who: Visitor, look: Look) -> Iterator[Line]:
    """Incidents that go on, and emergency changes that wait for a review which this person may give."""
    readable = who.held.projects(Permission.INCIDENT_READ)
    for state in ("open", "mitigated"):
        for one in incident_queries.incidents(projects=readable, state=state, limit=20):
            yield Line(
                title=one.title,
                href=reverse("incidents:incident", kwargs={"id": one.id}),
                act="See it",
                icon="siren",
                tone=looks.Tone.BAD if state == "open" else looks.Tone.WARN,
                at=one.detected_at,
                detail="an incident goes on since" if state == "open" else "mitigated, not resolved; since",
                project=", ".join(one.projects),
            )
    for emergency in incident_queries.unreviewed():
        if _may_review(who, emergency):
            yield Line(
                title="An emergency change was made without approval" if emergency.changes else "The glass was broken",
                href=reverse("incidents:emergency", kwargs={"id": emergency.id}),
                act="Review it",
                icon="kill",
                tone=looks.Tone.BAD if emergency.overdue(at=who.at) else looks.Tone.WARN,
                at=emergency.due_at,
                detail="its review is overdue since" if emergency.overdue(at=who.at) else "its review is due",
                project=emergency.project,
                environment=look(emergency.project, emergency.environment),
            )


def _may_review(who: Visitor, one: Emergency) -> bool:
    """Whether to offer it; the operation decides again."""
    part = who.actor.id == one.person or who.actor.id in one.part
    scope = Scope(one.project, one.environment)
    return not part and not one.open(at=who.at) and who.held.allows(Permission.BREAK_GLASS_REVIEW, scope)


def alerts(who: Visitor) -> Iterator[Line]:
    """One line for all alerts that wait for this person's verdict; those that they took part in are not theirs."""
    reader = monitoring.readable(who.held)
    if not reader:
        return
    views = monitoring.alerts(reader, Wanted(status="waiting"), at=who.at, limit=COUNTED)
    found = [view.alert for view in views]
    mine = monitoring.to_triage(found, who.held)
    waiting = [one for one in found if one.id in mine]
    if not waiting:
        return
    first = min(waiting, key=lambda one: one.due_at)
    late = first.due_at <= who.at
    many = f"{len(waiting)}{'+' if len(found) == COUNTED else ''} alerts wait for a verdict"
    yield Line(
        title=first.title if len(waiting) == 1 else many,
        href=reverse("monitoring:alert", args=[first.id]) if len(waiting) == 1 else reverse("monitoring:alerts"),
        act="Judge it" if len(waiting) == 1 else "Judge them",
        icon="eye",
        tone=looks.Tone.BAD if late or any(one.severity == "high" for one in waiting) else looks.Tone.WARN,
        at=first.due_at,
        detail="overdue since" if late else "an alert; due" if len(waiting) == 1 else "the first is due",
        project=first.project or "" if len(waiting) == 1 else "",
    )
