"""Refused exchanges in the log: one entry each up to 20 a minute, above that one entry with their number.

Nothing of the token stands there, for anybody may send anything: a code, and the issuer only if a rule trusts it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ensign.control.audit.ledger import record
from ensign.control.federation import actions
from ensign.control.federation.models import RefusalMinute, SeenToken
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS
from ensign.control.kernel.transactions import write_door

LOUD: Final = 20
_MINUTE: Final = timedelta(minutes=1)
_ROW: Final = 1


def refused(code: str, *, issuer: str | None, at: datetime) -> None:
    """Record a refusal. ``issuer``: one that a rule trusts, or None."""
    with write_door():
        minute = RefusalMinute.objects.select_for_update().filter(pk=_ROW).first()
        if minute is None or at - minute.since >= _MINUTE:
            _sum_up(minute, at=at)
            minute = RefusalMinute(id=_ROW, since=at, count=0)
        minute.count += 1
        RefusalMinute.objects.bulk_create(
            [minute], update_conflicts=True, unique_fields=["id"], update_fields=["since", "count"]
        )
        if minute.count <= LOUD:
            detail = {"code": code} if issuer is None else {"code": code, "issuer": issuer}
            record(action=actions.REFUSED, actor=ANONYMOUS, at=at, detail=detail)


def summarise(*, at: datetime) -> None:
    """Write down the refusals of a past minute that got no entries of their own, and forget tokens that have ended.

    For the worker.
    """
    minute = RefusalMinute.objects.filter(pk=_ROW, since__lte=at - _MINUTE).first()
    if minute is not None or SeenToken.objects.filter(until__lt=at).exists():
        with write_door():
            minute = RefusalMinute.objects.select_for_update().filter(pk=_ROW, since__lte=at - _MINUTE).first()
            if minute is not None:
                _sum_up(minute, at=at)
                minute.delete()
            SeenToken.objects.filter(until__lt=at).delete()


def _sum_up(minute: RefusalMinute | None, *, at: datetime) -> None:
    if minute is not None and minute.count > LOUD:
        detail = {"count": minute.count - LOUD, "since": clock.text(minute.since)}
        record(action=actions.REFUSALS, actor=ANONYMOUS, at=at, detail=detail)
