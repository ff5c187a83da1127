"""Rotation of client tokens with an overlap, and who answers for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.staging import stage
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import OVERLAP, check_overlap, clean_purpose
from ensign.control.identity.tokens import client_hint, hashed
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid
from ensign.control.projects import actions, hints, queries, token_rules
from ensign.control.projects.domain import check_name
from ensign.control.projects.models import ClientToken
from ensign.control.projects.tokens import NewToken, fresh_text, locked, where


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The successor with its text, and the token that it takes the place of."""

    new: NewToken
    predecessor: queries.TokenRow


@operation
def rotate_token(
    *,
    actor: Actor,
    at: datetime,
    id: str,
    overlap: timedelta = OVERLAP,
    expires_at: datetime | None = None,
    never: bool = False,
    reason: str = "",
) -> Rotated:
    """Make a successor of the same name, type and reach; the token itself ends after ``overlap``, at once if that is 0.

    The successor lives as long as the token was made for, within the rules of today; or as is said.

    :raises NotFound: when there is none.
    :raises Denied: without ``project:tokens:manage`` and ``project:tokens:revoke`` in each of its projects.
    :raises Conflict: when it has ended or has a successor.
    :raises Invalid: for an overlap or an end that is not possible.
    """
    row = locked(actor, id, Permission.PROJECT_TOKENS_MANAGE, Permission.PROJECT_TOKENS_REVOKE, at=at)
    old = row.state
    _require_rotatable(queries.token(id), at=at)
    check_overlap(overlap)
    projects, environment = old["projects"], old["environment"]
    if expires_at is None and not never:
        expires_at, never = _as_before(row, at=at)
    ends = token_rules.end_of(expires_at, never=never, projects=projects, environment=environment, at=at)
    text, new_id = fresh_text(old["type"], projects, environment), ids.new_id("tok", at=at)
    state = {
        **{name: old[name] for name in ("name", "type", "projects", "environment")},
        "purpose": old.get("purpose", ""),
        "owner": _owner(actor, old),
        "token_hash": hashed(text),
        "hint": client_hint(text),
        "status": "active",
        "created_by": actor.id,
        "created_at": clock.text(at),
        "expires_at": None if ends is None else clock.text(ends),
        "revoked_at": None,
        "predecessor": id,
    }
    was = {**old, "successor": new_id, "rotated_at": clock.text(at), "made_until": old["expires_at"]}
    if overlap:
        until = clock.text(at + overlap)
        was["expires_at"] = until if old["expires_at"] is None else min(old["expires_at"], until)
    else:
        was |= {"status": "revoked", "revoked_at": clock.text(at)}
    record(
        action=actions.TOKEN_ROTATED,
        actor=actor,
        at=at,
        staged=[stage(ClientToken, id=new_id, state=state), stage(ClientToken, id=id, state=was, current=row)],
        where=where(projects, environment),
        reason=reason or None,
        detail={"token": new_id, "predecessor": id, "overlap_minutes": int(overlap.total_seconds() // 60)},
    )
    hints.TOKENS.announce(id)
    return Rotated(new=NewToken(row=queries.token(new_id), text=text), predecessor=queries.token(id))


@operation
def describe_token(
    *,
    actor: Actor,
    at: datetime,
    id: str,
    name: str | None = None,
    purpose: str | None = None,
    owner: str | None = None,
) -> queries.TokenRow:
    """Change what a token is called, what it is for, or the active person who answers for it; None leaves as it is.

    :raises NotFound: when there is none.
    :raises Denied: without ``project:tokens:manage`` in each of its projects.
    :raises Invalid: naming the field that is wrong.
    """
    row = locked(actor, id, Permission.PROJECT_TOKENS_MANAGE, at=at)
    state = row.state
    before = dict(state)
    if name is not None:
        state["name"] = check_name(name)
    if purpose is not None:
        state["purpose"] = clean_purpose(purpose)
    present = state.get("owner") or state["created_by"]
    if owner is not None and owner != present:
        if not owner.startswith("usr_") or not identity.is_active(owner):
            raise Invalid("Somebody must answer for it.", fields={"owner": "Choose an active person."})
        former = [*state.get("former_owners", []), {"owner": present, "until": clock.text(at)}]
        state |= {"owner": owner, "former_owners": former}
    if state != before:
        staged = stage(ClientToken, id=id, state=state, current=row)
        place, detail = where(state["projects"], state["environment"]), {"token": id}
        record(action=actions.TOKEN_DESCRIBED, actor=actor, at=at, staged=[staged], where=place, detail=detail)
    return queries.token(id)


def _require_rotatable(token: queries.TokenRow, *, at: datetime) -> None:
    if not token.live(at=at):
        raise Conflict("This token has ended.", remedy="Make a new one.")
    if token.successor is not None and queries.token(token.successor).live(at=at):
        raise Conflict("This token has a successor.", remedy="Rotate that one, or revoke it first.")


def _as_before(row: ClientToken, *, at: datetime) -> tuple[datetime | None, bool]:
    """(end, never) of a successor that lives as long as the token was made for, if today's rules let it."""
    rules = token_rules.current()
    made_until = row.state["expires_at"] if "made_until" not in row.state else row.state["made_until"]
    if made_until is None:
        return None, token_rules.may_live_for_ever(rules, row.state["projects"], row.state["environment"])
    lifetime = clock.parse(made_until) - clock.parse(row.state["created_at"])
    return at + min(lifetime, timedelta(days=rules.max_days)), False


def _owner(actor: Actor, state: dict[str, object]) -> str:
    """Who answers for the successor: as before, or whoever rotates it when that person has left."""
    before = str(state.get("owner") or state["created_by"])
    if before.startswith("usr_") and identity.is_active(before):
        return before
    return identity.service_account(actor.id).owner if actor.kind == "service" else actor.id
