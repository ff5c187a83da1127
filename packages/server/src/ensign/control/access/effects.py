"""Who would gain and lose what by a change of a role: said before it is made. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ensign.control.access import queries
from ensign.control.access.domain import GrantView, Scope, reaches
from ensign.control.access.permissions import Permission
from ensign.control.access.roles import Role
from ensign.control.identity import queries as identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Some people or service accounts who gain or lose a permission in one place by the change."""

    permission: Permission
    gained: bool
    where: str
    subjects: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """``3 people gain change:approve in shop/production``."""
        people = sum(subject.startswith("usr_") for subject in self.subjects)
        services = len(self.subjects) - people
        parts = [f"{people} {'person' if people == 1 else 'people'}"] if people else []
        parts += [f"{services} service account{'s' if services > 1 else ''}"] if services else []
        act = "gain" if self.gained else "lose"
        return f"{' and '.join(parts)} {act}{'s' if len(self.subjects) == 1 else ''} {self.permission} {self.where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change of a role does: to the role, and to whom. ``holders``: how many people and service accounts."""

    gained: tuple[Permission, ...]
    lost: tuple[Permission, ...]
    gives_more: tuple[str, ...]
    gives_less: tuple[str, ...]
    holders: int
    shifts: tuple[Shift, ...]


def effect(before: Role, after: Role, *, at: datetime) -> Effect:
    """What changing ``before`` into ``after`` does to those who hold it now or will.

    Somebody who may do the same there by another role neither gains nor loses it.
    """
    gained = tuple(permission for permission in Permission if permission in after.permissions - before.permissions)
    lost = tuple(permission for permission in Permission if permission in before.permissions - after.permissions)
    held = holders(before.key, at=at)
    others = {subject: _others(subject, but=before.key, at=at) for subject in held} if gained or lost else {}
    found: dict[tuple[Permission, bool, str], set[str]] = defaultdict(set)
    for permission in (*gained, *lost):
        for subject, grants in held.items():
            for grant in grants:
                if _reaches(grant, permission) and not _covered(others[subject], permission, grant.scope):
                    found[permission, permission in gained, _where(grant)].add(subject)
    return Effect(
        gained=gained,
        lost=lost,
        gives_more=tuple(sorted(after.assigns - before.assigns)),
        gives_less=tuple(sorted(before.assigns - after.assigns)),
        holders=len(held),
        shifts=tuple(
            Shift(permission=permission, gained=more, where=where, subjects=tuple(sorted(subjects)))
            for (permission, more, where), subjects in found.items()
        ),
    )


def holders(key: str, *, at: datetime) -> Mapping[str, tuple[GrantView, ...]]:
    """Who holds a role or will, themselves or by a group, and by which grants: people and service accounts by id."""
    members, found = identity.members(), defaultdict[str, list[GrantView]](list)
    for grant in queries.grants(role=key):
        if grant.over(at=at):
            continue
        for subject in members.get(grant.subject, ()) if grant.subject_kind == "group" else (grant.subject,):
            found[subject].append(grant)
    return {subject: tuple(grants) for subject, grants in sorted(found.items())}


def _others(subject: str, *, but: str, at: datetime) -> Collection[GrantView]:
    return [grant for grant in queries.grants_of(subject) if grant.role != but and grant.in_force(at=at)]


def _reaches(grant: GrantView, permission: Permission) -> bool:
    inside = _inside(grant.scope)
    return reaches(grant.scope, permission, inside) and grant.narrowing.admits_some(permission)


def _covered(others: Iterable[GrantView], permission: Permission, scope: Scope) -> bool:
    return any(not grant.narrowing and grant.covers(permission, _inside(scope)) for grant in others)


def _inside(scope: Scope) -> Scope:
    return Scope(scope.project or "*", scope.environment or "*")


def _where(grant: GrantView) -> str:
    place = f"in {grant.scope}" if grant.scope.project else "everywhere"
    return f"{place} for {grant.narrowing}" if grant.narrowing else place
