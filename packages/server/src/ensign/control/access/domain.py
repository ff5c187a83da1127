"""Values of access: where something is done, what a grant says, what was decided. Pure; no Django."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ensign.control.access.permissions import NEVER_BY_TOKEN, Level, Permission
from ensign.control.access.roles import ROLES

SubjectKind = Literal["person", "group", "service"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something is done: keys of a project and, within it, of an environment. Empty: the organisation."""

    project: str | None = None
    environment: str | None = None

    def __post_init__(self) -> None:
        if self.environment is not None and self.project is None:
            raise ValueError("an environment belongs to a project")

    def __str__(self) -> str:
        """``""``, ``project`` or ``project/environment``, as denials and entries spell it."""
        return "/".join(part for part in (self.project, self.environment) if part is not None)


ORGANISATION = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantView:
    """One grant as it stands. ``project`` and ``environment`` None mean all; times are UTC."""

    id: str
    subject: str
    role: str
    scope: Scope
    granted_by: str
    starts_at: datetime
    ends_at: datetime | None
    status: Literal["active", "revoked"]
    version: int
    ledger_seq: int

    @property
    def subject_kind(self) -> SubjectKind:
        """Told by the id's prefix."""
        return _KINDS[self.subject[:3]]

    def in_force(self, *, at: datetime) -> bool:
        """Whether it confers anything at ``at``."""
        return self.status == "active" and self.starts_at <= at and (self.ends_at is None or at < self.ends_at)

    def covers(self, permission: Permission, scope: Scope) -> bool:
        """Whether it confers ``permission`` in ``scope``, by role and reach alone."""
        role = ROLES.get(self.role)
        return role is not None and permission in role.permissions and reaches(self.scope, permission, scope)


_KINDS: dict[str, SubjectKind] = {"usr": "person", "grp": "group", "svc": "service"}


def subject_kind(subject_id: str) -> SubjectKind | None:
    """``person``, ``group`` or ``service`` by the id's prefix, or None when it is neither."""
    return _KINDS.get(subject_id[:3])


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


def names_enough(permission: Permission, scope: Scope) -> bool:
    """Whether ``scope`` says as much as the permission's level needs: the unknown is denied."""
    if permission.level is Level.ENVIRONMENT:
        return scope.environment is not None
    if permission.level is Level.PROJECT:
        return scope.project is not None
    return True


def conferring(
    grants: Iterable[GrantView], permission: Permission, scope: Scope, *, at: datetime
) -> tuple[GrantView, ...]:
    """Those of ``grants`` that confer ``permission`` in ``scope`` at ``at``."""
    return tuple(grant for grant in grants if grant.in_force(at=at) and grant.covers(permission, scope))
