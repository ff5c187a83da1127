"""The API of people, groups, service accounts, roles and tokens.

People and roles are read with ``org:read``; what makes people or gives access needs a session, as no token confers it
(``permissions.NEVER_BY_TOKEN``). Lists are short (one organisation's) and come whole: ``next_cursor`` is null.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from ensign.control.access import grants, groups, people, queries, service_accounts, tokens
from ensign.control.access.asked import RequestView
from ensign.control.access.decisions import require
from ensign.control.access.duty_schemas import AccessRequestOut
from ensign.control.access.people import Invitation
from ensign.control.access.permissions import Permission
from ensign.control.access.schemas import (
    GrantIn,
    GrantOut,
    GroupIn,
    GroupOut,
    InviteIn,
    LinkOut,
    MemberIn,
    NewTokenOut,
    PersonOut,
    ReasonIn,
    ServiceAccountIn,
    ServiceAccountOut,
    TokenIn,
    TokenOut,
    WhatCanOut,
    WhoAmIOut,
)
from ensign.control.api import etag
from ensign.control.api.pages import Page
from ensign.control.identity import queries as identity
from ensign.control.identity import web
from ensign.control.kernel.actor import Actor

router = Router(tags=["people and access"])


def _caller(request: HttpRequest, *needs: Permission) -> tuple[Actor, datetime]:
    """Who calls, and when; after checking that they may read this."""
    actor, at = web.caller(request)
    for need in needs:
        require(actor, need, at=at)
    return actor, at


def _link(made: Invitation, kind: str) -> LinkOut:
    address = f"{settings.PUBLIC_URL}/{kind}/{made.link}"
    waiting = [request.id for request in made.waiting]
    return LinkOut(person=PersonOut.of(made.person), url=address, expires_at=made.expires_at, waiting=waiting)


@router.get("/whoami", response=WhoAmIOut)
def whoami(request: HttpRequest) -> WhoAmIOut:
    """Who calls, how, and what they may do; a token's own narrowing comes on top."""
    actor, at = _caller(request)
    return WhoAmIOut(
        id=actor.id,
        kind=actor.kind,
        name=identity.name(actor.id),
        via=actor.via,
        token=actor.token_id,
        recent_mfa=actor.recent_mfa(at=at),
        access=_what_can(actor.id, at=at),
    )


def _what_can(subject: str, *, at: datetime) -> list[WhatCanOut]:
    held = queries.what_can(subject, at=at)
    return [WhatCanOut(grant=GrantOut.of(g), permissions=[str(p) for p in permissions]) for g, permissions in held]


# --- People -----------------------------------------------------------------------------------------


@router.get("/people", response=Page[PersonOut])
def list_people(request: HttpRequest) -> Page[PersonOut]:
    """Everybody, by name."""
    _caller(request, Permission.ORG_READ)
    return Page[PersonOut](items=[PersonOut.of(person) for person in identity.people()])


@router.post("/people", response={201: LinkOut})
def invite_person(request: HttpRequest, body: InviteIn) -> Status[LinkOut]:
    """Invite somebody; the link is shown in this answer only. Needs a session."""
    actor, at = _caller(request)
    wishes = tuple(role.to_wish() for role in body.roles)
    made = people.invite(actor=actor, at=at, email=body.email, name=body.name, wishes=wishes, reason=body.reason)
    return Status(201, _link(made, "invite"))


@router.get("/people/{person_id}", response=PersonOut)
def get_person(request: HttpRequest, response: HttpResponse, person_id: str) -> PersonOut:
    """One person."""
    _caller(request, Permission.ORG_READ)
    person = identity.person(person_id)
    etag.give(response, version=person.version)
    return PersonOut.of(person)


@router.post("/people/{person_id}/invitation", response=LinkOut)
def invite_person_again(request: HttpRequest, person_id: str) -> LinkOut:
    """A fresh invitation link; the earlier one ends. Needs a session."""
    actor, at = _caller(request)
    return _link(people.invite_again(actor=actor, at=at, person_id=person_id), "invite")


@router.post("/people/{person_id}/password-link", response=LinkOut)
def make_password_link(request: HttpRequest, person_id: str) -> LinkOut:
    """A link with which the person chooses a new password. Needs a session."""
    actor, at = _caller(request)
    return _link(people.make_reset_link(actor=actor, at=at, person_id=person_id), "reset")


@router.post("/people/{person_id}/deactivate", response=PersonOut)
def deactivate_person(request: HttpRequest, person_id: str, body: ReasonIn) -> PersonOut:
    """End somebody's access at once: sessions, links and personal tokens. Needs a session."""
    actor, at = _caller(request)
    return PersonOut.of(people.deactivate(actor=actor, at=at, person_id=person_id, reason=body.reason))


@router.post("/people/{person_id}/reactivate", response=PersonOut)
def reactivate_person(request: HttpRequest, person_id: str, body: ReasonIn) -> PersonOut:
    """Let somebody back in, with the roles that are still in force. Needs a session."""
    actor, at = _caller(request)
    return PersonOut.of(people.reactivate(actor=actor, at=at, person_id=person_id, reason=body.reason))


# --- Groups -----------------------------------------------------------------------------------------


@router.get("/groups", response=Page[GroupOut])
def list_groups(request: HttpRequest) -> Page[GroupOut]:
    """All groups, by name."""
    _caller(request, Permission.ORG_READ)
    return Page[GroupOut](items=[GroupOut.of(group) for group in identity.groups()])


@router.post("/groups", response={201: GroupOut})
def create_group(request: HttpRequest, body: GroupIn) -> Status[GroupOut]:
    """Make an empty group."""
    actor, at = _caller(request)
    return Status(201, GroupOut.of(groups.create(actor=actor, at=at, name=body.name, description=body.description)))


@router.get("/groups/{group_id}", response=GroupOut)
def get_group(request: HttpRequest, response: HttpResponse, group_id: str) -> GroupOut:
    """One group."""
    _caller(request, Permission.ORG_READ)
    group = identity.group(group_id)
    etag.give(response, version=group.version)
    return GroupOut.of(group)


@router.put("/groups/{group_id}", response=GroupOut)
def update_group(request: HttpRequest, group_id: str, body: GroupIn) -> GroupOut:
    """Change name and description."""
    actor, at = _caller(request, Permission.ORG_GROUPS_MANAGE)
    etag.require_match(request, version=identity.group(group_id).version)
    changed = groups.update(actor=actor, at=at, group_id=group_id, name=body.name, description=body.description)
    return GroupOut.of(changed)


@router.post("/groups/{group_id}/archive", response=GroupOut)
def archive_group(request: HttpRequest, group_id: str, body: ReasonIn) -> GroupOut:
    """Archive it: nobody gets anything through it any more."""
    actor, at = _caller(request)
    return GroupOut.of(groups.archive(actor=actor, at=at, group_id=group_id, reason=body.reason))


@router.post("/groups/{group_id}/members", response=GroupOut)
def add_member(request: HttpRequest, group_id: str, body: MemberIn) -> GroupOut:
    """Add a person; never oneself. Not among the members yet: it takes a second person to confirm."""
    actor, at = _caller(request)
    changed = groups.add_member(actor=actor, at=at, group_id=group_id, person_id=body.person, reason=body.reason)
    return GroupOut.of(changed)


@router.delete("/groups/{group_id}/members/{person_id}", response=GroupOut)
def remove_member(request: HttpRequest, group_id: str, person_id: str) -> GroupOut:
    """Remove a person."""
    actor, at = _caller(request)
    return GroupOut.of(groups.remove_member(actor=actor, at=at, group_id=group_id, person_id=person_id))


# --- Grants -----------------------------------------------------------------------------------------


@router.get("/grants", response=Page[GrantOut])
def list_grants(
    request: HttpRequest, subject: str | None = None, project: str | None = None, ended: bool = False
) -> Page[GrantOut]:
    """Grants, newest first; ended ones only if asked for."""
    _caller(request, Permission.ORG_READ)
    found = queries.grants(subject=subject, project=project, ended=ended)
    return Page[GrantOut](items=[GrantOut.of(grant) for grant in found])


@router.post("/grants", response={201: GrantOut, 202: AccessRequestOut})
def give_role(request: HttpRequest, body: GrantIn) -> Status[GrantOut] | Status[AccessRequestOut]:
    """Give a role. Needs a session; never to oneself. 202 with a request: it takes a second person to confirm."""
    actor, at = _caller(request)
    given = grants.give(actor=actor, at=at, subject=body.subject, wish=body.to_wish(), reason=body.reason)
    if isinstance(given, RequestView):
        return Status(202, AccessRequestOut.of(given))
    return Status(201, GrantOut.of(given))


@router.post("/grants/{grant_id}/end", response=GrantOut)
def end_role(request: HttpRequest, grant_id: str, body: ReasonIn) -> GrantOut:
    """End a grant at once. Needs a session."""
    actor, at = _caller(request)
    return GrantOut.of(grants.end(actor=actor, at=at, grant_id=grant_id, reason=body.reason))


# --- Service accounts and tokens --------------------------------------------------------------------


@router.get("/service-accounts", response=Page[ServiceAccountOut])
def list_service_accounts(request: HttpRequest) -> Page[ServiceAccountOut]:
    """All service accounts, by name."""
    _caller(request, Permission.ORG_READ)
    return Page[ServiceAccountOut](items=[ServiceAccountOut.of(account) for account in identity.service_accounts()])


@router.post("/service-accounts", response={201: ServiceAccountOut})
def create_service_account(request: HttpRequest, body: ServiceAccountIn) -> Status[ServiceAccountOut]:
    """Make a service account without any role. Needs a session."""
    actor, at = _caller(request)
    return Status(201, ServiceAccountOut.of(service_accounts.create(actor=actor, at=at, **body.dict())))


@router.get("/service-accounts/{service_account_id}", response=ServiceAccountOut)
def get_service_account(request: HttpRequest, response: HttpResponse, service_account_id: str) -> ServiceAccountOut:
    """One service account."""
    _caller(request, Permission.ORG_READ)
    account = identity.service_account(service_account_id)
    etag.give(response, version=account.version)
    return ServiceAccountOut.of(account)


@router.put("/service-accounts/{service_account_id}", response=ServiceAccountOut)
def update_service_account(request: HttpRequest, service_account_id: str, body: ServiceAccountIn) -> ServiceAccountOut:
    """Change name, purpose or owner. Needs a session."""
    actor, at = _caller(request, Permission.ORG_SERVICE_ACCOUNTS_MANAGE)
    etag.require_match(request, version=identity.service_account(service_account_id).version)
    changed = service_accounts.update(actor=actor, at=at, service_account_id=service_account_id, **body.dict())
    return ServiceAccountOut.of(changed)


@router.post("/service-accounts/{service_account_id}/disable", response=ServiceAccountOut)
def disable_service_account(request: HttpRequest, service_account_id: str, body: ReasonIn) -> ServiceAccountOut:
    """Disable it and revoke its tokens. Needs a session."""
    actor, at = _caller(request)
    changed = service_accounts.disable(actor=actor, at=at, service_account_id=service_account_id, reason=body.reason)
    return ServiceAccountOut.of(changed)


@router.post("/service-accounts/{service_account_id}/enable", response=ServiceAccountOut)
def enable_service_account(request: HttpRequest, service_account_id: str, body: ReasonIn) -> ServiceAccountOut:
    """Enable it again; its tokens stay revoked. Needs a session."""
    actor, at = _caller(request)
    changed = service_accounts.enable(actor=actor, at=at, service_account_id=service_account_id, reason=body.reason)
    return ServiceAccountOut.of(changed)


@router.get("/service-accounts/{service_account_id}/tokens", response=Page[TokenOut])
def list_service_tokens(request: HttpRequest, service_account_id: str) -> Page[TokenOut]:
    """Its tokens, newest first, without their secrets."""
    _caller(request, Permission.ORG_READ)
    account = identity.service_account(service_account_id)
    return Page[TokenOut](items=[TokenOut.of(token) for token in identity.tokens_of(account.id)])


@router.post("/service-accounts/{service_account_id}/tokens", response={201: NewTokenOut})
def create_service_token(request: HttpRequest, service_account_id: str, body: TokenIn) -> Status[NewTokenOut]:
    """Make a token; its text is shown in this answer only. Needs a session."""
    actor, at = _caller(request)
    made = tokens.create_for_service(actor=actor, at=at, service_account_id=service_account_id, wish=body.to_wish())
    return Status(201, NewTokenOut.made(made))


@router.get("/tokens", response=Page[TokenOut])
def list_own_tokens(request: HttpRequest) -> Page[TokenOut]:
    """One's own tokens, newest first, without their secrets."""
    actor, _ = _caller(request)
    return Page[TokenOut](items=[TokenOut.of(token) for token in identity.tokens_of(actor.id)])


@router.post("/tokens", response={201: NewTokenOut})
def create_own_token(request: HttpRequest, body: TokenIn) -> Status[NewTokenOut]:
    """Make a personal token; its text is shown in this answer only. Needs a session."""
    actor, at = _caller(request)
    return Status(201, NewTokenOut.made(tokens.create_personal(actor=actor, at=at, wish=body.to_wish())))


@router.post("/tokens/{token_id}/revoke", response=TokenOut)
def revoke_token(request: HttpRequest, token_id: str, body: ReasonIn) -> TokenOut:
    """Revoke a token at once: one's own, or, with the permission, somebody else's."""
    actor, at = _caller(request)
    return TokenOut.of(tokens.revoke(actor=actor, at=at, token_id=token_id, reason=body.reason))
