"""What the API of people and access reads and answers."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema
from pydantic import Field

from ensign.control.access.domain import GrantView, Narrowing, Scope
from ensign.control.access.grants import Wish
from ensign.control.access.tokens import NewToken, TokenWish
from ensign.control.api.schemas import Input
from ensign.control.identity.domain import TOKEN_LIFETIME, GroupView, PersonView, ServiceAccountView, TokenView
from ensign.control.kernel.errors import Invalid


def scope_of(project: str | None, environment: str | None) -> Scope:
    """Keys as a scope; empty texts mean none.

    :raises Invalid: for an environment without a project.
    """
    if environment and not project:
        raise Invalid("An environment belongs to a project.", fields={"project": "Name the project, too."})
    return Scope(project or None, environment or None)


def zoned(moment: datetime | None, *, field: str) -> datetime | None:
    """A time, which must say its zone.

    :raises Invalid: when it does not.
    """
    if moment is not None and moment.tzinfo is None:
        raise Invalid("A time needs a time zone.", fields={field: "Write it with a zone, such as …Z."})
    return moment


class PersonOut(Schema):
    """A person. ``status``: invited, active or disabled."""

    id: str
    email: str
    name: str
    status: str
    version: int

    @staticmethod
    def of(person: PersonView) -> PersonOut:
        """From its value."""
        return PersonOut(
            id=person.id, email=person.email, name=person.name, status=person.status, version=person.version
        )


class WishIn(Input):
    """A role to begin with. ``flag_types`` and ``tags`` confine it to flags of one of these types with one of these
    tags; empty: any. ``starts_at`` null: at once; ``ends_at`` null: no end."""

    role: str
    project: str | None = None
    environment: str | None = None
    flag_types: list[str] = Field(default=[], max_length=20)
    tags: list[str] = Field(default=[], max_length=50)
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def to_wish(self) -> Wish:
        """As the operation takes it."""
        return Wish(
            role=self.role,
            scope=scope_of(self.project, self.environment),
            narrowing=Narrowing(types=frozenset(self.flag_types), tags=frozenset(self.tags)),
            starts_at=zoned(self.starts_at, field="starts_at"),
            ends_at=zoned(self.ends_at, field="ends_at"),
        )


class InviteIn(Input):
    """An invitation."""

    email: str
    name: str = ""
    roles: list[WishIn] = Field(default=[], max_length=20)
    reason: str = ""


class LinkOut(Schema):
    """A one-time link, shown in this answer only. ``waiting``: requests for roles that a second person confirms."""

    person: PersonOut
    url: str
    expires_at: datetime
    waiting: list[str] = []


class ReasonIn(Input):
    """Why; stands in the log."""

    reason: str = ""


class GroupIn(Input):
    """A group's name and description."""

    name: str
    description: str = ""


class GroupOut(Schema):
    """A group and the ids of its members."""

    id: str
    name: str
    description: str
    status: str
    members: list[str]
    version: int

    @staticmethod
    def of(group: GroupView) -> GroupOut:
        """From its value."""
        return GroupOut(
            id=group.id,
            name=group.name,
            description=group.description,
            status=group.status,
            members=list(group.members),
            version=group.version,
        )


class MemberIn(Input):
    """Who joins."""

    person: str
    reason: str = ""


class GrantIn(WishIn):
    """A role for a person, a group or a service account (by id)."""

    subject: str
    reason: str = ""


class EndIn(Input):
    """Another end of a role: a time, or null for none."""

    ends_at: datetime | None
    reason: str = ""


class GrantOut(Schema):
    """A grant. ``project`` and ``environment`` null mean all; ``flag_types`` and ``tags`` empty mean any flag."""

    id: str
    subject: str
    role: str
    project: str | None
    environment: str | None
    flag_types: list[str]
    tags: list[str]
    granted_by: str
    reason: str
    starts_at: datetime
    ends_at: datetime | None
    status: str
    version: int

    @staticmethod
    def of(grant: GrantView) -> GrantOut:
        """From its value."""
        return GrantOut(
            id=grant.id,
            subject=grant.subject,
            role=grant.role,
            project=grant.scope.project,
            environment=grant.scope.environment,
            flag_types=sorted(grant.narrowing.types),
            tags=sorted(grant.narrowing.tags),
            granted_by=grant.granted_by,
            reason=grant.reason,
            starts_at=grant.starts_at,
            ends_at=grant.ends_at,
            status=grant.status,
            version=grant.version,
        )


class ServiceAccountIn(Input):
    """Name, purpose and the owner's id."""

    name: str
    purpose: str
    owner: str


class ServiceAccountOut(Schema):
    """A service account."""

    id: str
    name: str
    purpose: str
    owner: str
    status: str
    version: int

    @staticmethod
    def of(account: ServiceAccountView) -> ServiceAccountOut:
        """From its value."""
        return ServiceAccountOut(
            id=account.id,
            name=account.name,
            purpose=account.purpose,
            owner=account.owner,
            status=account.status,
            version=account.version,
        )


class TokenIn(Input):
    """A token to make. ``permissions`` null: all that its owner has and a token can. ``renew_days``: for how many days
    a service account may rotate it by itself.
    """

    name: str
    purpose: str = ""
    renew_days: int | None = None
    days: int = TOKEN_LIFETIME.days
    permissions: list[str] | None = None
    project: str | None = None
    environment: str | None = None

    def to_wish(self) -> TokenWish:
        """As the operation takes it."""
        return TokenWish(
            name=self.name,
            days=self.days,
            permissions=None if self.permissions is None else frozenset(self.permissions),
            scope=scope_of(self.project, self.environment),
            purpose=self.purpose,
            renew_days=self.renew_days,
        )


class TokenOut(Schema):
    """A token without its secret. With a ``successor`` it ends when the overlap does."""

    id: str
    kind: str
    name: str
    purpose: str
    subject: str
    hint: str
    permissions: list[str] | None
    project: str | None
    environment: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    status: str
    predecessor: str | None
    successor: str | None
    renewable_until: datetime | None

    @staticmethod
    def of(token: TokenView) -> TokenOut:
        """From its value."""
        return TokenOut(
            id=token.id,
            kind=token.kind,
            name=token.name,
            purpose=token.purpose,
            subject=token.subject,
            hint=token.hint,
            permissions=None if token.permissions is None else list(token.permissions),
            project=token.project,
            environment=token.environment,
            created_by=token.created_by,
            created_at=token.created_at,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            status=token.status,
            predecessor=token.predecessor,
            successor=token.successor,
            renewable_until=token.renewable_until,
        )


class NewTokenOut(TokenOut):
    """A token with its text, shown in this answer only."""

    token: str

    @staticmethod
    def made(new: NewToken) -> NewTokenOut:
        """From what the operation made."""
        return NewTokenOut(**TokenOut.of(new.token).dict(), token=new.text)


class WhatCanOut(Schema):
    """A grant in force and the permissions that it confers in its scope."""

    grant: GrantOut
    permissions: list[str]


class WhoAmIOut(Schema):
    """Who calls, how, and what they may do."""

    id: str
    kind: str
    name: str
    via: str
    token: str | None
    recent_mfa: bool
    access: list[WhatCanOut]


class HolderOut(Schema):
    """Somebody who may, and through which grants."""

    subject: str
    kind: str
    name: str
    grants: list[GrantOut]
