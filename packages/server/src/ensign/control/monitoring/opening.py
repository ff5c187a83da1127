"""Remembering that somebody opened a request's page, for the detector of approvals without looking."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import DatabaseError, connection

from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.transactions import write_door
from ensign.control.monitoring.history import KEEP_OPENED
from ensign.control.monitoring.models import Opened

log = logging.getLogger("ensign.monitoring")


def note(actor: Actor, request: ChangeRequest, at: datetime) -> None:
    """Note that ``actor`` opened it; only what waits for review matters, and only the first time of a round.

    A page is shown even if this cannot be written: then its reader's approval may look as if they had not looked,
    which a person judges.
    """
    if request.status != "in_review" or actor.kind != "person" or actor.id in request.authors:
        return
    key = {"request": request.id, "round": request.round, "person": actor.id}
    try:
        if not Opened.objects.filter(**key).exists():
            with write_door():
                Opened.objects.get_or_create(**key, defaults={"at": at})
    except DatabaseError as error:
        log.warning("could not note that a request was opened", exc_info=error)
        connection.close()


def forget(*, at: datetime) -> int:
    """Forget what is older than 90 days; returns how many."""
    with write_door():
        return Opened.objects.filter(at__lt=at - KEEP_OPENED).delete()[0]
