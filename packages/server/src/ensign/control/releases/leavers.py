"""What becomes of a leaver's ramps: those that run pause, and ask for somebody who takes them over by resuming them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ensign.control.access.findings import Finding
from ensign.control.access.leaving import Consequence, Leaver
from ensign.control.audit.ledger import Where
from ensign.control.audit.rows import rows
from ensign.control.audit.staging import stage
from ensign.control.identity import queries as identity
from ensign.control.releases import actions, domain, queries
from ensign.control.releases.domain import UNDERWAY, Pause, Ramp
from ensign.control.releases.models import Ramp as RampRow
from ensign.control.releases.pages import address


def hold(person_id: str) -> None:
    """Lock the person's running ramps before the person: a step locks in the same order."""
    _running(person_id)


def _running(person_id: str) -> list[RampRow]:
    return rows(RampRow, lock="update", owner=person_id, status="running")


def end(leaver: Leaver) -> Sequence[Consequence]:
    """Pause the leaver's running ramps."""
    return [_paused(row, leaver) for row in _running(leaver.person_id)]


def _paused(row: RampRow, leaver: Leaver) -> Consequence:
    ramp = Ramp.from_state(row.pk, row.state)
    why = "Who this ramp acts for has left. Whoever resumes it takes it over."
    pause = Pause(code="left", reason=why, by=leaver.actor.id, at=leaver.at)
    now = domain.paused(ramp, pause)
    return Consequence(
        action=actions.PAUSED,
        staged=[stage(RampRow, id=ramp.id, state=now.to_state(), current=row)],
        counted="ramps",
        where=Where(project=ramp.project, environment=ramp.environment),
        detail={"ramp": ramp.id, "request": ramp.request, "percent": ramp.percent, "code": "left"},
    )


def ownerless(_at: datetime) -> Sequence[Finding]:
    """Ramps that could still go on and whose owner has left."""
    found = queries.ramps(statuses=sorted(UNDERWAY))
    return [
        Finding(
            code="ramp-without-owner",
            subject=ramp.id,
            title=f"The ramp of {ramp.flag} in {ramp.project}, {ramp.environment} waits, and its owner has left.",
            remedy="Resume it to take it over, stop it, or roll it back.",
            since=ramp.pause.at if ramp.pause else None,
            url=address(ramp),
        )
        for ramp in found
        if not identity.is_active(ramp.owner)
    ]
