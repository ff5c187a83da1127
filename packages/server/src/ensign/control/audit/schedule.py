"""What the worker does by the clock: checkpoints within a minute, an anchor an hour, a comparison a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from ensign.control.audit import anchors, checkpoints
from ensign.control.audit.inspect import DRIFT_CHECKED, check_drift
from ensign.control.audit.models import Checkpoint, Entry
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system

DRIFT_INTERVAL = timedelta(days=1)


def tick(*, at: datetime) -> list[str]:
    """Do what is due and return its names; call it at least once a minute. Safe from several processes."""
    done = []
    if anchors.due(at=at):
        anchors.anchor(actor=system("anchor"), at=at)
        done.append("anchor")
    if _drift_due(at=at):
        check_drift(actor=system("drift"), at=at)
        done.append("drift")
    newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
    if newest != checkpoints.head().size:
        checkpoints.sign()
        done.append("checkpoint")
    return done


def _drift_due(*, at: datetime) -> bool:
    last = Entry.objects.filter(action=DRIFT_CHECKED.code).order_by("-seq").values_list("ts", flat=True).first()
    return last is None or at - clock.parse(last) >= DRIFT_INTERVAL
