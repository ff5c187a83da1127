"""The daily e-mail: what somebody wanted to know, yet not at once, leaves together in the morning."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ensign.control.integrations.models import Delivery
from ensign.control.kernel.transactions import write_door

HOUR: Final = 7
"""UTC hour from which the digest of the day leaves."""


def release(*, at: datetime) -> int:
    """Let what was held before this morning be due; returns how many. The sender puts them into one e-mail each."""
    morning = at.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    if at < morning:
        morning -= timedelta(days=1)
    with write_door():
        held = Delivery.objects.filter(status="held", made_at__lt=morning)
        return held.update(status="due", next_at=at)
