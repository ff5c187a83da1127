"""Requests that the delivery plane refused, and rules that SDKs refused, summed up for the log: numbers and reasons,
never who asked or with what.

The delivery plane counts in memory; its sink calls :func:`keep`, from as many nodes as there are. The worker calls
:func:`summarise`. A flood makes at most one entry an hour, so that nobody can fill the log from outside.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError, connection

from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door
from ensign.control.publishing.actions import DELIVERY_REFUSED
from ensign.control.publishing.usage_models import Refusal

#: So many refused requests a minute are noise: applications that were not given their new token yet.
LOUD: Final = 60
#: At most one entry in so long.
QUIET_FOR: Final = timedelta(hours=1)

#: A status, or who refused, and words of ours. Anything else could carry what a caller sent.
_REASON = re.compile(r"([1-5]\d\d|sdk)( [a-z]+){1,10}\Z")
#: Rules that an SDK refused, as their signature is not good, are never noise.
_GRAVE: Final = "sdk_"

_ADD = """
INSERT INTO publishing_refusal (minute, reason, count) VALUES (%s, %s, %s)
ON CONFLICT (minute, reason) DO UPDATE SET count = publishing_refusal.count + excluded.count"""


def keep(refusals: Mapping[str, int], *, at: datetime) -> None:
    """Add to the counts of this minute: reason (``401 unknown token``) -> how many requests."""
    if not refusals:
        return
    minute = connection.ops.adapt_datetimefield_value(_minute(at))
    sums: dict[str, int] = defaultdict(int)
    for reason, count in refusals.items():
        sums[reason.replace(" ", "_") if _REASON.match(reason) else "other"] += count
    try:
        with write_door(), connection.cursor() as cursor:
            cursor.executemany(_ADD, [(minute, reason, count) for reason, count in sorted(sums.items())])
    except DatabaseError:
        connection.close()  # it may be broken; the next batch gets a fresh one
        raise


def summarise(*, at: datetime) -> bool:
    """Write one entry about the minutes that are over, if one of them was loud or grave, and forget their counts.

    Entry and forgetting commit together: whoever dies in between, or runs at the same time, repeats nothing. Returns
    whether there is an entry.
    """
    with write_door():
        rows = list(Refusal.objects.select_for_update().filter(minute__lt=_minute(at)).order_by("minute", "reason"))
        if not rows or _lately(at):
            return False
        minutes: dict[datetime, int] = defaultdict(int)
        reasons: dict[str, int] = defaultdict(int)
        for row in rows:
            minutes[row.minute] += row.count
            reasons[row.reason] += row.count
        loud = max(minutes.values()) > LOUD or any(reason.startswith(_GRAVE) for reason in reasons)
        if loud:
            detail = {
                "since": clock.text(min(minutes)),
                "until": clock.text(max(minutes) + timedelta(minutes=1)),
                "count": sum(minutes.values()),
                "peak": max(minutes.values()),
                "reasons": dict(reasons),
            }
            record(action=DELIVERY_REFUSED, actor=system("delivery"), at=at, detail=detail)
        Refusal.objects.filter(minute__lte=max(minutes)).delete()
        return loud


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _lately(at: datetime) -> bool:
    last = Entry.objects.filter(action=DELIVERY_REFUSED.code).order_by("-seq").values_list("ts", flat=True).first()
    return last is not None and at - clock.parse(last) < QUIET_FOR
