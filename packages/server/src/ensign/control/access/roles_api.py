"""The API of roles: what can be allowed, which roles there are, and custom ones. Changing any needs a session."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from ensign.control.access import catalogue, custom_roles, effects, grants
from ensign.control.access.asked import RequestView
from ensign.control.access.custom_roles import RoleWish
from ensign.control.access.decisions import require
from ensign.control.access.duty_schemas import AccessRequestOut
from ensign.control.access.permissions import NEVER_BY_TOKEN, Permission
from ensign.control.access.schemas import EndIn, GrantOut, ReasonIn, zoned
from ensign.control.api import etag
from ensign.control.api.pages import Page
from ensign.control.api.schemas import Input
from ensign.control.identity import web
from ensign.control.kernel.actor import Actor

router = Router(tags=["people and access"])


class PermissionOut(Schema):
    """One thing that can be allowed. ``about`` says what a role narrowed to some flags makes of it: ``flags`` (for
    these alone), ``reading`` (as it is) or ``else`` (not at all); ``by_token``: whether any token confers it."""

    code: str
    level: str
    description: str
    about: str
    by_token: bool


class RoleOut(Schema):
    """A role. ``assigns``: keys of the roles that its holders may give, or ``*``. Built-in roles have version 0."""

    key: str
    name: str
    description: str
    permissions: list[str]
    assigns: list[str]
    built_in: bool
    archived: bool
    cloned_from: str | None
    version: int

    @staticmethod
    def of(row: catalogue.RoleRow) -> RoleOut:
        """From its value."""
        role = row.role
        return RoleOut(
            key=role.key,
            name=role.name,
            description=role.description,
            permissions=[str(permission) for permission in Permission if permission in role.permissions],
            assigns=sorted(role.assigns),
            built_in=role.builtin,
            archived=role.archived,
            cloned_from=row.cloned_from,
            version=row.version,
        )


class RoleChange(Input):
    """What a role should be called and allow: all of it."""

    name: str
    description: str = ""
    permissions: list[str] = Field(max_length=200)
    assigns: list[str] = Field(default=[], max_length=200)
    reason: str = ""

    def to_wish(self) -> RoleWish:
        """As the operation takes it."""
        return RoleWish(
            name=self.name, description=self.description, permissions=self.permissions, assigns=self.assigns
        )


class RoleIn(Input):
    """A new role. With ``cloned_from`` it begins with what that role allows, where nothing else is said."""

    key: str
    name: str
    description: str | None = None
    permissions: list[str] | None = Field(default=None, max_length=200)
    assigns: list[str] | None = Field(default=None, max_length=200)
    cloned_from: str | None = None

    def to_wish(self) -> RoleWish:
        """As the operation takes it."""
        source = None if self.cloned_from is None else catalogue.role(self.cloned_from).role
        said = "" if source is None else source.description
        permissions = () if source is None else [str(permission) for permission in source.permissions]
        assigns = () if source is None else sorted(source.assigns)
        return RoleWish(
            name=self.name,
            description=said if self.description is None else self.description,
            permissions=permissions if self.permissions is None else self.permissions,
            assigns=assigns if self.assigns is None else self.assigns,
        )


class EffectOut(Schema):
    """What a change of a role would do, to the role and to those who hold it; nothing was written."""

    gained: list[str]
    lost: list[str]
    gives_more: list[str]
    gives_less: list[str]
    holders: int
    sentences: list[str]


def _caller(request: HttpRequest, need: Permission | None = None) -> tuple[Actor, datetime]:
    actor, at = web.caller(request)
    if need is not None:
        require(actor, need, at=at)
    return actor, at


@router.get("/permissions", response=Page[PermissionOut])
def list_permissions(request: HttpRequest) -> Page[PermissionOut]:
    """Everything that can be allowed, by level."""
    _caller(request)
    return Page[PermissionOut](
        items=[
            PermissionOut(
                code=str(permission),
                level=str(permission.level),
                description=permission.description,
                about=str(permission.about),
                by_token=permission not in NEVER_BY_TOKEN,
            )
            for permission in Permission
        ]
    )


@router.get("/roles", response=Page[RoleOut])
def list_roles(request: HttpRequest, archived: bool = False) -> Page[RoleOut]:
    """All roles: built-in ones, least powerful first, then custom ones by name; archived ones only if asked for."""
    _caller(request, Permission.ORG_READ)
    return Page[RoleOut](items=[RoleOut.of(row) for row in catalogue.role_rows(archived=archived)])


@router.post("/roles", response={201: RoleOut})
def create_role(request: HttpRequest, body: RoleIn) -> Status[RoleOut]:
    """Make a role that nobody holds yet. Needs a session."""
    actor, at = _caller(request, Permission.ORG_ROLES_MANAGE)
    custom_roles.create(actor=actor, at=at, key=body.key, wish=body.to_wish(), cloned_from=body.cloned_from)
    return Status(201, RoleOut.of(catalogue.role(body.key)))


@router.get("/roles/{key}", response=RoleOut)
def get_role(request: HttpRequest, response: HttpResponse, key: str) -> RoleOut:
    """One role."""
    _caller(request, Permission.ORG_READ)
    row = catalogue.role(key)
    etag.give(response, version=row.version)
    return RoleOut.of(row)


@router.put("/roles/{key}", response={200: RoleOut | EffectOut})
def update_role(
    request: HttpRequest,
    key: str,
    body: RoleChange,
    dry_run: Annotated[bool, Query(description="Say who would gain and lose what, and write nothing.")] = False,
) -> RoleOut | EffectOut:
    """Change a custom role, at once for all who hold it. Needs a session; nobody widens a role that they hold.

    Who may read roles may ask for a dry run.
    """
    actor, at = _caller(request, Permission.ORG_READ if dry_run else Permission.ORG_ROLES_MANAGE)
    if dry_run:
        before = catalogue.role(key).role
        found = effects.effect(before, custom_roles.wished(key, body.to_wish()), at=at)
        return EffectOut(
            gained=[str(permission) for permission in found.gained],
            lost=[str(permission) for permission in found.lost],
            gives_more=list(found.gives_more),
            gives_less=list(found.gives_less),
            holders=found.holders,
            sentences=[shift.sentence for shift in found.shifts],
        )
    etag.require_match(request, version=catalogue.role(key).version)
    custom_roles.update(actor=actor, at=at, key=key, wish=body.to_wish(), reason=body.reason)
    return RoleOut.of(catalogue.role(key))


@router.post("/roles/{key}/archive", response=RoleOut)
def archive_role(request: HttpRequest, key: str, body: ReasonIn) -> RoleOut:
    """Archive a custom role that nobody holds any more. Needs a session."""
    actor, at = _caller(request)
    custom_roles.archive(actor=actor, at=at, key=key, reason=body.reason)
    return RoleOut.of(catalogue.role(key))


@router.post("/grants/{grant_id}/end-date", response={200: GrantOut, 202: AccessRequestOut})
def reschedule_role(request: HttpRequest, grant_id: str, body: EndIn) -> Status[GrantOut] | Status[AccessRequestOut]:
    """Move the end of a grant, or take it away. Needs a session; nobody puts off the end of their own. 202 with a
    request: it takes a second person to confirm.
    """
    actor, at = _caller(request)
    ends_at = zoned(body.ends_at, field="ends_at")
    moved = grants.reschedule(actor=actor, at=at, grant_id=grant_id, ends_at=ends_at, reason=body.reason)
    if isinstance(moved, RequestView):
        return Status(202, AccessRequestOut.of(moved))
    return Status(200, GrantOut.of(moved))
