"""Rotation: one operation makes a successor of a token with the same scope and gives the token itself an end.

By whom: a service account's token by whoever manages service accounts, in a session; a personal one by its owner, in
a session; and a service account's token by itself, if whoever made it allowed that, until the day that they set. A
token makes nothing but its own successor, never a longer or wider one, and only once (docs/adr/0022).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ensign.control.access import queries as access
from ensign.control.access.assigning import require_assigning_all
from ensign.control.access.decisions import held, require
from ensign.control.access.permissions import Permission
from ensign.control.access.tokens import NewToken, check_days, require_step_up
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import accounts, enforcing, queries
from ensign.control.identity.actions import TOKEN_ROTATED
from ensign.control.identity.domain import OVERLAP, TokenView, check_overlap
from ensign.control.identity.models import Token
from ensign.control.identity.operations import own_account
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The successor with its text, and the token that it takes the place of."""

    new: NewToken
    predecessor: TokenView


@operation
def rotate(
    *,
    actor: Actor,
    at: datetime,
    token_id: str,
    overlap: timedelta = OVERLAP,
    days: int | None = None,
    reason: str = "",
) -> Rotated:
    """Make a successor with the same name and scope; the token itself ends after ``overlap``, at once if that is 0.

    The successor lives as long as the token was made for, or ``days``; one that rotated itself never beyond
    ``renewable_until``.

    :raises Denied: when the actor may not, or a token that may not rotate (again) asks for itself.
    :raises Conflict: when the token has ended, has a successor, or is a federated one.
    :raises Invalid: for an overlap or lifetime that is not possible.
    """
    row = accounts.locked_token(token_id)
    itself = actor.via == "token" and actor.token_id == row.pk and row.kind == "service"
    if itself:
        _require_renewable(actor, row, at=at)
    else:
        _require_right(actor, row, at=at)
    _require_rotatable(row, at=at)
    check_overlap(overlap)
    ends = _end(row, days, itself=itself, at=at)
    staged, text = accounts.stage_token(
        kind=row.kind,
        subject=row.subject,
        name=row.state["name"],
        permissions=None if row.state["permissions"] is None else tuple(row.state["permissions"]),
        edition=row.state.get("edition", 1),
        project=row.state["project"],
        environment=row.state["environment"],
        created_by=actor.id,
        expires_at=ends,
        at=at,
        more=_inherited(actor, row, itself=itself, at=at),
    )
    old = accounts.stage_rotated(row, successor=staged.id, until=at + overlap, at=at)
    detail = {
        "kind": row.kind,
        "subject": row.subject,
        "predecessor": row.pk,
        "overlap_minutes": int(overlap.total_seconds() // 60),
        "itself": itself,
    }
    record(action=TOKEN_ROTATED, actor=actor, at=at, staged=[staged, old], reason=reason, detail=detail)
    return Rotated(new=NewToken(token=queries.token(staged.id), text=text), predecessor=queries.token(row.pk))


def _require_right(actor: Actor, row: Token, *, at: datetime) -> None:
    if row.kind == "personal":
        own_account(actor, act="token.rotate")
        require_step_up(actor, at=at)
        if row.subject != actor.id:
            raise Denied("Only its owner rotates a personal token: its text lets one act as them.",
                         permission="token.rotate", remedy="Revoke it; its owner makes another one.")  # fmt: skip
        return
    require(actor, Permission.ORG_SERVICE_ACCOUNTS_MANAGE, at=at)
    require_assigning_all(actor, access.grants_of(row.subject), at=at)
    if queries.service_account(row.subject).status != "active":
        raise Conflict("This service account is disabled.", remedy="Enable it first.")


def _require_renewable(actor: Actor, row: Token, *, at: datetime) -> None:
    """Asked by the token itself. Each refusal is an entry: a second rotation tells that the text is in two hands."""
    refusal = held(actor, at=at).refusal
    if refusal is not None:
        raise Denied(refusal.reason, permission="token.rotate", code=refusal.code)
    if row.state.get("successor"):
        raise Denied(
            "This token has been rotated already, and it does that once.",
            permission="token.rotate",
            remedy="If that was not you, somebody else knows it: revoke it and its successor.",
            code="already-rotated",
        )
    until = row.state.get("renewable_until")
    if until is None or until <= clock.text(at):
        raise Denied(
            "This token may not rotate itself" + ("." if until is None else " any more."),
            permission="token.rotate",
            remedy="Whoever manages service accounts can rotate it, and allow it to.",
            code="not-renewable",
        )


def _require_rotatable(row: Token, *, at: datetime) -> None:
    if row.kind == "federated":
        raise Conflict("A federated token is not rotated: it ends within the hour.", remedy="Exchange a new one.")
    if row.status != "active" or row.state["expires_at"] <= clock.text(at):
        raise Conflict("This token has ended.", remedy="Make a new one.")
    successor = row.state.get("successor")
    if successor and queries.token(successor).usable(at=at):
        raise Conflict("This token has a successor.", remedy="Rotate that one, or revoke it first.")


def _end(row: Token, days: int | None, *, itself: bool, at: datetime) -> datetime:
    """When the successor ends."""
    if days is not None:
        check_days(days)
    made_until = row.state.get("made_until") or row.state["expires_at"]
    longest = timedelta(days=enforcing.current().token_days(row.kind))  # the rules of today
    lifetime = min(clock.parse(made_until) - clock.parse(row.state["created_at"]), longest)
    wanted = lifetime if days is None else timedelta(days=days)
    if not itself:
        return at + wanted
    return min(at + min(wanted, lifetime), clock.parse(row.state["renewable_until"]))


def _inherited(actor: Actor, row: Token, *, itself: bool, at: datetime) -> dict[str, Any]:
    state = row.state
    more: dict[str, Any] = {"purpose": state.get("purpose", ""), "predecessor": row.pk}
    if itself:
        vouched = state.get("vouched_by") or state["created_by"]
        since = state.get("renewable_since") or state["created_at"]
        return {**more, "vouched_by": vouched, "renewable_until": state["renewable_until"], "renewable_since": since}
    more["vouched_by"] = actor.id
    if state.get("renewable_until"):
        # A person answers for the line anew, for as long as was chosen for it before.
        since = clock.parse(state.get("renewable_since") or state["created_at"])
        more["renewable_until"] = clock.text(at + (clock.parse(state["renewable_until"]) - since))
    return more
