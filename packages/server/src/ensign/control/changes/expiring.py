"""Ending requests that nobody applied in time."""

from __future__ import annotations

import logging
from datetime import datetime

from ensign.control.audit.door import operation
from ensign.control.changes import actions, drafting
from ensign.control.changes.domain import lifecycle
from ensign.control.changes.domain.requests import EXPIRES, ChangeRequest
from ensign.control.changes.models import Request
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system

log = logging.getLogger("ensign.changes")
_CLOCK = system("clock")


@operation
def expire(*, actor: Actor, at: datetime, request_id: str) -> ChangeRequest:
    """End one request that is due.

    :raises Conflict: when it is not due, or closed meanwhile.
    """
    row, request = drafting.lock_request(request_id)
    ended = lifecycle.expire(request, at=at)
    waited = request.expires_at and clock.text(request.expires_at)
    drafting.write(ended, row=row, action=actions.EXPIRED, actor=actor, at=at, detail={"expires_at": waited})
    return ended


def due(at: datetime) -> list[str]:
    """Ids of the requests that are due to expire, oldest first."""
    rows = Request.objects.filter(status__in=sorted(EXPIRES)).order_by("id")
    return [row.pk for row in rows.iterator(chunk_size=200) if ChangeRequest.from_state(row.pk, row.state).due(at)]


def end_due(*, at: datetime) -> int:
    """End every request that is due, each in a transaction and with an entry of its own; how many."""
    ended = 0
    for id_ in due(at):
        try:
            expire(actor=_CLOCK, at=at, request_id=id_)
            ended += 1
        except Exception:
            # One that moved on meanwhile, or cannot be written, must not keep the others open.
            log.exception("a change request could not be ended", extra={"request": id_})
    return ended
