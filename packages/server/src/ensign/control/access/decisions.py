"""The one place where it is decided whether an actor may do something. Denies by default.

Nothing is cached beyond a :class:`Held`, which its caller holds for one request: a revocation counts from the moment it
commits. Inside the write door on PostgreSQL what a decision read is locked FOR SHARE until the commit, so that no act
can commit after the revocation of what allowed it; on SQLite the door's gate does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Q

from ensign.control.access.catalogue import definitions
from ensign.control.access.domain import (
    ORGANISATION,
    Decision,
    GrantIndex,
    GrantView,
    Narrowing,
    Scope,
    Standing,
    TokenScope,
    contains,
)
from ensign.control.access.models import Grant
from ensign.control.access.permissions import ADMINISTRATIVE, NEVER_BY_TOKEN, Permission, as_narrowed
from ensign.control.access.roles import SYSTEM, Role
from ensign.control.audit.models import Governed
from ensign.control.audit.rows import Value, rows
from ensign.control.identity import enforcing
from ensign.control.identity.models import Group, Membership, Person, ServiceAccount, Token
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, NeedsMfa
from ensign.control.kernel.transactions import inside_write_door

_Row = TypeVar("_Row", bound=Governed)

#: A project that no grant and no token names: what is allowed in it is allowed in all.
_ANY_PROJECT = Scope("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an actor holds at one instant: read once, asked as often as a page needs. Never keep it longer.

    A question costs the same whether the actor holds one grant or hundreds (docs/reference/benchmarks).
    """

    actor: Actor
    at: datetime
    grants: tuple[GrantView, ...] = ()
    system: frozenset[Permission] = frozenset()
    token: TokenScope | None = None
    refusal: Decision | None = None
    _index: GrantIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", GrantIndex(self.grants, at=self.at))

    @property
    def narrowed(self) -> bool:
        """Whether any grant is confined to some flags, so that questions about a flag have to name its facts."""
        return any(grant.narrowing for grant in self.grants)

    def decide(self, permission: Permission, scope: Scope = ORGANISATION) -> Decision:
        """Whether the actor may use ``permission`` in ``scope``, and through which grants."""
        if self.refusal is not None:
            return self.refusal
        if permission in NEVER_BY_TOKEN and self.actor.via == "token":
            return _no("not-by-token", f"No token may {permission.description}: do it signed in.")
        if self.token is not None and not self.token.covers(permission, scope):
            return _no("token-scope", f"This token was narrowed and does not cover {permission} {_where(scope)}.")
        if self.actor.kind == "system":
            allowed = permission in self.system
            return Decision(allowed=allowed, code="system", reason=f"{self.actor.id} acts for Ensign itself.")
        found = self._index.conferring(permission, scope)
        if not found:
            return self._none(permission, scope)
        roles = ", ".join(sorted({grant.role for grant in found}))
        return Decision(
            allowed=True, code="granted", reason=f"Allowed by the role {roles}.", grants=tuple(g.id for g in found)
        )

    def _none(self, permission: Permission, scope: Scope) -> Decision:
        other = self._index.conferring(permission, scope, some=True)
        if not other:
            return _no("no-grant", f"No role allows you to {permission.description} {_where(scope)}.")
        covered = "; ".join(sorted({str(grant.narrowing) for grant in other}))
        what = "this flag" if scope.flag is not None else "all that this is about"
        reason = f"Your roles do not allow you to {permission.description} {_where(scope)} for {what}"
        return _no("other-flags", f"{reason}: there they cover only {covered}.")

    def require(self, permission: Permission, scope: Scope = ORGANISATION) -> Decision:
        """:meth:`decide`, or else :class:`Denied`, which the door turns into an entry.

        :raises Denied: with the permission, the scope and a remedy.
        :raises NeedsMfa: for an administrative permission, as :func:`step_up`.
        """
        decision = self.decide(permission, scope)
        if not decision.allowed:
            raise denied(decision, permission, scope)
        if permission in ADMINISTRATIVE:
            step_up(self.actor, permission, scope, at=self.at)
        return decision

    def allows(self, permission: Permission, scope: Scope = ORGANISATION) -> bool:
        """:meth:`decide` as a yes or no."""
        return self.decide(permission, scope).allowed

    def allows_some(self, permission: Permission, scope: Scope = ORGANISATION) -> bool:
        """Whether it is allowed for some flag at least: to offer an act before it is known on which flag."""
        if self.allows(permission, scope):
            return True
        by_token = self.actor.via == "token" and permission in NEVER_BY_TOKEN
        if (
            self.refusal is not None
            or by_token
            or (self.token is not None and not self.token.covers(permission, scope))
        ):
            return False
        return bool(self._index.conferring(permission, scope, some=True))

    def conferring(self, permission: Permission, scope: Scope = ORGANISATION) -> tuple[GrantView, ...]:
        """The grants in force that confer ``permission`` there, a token's narrowing left out of account."""
        return self._index.conferring(permission, scope)

    def projects(self, permission: Permission) -> frozenset[str] | None:
        """Keys of the projects in which a project-level ``permission`` is held; None means all of them."""
        if self.allows(permission, _ANY_PROJECT):
            return None
        keys = {grant.scope.project for grant in self.grants}
        if self.token is not None:
            keys.add(self.token.scope.project)
        return frozenset(key for key in keys if key is not None and self.allows(permission, Scope(key)))


def held(actor: Actor, *, at: datetime) -> Held:
    """Read what ``actor`` holds, for all the questions of one request: in four queries, five with custom roles."""
    if actor.kind == "system":
        return Held(actor=actor, at=at, system=SYSTEM.get(actor.id, frozenset()))
    if actor.kind == "anonymous":
        return Held(actor=actor, at=at, refusal=_no("anonymous", "Sign in first."))
    token: TokenScope | None = None
    if actor.via == "token":
        row = _one(Token, id=actor.token_id or "", subject=actor.id)
        if row is None or row.status != "active" or clock.parse(row.state["expires_at"]) <= at:
            return Held(actor=actor, at=at, refusal=_no("token-ended", "This token has expired or was revoked."))
        token = token_scope(row.state)
    grants = _grants_of(actor.id)
    if grants is None:
        return Held(actor=actor, at=at, refusal=_no("disabled", "This account has been deactivated."))
    return Held(actor=actor, at=at, grants=grants, token=token)


def held_in_session(actor: Actor, *, at: datetime) -> Held:
    """:func:`held` in one query (two with custom roles), for what only reads, of a person whose session was found good
    in this very request.

    ``identity.backends`` loads a session's account only while its person is active, so that is not asked again here.
    """
    if actor.kind != "person" or actor.via != "session":
        return held(actor, at=at)
    belongs = Membership.objects.filter(person=actor.id, status="active").values("group")
    groups = Group.objects.filter(pk__in=belongs, status="active").values("pk")
    found = Grant.objects.filter(Q(subject=actor.id) | Q(subject__in=groups), status="active").order_by("pk")
    return Held(actor=actor, at=at, grants=views(found))


def decide(actor: Actor, permission: Permission, scope: Scope = ORGANISATION, *, at: datetime) -> Decision:
    """Whether ``actor`` may use ``permission`` in ``scope`` at ``at``; reads afresh."""
    return held(actor, at=at).decide(permission, scope)


def require(actor: Actor, permission: Permission, scope: Scope = ORGANISATION, *, at: datetime) -> Decision:
    """:meth:`Held.require`; reads afresh.

    :raises Denied: with the permission, the scope and a remedy.
    """
    return held(actor, at=at).require(permission, scope)


def step_up(actor: Actor, permission: Permission, scope: Scope = ORGANISATION, *, at: datetime) -> None:
    """Refuse to administer in a session that has not proved a second factor lately, if its person has one.

    :raises NeedsMfa: it leads to the page where that is done, and back.
    """
    if actor.interactive and not actor.recent_mfa(at=at) and enforcing.must_prove(actor.id):
        minutes = int(actor.mfa_window.total_seconds()) // 60
        raise NeedsMfa(
            f"To {permission.description} you need a second factor, proved within the last {minutes} minutes.",
            permission=str(permission),
            scope=str(scope),
            remedy="Confirm it is you, then go on.",
        )


def require_recent_mfa(actor: Actor, permission: Permission, said: str, *, at: datetime) -> None:
    """Refuse without a recent second factor, whether its person has one or not: what :func:`step_up` asks only of who
    has one. ``said`` tells what needs it.

    :raises NeedsMfa: it leads to the page where that is done, and back.
    """
    if not actor.recent_mfa(at=at):
        raise NeedsMfa(said, permission=str(permission), remedy="Confirm it is you, then try again.")


def denied(decision: Decision, permission: Permission, scope: Scope) -> Denied:
    """The error for a refusal."""
    lacking = decision.code in {"no-grant", "other-flags"}
    remedy = "Ask an administrator for a role that allows it." if lacking else ""
    return Denied(decision.reason, permission=str(permission), scope=str(scope), remedy=remedy, code=decision.code)


def entitled(subject_id: str, permission: Permission, *scopes: Scope, at: datetime) -> bool:
    """Whether this person or service account holds ``permission`` by grants now, in each of ``scopes``: for rechecks
    at apply. Without any scope nothing was asked, and nobody is.
    """
    grants = _grants_of(subject_id)
    if grants is None or not scopes:
        return False
    index = GrantIndex(grants, at=at)
    return all(index.conferring(permission, scope) for scope in scopes)


def standing_of(subject_id: str, *scopes: Scope, at: datetime) -> Standing:
    """The roles that a person holds in every one of ``scopes``, also through groups, and the groups they belong to."""
    subjects = _subjects(subject_id)
    if subjects is None:
        return Standing()
    grants = [one for one in views(_all(Grant, subject=subjects, status="active")) if one.in_force(at=at)]
    held_roles = {
        role
        for role in {grant.role for grant in grants}
        if all(any(g.role == role and contains(g.scope, g.narrowing, scope) for g in grants) for scope in scopes)
    }
    return Standing(roles=frozenset(held_roles) if scopes else frozenset(), groups=frozenset(subjects[1:]))


def token_scope(state: Mapping[str, object]) -> TokenScope:
    """How a token's state narrows it."""
    narrowed, edition = state.get("permissions"), state.get("edition", 1)
    project, environment = state.get("project"), state.get("environment")
    return TokenScope(
        permissions=as_narrowed(map(str, narrowed), edition=edition if isinstance(edition, int) else 1)
        if isinstance(narrowed, list)
        else None,
        scope=Scope(str(project) if project else None, str(environment) if environment else None),
    )


def narrowing(state: Mapping[str, object]) -> Narrowing:
    """The flags to which a grant's state confines it. What was granted before this could be said is not confined."""
    types, tags = state.get("flag_types"), state.get("tags")
    return Narrowing(
        types=frozenset(map(str, types)) if isinstance(types, list) else frozenset(),
        tags=frozenset(map(str, tags)) if isinstance(tags, list) else frozenset(),
    )


def view(row: Grant, *, means: Role | None = None) -> GrantView:
    """A grant's row as a value; ``means`` its role, when it was read already."""
    state = row.state
    role = means or definitions([state["role"]])[state["role"]]
    return view_of(row.pk, state, means=role, version=row.version, ledger_seq=row.ledger_seq)


def view_of(id: str, state: Mapping[str, Any], *, means: Role, version: int, ledger_seq: int) -> GrantView:
    """A grant's state, of a row or of one of the log's documents, as a value; ``means`` its role as of then."""
    return GrantView(
        id=id,
        subject=state["subject"],
        role=state["role"],
        definition=means,
        scope=Scope(state["project"], state["environment"]),
        narrowing=narrowing(state),
        granted_by=state["granted_by"],
        starts_at=clock.parse(state["starts_at"]),
        ends_at=clock.parse(state["ends_at"]) if state["ends_at"] else None,
        status=state["status"],
        reason=state.get("reason", ""),
        version=version,
        ledger_seq=ledger_seq,
    )


def views(rows_: Iterable[Grant]) -> tuple[GrantView, ...]:
    """Grants' rows as values; their roles are read together."""
    found = list(rows_)
    means = definitions(str(row.role) for row in found)
    return tuple(view(row, means=means[str(row.role)]) for row in found)


def _grants_of(subject_id: str) -> tuple[GrantView, ...] | None:
    """Active grants of a person (also through groups) or service account; None when it is not active."""
    subjects = _subjects(subject_id)
    return None if subjects is None else views(_all(Grant, subject=subjects, status="active"))


def _subjects(subject_id: str) -> list[str] | None:
    """Whose grants count for somebody: their own and those of their active groups; None when they are not active."""
    subjects = [subject_id]
    if subject_id.startswith("usr_"):
        person = _one(Person, id=subject_id)
        if person is None or person.status != "active":
            return None
        belongs = _all(Membership, person=subject_id, status="active")
        groups = [membership.group for membership in belongs]
        if groups:
            subjects += [group.pk for group in _all(Group, id=groups, status="active")]
    elif subject_id.startswith("svc_"):
        account = _one(ServiceAccount, id=subject_id)
        if account is None or account.status != "active":
            return None
    else:
        return None
    return subjects


def _all(model: type[_Row], **equal: Value) -> list[_Row]:
    """The rows; inside the write door locked against a concurrent revocation until the commit."""
    return rows(model, lock="share" if inside_write_door() else None, **equal)


def _one(model: type[_Row], **equal: Value) -> _Row | None:
    found = _all(model, **equal)
    return found[0] if found else None


def _where(scope: Scope) -> str:
    return f"in {scope}" if scope.project is not None else "in this organisation"


def _no(code: str, reason: str) -> Decision:
    return Decision(allowed=False, code=code, reason=reason)
