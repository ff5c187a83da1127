"""What ends when a person is deactivated: whichever way it happens, all of it in one transaction.

Access ends sessions, personal tokens and one-time links itself. Apps above hold more that hangs on a person (approvals,
ramps, requests for access): they say so by :func:`register` while Django starts, and are called by :func:`end_access`
inside the write door. What they return is recorded before the entry of the deactivation, with the same actor and time;
what they raise undoes everything, the deactivation included.

::

    def hold(person_id: str) -> None: ...                     # lock own rows, in the order of ids; may be left out
    def end(leaver: Leaver) -> Sequence[Consequence]: ...     # stage what becomes of them; write nothing
    leaving.register("changes", end, hold=hold)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ensign.control.access import queries, staging, two_people
from ensign.control.access.assigning import require_another_granter
from ensign.control.access.domain import GrantView
from ensign.control.access.models import Grant
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.registry import Action
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import accounts, actions, links
from ensign.control.identity import queries as identity
from ensign.control.identity.models import Account, Membership, Person
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict
from ensign.control.kernel.transactions import require_write_door


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaver:
    """Who is being deactivated, by whom, and when. Their row is locked and still says what it said before."""

    person_id: str
    actor: Actor
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """One entry that the leaving of a person causes, and the rows that it vouches for.

    ``counted`` is the name under which the deactivation's own entry counts it (``approvals``); ``detail`` stands in
    clear for ever, as with ``audit.ledger.record``.
    """

    action: Action
    staged: Sequence[Staged]
    counted: str
    where: Where | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


#: Stages what becomes of everything that hangs on the leaver.
End = Callable[[Leaver], Sequence[Consequence]]
#: Locks, before the person is locked, the rows that the ``End`` will write: whoever uses them locks them first.
Hold = Callable[[str], None]

_registered: dict[str, tuple[End, Hold | None]] = {}


def register(name: str, end: End, *, hold: Hold | None = None) -> None:
    """Have ``end`` called whenever a person is deactivated. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _registered:
        raise ValueError(f"{name} ends what hangs on a leaver already")
    _registered[name] = (end, hold)


def hold(person_id: str) -> None:
    """Lock what the leaving of this person will write, before their own row is locked."""
    require_write_door()
    for _, lock in _registered.values():
        if lock is not None:
            lock(person_id)


def end_access(
    *, actor: Actor, at: datetime, person_id: str, reason: str = "", detail: Mapping[str, Any] | None = None
) -> None:
    """Deactivate a person and end everything that hangs on them. Whether the actor may is decided by the caller.

    ``detail`` is added to the entry (small facts, no personal data). Call it inside the write door.

    :raises NotFound: when there is no such person.
    :raises Conflict: when they are deactivated already, or nobody could give roles any more; nothing is written.
    """
    hold(person_id)
    person = accounts.locked_person(person_id)
    if person.status in {"disabled", "erased"}:
        raise Conflict("This person is deactivated already.")
    if person.status == "active":
        require_another_granter(without_person=person.pk, at=at)
    state = {**person.state, "status": "disabled", "disabled_by": actor.id}
    row = stage(Person, id=person.pk, state=state, current=person)
    tokens = accounts.stage_token_revocations(person.pk, at=at)
    leaver = Leaver(person_id=person.pk, actor=actor, at=at)
    consequences = [one for end, _ in _registered.values() for one in end(leaver)]
    facts = {
        "sessions": accounts.end_sessions(person.pk),
        "tokens": len(tokens),
        "links": links.end(None, person_id=person.pk, because="disabled", at=at),
        **Counter(one.counted for one in consequences),
        **(detail or {}),
    }
    Account.objects.filter(person_id=person.pk).update(is_active=False)
    for one in consequences:
        said = {**one.detail, "leaver": person.pk}
        record(action=one.action, actor=actor, at=at, staged=one.staged, where=one.where, detail=said)
    record(action=actions.PERSON_DEACTIVATED, actor=actor, at=at, staged=[row, *tokens], reason=reason, detail=facts)


def give_back(*, actor: Actor, at: datetime, person_id: str, reason: str = "") -> None:
    """Reactivate a person: grants still in force count again; sessions, tokens and approvals do not come back.

    Nor does what it takes two people to give: those roles end, those groups are left, in the same entry. Groups of
    the directory are kept when it is the directory that takes somebody back. Whether the actor may is decided by the
    caller. Call it inside the write door.

    :raises Conflict: when they are not deactivated.
    """
    require_write_door()
    person = accounts.locked_person(person_id)
    if person.status != "disabled":
        raise Conflict("This person is not deactivated.")
    behind = [grant for grant in queries.grants_of(person.pk) if two_people.any_needed([grant], at=at)]
    left = _left_behind(person.pk, behind, by=actor.id)
    joined = Account.objects.filter(person_id=person.pk).update(is_active=True)
    state = {name: value for name, value in person.state.items() if name != "disabled_by"}
    row = stage(Person, id=person.pk, state={**state, "status": "active" if joined else "invited"}, current=person)
    detail = {"ended": len(left)} if left else None
    rows = [row, *left]
    record(action=actions.PERSON_REACTIVATED, actor=actor, at=at, staged=rows, reason=reason, detail=detail)


def _left_behind(person_id: str, grants: Sequence[GrantView], *, by: str) -> list[Staged]:
    """The ends of direct grants, and the memberships in groups that hold the others."""
    direct = [grant.id for grant in grants if grant.subject == person_id]
    groups = {grant.subject for grant in grants} - {person_id}
    if by == identity.DIRECTORY:
        groups = {id for id in groups if not identity.group(id).managed}
    rows = Grant.objects.select_for_update().filter(pk__in=direct).order_by("pk")
    found = [staging.stage_grant_end(row, ended_by=by) for row in rows]
    belongs = Membership.objects.select_for_update().filter(person=person_id, group__in=groups, status="active")
    found += [
        stage(Membership, id=row.pk, state={**row.state, "status": "removed"}, current=row)
        for row in belongs.order_by("pk")
    ]
    return found
