"""Forgetting documents for good: an entry authorises it, the digest stays, the content goes.

Who may decide that is the business of a higher layer; here it is only made sure that what is forgotten may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from ensign_ledger.entry import is_digest

from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Recorded, record
from ensign.control.audit.models import Document, Touch
from ensign.control.audit.registry import action, governed_models
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.transactions import after_commit, require_write_door

REDACTED = action("document.redacted", "redacted documents")

MAX_DIGESTS = 500


@operation
def redact(*, actor: Actor, at: datetime, digests: Sequence[str], reason: str) -> Recorded:
    """Forget the contents of these documents (SHA-256 in hex); one entry names them and why.

    The log verifies as before, and says by which entry each was redacted. Copies that left earlier (backups, exported
    bundles) are not reached. On SQLite the freed space is overwritten and the write-ahead log emptied; on PostgreSQL
    it is reused after the next VACUUM.

    :raises Invalid: without a reason, or for what is no digest.
    :raises NotFound: when there is no such document, or it was redacted before.
    :raises Conflict: when a row still holds the content: it has to be changed first.
    """
    wanted = sorted(set(digests))
    if not reason.strip():
        raise Invalid("A redaction needs a reason.", fields={"reason": "Say on what grounds."})
    if not wanted or len(wanted) > MAX_DIGESTS or not all(is_digest(name) for name in wanted):
        raise Invalid(f"Name 1 to {MAX_DIGESTS} documents by their SHA-256.", fields={"digests": "not digests"})
    present = set(Document.objects.filter(pk__in=wanted, content__isnull=False).values_list("pk", flat=True))
    if missing := [name for name in wanted if name not in present]:
        raise NotFound(
            f"There is no document {missing[0]} ({len(missing)} of {len(wanted)} are missing).",
            remedy="Look whether it was redacted before.",
        )
    if live := _live(wanted):
        raise Conflict(
            f"{live[0]} still holds what is to be forgotten.",
            remedy="Change the object first, so that only its history holds it.",
            code="still-in-use",
        )
    overwrite_what_is_freed()
    recorded = record(action=REDACTED, actor=actor, at=at, redacts=wanted, reason=reason)
    forget(wanted)
    return recorded


def overwrite_what_is_freed() -> None:
    """From here on this connection overwrites what it frees (SQLite). Call it before the first write of an erasure."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")


def forget(digests: Sequence[str]) -> int:
    """Empty the documents of these digests, which entries of this transaction redact; returns how many there were."""
    require_write_door()
    emptied = 0
    for start in range(0, len(digests), MAX_DIGESTS):
        rows = Document.objects.filter(pk__in=digests[start : start + MAX_DIGESTS], content__isnull=False)
        emptied += rows.update(content=None)
    if connection.vendor == "sqlite":
        after_commit(_empty_write_ahead_log)
    return emptied


def _live(digests: Sequence[str]) -> list[str]:
    """Objects whose present state is one of the documents."""
    found = []
    for name, version in Touch.objects.filter(after__in=digests).values_list("object", "version"):
        kind, _, pk = name.partition(":")
        model = governed_models().get(kind)
        if model is not None and model._base_manager.filter(pk=pk, version=version).exists():
            found.append(name)
    return sorted(found)


def _empty_write_ahead_log() -> None:
    """Its old frames still hold the content. A reader in the way postpones it to the next checkpoint."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
