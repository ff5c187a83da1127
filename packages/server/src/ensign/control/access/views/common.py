"""What access's pages share: who asks, what they hold, and people as the components show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from django.urls import reverse

from ensign.control.access.assigning import assignable, assigning
from ensign.control.access.catalogue import roles
from ensign.control.access.decisions import Held, denied, held
from ensign.control.access.domain import ORGANISATION, GrantView, Scope
from ensign.control.access.permissions import Permission
from ensign.control.identity import queries as identity
from ensign.control.identity.web import signed_in
from ensign.control.kernel import clock
from ensign.control.ui.looks import Choice, Person


def open_page(request: HttpRequest, *needs: Permission) -> tuple[Held, datetime]:
    """What the signed-in person holds now, after checking that they may see this page.

    :raises Unauthenticated: when nobody is signed in.
    :raises Denied: when none of ``needs`` is held in the organisation.
    """
    at = clock.now()
    holds = held(signed_in(request), at=at)
    if needs and not any(holds.allows(need) for need in needs):
        raise denied(holds.decide(needs[0]), needs[0], ORGANISATION)
    return holds, at


def tabs(current: str) -> tuple[Choice, ...]:
    """The parts of people and access."""
    return _tabs(
        current,
        ("People", "access:people"),
        ("Groups", "access:groups"),
        ("Service accounts", "access:service-accounts"),
        ("Access", "access:grants"),
        ("Roles", "access:roles"),
        ("Requests", "access:requests"),
        ("Who can", "access:who-can"),
        ("To put right", "access:findings"),
    )


def sign_in_tabs(current: str) -> tuple[Choice, ...]:
    """The parts of signing in."""
    return _tabs(
        current,
        ("Rules", "access:sign-in-rules"),
        ("Identity providers", "access:providers"),
        ("Directory", "scim:directory"),
        ("Emergency access", "access:emergency"),
        ("Who signed in", "access:logins"),
    )


def _tabs(current: str, *parts: tuple[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(label=label, href=reverse(name), current=label == current) for label, name in parts)


def address_of(subject: str) -> str:
    """The page about a person, group or service account; "" for others."""
    names = {"usr": "access:person", "grp": "access:group", "svc": "access:service-account"}
    name = names.get(subject[:3])
    return reverse(name, args=[subject]) if name else ""


def shown(ids: Iterable[str]) -> dict[str, Person]:
    """Ids as the components show them."""
    return {id: Person(name=name, kind=_kind(id), href=address_of(id)) for id, name in identity.names(ids).items()}


def _kind(id: str) -> Literal["person", "service", "system"]:
    return "person" if id.startswith("usr_") else "service" if id.startswith("svc_") else "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRow:
    """A grant as a row of a table."""

    grant: GrantView
    role: str
    description: str
    where: str
    flags: str
    who: Person
    by: Person
    over: bool
    endable: bool
    waits: bool


def grant_rows(grants: Sequence[GrantView], holds: Held) -> list[GrantRow]:
    """Grants with the words and people that belong to them."""
    people = shown([grant.subject for grant in grants] + [grant.granted_by for grant in grants])
    return [
        GrantRow(
            grant=grant,
            role=grant.definition.name,
            description=grant.definition.description,
            where=where(grant.scope),
            flags=str(grant.narrowing),
            who=people[grant.subject],
            by=people[grant.granted_by],
            over=grant.over(at=holds.at),
            endable=grant.status == "active" and assigning(holds, grant.definition, grant.scope).allowed,
            waits=grant.starts_at > holds.at,
        )
        for grant in grants
    ]


def may_grant(holds: Held) -> bool:
    """Whether to offer giving roles: they may give some role somewhere."""
    return bool(assignable(holds, roles()))


def where(scope: Scope) -> str:
    """A scope in words."""
    if scope.project is None:
        return "Whole organisation"
    return f"{scope.project}, {scope.environment or 'every environment'}"


def people_choices() -> list[tuple[str, str]]:
    """Active people, to choose from."""
    return [(person.id, f"{person.display} ({person.email})") for person in identity.people(status="active")]


def subject_choices() -> list[tuple[str, str]]:
    """Everybody and everything that can hold a role."""
    people = [
        (person.id, f"{person.display} ({person.email})") for person in identity.people() if person.status != "disabled"
    ]
    groups = [(group.id, f"Group: {group.name}") for group in identity.groups() if group.status == "active"]
    services = [
        (account.id, f"Service account: {account.name}")
        for account in identity.service_accounts()
        if account.status == "active"
    ]
    return [*people, *groups, *services]
