"""Client tokens: what SDKs and edges sign in with (wire-contracts 1.2, the v1 text form).

Only the SHA-256 of the text is stored: 224 random bits need no slow hash. The text is shown once.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import stage
from ensign.control.identity.tokens import hashed
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound
from ensign.control.projects import actions, hints, queries
from ensign.control.projects.domain import check_name
from ensign.control.projects.models import ClientToken, Environment, Project

TYPES = ("backend", "frontend", "edge")
ALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made. ``text`` is never shown again."""

    row: queries.TokenRow
    text: str


@operation
def create_token(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    type: str,
    projects: Sequence[str],
    environment: str,
    expires_at: datetime | None = None,
) -> NewToken:
    """A token for one environment of the given projects, or of all with ``["*"]``.

    :raises Invalid: naming the field that is wrong.
    :raises Denied: without ``project:tokens:manage`` in each of the projects.
    """
    keys = tuple(sorted(set(projects)))
    keys = (ALL,) if ALL in keys else keys
    for key in keys:
        require(actor, Permission.PROJECT_TOKENS_MANAGE, Scope(key), at=at)
    if type not in TYPES:
        raise Invalid("There is no such type of token.", fields={"type": f"Choose one of {', '.join(TYPES)}."})
    _check_reach(keys, environment)
    if expires_at is not None and expires_at <= at:
        raise Invalid("The token would be dead already.", fields={"expires_at": "Choose a time to come."})
    prefix = keys[0] if len(keys) == 1 else "[]"
    text = f"{prefix}:{environment}.{secrets.token_hex(28)}"
    id = ids.new_id("tok", at=at)
    state = {
        "name": check_name(name),
        "type": type,
        "projects": list(keys),
        "environment": environment,
        "token_hash": hashed(text),
        "status": "active",
        "created_by": actor.id,
        "created_at": clock.text(at),
        "expires_at": None if expires_at is None else clock.text(expires_at),
        "revoked_at": None,
    }
    record(
        action=actions.TOKEN_CREATED,
        actor=actor,
        at=at,
        staged=[stage(ClientToken, id=id, state=state)],
        where=Where(project=keys[0] if len(keys) == 1 and keys != (ALL,) else None, environment=environment),
        detail={"token": id, "type": type, "projects": len(keys), "all_projects": keys == (ALL,)},
    )
    hints.TOKENS.announce(id)
    return NewToken(row=queries.token(id), text=text)


@operation
def revoke_token(*, actor: Actor, at: datetime, id: str, reason: str = "") -> queries.TokenRow:
    """End a token now: the delivery plane refuses it within a second. Revoking it again changes nothing.

    :raises NotFound: when there is none.
    :raises Denied: without ``project:tokens:revoke`` in each of its projects.
    """
    row = ClientToken.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such client token.", remedy="Look at the project's list of tokens.")
    state = row.state
    for key in state["projects"]:
        require(actor, Permission.PROJECT_TOKENS_REVOKE, Scope(key), at=at)
    if state["status"] == "active":
        state |= {"status": "revoked", "revoked_at": clock.text(at)}
        keys = state["projects"]
        record(
            action=actions.TOKEN_REVOKED,
            actor=actor,
            at=at,
            staged=[stage(ClientToken, id=id, state=state, current=row)],
            where=Where(
                project=keys[0] if len(keys) == 1 and keys != [ALL] else None, environment=state["environment"]
            ),
            reason=reason or None,
            detail={"token": id},
        )
        hints.TOKENS.announce(id)
    return queries.token(id)


def _check_reach(keys: Sequence[str], environment: str) -> None:
    if not keys:
        raise Invalid("The token reaches nothing.", fields={"projects": "Name at least one project, or * for all."})
    places = Environment.objects.filter(key=environment, status="active")
    if tuple(keys) == (ALL,):
        if not places.exists():
            raise Invalid("There is no such environment.", fields={"environment": "No project has it."})
        return
    known = set(Project.objects.filter(key__in=keys).values_list("key", flat=True))
    unknown = sorted(set(keys) - known)
    if unknown:
        raise Invalid("There is no such project.", fields={"projects": f"There is no project “{unknown[0][:60]}”."})
    without = sorted(set(keys) - set(places.filter(project__in=keys).values_list("project", flat=True)))
    if without:
        message = f"The project “{without[0]}” has no environment “{environment[:60]}”."
        raise Invalid("There is no such environment.", fields={"environment": message})
