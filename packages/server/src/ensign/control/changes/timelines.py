"""The enforcement timeline: every value that a policy ever had, from when to when, and what set it."""

from __future__ import annotations

import json

from ensign.control.audit.models import Entry, Touch
from ensign.control.changes.domain import words
from ensign.control.changes.history import state_at
from ensign.control.changes.pages import PolicyChange, person
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.models import Policy


def policy_history(project: str, environment: str) -> list[PolicyChange]:
    """Newest first, without a gap: each value ends when the next begins."""
    row = Policy.objects.filter(project=project, environment=environment).first()
    if row is None:
        return []
    touches = list(Touch.objects.filter(object=row.object_name).order_by("version"))
    bodies = {e.seq: json.loads(e.body) for e in Entry.objects.filter(seq__in=[t.seq for t in touches])}
    names = identity.names(body["actor"]["id"] for body in bodies.values())
    starts = [clock.parse(bodies[touch.seq]["ts"]) for touch in touches]
    ends = [*starts[1:], None]
    return [
        PolicyChange(
            sentence=words.policy(PolicyRules.from_state(state_at(row, touch.version))),
            since=since,
            until=until,
            version=touch.version,
            request=bodies[touch.seq].get("approval", {}).get("request", ""),
            by=person(bodies[touch.seq]["actor"]["id"], names),
        )
        for touch, since, until in reversed(list(zip(touches, starts, ends, strict=True)))
    ]
