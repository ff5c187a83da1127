"""What the worker does at every beat: apply what is due, take the steps of ramps, pause what must not go on.

Safe to run from several processes and to kill anywhere: each act is one transaction that asks everything again under
lock. Times are judged by the clock of whoever runs it, and written in the ledger's own time, which never goes back.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import DatabaseError, connection

from ensign.control.changes import timing
from ensign.control.changes.timing import SCHEDULER
from ensign.control.kernel.errors import EnsignError, Unavailable
from ensign.control.releases import operations, queries
from ensign.control.releases.domain import Ramp

log = logging.getLogger("ensign.releases")


def tick(*, at: datetime) -> int:
    """Do all that is due at ``at``; returns how many changes applied and ramps went on, paused or rolled back."""
    done = timing.tick(at=at)
    for ramp in queries.ramps(statuses=("running",)):
        done += _advance(ramp, at=at)
    return done


def _advance(ramp: Ramp, *, at: datetime) -> bool:
    """Whether something became of it. A refused step pauses it; a fault of the database is tried again later."""
    try:
        if operations.what_is_due(ramp, at=at).kind == "wait":
            return False
        now = operations.advance(actor=SCHEDULER, at=at, ramp_id=ramp.id)
        return now != ramp
    except (DatabaseError, Unavailable) as fault:
        log.warning("the ramp %s could not go on yet", ramp.id, exc_info=fault)
        connection.close_if_unusable_or_obsolete()
        return False
    except EnsignError as refused:
        code, reason = refused.code, f"{refused.message} {refused.remedy}".strip()
    except Exception as error:  # one ramp that nobody foresaw must not keep the others from going on
        log.error("the ramp %s could not go on", ramp.id, exc_info=error)
        code, reason = "internal", "Ensign ran into a fault of its own; its log says more."
    paused = operations.pause_refused(
        actor=SCHEDULER, at=at, ramp_id=ramp.id, since=ramp.since, code=code, reason=reason
    )
    return paused is not None
