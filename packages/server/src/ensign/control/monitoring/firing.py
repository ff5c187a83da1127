"""A safeguard acts: as its service account, once, in the transaction that records it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction

from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import stage
from ensign.control.flags import queries as flags
from ensign.control.incidents import operations as incidents
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError
from ensign.control.monitoring import actions
from ensign.control.monitoring.domain import safeguards as domain
from ensign.control.monitoring.domain.safeguards import Outcome, Reading, Safeguard
from ensign.control.monitoring.guarding import locked
from ensign.control.monitoring.models import Safeguard as Row
from ensign.control.releases import operations as releases
from ensign.control.releases import queries as ramps


def actor_of(one: Safeguard) -> Actor:
    """Who acts: the service account, without a token. What it may do is decided anew at that moment."""
    return Actor(kind="service", id=one.account, via="system")


def fire(one: Safeguard, reading: Reading, *, at: datetime, now: Callable[[], datetime]) -> Safeguard | None:
    """Act, as an operation of the safeguard's service account; None when it is not armed any more."""
    fired: Safeguard | None = _fire(actor=actor_of(one), at=at, safeguard_id=one.id, reading=reading, now=now)
    return fired


@operation
def _fire(
    *, actor: Actor, at: datetime, safeguard_id: str, reading: Reading, now: Callable[[], datetime]
) -> Safeguard | None:
    row, one = locked(safeguard_id)
    if one.status != "armed" or one.account != actor.id:
        return None
    outcome, told = _act(one, reading, actor=actor, at=at, now=now)
    over = domain.fired(one, value=reading.text, outcome=outcome, at=at)
    record(
        action=actions.SAFEGUARD_FIRED,
        actor=actor,
        at=at,
        staged=[stage(Row, id=one.id, state=over.to_state(), current=row)],
        where=Where(project=one.project, environment=one.environment),
        detail={
            "safeguard": one.id,
            "flag": one.flag,
            "source": one.source.kind,
            "act": one.act,
            "value": reading.text,
            "threshold": one.threshold if one.source.compares else "",
            "above": one.above,
            "outcome": outcome,
            **told,
        },
    )
    return over


def _act(
    one: Safeguard, reading: Reading, *, actor: Actor, at: datetime, now: Callable[[], datetime]
) -> tuple[Outcome, dict[str, Any]]:
    """What came of it. What is refused is undone to before it was tried, and says with which code."""
    said = f"The safeguard {one.key} acted"
    said += f": {reading.text} is {'above' if one.above else 'below'} {one.threshold}." if reading.text else "."
    try:
        with transaction.atomic():
            if one.act == "off":
                return _off(one, said, actor=actor, at=at, now=now)
            return _pause(one, said, actor=actor, at=at)
    except EnsignError as error:
        return "failed", {"code": error.code.replace("-", "_")}


def _off(
    one: Safeguard, said: str, *, actor: Actor, at: datetime, now: Callable[[], datetime]
) -> tuple[Outcome, dict[str, Any]]:
    if not flags.config(one.flag, one.environment).config.enabled:
        return "already", {}
    done = incidents.kill(
        actor=actor, at=at, project=one.project, environment=one.environment, flag=one.flag, reason=said, now=now
    )
    return "done", {"request": done.applied.request.id, "kill": done.kill.id}


def _pause(one: Safeguard, said: str, *, actor: Actor, at: datetime) -> tuple[Outcome, dict[str, Any]]:
    """Hold every ramp of the flag; one whose approved plan says so of this guard goes back to where it began."""
    held: list[str] = []
    back: list[str] = []
    for ramp in ramps.underway(one.project, flag=one.flag):
        if ramp.environment != one.environment or (ramp.pause is not None and ramp.pause.safeguard):
            continue
        if one.key in ramp.operation.guards and ramp.operation.on_breach == "roll_back":
            releases.roll_back(actor=actor, at=at, ramp_id=ramp.id, reason=said)
            back.append(ramp.id)
        else:
            releases.pause(actor=actor, at=at, ramp_id=ramp.id, reason=said)
            held.append(ramp.id)
    told = {name: ids for name, ids in (("ramps", held), ("rolled_back", back)) if ids}
    return ("done", told) if told else ("already", {})
