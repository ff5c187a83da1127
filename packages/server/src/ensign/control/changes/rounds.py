"""A request as it was in each round of its review: what a link into the past shows, and what changed in between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.audit.models import Document, Touch
from ensign.control.changes.domain.diff import Row, keyed
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.models import Request
from ensign.control.changes.queries import RequestRow
from ensign.control.kernel.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: when it began, the request as it was last in it, and the number of the entry that wrote it so."""

    number: int
    began: datetime
    request: ChangeRequest
    version: int
    seq: int


def rounds(row: RequestRow) -> list[Round]:
    """Every round of a request, oldest first; the last one is the present. Redacted versions are left out."""
    id_ = row.request.id
    touches = list(
        Touch.objects.filter(object=f"{Request.object_type}:{id_}")
        .order_by("version")
        .values_list("version", "seq", "after")
    )
    contents = dict(Document.objects.filter(pk__in=[after for _, _, after in touches]).values_list("pk", "content"))
    found: dict[int, Round] = {}
    began: dict[int, datetime] = {}
    for version, seq, after in touches:
        content = contents.get(after)
        if content is None:
            continue
        state = json.loads(content)
        state.pop("nonce", None)
        value = ChangeRequest.from_state(id_, state)
        since = began.setdefault(value.round, value.updated_at)
        found[value.round] = Round(number=value.round, began=since, request=value, version=version, seq=seq)
    now = row.request
    found[now.round] = Round(
        number=now.round, began=began.get(now.round, now.updated_at), request=now, version=row.version, seq=row.seq
    )
    return [found[number] for number in sorted(found)]


def round_of(row: RequestRow, number: int) -> Round:
    """The request as it was last in one round.

    :raises NotFound: when there was none, or it was redacted.
    """
    for one in rounds(row):
        if one.number == number:
            return one
    raise NotFound(f"This request had no round {number}.", remedy="Its page names the rounds that there were.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A line that one round proposes otherwise than another; None where that round does not touch it."""

    path: str
    was: Row | None
    now: Row | None


def shifts(earlier: Sequence[Row], later: Sequence[Row]) -> list[Shift]:
    """What a later round proposes otherwise than an earlier one, line by line; lines that stayed are left out."""
    old, new = dict(keyed(earlier)), dict(keyed(later))
    names = dict.fromkeys([*old, *new])
    return [Shift(path=n, was=old.get(n), now=new.get(n)) for n in names if old.get(n) != new.get(n)]
