"""Approval keys of others: who may end them, who sees them, and what becomes of them when their owner leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ensign.control.access.decisions import held, require
from ensign.control.access.leaving import Consequence, Leaver
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.identity.approval_keys import actions, queries
from ensign.control.identity.approval_keys import operations as keys
from ensign.control.identity.approval_keys.queries import KeyView
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound


@operation
def revoke_for(*, actor: Actor, at: datetime, key_id: str, reason: str = "") -> None:
    """End somebody's approval key, as when their device was stolen. It takes a right away, so that no second person is
    needed; one's own is ended under one's account.

    :raises Denied: without ``org:people:manage``. :raises NotFound: when there is none.
    :raises Conflict: when it is revoked already.
    """
    require(actor, Permission.ORG_PEOPLE_MANAGE, at=at)
    row = keys.locked(key_id)
    if row is None:
        raise NotFound("There is no such approval key.")
    keys.record_revocation(row, actor=actor, at=at, because="administrator", reason=reason)


def visible(*, actor: Actor, at: datetime, person_id: str | None = None) -> tuple[KeyView, ...]:
    """One's own keys; those of another person (``person_id``), or with ``*`` everybody's, to who reads the log or
    manages people.

    :raises Denied: without ``org:ledger:read`` or ``org:people:manage``.
    """
    if person_id in {None, actor.id}:
        return queries.of_person(actor.id)
    if not held(actor, at=at).allows(Permission.ORG_LEDGER_READ):
        require(actor, Permission.ORG_PEOPLE_MANAGE, at=at)
    return queries.all_keys() if person_id == "*" else queries.of_person(person_id or "")


def hold(person_id: str) -> None:
    """Lock the keys of somebody who is about to leave."""
    keys.locked_of(person_id)


def end(leaver: Leaver) -> Sequence[Consequence]:
    """Revoke the leaver's keys, an entry each."""
    return [
        Consequence(
            action=actions.REVOKED,
            staged=[keys.stage_revocation(row, actor=leaver.actor, at=leaver.at, because="left")],
            counted="approval_keys",
            detail=keys.revocation_detail(row, "left"),
        )
        for row in keys.locked_of(leaver.person_id)
    ]
