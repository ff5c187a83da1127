"""The directory's tokens: made by people, shown once, stored hashed, always expiring; they open ``/scim/v2`` alone.

A token begins with ``ensign_scim_``, so that secret scanners find a leaked one. It is none of identity's tokens: the
API, the pages and the delivery plane do not know it, and ``/scim/v2`` knows no other.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.rows import rows
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity.domain import clean_name
from ensign.control.identity.models import TokenUse
from ensign.control.identity.queries import DIRECTORY
from ensign.control.identity.tokens import hashed, hint
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated
from ensign.control.kernel.ids import new_id
from ensign.control.scim import actions
from ensign.control.scim.models import DirectoryToken

PREFIX: Final = "ensign_scim_"
DAYS: Final = 180
DAYS_MAX: Final = 365
OVERLAP_HOURS: Final = 24
OVERLAP_HOURS_MAX: Final = 24 * 7
_FORM: Final = re.compile(r"ensign_scim_[A-Za-z0-9_-]{43}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryTokenView:
    """A token without its secret. ``replaces`` is the token whose rotation made it."""

    id: str
    name: str
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    replaces: str | None
    status: Literal["active", "revoked"]
    last_used_at: datetime | None

    def usable(self, *, at: datetime) -> bool:
        """Whether it opens anything at ``at``."""
        return self.status == "active" and at < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDirectoryToken:
    """A token and its text, which exists nowhere else."""

    token: DirectoryTokenView
    text: str


def actor(text: str, *, at: datetime) -> Actor:
    """The directory, signed for by a token.

    :raises Unauthenticated: when there is no such token or it has ended; the message does not say which.
    """
    row = DirectoryToken.objects.filter(token_hash=hashed(text), status="active").first() if _FORM.match(text) else None
    if row is None or clock.parse(row.state["expires_at"]) <= at:
        raise Unauthenticated(
            "This token is not valid: it is mistyped, has expired or was revoked.",
            remedy="Make a new one under Settings, Directory.",
        )
    last = TokenUse.objects.filter(pk=row.pk).values_list("last_used_at", flat=True).first()
    if last is None or (at - last).total_seconds() >= 600:
        TokenUse.objects.update_or_create(pk=row.pk, defaults={"last_used_at": at})
    return Actor(kind="system", id=DIRECTORY, via="token", token_id=row.pk)


def require_directory(actor: Actor, *, at: datetime) -> None:
    """That the directory still speaks, asked again inside the write door: held until the commit.

    :raises Unauthenticated: when the token was revoked or ended meanwhile, or this is somebody else.
    """
    found = rows(DirectoryToken, lock="share", id=actor.token_id or "")
    good = actor.id == DIRECTORY and found and found[0].status == "active"
    if not good or clock.parse(found[0].state["expires_at"]) <= at:
        raise Unauthenticated("This token has ended.")


@operation
def create(*, actor: Actor, at: datetime, name: str, days: int = DAYS) -> NewDirectoryToken:
    """Make a token.

    :raises Denied: without ``org:scim:manage``; never by token. :raises Invalid: for a poor name or lifetime.
    """
    require(actor, Permission.ORG_SCIM_MANAGE, at=at)
    staged, text = _new(actor, at, name=name, days=days, replaces=None)
    record(action=actions.TOKEN_CREATED, actor=actor, at=at, staged=[staged])
    return NewDirectoryToken(token=token(staged.id), text=text)


@operation
def rotate(
    *, actor: Actor, at: datetime, token_id: str, days: int = DAYS, overlap_hours: int = OVERLAP_HOURS
) -> NewDirectoryToken:
    """Make the next token; the present one ends after ``overlap_hours``, or when it would have ended anyway.

    :raises Denied: without ``org:scim:manage``; never by token. :raises NotFound: when there is no such token.
    :raises Conflict: when it was revoked. :raises Invalid: for a poor lifetime or overlap.
    """
    require(actor, Permission.ORG_SCIM_MANAGE, at=at)
    if not 0 <= overlap_hours <= OVERLAP_HOURS_MAX:
        raise Invalid("No such overlap.", fields={"overlap_hours": f"Choose 0 to {OVERLAP_HOURS_MAX} hours."})
    row = _locked(token_id)
    ends = min(clock.parse(row.state["expires_at"]), at + timedelta(hours=overlap_hours))
    old = stage(DirectoryToken, id=row.pk, state={**row.state, "expires_at": clock.text(ends)}, current=row)
    staged, text = _new(actor, at, name=row.state["name"], days=days, replaces=row.pk)
    detail = {"replaces": row.pk, "overlap_hours": overlap_hours}
    record(action=actions.TOKEN_ROTATED, actor=actor, at=at, staged=[staged, old], detail=detail)
    return NewDirectoryToken(token=token(staged.id), text=text)


@operation
def revoke(*, actor: Actor, at: datetime, token_id: str, reason: str = "") -> DirectoryTokenView:
    """Revoke a token at once.

    :raises Denied: without ``org:scim:manage``; never by token. :raises NotFound: when there is no such token.
    :raises Conflict: when it has been revoked already.
    """
    require(actor, Permission.ORG_SCIM_MANAGE, at=at)
    row = _locked(token_id)
    staged = stage(DirectoryToken, id=row.pk, state={**row.state, "status": "revoked"}, current=row)
    record(action=actions.TOKEN_REVOKED, actor=actor, at=at, staged=[staged], reason=reason)
    return token(token_id)


def token(id: str) -> DirectoryTokenView:
    """One token.

    :raises NotFound: when there is none.
    """
    found = [one for one in tokens() if one.id == id]
    if not found:
        raise NotFound("The directory has no such token.")
    return found[0]


def tokens() -> Sequence[DirectoryTokenView]:
    """All tokens, newest first, ended ones included."""
    found = list(DirectoryToken.objects.order_by("-pk"))
    used = dict(TokenUse.objects.filter(pk__in=[row.pk for row in found]).values_list("pk", "last_used_at"))
    return [
        DirectoryTokenView(
            id=row.pk,
            name=row.state["name"],
            hint=row.state["hint"],
            created_by=row.state["created_by"],
            created_at=clock.parse(row.state["created_at"]),
            expires_at=clock.parse(row.state["expires_at"]),
            replaces=row.state["replaces"],
            status=row.status,
            last_used_at=used.get(row.pk),
        )
        for row in found
    ]


def _new(actor: Actor, at: datetime, *, name: str, days: int, replaces: str | None) -> tuple[Staged, str]:
    if not 1 <= days <= DAYS_MAX:
        raise Invalid("A token must expire.", fields={"days": f"Choose a lifetime of 1 to {DAYS_MAX} days."})
    text = PREFIX + secrets.token_urlsafe(32)
    state: dict[str, Any] = {
        "name": clean_name(name),
        "token_hash": hashed(text),
        "hint": hint(text),
        "created_by": actor.id,
        "created_at": clock.text(at),
        "expires_at": clock.text(at + timedelta(days=days)),
        "replaces": replaces,
        "status": "active",
    }
    return stage(DirectoryToken, id=new_id("tok", at=at), state=state), text


def _locked(token_id: str) -> DirectoryToken:
    row = DirectoryToken.objects.select_for_update().filter(pk=token_id).first()
    if row is None:
        raise NotFound("The directory has no such token.")
    if row.status != "active":
        raise Conflict("This token has been revoked already.")
    return row
