"""Findings about signing in: powers without a second factor, passwords beside providers, tokens beyond the rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from django.urls import reverse

from ensign.control.access.findings import Finding
from ensign.control.access.powers import everybodys
from ensign.control.identity import enforcing, factors, queries
from ensign.control.identity.models import Account, Token
from ensign.control.identity.sso.domain import domain_of
from ensign.control.identity.sso.queries import active_providers
from ensign.control.kernel import clock


def found(at: datetime) -> tuple[Finding, ...]:
    """All of them at ``at``."""
    return (*_without_factor(at), *_long_tokens(at), *_beside_providers())


def _without_factor(at: datetime) -> Iterator[Finding]:
    """People who administer or approve and have no second factor: nothing but a password stands before that."""
    strong = factors.people_with_factors() | enforcing.people_proving_elsewhere()
    mighty = everybodys(at=at)
    for person in queries.people(status="active"):
        may = mighty.get(person.id)
        if may is not None and person.id not in strong:
            does = "administers" if may.administers else "approves"
            yield Finding(
                code="no-second-factor",
                subject=person.id,
                title=f"{person.display} {does} and has no second factor.",
                remedy="Ask them to enrol one, or demand it of administrators and approvers in the sign-in rules.",
                url=reverse("access:person", args=[person.id]),
            )


def _long_tokens(at: datetime) -> Iterator[Finding]:
    """Tokens made before the rules were tightened keep their end; they are worth replacing."""
    rules = enforcing.current()
    for row in Token.objects.filter(status="active").order_by("pk"):
        kind: Literal["personal", "service"] = "personal" if row.kind == "personal" else "service"
        ends = clock.parse(row.state["expires_at"])
        limit = timedelta(days=rules.token_days(kind))
        if ends > at and ends - clock.parse(row.state["created_at"]) > limit:
            subject = row.subject
            name = "access:person" if kind == "personal" else "access:service-account"
            yield Finding(
                code="token-beyond-rules",
                subject=row.pk,
                title=f"The token “{row.state['name']}” lives longer than the sign-in rules allow ({limit.days} days).",
                remedy="Replace it by a shorter one, or revoke it.",
                url=reverse(name, args=[subject]),
            )


def _beside_providers() -> Iterator[Finding]:
    """People who may sign in by a password of Ensign's own although others must come through a provider."""
    enforced = [one for one in active_providers() if one.enforced]
    if not enforced or enforcing.current().local != "everybody":
        return
    domains = {domain for one in enforced for domain in one.domains}
    for account in Account.objects.select_related("person").filter(is_active=True).order_by("person_id"):
        if account.has_usable_password() and domain_of(account.email) not in domains:
            yield Finding(
                code="local-beside-provider",
                subject=account.person_id,
                title=f"{account} signs in with a password, though others must come through {enforced[0].name}.",
                remedy="List who needs that in the sign-in rules, or allow accounts of Ensign's own to nobody.",
                url=reverse("access:person", args=[account.person_id]),
            )
