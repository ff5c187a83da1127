"""Values of sign-in through a provider, and who is let in. Pure; no Django."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from ensign.control.kernel.errors import Unauthenticated

Kind = Literal["oidc", "saml"]
Shape = Literal["okta", "google", "entra", "keycloak", "generic"]
#: Why somebody was sent to the provider: to sign in, to be checked again without a question, to prove it is them, or to
#: see what the provider asserts without any effect.
Purpose = Literal["sign-in", "renew", "confirm", "try"]

SHAPES: Final[Mapping[Shape, str]] = {
    "okta": "Okta",
    "google": "Google Workspace",
    "entra": "Microsoft Entra ID",
    "keycloak": "Keycloak",
    "generic": "Another provider",
}

#: More groups than this in one assertion are refused: no organisation maps so many, and each is compared.
GROUPS_MAX: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """What a provider vouched for, after everything about the message itself was verified.

    ``provider`` is the provider's id; ``subject`` its own unchanging name of the person; ``email`` as it was sent;
    ``email_verified`` whether the provider says that it belongs to them; ``strong`` whether it says that a second
    factor was used; ``session_index`` its name of its own session, or "".
    """

    provider: str
    subject: str
    email: str
    email_verified: bool
    name: str
    groups: tuple[str, ...]
    authenticated_at: datetime
    strong: bool
    session_index: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedGroup:
    """That whoever has ``value`` among the provider's groups belongs to ``group`` (an id). ``by``: who decided it."""

    value: str
    group: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """A provider as it stands. ``settings`` are those of its kind, without secrets.

    ``recheck_minutes`` 0: the provider is not asked again before ``session_hours`` are over. ``trusted_by``: who last
    decided what it trusts (None: not known); ``vouched_by``: who else has looked at that since.
    """

    id: str
    key: str
    name: str
    kind: Kind
    shape: Shape
    status: Literal["active", "disabled"]
    settings: Mapping[str, Any]
    domains: tuple[str, ...]
    enforced: bool
    provisioning: bool
    mfa_counts: bool
    group_claim: str
    group_mapping: tuple[MappedGroup, ...]
    recheck_minutes: int
    session_hours: int
    version: int
    ledger_seq: int
    trusted_by: str | None = None
    vouched_by: str | None = None

    @property
    def alone(self) -> bool:
        """Whether it is in use though nobody has looked at it but who last decided what it trusts."""
        return self.active and self.trusted_by is not None and self.vouched_by is None

    @property
    def active(self) -> bool:
        """Whether anybody signs in through it."""
        return self.status == "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A person in question: their id and status, and whether this provider already knows them by another subject."""

    person: str
    status: str
    other_subject: bool = False


class NotLetIn(Unauthenticated):
    """The provider vouched for somebody whom Ensign does not let in, or for nobody at all. ``code`` is stable."""

    def __init__(self, code: str, message: str, *, remedy: str = "", person_id: str | None = None) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.person_id = person_id


#: Whoever is anything else (deactivated, erased) stays out.
_MAY_COME: Final = frozenset({"active", "invited"})


def domain_of(email: str) -> str:
    """The part after the last @, in lower case; "" when there is none."""
    return email.strip().lower().rpartition("@")[2] if "@" in email else ""


def subject_hash(provider_id: str, subject: str) -> str:
    """Under which a (provider, subject) pair is looked up: SHA-256, hex."""
    return hashlib.sha256(f"{provider_id}\x00{subject}".encode()).hexdigest()


def judge(
    asserted: Asserted,
    provider: ProviderView,
    *,
    known: Found | None,
    by_email: Found | None,
    enforced_by: tuple[str, ...],
) -> Literal["known", "link", "make"]:
    """Whether the person comes in: as whom this subject is ``known``, by the first ``link``, or newly ``make`` one.

    ``known``: to whom this very subject belongs; ``by_email``: who has the asserted address; ``enforced_by``: ids of
    active providers through which alone people of this address's domain come.

    1. The provider is in use.
    2. People of a domain with enforced providers come through one of those.
    3. A known subject is its person, whatever address came with it; a deactivated one stays out.
    4. A new subject counts only with an address of a domain that this provider is configured for, and verified.
    5. Somebody whom this provider knew by another subject is not taken over by a recycled address.
    6. Nobody is made where provisioning is off.

    :raises NotLetIn: naming the rule.
    """
    if not provider.active:
        raise NotLetIn("provider-disabled", "Nobody signs in through this provider any more.", remedy=_ASK)
    if enforced_by and provider.id not in enforced_by:
        raise NotLetIn(
            "another-provider",
            "People of your organisation sign in through another provider.",
            remedy="Enter your e-mail address on the sign-in page; it leads there.",
            person_id=known.person if known else None,
        )
    if known is not None:
        if known.status not in _MAY_COME:
            raise _deactivated(known)
        return "known"
    _require_own_address(asserted, provider)
    if by_email is None:
        if not provider.provisioning:
            raise NotLetIn(
                "not-invited",
                "You have no account here, and accounts are not made by signing in.",
                remedy="Ask an administrator to invite you.",
            )
        return "make"
    if by_email.status not in _MAY_COME:
        raise _deactivated(by_email)
    if by_email.other_subject:
        raise NotLetIn(
            "subject-changed",
            "Somebody else at your provider had this address before; their account is not handed over.",
            remedy="Ask an administrator to release the earlier sign-in of this address, if it was you.",
            person_id=by_email.person,
        )
    return "link"


def _require_own_address(asserted: Asserted, provider: ProviderView) -> None:
    if domain_of(asserted.email) not in provider.domains:
        raise NotLetIn(
            "foreign-domain",
            "Your e-mail address is not of a domain that this provider vouches for here.",
            remedy="An administrator lists the domains under the provider's settings.",
        )
    if not asserted.email_verified:
        raise NotLetIn(
            "email-unverified",
            "The provider does not say that this e-mail address is yours.",
            remedy="Confirm the address at the provider, then try again.",
        )


def _deactivated(found: Found) -> NotLetIn:
    return NotLetIn("deactivated", "This account has been deactivated.", remedy=_ASK, person_id=found.person)


_ASK: Final = "Ask an administrator."
