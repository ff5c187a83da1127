"""What access itself has to put right: pairs that nobody should hold, what one person gave alone, what ends soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse

from ensign.control.access import as_of, request_queries, requests, segregation, two_people
from ensign.control.access.asked import OWN_MAX, ExceptionView, RequestView
from ensign.control.access.catalogue import definitions
from ensign.control.access.domain import GrantView, Scope
from ensign.control.access.findings import Finding
from ensign.control.access.models import Grant
from ensign.control.access.permissions import Permission
from ensign.control.access.roles import confers_approval
from ensign.control.audit.models import Entry, Touch
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock

#: How long before it ends something is mentioned.
NOTICE: Final = timedelta(days=14)
#: After how long without a sign-in an active person is one whom nobody misses.
DORMANT: Final = timedelta(days=90)


def toxic_pairs(at: datetime) -> list[Finding]:
    """What somebody holds together that no exception covers, and exceptions that end within 14 days."""
    held = segregation.conflicts(at=at)
    names = identity.names(one.subject for one in held)
    ending = {
        one.exception.id: one.exception
        for one in held
        if one.exception is not None and one.exception.expires_at - at <= NOTICE
    }
    return [
        *(_toxic(one, names[one.subject]) for one in held if one.exception is None),
        *(_ending(one, names[one.subject]) for one in ending.values()),
    ]


def _toxic(one: segregation.Conflict, name: str) -> Finding:
    pair = one.overlap.pair
    return Finding(
        code="toxic-pair",
        subject=one.subject,
        title=f"{name} holds what is kept apart {_where(one.overlap.scope)}: {pair.title.lower()}.",
        remedy="End one of the two roles, or propose an exception that a second person approves.",
        url=_page(one.subject),
        detail=f"{pair.key} {one.overlap.scope}".strip(),
    )


def _ending(exception: ExceptionView, name: str) -> Finding:
    count = len(exception.pairs)
    return Finding(
        code="exception-ends",
        subject=exception.subject,
        title=f"The exception for {name} {_where(exception.scope)} ends on {_day(exception.expires_at)}:"
        f" {count} pair{'' if count == 1 else 's'}.",
        remedy="End one of the roles before, or propose another exception.",
        since=exception.expires_at - NOTICE,
        url=reverse("access:exception", args=[exception.id]),
        detail=exception.id,
    )


def sole_granters(at: datetime) -> list[Finding]:
    """Roles that one person gave alone as nobody else could confirm, and nobody has reviewed since."""
    waiting = [one for one in request_queries.requests(status="granted") if one.sole and one.reviewed_by is None]
    over = {
        row.pk
        for row in Grant.objects.filter(pk__in=[one.grant for one in waiting if one.grant])
        if row.status != "active" or requests.grant_over(row, at=at)
    }
    members = identity.members()
    names = identity.names(one.subject for one in waiting)
    return [
        Finding(
            code="sole-granter",
            subject=one.subject,
            title=f"One person alone gave {names[one.subject]} {_what(one)}.",
            remedy="Somebody else who gives roles reviews it, or ends the role.",
            since=one.decided_at,
            url=reverse("access:request", args=[one.id]),
            detail=one.id,
        )
        for one in waiting
        if one.grant not in over and (one.group is None or one.subject in members.get(one.group, ()))
    ]


def given_by_one(at: datetime) -> list[Finding]:
    """Roles that approve in an environment which is protected by now, but was not when one person gave them."""
    found = [
        line
        for line in as_of.now(at=at).lines
        if line.grant.scope.environment is not None and two_people.needed(line.grant.definition, line.grant.scope)
    ]
    origins, names = as_of.origins(found), identity.names(line.subject for line in found)
    return [
        Finding(
            code="given-by-one",
            subject=line.subject,
            title=f"{names[line.subject]} approves in {line.grant.scope}, which was not protected when one person gave"
            f" them the role {line.grant.definition.name}.",
            remedy="End the role and give it again, which takes two people.",
            url=_page(line.subject),
            detail=line.grant.id,
        )
        for line in found
        if not origins[line.grant.id].approved_by and not origins[line.grant.id].sole
    ]


def _what(request: RequestView) -> str:
    meaning = definitions(one.role for one in request.roles)
    approves = any(confers_approval(role) for role in meaning.values())
    if approves:
        return "the approval of production"
    signs = any(role.confers(Permission.ORG_SECURITY_MANAGE) for role in meaning.values())
    return "deciding how people sign in" if signs else "the right to give what takes two people"


def ending_grants(at: datetime) -> list[Finding]:
    """Roles that end within 14 days; those that were given for a month at most are meant to."""
    found = [line for line in as_of.now(at=at).lines if line.via is None and _ends_soon(line.grant, at=at)]
    names = identity.names(line.subject for line in found)
    return [
        Finding(
            code="grant-ends",
            subject=line.subject,
            title=f"The role {line.grant.definition.name} of {names[line.subject]} ends on {_day(line.until or at)}.",
            remedy="Give it again for longer if it is still needed.",
            since=line.grant.ends_at - NOTICE if line.grant.ends_at else None,
            url=_page(line.subject),
            detail=line.grant.id,
        )
        for line in found
    ]


def dormant_people(at: datetime) -> list[Finding]:
    """People who may sign in, but hold no role or have not signed in for 90 days."""
    active = identity.people(status="active")
    holding = {line.subject for line in as_of.now(at=at).lines}
    seen, arrived = identity.last_sign_ins(), _arrivals([person.id for person in active])
    found = []
    for person in active:
        last = seen.get(person.id)
        since = last or arrived.get(person.id, at)
        if at - since >= DORMANT:
            words = "has not signed in for 90 days" if last else "has never signed in"
        elif person.id not in holding and at - arrived.get(person.id, at) >= NOTICE:
            words, since = "holds no role at all", arrived.get(person.id, at)
        else:
            continue
        found.append(
            Finding(
                code="dormant-account",
                subject=person.id,
                title=f"{person.display} {words}.",
                remedy="Deactivate the account if it is not needed.",
                since=since,
                url=_page(person.id),
            )
        )
    return found


def _arrivals(people: list[str]) -> dict[str, datetime]:
    """Person -> when the log first knew them."""
    first: dict[int, str] = {}
    for names in _chunks([f"person:{id}" for id in people]):
        rows = Touch.objects.filter(object__in=names, version=1).values_list("seq", "object")
        first.update({seq: name.partition(":")[2] for seq, name in rows})
    found: dict[str, datetime] = {}
    for start in range(0, len(first), 500):
        times = Entry.objects.filter(seq__in=list(first)[start : start + 500]).values_list("seq", "ts")
        found.update({first[seq]: clock.parse(ts) for seq, ts in times})
    return found


def _chunks(names: list[str]) -> Iterator[list[str]]:
    return (names[start : start + 500] for start in range(0, len(names), 500))


def _ends_soon(grant: GrantView, *, at: datetime) -> bool:
    if grant.ends_at is None or grant.ends_at - grant.starts_at <= OWN_MAX:
        return False
    return at < grant.ends_at <= at + NOTICE


def _page(subject: str) -> str:
    names = {"usr": "access:person", "svc": "access:service-account"}
    return reverse(names[subject[:3]], args=[subject]) if subject[:3] in names else ""


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y}"


def _where(scope: Scope) -> str:
    return f"in {scope}" if scope.project is not None else "in this organisation"
