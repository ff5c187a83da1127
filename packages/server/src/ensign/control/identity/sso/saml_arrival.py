"""What happens to a posted response: judged without a session first, then taken up by the browser that asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from ensign.control.identity.sso import saml_claims, saml_request, saml_tickets, sessions
from ensign.control.identity.sso.domain import GROUPS_MAX, Asserted, NotLetIn, ProviderView
from ensign.control.identity.sso.saml_request import Asked
from ensign.control.identity.sso.saml_response import REMEMBERED, Verified, status_of, verify
from ensign.control.identity.sso.saml_xml import Refused, decode, parse
from ensign.control.identity.web import local_path
from ensign.control.kernel import clock
from ensign.control.kernel.transactions import write_door

_REMEDIES = {
    "signature": "If the provider signs with a new certificate, an administrator adds it to the provider's settings.",
    "expired": "Sign in again. If it happens every time, the clocks of the provider and this server differ.",
    "replay": "Sign in again; each answer of the provider counts once.",
    "in_response_to": "Sign in again from this browser, and finish within 15 minutes.",
    "ticket": "Sign in again from this browser, and finish within 15 minutes.",
    "unasked": "Begin at Ensign's sign-in page instead of the provider's list of applications.",
    "groups": "An administrator lets the provider send only the groups that Ensign maps.",
    "name_id": "An administrator sets the format of the NameID to persistent, or to the e-mail address.",
    "status": "Ask whoever administers the provider whether you may use Ensign.",
}
_REMEDY = "Sign in again. If it happens every time, an administrator finds in the log what was wrong."


def receive(provider: ProviderView, field: str, relay: str, *, at: datetime) -> str:
    """Judge a posted response, without knowing whose browser brought it; returns the ticket to go on with.

    :raises Refused: with the kind of failure.
    """
    said = status_of(field)
    if said:
        # Unverified, hence good for one thing: the browser that asked is told that its question was answered with no.
        return saml_tickets.lay_down(provider.id, {"status": said, "answers": _answers(field)}, at=at)
    verified = verify(field, provider=provider, at=at)
    if not verified.in_response_to and not provider.settings["idp_initiated"]:
        raise Refused("unasked", "Nobody here asked the provider for this.")
    with write_door():
        name = f"saml\x00{provider.id}\x00{verified.assertion_id}"
        if sessions.seen_before(name, until=at + REMEMBERED, at=at):
            raise Refused("replay", "This answer of the provider was used before.")
    content = asdict(verified)
    content["authenticated_at"] = clock.text(verified.authenticated_at)
    content["session_ends_at"] = None if verified.session_ends_at is None else clock.text(verified.session_ends_at)
    content["attributes"] = {name: list(values) for name, values in verified.attributes.items()}
    brought = {"verified": content, "answers": verified.in_response_to, "relay": local_path(relay)}
    return saml_tickets.lay_down(provider.id, brought, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A response that this browser asked for. ``ends_at``: when the provider's own session ends, if it says so."""

    asked: Asked
    asserted: Asserted
    ends_at: datetime | None


def asked_of(request: HttpRequest, provider: ProviderView, content: Mapping[str, Any], *, at: datetime) -> Asked:
    """The request of this very browser that ``content`` (of a ticket) answers; it is open no more.

    :raises Refused: when this browser did not ask, or asked somebody else, or too long ago.
    """
    answers = content["answers"]
    if not answers and "verified" in content:
        return Asked(provider=provider.id, purpose="sign-in", target=content["relay"])
    found = saml_request.take(request, answers, at=at)
    if found is None or found.provider != provider.id:
        raise Refused("in_response_to", "This browser did not ask the provider for this.")
    return found


def take(provider: ProviderView, ticket: str, *, at: datetime) -> Mapping[str, Any]:
    """What :func:`receive` laid down, once.

    :raises Refused: when there is no such ticket any more.
    """
    content = saml_tickets.take(ticket, provider.id, at=at)
    if content is None:
        raise Refused("ticket", "The time to finish signing in is over.")
    return content


def taken(provider: ProviderView, content: Mapping[str, Any], asked: Asked) -> Taken:
    """What the provider vouched for, to the browser that asked.

    :raises Refused: when it vouched for nobody, or not in full.
    """
    if "verified" not in content:
        raise Refused("status", "The identity provider did not let you in.")
    verified = _verified(content["verified"])
    return Taken(asked=asked, asserted=asserted_of(provider, verified), ends_at=verified.session_ends_at)


def asserted_of(provider: ProviderView, verified: Verified) -> Asserted:
    """What the provider vouched for, in the words that every protocol shares.

    An address counts as verified: the provider signed it, and only the domains listed in its settings link anybody.

    :raises Refused: when the groups are not complete: acting on half of them would take memberships away.
    """
    attributes, given = verified.attributes, provider.settings
    chosen = provider.group_claim if provider.group_claim.lower() in attributes else ""
    groups = saml_claims.groups(attributes, chosen=chosen)
    if provider.group_mapping and saml_claims.groups_missing(attributes) and not groups:
        raise Refused("groups", "You are in more groups than the provider sends.")
    if len(groups) > GROUPS_MAX:
        raise Refused("groups", f"The provider sends more than {GROUPS_MAX} groups.")
    email = saml_claims.email(
        attributes,
        name_id=verified.name_id,
        name_id_format=verified.name_id_format,
        chosen=given["email_attribute"],
    )
    return Asserted(
        provider=provider.id,
        subject=verified.name_id,
        email=email,
        email_verified=bool(email),
        name=saml_claims.name(attributes, chosen=given["name_attribute"]),
        groups=groups,
        authenticated_at=verified.authenticated_at,
        strong=saml_claims.strong(verified.contexts, attributes),
        session_index=verified.session_index,
    )


def not_let_in(error: Refused) -> NotLetIn:
    """The refusal as every protocol tells it, with what somebody does about it."""
    code = f"saml-{error.code.replace('_', '-')}"
    return NotLetIn(code, error.message, remedy=_REMEDIES.get(error.code, _REMEDY))


def _answers(field: str) -> str:

    return str(parse(decode(field)).get("InResponseTo", ""))


def _verified(content: dict[str, Any]) -> Verified:
    ends = content["session_ends_at"]
    return Verified(
        **{
            **content,
            "attributes": {name: tuple(values) for name, values in content["attributes"].items()},
            "contexts": tuple(content["contexts"]),
            "authenticated_at": clock.parse(content["authenticated_at"]),
            "session_ends_at": None if ends is None else clock.parse(ends),
        }
    )


def shorten(request: HttpRequest, ends_at: datetime | None) -> None:
    """SessionNotOnOrAfter (Core 2.7.2): the session here ends no later than that at the provider."""
    kept = request.session.get(sessions.MARK)
    if ends_at is not None and isinstance(kept, dict) and ends_at < clock.parse(kept["until"]):
        request.session[sessions.MARK] = {**kept, "until": clock.text(ends_at)}
        request.session.save()
