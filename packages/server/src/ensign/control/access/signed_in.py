"""Where people are signed in, and ending that; who is held up after wrong tries, and letting them go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ensign.control.access.decisions import held, require
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.identity import accounts, actions, attempts, queries, sessions
from ensign.control.identity.attempts import Block
from ensign.control.identity.domain import PersonView, SessionView
from ensign.control.identity.models import Token
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """What an organisation-wide reset ended."""

    sessions: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedPerson:
    """Somebody who has to wait after wrong tries, and why."""

    person: PersonView
    blocks: tuple[Block, ...]

    @property
    def until(self) -> datetime:
        """When the last pause ends by itself."""
        return max(block.until for block in self.blocks)


def sessions_of(actor: Actor, person_id: str, *, at: datetime) -> tuple[SessionView, ...]:
    """Where somebody is signed in, for who manages people or reads the whole log.

    :raises Denied: otherwise.
    :raises NotFound: when there is no such person.
    """
    holds = held(actor, at=at)
    if not holds.allows(Permission.ORG_LEDGER_READ) and not holds.allows(Permission.ORG_PEOPLE_MANAGE):
        holds.require(Permission.ORG_LEDGER_READ)
    return queries.sessions_of(queries.person(person_id).id, current=None)


@operation
def end_sessions_of(*, actor: Actor, at: datetime, person_id: str, reason: str = "") -> int:
    """End all sessions of somebody; returns how many there were.

    :raises Denied: without ``org:people:manage``; NeedsMfa without a recent second factor.
    :raises NotFound: when there is no such person.
    """
    require(actor, Permission.ORG_PEOPLE_MANAGE, at=at)
    person = accounts.locked_person(person_id)
    ended = accounts.end_sessions(person.pk)
    detail = {"person": person.pk, "sessions": ended}
    record(action=actions.SESSIONS_ENDED_FOR, actor=actor, at=at, reason=reason, detail=detail)
    return ended


@operation
def end_everybody(
    *, actor: Actor, at: datetime, keep: str | None = None, tokens: bool = False, reason: str = ""
) -> Reset:
    """End everybody's sessions, those with a second factor still owed included; ``keep`` is the key of the one that
    stays. With ``tokens``, every personal token is revoked in the same transaction.

    :raises Denied: without ``org:security:manage``; NeedsMfa without a recent second factor.
    """
    require(actor, Permission.ORG_SECURITY_MANAGE, at=at)
    staged = []
    if tokens:
        subjects = Token.objects.filter(kind="personal", status="active").order_by("subject")
        for subject in subjects.values_list("subject", flat=True).distinct():
            staged += accounts.stage_token_revocations(subject, at=at)
    ended = sessions.end_all(keep=keep)
    detail = {"sessions": ended, "tokens": len(staged), "own_kept": keep is not None}
    record(action=actions.SESSIONS_RESET, actor=actor, at=at, staged=staged, reason=reason, detail=detail)
    return Reset(sessions=ended, tokens=len(staged))


def blocked(actor: Actor, *, at: datetime) -> tuple[BlockedPerson, ...]:
    """Everybody who has to wait after wrong tries.

    :raises Denied: without ``org:people:manage``.
    """
    holds = held(actor, at=at)
    if not holds.allows(Permission.ORG_PEOPLE_MANAGE):
        holds.require(Permission.ORG_PEOPLE_MANAGE)
    people = queries.people(status="active")
    found = attempts.blocks_of({person.id: person.email for person in people}, at=at)
    return tuple(BlockedPerson(person=person, blocks=found[person.id]) for person in people if person.id in found)


@operation
def unblock(*, actor: Actor, at: datetime, person_id: str, reason: str = "") -> int:
    """Lift the pauses of somebody, never one's own; returns how many.

    :raises Denied: without ``org:people:manage``, or for oneself; NeedsMfa without a recent second factor.
    :raises Conflict: when they are not held up.
    """
    require(actor, Permission.ORG_PEOPLE_MANAGE, at=at)
    if person_id == actor.id:
        raise Denied(
            "Nobody lifts their own pause.",
            permission=str(Permission.ORG_PEOPLE_MANAGE),
            remedy="Wait until it ends, or ask another administrator.",
            code="own-access",
        )
    person = queries.person(person_id)
    blocks = attempts.blocks_of({person.id: person.email}, at=at).get(person.id, ())
    if not blocks:
        raise Conflict("This person is not held up.", remedy="They can try again at once.")
    attempts.lift(blocks)
    detail = {"person": person.id, "limits": sorted({block.limit for block in blocks})}
    record(action=actions.SIGN_IN_UNBLOCKED, actor=actor, at=at, reason=reason, detail=detail)
    return len(blocks)
