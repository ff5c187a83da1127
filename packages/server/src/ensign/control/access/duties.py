"""Segregation of duties: which permissions nobody holds together, and where they meet. Pure.

Each pair is two halves of a control of which the second is no control in the same hands. The pairs follow the toxic
combinations that auditors look for (SOC 2 CC6.3, CC8.1), as far as Ensign has the permissions. Left out, as there is
nothing to hold: importing or restoring with applying (`ensign restore` needs a shell on the server, not a role). What
is decided about one act instead of a role (nobody approves what they wrote, nobody reviews their own access) is no
pair: developer and approver may be held together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from ensign.control.access.domain import GrantView, Scope, reaches
from ensign.control.access.permissions import Permission

P = Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Whoever holds one of ``one`` holds none of ``other`` in the same place. ``key`` is frozen: exceptions name it.

    ``risk`` completes "together they let somebody …".
    """

    key: str
    title: str
    one: frozenset[Permission]
    other: frozenset[Permission]
    risk: str


def _pair(
    key: str, title: str, risk: str, *one: Permission, other: tuple[Permission, ...] = (P.CHANGE_APPROVE,)
) -> Pair:
    return Pair(key=key, title=title, one=frozenset(one), other=frozenset(other), risk=risk)


#: All pairs, by key.
PAIRS: Mapping[str, Pair] = MappingProxyType(
    {
        pair.key: pair
        for pair in (
            _pair(
                "policy-approve",
                "Approval policies and approving",
                "weaken the policy and then be the only approval that it still asks for",
                P.PROJECT_POLICY_PROPOSE,
                P.ORG_SETTINGS_MANAGE,
            ),
            _pair(
                "access-approve",
                "Giving roles and approving",
                "make the author whose changes they approve, or the second approver who agrees with them",
                P.ORG_ACCESS_GRANT,
                P.PROJECT_ACCESS_GRANT,
                P.ORG_ROLES_MANAGE,
            ),
            _pair(
                "people-approve",
                "Making and recovering people's accounts and approving",
                "sign in as an author, or invite one, and approve what that one writes",
                P.ORG_PEOPLE_MANAGE,
                P.ORG_PEOPLE_RECOVER,
            ),
            _pair(
                "token-approve",
                "Service accounts with their tokens and approving",
                "write a change through a tool of their own and approve it in person",
                P.ORG_SERVICE_ACCOUNTS_MANAGE,
            ),
            _pair(
                "sign-in-approve",
                "Sign-in rules or directories and approving",
                "let in, or make, the person whose changes they approve",
                P.ORG_SECURITY_MANAGE,
                P.ORG_SCIM_MANAGE,
            ),
            _pair(
                "break-glass-review",
                "Breaking the glass and reviewing it",
                "change production without approval and find their own like justified",
                P.CHANGE_BREAK_GLASS,
                other=(P.BREAK_GLASS_REVIEW,),
            ),
            _pair(
                "custody-write",
                "Custody of the log and writing changes",
                "decide what becomes of the evidence of their own changes",
                P.ORG_LEDGER_ANCHOR,
                P.ORG_PRIVACY_ERASE,
                other=(P.CHANGE_DRAFT, P.CHANGE_APPLY),
            ),
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """That somebody holds both halves of ``pair`` in ``scope``, by ``grants`` (ids)."""

    pair: Pair
    scope: Scope
    grants: frozenset[str]


class Excepted(Protocol):
    """What an exception covers, and until when."""

    @property
    def pairs(self) -> tuple[str, ...]:
        """Keys of pairs."""

    @property
    def scope(self) -> Scope:
        """Where."""

    def in_force(self, *, at: datetime) -> bool:
        """Whether it counts at ``at``."""


def overlaps(grants: Iterable[GrantView]) -> tuple[Overlap, ...]:
    """Where these grants of one subject meet in a pair; of places within one another the widest. By pair and place.

    Whether a grant has begun is left out of account: what begins tomorrow conflicts today.
    """
    listed = list(grants)
    found: dict[tuple[str, Scope], set[str]] = {}
    for pair in PAIRS.values():
        ones = [grant for grant in listed if pair.one & grant.definition.permissions]
        others = [grant for grant in listed if pair.other & grant.definition.permissions]
        for one in ones:
            for other in others:
                place = meeting(one.scope, other.scope)
                if place is not None and _confers(one, pair.one, place) and _confers(other, pair.other, place):
                    found.setdefault((pair.key, place), set()).update((one.id, other.id))
    return tuple(
        Overlap(pair=PAIRS[key], scope=place, grants=frozenset(ids))
        for (key, place), ids in sorted(found.items(), key=lambda item: (item[0][0], str(item[0][1])))
        if not any(key == other and place != wider and within(place, wider) for other, wider in found)
    )


def uncovered(found: Iterable[Overlap], exceptions: Iterable[Excepted], *, at: datetime) -> tuple[Overlap, ...]:
    """Those overlaps that no exception in force covers."""
    live = [exception for exception in exceptions if exception.in_force(at=at)]
    return tuple(
        overlap
        for overlap in found
        if not any(overlap.pair.key in one.pairs and within(overlap.scope, one.scope) for one in live)
    )


def meeting(one: Scope, other: Scope) -> Scope | None:
    """The narrower of two places of which one lies in the other; None when they are apart."""
    if within(one, other):
        return one
    return other if within(other, one) else None


def within(inner: Scope, outer: Scope) -> bool:
    """Whether ``inner`` lies in ``outer`` (or is the same place)."""
    if outer.project is None:
        return True
    return inner.project == outer.project and outer.environment in {None, inner.environment}


def _confers(grant: GrantView, permissions: frozenset[Permission], place: Scope) -> bool:
    """Whether the grant confers one of them, for some flag at least, in ``place`` or further in."""
    probe = Scope(place.project or "*", place.environment or "*")
    return any(reaches(grant.scope, permission, probe) for permission in permissions & grant.definition.permissions)
