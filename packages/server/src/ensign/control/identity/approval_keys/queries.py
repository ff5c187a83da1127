"""Approval keys as frozen values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ensign_ledger.cose import NAMES
from ensign_ledger.passkey import unb64url

from ensign.control.audit.rows import Lock, rows
from ensign.control.identity.approval_keys.models import ApprovalKey
from ensign.control.kernel import clock


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """An approval key. ``credential`` is the SHA-256 of WebAuthn's credential id, ``because`` why it ended."""

    id: str
    owner: str
    factor: int
    credential: str
    algorithm: str
    public_key: bytes
    host: str
    origin: str
    enrolled_at: datetime
    revoked_at: datetime | None
    because: str | None
    seq: int

    @property
    def active(self) -> bool:
        """Whether what it signs counts."""
        return self.revoked_at is None


def of_person(person_id: str, *, active: bool = False) -> tuple[KeyView, ...]:
    """A person's keys, oldest first; only those that count with ``active``."""
    return tuple(view for row in rows(ApprovalKey, owner=person_id) if (view := to_view(row)).active or not active)


def by_ids(ids: Collection[str], *, lock: Lock | None = None) -> dict[str, KeyView]:
    """The keys with these ids that there are; ``lock`` holds them until the commit."""
    return {row.pk: to_view(row) for row in rows(ApprovalKey, lock=lock, id=sorted(ids))}


def all_keys() -> tuple[KeyView, ...]:
    """Everybody's keys, oldest first."""
    return tuple(to_view(row) for row in rows(ApprovalKey))


def to_view(row: ApprovalKey) -> KeyView:
    """The frozen form of a row."""
    state = row.state
    ended = state["revoked_at"]
    return KeyView(
        id=row.pk,
        owner=state["owner"],
        factor=state["factor"],
        credential=state["credential"],
        algorithm=NAMES[state["algorithm"]],
        public_key=unb64url(state["public_key"]),
        host=state["host"],
        origin=state["origin"],
        enrolled_at=clock.parse(state["enrolled_at"]),
        revoked_at=None if ended is None else clock.parse(ended),
        because=state["because"],
        seq=row.ledger_seq,
    )
