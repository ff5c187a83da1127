"""Appending to the ledger, in the transaction of the change itself."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from ensign_ledger import canonical, merkle

from ensign.control.audit import following
from ensign.control.audit.registry import Action, actions
from ensign.control.audit.staging import Staged, digest
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, Unavailable
from ensign.control.kernel.request import current_request_id
from ensign.control.kernel.transactions import after_commit, require_write_door

MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Keys of the project and environment that an entry concerns."""

    project: str | None = None
    environment: str | None = None

    def to_entry(self) -> dict[str, str]:
        """The members that are set."""
        pairs = (("project", self.project), ("environment", self.environment))
        return {name: key for name, key in pairs if key is not None}


@dataclass(frozen=True, slots=True)
class Recorded:
    """The entry as appended: its sequence number and its time in the ledger's own (non-decreasing) clock."""

    seq: int
    ts: datetime


def lock_head() -> tuple[int, str, str]:
    """(size, last_ts, origin), with the head locked until commit. Lock business rows first, this last."""
    source = "ensign_lock_head()" if connection.vendor == "postgresql" else "ledger_head WHERE id = 1"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT size, last_ts, origin FROM {source}")  # noqa: S608  # one of the two texts above
        row = cursor.fetchone()
    if row is None:
        raise Unavailable("The ledger has no head.", remedy="Run `ensign migrate` on this database.")
    return row[0], row[1], row[2]


def commit_text(text: str) -> dict[str, str]:
    """Store free text as a redactable document and return the commitment that may stand in an entry.

    :raises Invalid: when it is longer than 10,000 characters or not valid Unicode text.
    """
    if len(text) > MAX_TEXT:
        raise Invalid(f"The text has {len(text):,} characters; at most {MAX_TEXT:,} are allowed.", remedy="Shorten it.")
    try:
        content = canonical.encode({"nonce": secrets.token_hex(16), "text": text}).decode()
    except canonical.CanonicalError as error:
        raise Invalid(
            "The text holds characters that cannot be stored.", remedy="Remove control characters."
        ) from error
    with connection.cursor() as cursor:  # plain SQL, as in staging
        cursor.execute("INSERT INTO ledger_document (digest, content) VALUES (%s, %s)", [digest(content), content])
    return {"commit": digest(content)}


def record(
    *,
    action: Action,
    actor: Actor,
    at: datetime,
    staged: Sequence[Staged] = (),
    where: Where | None = None,
    approval: Mapping[str, Any] | None = None,
    reason: str | None = None,
    detail: Mapping[str, Any] | None = None,
    redacts: Sequence[str] = (),
) -> Recorded:
    """Append one entry and write the rows that it vouches for. Call it inside the write door.

    ``detail`` stands in clear for ever: small facts, keys ``[a-z0-9_]``, never personal data (names, e-mail
    addresses, free text, rule values). ``reason`` is free text and is stored as a redactable commitment.
    ``approval`` is the object described in docs/reference/ledger-format.md.
    """
    require_write_door()
    if actions().get(action.code) is not action:
        raise ValueError(f"{action.code} is not a registered action")
    body: dict[str, Any] = {
        "v": 1,
        "actor": actor.to_entry(),
        "action": action.code,
        "touch": [s.to_touch() for s in staged],
    }
    if where is not None and where.to_entry():
        body["where"] = where.to_entry()
    if approval is not None:
        body["approval"] = dict(approval)
    if reason:
        body["reason"] = commit_text(reason)
    if detail:
        body["detail"] = dict(detail)
    if redacts:
        body["redacts"] = list(redacts)
    request_id = current_request_id.get()
    if request_id is not None:
        body["request_id"] = request_id
    size, last_ts, origin = lock_head()
    body["log"], body["seq"], body["ts"] = origin, size, max(clock.text(at), last_ts)
    encoded = canonical.encode(body)
    if len(encoded) > canonical.MAX_ENTRY:
        raise Invalid(
            "This change touches too many objects for one ledger entry.",
            remedy="Split it into several smaller changes.",
        )
    with connection.cursor() as cursor:  # plain SQL, as in staging
        cursor.execute(
            "INSERT INTO ledger_entry (seq, body, leaf_hash) VALUES (%s, %s, %s)",
            [size, encoded.decode(), merkle.leaf_hash(encoded).hex()],
        )
    for row in staged:
        row.write(seq=size)
    after_commit(following.tell)
    return Recorded(size, clock.parse(body["ts"]))
