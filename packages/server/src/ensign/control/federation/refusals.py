"""Refused exchanges in the log: one entry each up to 20 a minute, above that one entry with their number.

Nothing of the token stands there, for anybody may send anything: a code, and the issuer only if a rule trusts it.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from ensign.control.audit import minutes
from ensign.control.audit.ledger import record
from ensign.control.federation import actions
from ensign.control.federation.models import RefusalMinute, SeenToken
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS
from ensign.control.kernel.transactions import write_door


def refused(code: str, *, issuer: str | None, at: datetime) -> None:
    """Record a refusal. ``issuer``: one that a rule trusts, or None."""
    with write_door():
        if minutes.loud(RefusalMinute, at=at, sum_up=partial(_sum_up, at)):
            detail = {"code": code} if issuer is None else {"code": code, "issuer": issuer}
            record(action=actions.REFUSED, actor=ANONYMOUS, at=at, detail=detail)


def summarise(*, at: datetime) -> None:
    """Write down the refusals of a past minute that got no entries of their own, and forget tokens that have ended.

    For the worker.
    """
    if minutes.over(RefusalMinute, at=at) or SeenToken.objects.filter(until__lt=at).exists():
        with write_door():
            minutes.close(RefusalMinute, at=at, sum_up=partial(_sum_up, at))
            SeenToken.objects.filter(until__lt=at).delete()


def _sum_up(at: datetime, count: int, since: datetime) -> None:
    record(action=actions.REFUSALS, actor=ANONYMOUS, at=at, detail={"count": count, "since": clock.text(since)})
