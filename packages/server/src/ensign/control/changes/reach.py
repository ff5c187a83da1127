"""How far what a change published has come."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from ensign.control.changes.models import Request
from ensign.control.changes.queries import RequestRow
from ensign.control.publishing import reach_rows
from ensign.control.publishing.reach import ReachView


def of_request(row: RequestRow, *, at: datetime) -> list[ReachView]:
    """What an applied request published, by environment; nothing for one that is not applied or published nothing."""
    if row.request.status != "applied":
        return []
    return reach_rows.of_entries([row.seq], at=at).get(row.seq, [])


def of_requests(ids: Collection[str], *, at: datetime) -> Mapping[str, list[ReachView]]:
    """The same for many, by their ids."""
    seqs = dict(Request.objects.filter(pk__in=ids, status="applied").values_list("pk", "ledger_seq"))
    found = reach_rows.of_entries(seqs.values(), at=at)
    return {id: found.get(seq, []) for id, seq in seqs.items()}
