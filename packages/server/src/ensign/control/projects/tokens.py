"""Client tokens: what SDKs and edges sign in with (Unleash's text form ``project:environment.secret``).

Only the SHA-256 of the text is stored: 256 random bits need no slow hash. The text is shown once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import stage
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import clean_purpose
from ensign.control.identity.tokens import client_hint, hashed, new_client_secret
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound
from ensign.control.projects import actions, hints, queries, token_rules
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
    never: bool = False,
    purpose: str = "",
) -> NewToken:
    """A token for one environment of the given projects, or of all with ``["*"]``.

    Without ``expires_at`` it ends after the default lifetime; with ``never`` it does not end, where the rules allow.

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
    ends = token_rules.end_of(expires_at, never=never, projects=keys, environment=environment, at=at)
    text = fresh_text(type, keys, environment)
    id = ids.new_id("tok", at=at)
    state = {
        "name": check_name(name),
        "purpose": clean_purpose(purpose),
        "owner": _answers_for(actor),
        "type": type,
        "projects": list(keys),
        "environment": environment,
        "token_hash": hashed(text),
        "hint": client_hint(text),
        "status": "active",
        "created_by": actor.id,
        "created_at": clock.text(at),
        "expires_at": None if ends is None else clock.text(ends),
        "revoked_at": None,
    }
    record(
        action=actions.TOKEN_CREATED,
        actor=actor,
        at=at,
        staged=[stage(ClientToken, id=id, state=state)],
        where=where(keys, environment),
        detail={"token": id, "type": type, "projects": len(keys), "all_projects": keys == (ALL,)},
    )
    hints.TOKENS.announce(id)
    return NewToken(row=queries.token(id), text=text)


def fresh_text(type: str, projects: Sequence[str], environment: str) -> str:
    """The text of a new token: what SDKs read the environment from, then a secret that scanners recognise."""
    return f"{projects[0] if len(projects) == 1 else '[]'}:{environment}.{new_client_secret(type)}"


def where(projects: Sequence[str], environment: str) -> Where:
    """Where an entry about a token of these projects stands."""
    keys = list(projects)
    return Where(project=keys[0] if len(keys) == 1 and keys != [ALL] else None, environment=environment)


def locked(actor: Actor, id: str, *needs: Permission, at: datetime) -> ClientToken:
    """The row, locked until commit.

    :raises NotFound: when there is none.
    :raises Denied: without all of ``needs`` in each of its projects.
    """
    row = ClientToken.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound("There is no such client token.", remedy="Look at the project's list of tokens.")
    for key in row.state["projects"]:
        for need in needs:
            require(actor, need, Scope(key), at=at)
    return row


def _answers_for(actor: Actor) -> str:
    """Who answers for what this actor makes: the person, or the owner of the service account."""
    return identity.service_account(actor.id).owner if actor.kind == "service" else actor.id


@operation
def revoke_token(*, actor: Actor, at: datetime, id: str, reason: str = "") -> queries.TokenRow:
    """End a token now: the delivery plane refuses it within a second. Revoking it again changes nothing.

    :raises NotFound: when there is none.
    :raises Denied: without ``project:tokens:revoke`` in each of its projects.
    """
    row = locked(actor, id, Permission.PROJECT_TOKENS_REVOKE, at=at)
    state = row.state
    if state["status"] == "active":
        state |= {"status": "revoked", "revoked_at": clock.text(at)}
        record(
            action=actions.TOKEN_REVOKED,
            actor=actor,
            at=at,
            staged=[stage(ClientToken, id=id, state=state, current=row)],
            where=where(state["projects"], state["environment"]),
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
