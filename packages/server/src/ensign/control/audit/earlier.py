"""What a bundle relies on from before its range: the enrolments of the keys that signed approvals in it.

So do the ends of these keys. Each goes along with a proof that it is in the log (docs/reference/ledger-format.md, 6.4).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ensign_ledger.earlier import earlier_line
from ensign_ledger.merkle import inclusion_proof
from ensign_ledger.semantics import APPLIED
from ensign_ledger.signed import APPROVED, ENROLLED, REVOKED

from ensign.control.audit.models import Entry


def relied_on(start: int, end: int, *, leaves: Sequence[bytes]) -> Iterator[bytes]:
    """The lines of ``earlier.jsonl`` for the entries ``[start, end)``; ``leaves`` are the leaf hashes from 0 on."""
    used = _keys_used(start, end) if start else set()
    if not used:
        return
    rows = Entry.objects.filter(action__in=[ENROLLED, REVOKED], seq__lt=start).order_by("seq")
    for seq, body in rows.values_list("seq", "body").iterator(chunk_size=1_000):
        if json.loads(body)["detail"]["key"] in used:
            yield earlier_line(body.encode(), index=seq, proof=inclusion_proof(leaves, seq, start))


def _keys_used(start: int, end: int) -> set[str]:
    """Ids of the approval keys whose signatures stand in the range."""
    rows = Entry.objects.filter(action__in=[APPROVED, APPLIED], seq__gte=start, seq__lt=end).order_by("seq")
    found: set[str] = set()
    for body in rows.values_list("body", flat=True).iterator(chunk_size=1_000):
        if '"signature"' not in body:
            continue
        entry = json.loads(body)
        signatures = [entry.get("detail", {}).get("signature")]
        signatures += [a.get("signature") for a in entry.get("approval", {}).get("approvers", ())]
        found |= {signature["key"] for signature in signatures if signature}
    return found
