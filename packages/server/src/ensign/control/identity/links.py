"""One-time links: to set up, to join, to choose a new password. Only their hashes are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ensign.control.identity.domain import INVITATION_LIFETIME, RESET_LIFETIME, SETUP_LIFETIME
from ensign.control.identity.models import Link
from ensign.control.identity.tokens import hashed, is_link, new_link
from ensign.control.kernel.errors import Conflict, NotFound
from ensign.control.kernel.ids import new_id
from ensign.control.kernel.transactions import require_write_door

Kind = Literal["setup", "invite", "reset"]

LIFETIMES: Final[dict[Kind, timedelta]] = {
    "setup": SETUP_LIFETIME,
    "invite": INVITATION_LIFETIME,
    "reset": RESET_LIFETIME,
}

_REMEDIES: Final[dict[Kind, str]] = {
    "setup": "If Ensign has been set up, sign in or ask an administrator to invite you. "
    "If not, start `ensign serve` again: it prints a fresh link.",
    "invite": "Ask the person who invited you for a fresh link. If you have joined already, sign in.",
    "reset": "Ask an administrator for a fresh link.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """A link that still works. ``person_id`` is None for set-up."""

    id: str
    kind: Kind
    person_id: str | None
    expires_at: datetime


def make(kind: Kind, *, person_id: str | None, at: datetime) -> tuple[LinkView, str]:
    """A fresh link, ending earlier ones of the same kind and person; its secret part is returned once."""
    require_write_door()
    end(kind, person_id=person_id, because="replaced", at=at)
    text = new_link()
    row = Link.objects.create(
        id=new_id("lnk", at=at),
        kind=kind,
        token_hash=hashed(text),
        person_id=person_id,
        expires_at=at + LIFETIMES[kind],
    )
    return _view(row), text


def end(kind: Kind | None, *, person_id: str | None, because: str, at: datetime) -> int:
    """End the open links of a person (or of set-up), of one kind or of all; returns how many."""
    require_write_door()
    rows = Link.objects.filter(person_id=person_id, ended_at=None)
    if kind is not None:
        rows = rows.filter(kind=kind)
    return rows.update(ended_at=at, ended_because=because)


def find(text: str, kind: Kind, *, at: datetime) -> LinkView:
    """The link with this secret part.

    :raises NotFound: when there is none.
    :raises Conflict: when it has been used, replaced or has expired; the message says which and what to do.
    """
    return _view(_open(Link.objects.filter(token_hash=hashed(text)).first() if is_link(text) else None, kind, at=at))


def consume(text: str, kind: Kind, *, at: datetime) -> LinkView:
    """:func:`find`, and the link is used up if the transaction commits.

    :raises NotFound: as :func:`find`.
    :raises Conflict: as :func:`find`.
    """
    require_write_door()
    found = Link.objects.select_for_update().filter(token_hash=hashed(text)).first() if is_link(text) else None
    row = _open(found, kind, at=at)
    row.ended_at, row.ended_because = at, "used"
    row.save(update_fields=["ended_at", "ended_because"])
    return _view(row)


def open_until(kind: Kind, *, person_id: str | None, at: datetime) -> datetime | None:
    """When the person's open link of this kind expires, or None when there is none."""
    rows = Link.objects.filter(kind=kind, person_id=person_id, ended_at=None, expires_at__gt=at)
    return rows.values_list("expires_at", flat=True).first()


def _open(row: Link | None, kind: Kind, *, at: datetime) -> Link:
    remedy = _REMEDIES[kind]
    if row is None or row.kind != kind:
        raise NotFound("This link is not one that Ensign made, or it was cut off.", remedy=remedy, code="link-unknown")
    if row.ended_at is not None:
        because = "has been used" if row.ended_because == "used" else "was replaced by a newer one"
        raise Conflict(f"This link {because}; it works once.", remedy=remedy, code="link-ended")
    if row.expires_at <= at:
        raise Conflict("This link has expired.", remedy=remedy, code="link-expired")
    return row


def _view(row: Link) -> LinkView:
    kind: Kind = "setup" if row.kind == "setup" else "invite" if row.kind == "invite" else "reset"
    return LinkView(id=row.id, kind=kind, person_id=row.person_id, expires_at=row.expires_at)
