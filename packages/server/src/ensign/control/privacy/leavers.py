"""What becomes of the erasures that a leaver asked for: they are withdrawn, as nobody's word stands behind them."""

from __future__ import annotations

from collections.abc import Sequence

from ensign.control.access.leaving import Consequence, Leaver
from ensign.control.audit.staging import stage
from ensign.control.kernel import clock
from ensign.control.privacy.actions import ERASURE_WITHDRAWN
from ensign.control.privacy.models import Erasure


def hold(person_id: str) -> None:
    """Lock them before the person: a confirmation locks in the same order."""
    _asked_by(person_id)


def end(leaver: Leaver) -> Sequence[Consequence]:
    """Withdraw what they asked for and nobody has confirmed."""
    return [_withdrawn(row, leaver) for row in _asked_by(leaver.person_id)]


def _asked_by(person_id: str) -> list[Erasure]:
    waiting = Erasure.objects.select_for_update().filter(status="asked", content__contains=person_id)
    return [row for row in waiting.order_by("pk") if row.state["asked_by"] == person_id]


def _withdrawn(row: Erasure, leaver: Leaver) -> Consequence:
    ended = {"status": "withdrawn", "ended_by": leaver.actor.id, "ended_at": clock.text(leaver.at)}
    return Consequence(
        action=ERASURE_WITHDRAWN,
        staged=[stage(Erasure, id=row.pk, state={**row.state, **ended}, current=row)],
        counted="requests",
        detail={"person": row.state["person"]},
    )
