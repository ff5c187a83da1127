"""The rules of signing in that are in force, and what they ask of a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from ensign.control.identity.models import Account
from ensign.control.identity.rules import Rules, from_state
from ensign.control.identity.sign_in_models import SignInRules
from ensign.control.identity.sso.queries import active_providers, counts_elsewhere, identities_at
from ensign.control.kernel.errors import Unauthenticated

RULES_ID = "sign-in"

_STRONG = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """What makes a second factor matter: whether somebody administers anything, and whether they approve."""

    administers: bool
    approves: bool


_source: Callable[[str, datetime], Powers] | None = None


def register_powers(source: Callable[[str, datetime], Powers]) -> None:
    """Let ``access`` tell what a person (by id) may do. Once, while Django starts."""
    global _source  # the one seam to the app above, as access.places has it
    _source = source


def powers_of(person_id: str, *, at: datetime) -> Powers:
    """What a person may do.

    :raises RuntimeError: when nobody has registered a source: nothing is allowed by omission.
    """
    if _source is None:
        raise RuntimeError("nobody tells what people may do")
    return _source(person_id, at)


def current() -> Rules:
    """The rules in force; the defaults until somebody has decided."""
    row = SignInRules.objects.filter(pk=RULES_ID).first()
    return Rules() if row is None else from_state(row.state)


def of_request(request: HttpRequest) -> Rules:
    """:func:`current`, read once for a request."""
    known = getattr(request, "ensign_sign_in_rules", None)
    if isinstance(known, Rules):
        return known
    found = current()
    request.ensign_sign_in_rules = found  # type: ignore[attr-defined]  # kept for this request alone
    return found


def require_way(way: str, person_id: str, *, rules: Rules) -> None:
    """Refuse a way to sign in that the rules do not allow this person.

    :raises Unauthenticated: with the code ``local-not-allowed``.
    """
    if not rules.allows_way(way, person_id):
        raise Unauthenticated(
            "Accounts of Ensign's own are not in use here for you.",
            remedy="Sign in through your organisation's identity provider, or ask an administrator.",
            code="local-not-allowed",
        )


def kinds_of(person_id: str) -> frozenset[str]:
    """Which second factors a person has: ``totp``, ``webauthn``; recovery codes are none of their own."""
    rows = Authenticator.objects.filter(user__person_id=person_id, type__in=_STRONG)
    return frozenset(rows.values_list("type", flat=True))


def must_prove(person_id: str) -> bool:
    """Whether administering asks this person for a recent second factor: as soon as they have one, here or at an
    identity provider whose second factors count.

    Who has none is led to enrol where the rules demand it; where they do not, a finding says so (ADR 0026).
    """
    return bool(kinds_of(person_id)) or counts_elsewhere(person_id)


def people_proving_elsewhere() -> frozenset[str]:
    """Ids of the people whom an identity provider vouches for, and whose second factors there count here."""
    counting = [one.id for one in active_providers() if one.mfa_counts]
    return frozenset(one.person for provider in counting for one in identities_at(provider) if one.status == "active")


Owed = Literal["", "factor", "passkey"]


def owed(person_id: str, *, rules: Rules, at: datetime, without: int | None = None) -> Owed:
    """What the rules ask this person to enrol that they have not; ``without`` leaves out one factor by id."""
    if not rules.demands:
        return ""
    account = Account.objects.filter(person_id=person_id).first()
    rows = Authenticator.objects.filter(user_id=None if account is None else account.pk, type__in=_STRONG)
    kinds = set(rows.exclude(pk=without).values_list("type", flat=True))
    if Authenticator.Type.WEBAUTHN in kinds:
        return ""
    powers = powers_of(person_id, at=at)
    if rules.passkeys and powers.approves:
        return "passkey"
    asked = rules.factor == "everybody" or (rules.factor == "powerful" and (powers.administers or powers.approves))
    return "factor" if asked and not kinds else ""


def needs_passkey(person_id: str, *, rules: Rules, at: datetime) -> bool:
    """Whether nothing but a passkey counts when this person approves or administers."""
    return rules.passkeys and powers_of(person_id, at=at).approves
