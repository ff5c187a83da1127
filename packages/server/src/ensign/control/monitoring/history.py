"""What the detectors need to know from the log besides the entry in hand. Reads only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ensign.control.audit.models import Document, Entry, Touch
from ensign.control.kernel import clock
from ensign.control.monitoring.domain.facts import APPLIED, Fact, fact_of
from ensign.control.monitoring.domain.rules import RECIPROCAL_WINDOW
from ensign.control.monitoring.models import Opened

#: How long it is remembered who opened which request. Longer than an approval counts, by far.
KEEP_OPENED = timedelta(days=90)
#: A change of a protected environment says so in its entry (canonical JSON: no spaces).
_PROTECTED = '"protected":true'
_ROUNDS = ("change_request.submitted", "change_request.edited")


def facts(*, start: int, limit: int) -> list[Fact]:
    """Entries from number ``start`` on, in order."""
    bodies = Entry.objects.filter(seq__gte=start).order_by("seq").values_list("body", flat=True)[:limit]
    return [fact_of(json.loads(body)) for body in bodies]


class History:
    """The past of one batch of facts; what was read once is kept for the batch."""

    def __init__(self, first: Fact, last: Fact) -> None:
        self._first, self._last = first, last
        self._window: list[Fact] | None = None
        self._seen: dict[str, datetime] = {}
        self._since: datetime | None = None

    @property
    def window(self) -> list[Fact]:
        """Changes of protected environments from 30 days before the batch to its end."""
        if self._window is None:
            since = clock.text(self._first.at - RECIPROCAL_WINDOW)
            rows = Entry.objects.filter(action=APPLIED, ts__gte=since, seq__lte=self._last.seq).order_by("seq")
            bodies = rows.filter(body__contains=_PROTECTED).values_list("body", flat=True)
            self._window = [fact for body in bodies if (fact := fact_of(json.loads(body))).applied]
        return self._window

    def seen(self, person: str, *, before: Fact, within: timedelta) -> bool:
        """Whether somebody took part in a change of a protected environment within that time before the fact."""
        last = self._seen.get(person)
        self._seen[person] = before.at
        if last is not None:
            return before.at - last <= within
        rows = Entry.objects.filter(action=APPLIED, seq__lt=before.seq, ts__gte=clock.text(before.at - within))
        return bool(rows.filter(body__contains=f'"{person}"').filter(body__contains=_PROTECTED).exists())

    def log_since(self) -> datetime | None:
        """When the first change of a protected environment applied; None while there was none."""
        if self._since is None:
            rows = Entry.objects.filter(action=APPLIED, body__contains=_PROTECTED).order_by("seq")
            first = rows.values_list("ts", flat=True).first()
            self._since = None if first is None else clock.parse(first)
        return self._since


def state_after(fact: Fact, kind: str) -> dict[str, Any]:
    """The state in which the entry left the first object of ``kind``; empty when that is not kept."""
    return _state(fact, kind, "after")


def state_before(fact: Fact, kind: str) -> dict[str, Any]:
    """The state in which the entry found the first object of ``kind``; empty when there was none."""
    return _state(fact, kind, "before")


def _state(fact: Fact, kind: str, side: str) -> dict[str, Any]:
    touch = Touch.objects.filter(seq=fact.seq, object__startswith=f"{kind}:").order_by("object").first()
    name = None if touch is None else getattr(touch, side)
    content = Document.objects.filter(pk=name).values_list("content", flat=True).first() if name else None
    return {} if content is None else dict(json.loads(content))


def submitted_at(fact: Fact) -> datetime | None:
    """When the round that an approval is about was put up: the newest submission or edit of its request before it."""
    request = fact.detail.get("request")
    touches = Touch.objects.filter(object=f"change_request:{request}", seq__lt=fact.seq).order_by("-version")
    seqs = list(touches.values_list("seq", flat=True)[:200])
    rows = Entry.objects.filter(seq__in=seqs, action__in=_ROUNDS).order_by("-seq")
    ts = rows.values_list("ts", flat=True).first()
    return None if ts is None else clock.parse(ts)


def key_made_at(fact: Fact) -> datetime | None:
    """When the key that signed an approval became an approval key; None for one without a signature."""
    signature = fact.detail.get("signature")
    if not isinstance(signature, dict):
        return None
    touched = Touch.objects.filter(object=f"approval_key:{signature.get('key')}", seq__lt=fact.seq)
    seqs = list(touched.order_by("version").values_list("seq", flat=True)[:1])
    ts = Entry.objects.filter(seq__in=seqs).values_list("ts", flat=True).first()
    return None if ts is None else clock.parse(ts)


def opened(fact: Fact, *, at: datetime) -> bool | None:
    """Whether whoever approved had opened the request's page in that round; None where it is forgotten by ``at``."""
    if at - fact.at > KEEP_OPENED - timedelta(days=30):
        return None
    row: Mapping[str, Any] = {"request": str(fact.detail.get("request")), "round": fact.detail.get("round")}
    return Opened.objects.filter(person=fact.actor, at__lte=fact.at, **row).exists()
