"""What is forgotten: notices and messages after 90 days. The entries that they told of stay."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ensign.control.integrations.models import Delivery, Notice
from ensign.control.kernel.transactions import write_door

KEEP: Final = timedelta(days=90)


def forget(*, at: datetime) -> int:
    """Delete old notices and messages; returns how many."""
    before = at - KEEP
    with write_door():
        gone = Notice.objects.filter(at__lt=before).delete()[0]
        return gone + Delivery.objects.filter(made_at__lt=before).delete()[0]
