"""Values of access: where something is done, what a grant says, what was decided. Pure; no Django."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ensign.control.access.permissions import NEVER_BY_TOKEN, About, Level, Permission
from ensign.control.access.roles import Role

SubjectKind = Literal["person", "group", "service"]


#: The risk tiers of flags, from what hardly matters to what must not go wrong.
TIERS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """What of a flag decides whether a narrowed grant covers it (type and tags) and what a policy asks of a change.

    ``tier`` is one of :data:`TIERS`; ``owner`` the id of the person or group that answers for it, or empty.
    """

    type: str
    tags: frozenset[str] = frozenset()
    tier: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something is done: keys of a project and, within it, of an environment. Empty: the organisation.

    ``flag`` are the facts of the flag that it is done to. A question that leaves them out is answered as for a flag of
    which nothing is known: grants narrowed to some flags do not cover it.
    """

    project: str | None = None
    environment: str | None = None
    flag: FlagFacts | None = None

    def __post_init__(self) -> None:
        if self.environment is not None and self.project is None:
            raise ValueError("an environment belongs to a project")

    def __str__(self) -> str:
        """``""``, ``project`` or ``project/environment``, as denials and entries spell it."""
        return "/".join(part for part in (self.project, self.environment) if part is not None)

    def of_flag(self, flag: FlagFacts | None) -> Scope:
        """The same place, with the flag that it is about."""
        return replace(self, flag=flag)


ORGANISATION = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """The flags to which a grant is confined: of one of ``types`` *and* with one of ``tags``; empty: any.

    It confines what is about a flag, leaves reading as it is, and takes away all else: whoever works on some flags
    alone does not change what every flag may use, such as a segment.
    """

    types: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.types or self.tags)

    def matches(self, flag: FlagFacts) -> bool:
        """Whether a flag is one of them."""
        return (not self.types or flag.type in self.types) and (not self.tags or not self.tags.isdisjoint(flag.tags))

    def admits(self, permission: Permission, flag: FlagFacts | None) -> bool:
        """Whether ``permission`` is left, for this flag (None: no flag is named)."""
        if not self or permission.about is About.READING:
            return True
        return permission.about is About.FLAGS and flag is not None and self.matches(flag)

    def admits_some(self, permission: Permission) -> bool:
        """Whether ``permission`` is left for any flag at all."""
        return not self or permission.about is not About.ELSE

    def __str__(self) -> str:
        """``flags of type release tagged checkout or payments``; empty without narrowing."""
        parts = ["of type " + " or ".join(sorted(self.types))] if self.types else []
        parts += ["tagged " + " or ".join(sorted(self.tags))] if self.tags else []
        return " ".join(["flags", *parts]) if parts else ""


ANY_FLAG = Narrowing()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """One grant as it stands. ``project`` and ``environment`` None mean all; times are UTC.

    ``definition`` is what the role of key ``role`` means, as of when the grant was read; ``reason`` why it was given.
    """

    id: str
    subject: str
    role: str
    definition: Role
    scope: Scope
    granted_by: str
    starts_at: datetime
    ends_at: datetime | None
    status: Literal["active", "revoked"]
    version: int
    ledger_seq: int
    narrowing: Narrowing = ANY_FLAG
    reason: str = ""

    @property
    def subject_kind(self) -> SubjectKind:
        """Told by the id's prefix."""
        return _KINDS[self.subject[:3]]

    def in_force(self, *, at: datetime) -> bool:
        """Whether it confers anything at ``at``."""
        return self.status == "active" and self.starts_at <= at and (self.ends_at is None or at < self.ends_at)

    def over(self, *, at: datetime) -> bool:
        """Whether it will never confer anything again, unless its end is moved."""
        return self.status != "active" or (self.ends_at is not None and self.ends_at <= at)

    def covers(self, permission: Permission, scope: Scope) -> bool:
        """Whether it confers ``permission`` in ``scope``, by role, reach and narrowing alone."""
        return (
            permission in self.definition.permissions
            and reaches(self.scope, permission, scope)
            and self.narrowing.admits(permission, scope.flag)
        )

    def covers_some(self, permission: Permission, scope: Scope) -> bool:
        """Whether it confers ``permission`` in ``scope`` for some flag: for lists of who may, and for what to offer."""
        return (
            permission in self.definition.permissions
            and reaches(self.scope, permission, scope)
            and self.narrowing.admits_some(permission)
        )


_KINDS: dict[str, SubjectKind] = {"usr": "person", "grp": "group", "svc": "service"}


def subject_kind(subject_id: str) -> SubjectKind | None:
    """``person``, ``group`` or ``service`` by the id's prefix, or None when it is neither."""
    return _KINDS.get(subject_id[:3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What somebody is, in a place, for policies that say who may approve: keys of the roles that they hold there for
    all that is touched, ids of their active groups. Whoever is not active is nothing.
    """

    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScope:
    """How far a token is narrowed below its owner; None is no narrowing in that respect."""

    permissions: frozenset[str] | None = None
    scope: Scope = ORGANISATION

    def covers(self, permission: Permission, scope: Scope) -> bool:
        """Whether the token may be used for ``permission`` in ``scope``. Approval and access never."""
        if permission in NEVER_BY_TOKEN:
            return False
        if self.permissions is not None and permission not in self.permissions:
            return False
        return reaches(self.scope, permission, scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether, why, and through which grants. ``reason`` is safe to show; ``code`` is stable."""

    allowed: bool
    code: str
    reason: str
    grants: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.allowed


def reaches(granted: Scope, permission: Permission, scope: Scope) -> bool:
    """Whether something granted in ``granted`` extends to ``permission`` in ``scope``.

    ========================  ============  =============  ========================
    granted in                organisation  project level  environment level
    ========================  ============  =============  ========================
    the organisation          yes           every project  every environment
    a project                 no            that project   its environments
    a project's environment   no            inert ones     that environment
    ========================  ============  =============  ========================

    A question that names less than the permission's level needs (``change:apply`` without an environment) is refused.
    """
    if not names_enough(permission, scope):
        return False
    if granted.project is None:
        return True
    if permission.level is Level.ORGANISATION or granted.project != scope.project:
        return False
    if granted.environment is None:
        return True
    if permission.level is Level.PROJECT:
        return permission.inert
    return granted.environment == scope.environment


def contains(granted: Scope, narrowing: Narrowing, scope: Scope) -> bool:
    """Whether a role granted in ``granted``, confined to some flags, is held in all of ``scope``."""
    if granted.project is not None and granted.project != scope.project:
        return False
    if granted.environment is not None and granted.environment != scope.environment:
        return False
    return not narrowing or (scope.flag is not None and narrowing.matches(scope.flag))


def names_enough(permission: Permission, scope: Scope) -> bool:
    """Whether ``scope`` says as much as the permission's level needs: the unknown is denied."""
    if permission.level is Level.ENVIRONMENT:
        return scope.environment is not None
    if permission.level is Level.PROJECT:
        return scope.project is not None
    return True


def conferring(
    grants: Iterable[GrantView], permission: Permission, scope: Scope, *, at: datetime, some: bool = False
) -> tuple[GrantView, ...]:
    """Those of ``grants`` that confer ``permission`` in ``scope`` at ``at``; with ``some``, for some flag at least."""
    covers = GrantView.covers_some if some else GrantView.covers
    return tuple(grant for grant in grants if grant.in_force(at=at) and covers(grant, permission, scope))


_Place = tuple[str | None, str | None]


class GrantIndex:
    """Grants in force at one instant, found by place and permission: what hundreds of questions are asked of.

    A question is answered from at most three places (the organisation, the project, the environment); what is inert
    is found in every environment of its project, too.
    """

    __slots__ = ("_asked", "_environments", "_places")

    def __init__(self, grants: Iterable[GrantView], *, at: datetime) -> None:
        self._places: dict[_Place, list[GrantView]] = {}
        self._environments: dict[str, list[str]] = {}
        self._asked: dict[_Place, dict[Permission, list[GrantView]]] = {}
        for grant in grants:
            if not grant.in_force(at=at):
                continue
            project, environment = place = (grant.scope.project, grant.scope.environment)
            if place not in self._places:
                self._places[place] = []
                if project is not None and environment is not None:
                    self._environments.setdefault(project, []).append(environment)
            self._places[place].append(grant)

    def conferring(self, permission: Permission, scope: Scope, *, some: bool = False) -> tuple[GrantView, ...]:
        """The same as :func:`conferring` of the grants, at the instant of the index; by place, then in their order."""
        if not names_enough(permission, scope):
            return ()
        found: list[GrantView] = []
        for place in self._reaching(permission, scope):
            for grant in self._at(place).get(permission, ()):
                narrowing = grant.narrowing
                if narrowing.admits_some(permission) if some else narrowing.admits(permission, scope.flag):
                    found.append(grant)
        return tuple(found)

    def _reaching(self, permission: Permission, scope: Scope) -> tuple[_Place, ...]:
        project = scope.project
        if permission.level is Level.ORGANISATION or project is None:
            return ((None, None),)
        if permission.level is Level.ENVIRONMENT:
            return (None, None), (project, None), (project, scope.environment)
        if permission.inert:
            inside = ((project, key) for key in self._environments.get(project, ()))
            return (None, None), (project, None), *inside
        return (None, None), (project, None)

    def _at(self, place: _Place) -> dict[Permission, list[GrantView]]:
        """What the grants of a place confer, worked out when it is first asked for."""
        asked = self._asked.get(place)
        if asked is None:
            asked = self._asked[place] = {}
            for grant in self._places.get(place, ()):
                for permission in grant.definition.permissions:
                    asked.setdefault(permission, []).append(grant)
        return asked
