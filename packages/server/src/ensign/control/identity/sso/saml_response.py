"""From the posted form field to what the provider vouched for. No clock, no database; one answer or one refusal.

A response passes these steps, in this order:

1. ``saml_guard``: bounded, and of the one shape that is accepted; nothing was verified, nothing expensive was done;
2. an encrypted assertion is opened only after the signature over the whole response was found right (SAML 2.0 Errata
   E93: otherwise errors of decryption tell an attacker the text), and then passes the guard itself;
3. each signature is by one of the configured certificates; only from here on is anything believed;
4. whom it is for, from whom, when and in answer to what, with the clauses of SAML Core and Profiles that ask for it;
   equality throughout;
5. python3-saml in strict mode as a second opinion: the schema, the signatures again, and its own checks. Alone it would
   not do: it takes a missing audience or recipient, and compares addresses by their beginning.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import xmlsec
from lxml import etree
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from ensign.control.identity.sso import saml_here
from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.saml_claims import TRANSIENT_FORMAT, Attributes
from ensign.control.identity.sso.saml_guard import Guarded, guard, guard_assertion
from ensign.control.identity.sso.saml_here import Here
from ensign.control.identity.sso.saml_xml import (
    SAML,
    SAMLP,
    Element,
    Refused,
    children,
    decode,
    named,
    only,
    parse,
    text_of,
)

#: How far the clocks of provider and server may differ.
SKEW: Final = timedelta(seconds=60)
#: An assertion is made for this sign-in: older ones are refused, however long they say that they last.
FRESH: Final = timedelta(minutes=10)
#: For so long an assertion is remembered as used; it is refused by its age long before.
REMEMBERED: Final = timedelta(hours=1)
_SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_CONDITIONS: Final = frozenset(named(SAML, name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a response says, all of it signed. ``in_response_to`` is "" when nobody asked for it."""

    in_response_to: str
    assertion_id: str
    name_id: str
    name_id_format: str
    attributes: Attributes
    contexts: tuple[str, ...]
    authenticated_at: datetime
    session_index: str
    session_ends_at: datetime | None


def verify(field: str, *, provider: ProviderView, at: datetime) -> Verified:
    """Judge a response posted for ``provider`` at ``at``.

    Whether ``in_response_to`` is a request of this very browser, and whether the assertion was used before, is for the
    caller to see.

    :raises Refused: with the kind of failure.
    """
    here = saml_here.here(provider)
    guarded = guard(field, rules=saml_here.rules(provider))
    root = guarded.root
    with _refusing():
        toolkit = OneLogin_Saml2_Settings(saml_here.toolkit_settings(provider))
        assertion, response = _signed(guarded, provider, toolkit)
    _check_status(root)
    _check_addressing(root, assertion, provider, here, message_signed=guarded.message_signed)
    _check_conditions(assertion, here, at=at)
    name_id, name_id_format = _check_subject(root, assertion, here, at=at)
    statement = only(assertion, SAML, "AuthnStatement")
    ends_at = _instant(statement.get("SessionNotOnOrAfter"), "SessionNotOnOrAfter")
    if ends_at is not None and ends_at <= at - SKEW:
        raise Refused("expired", "The session at the identity provider is over.")
    with _refusing():
        request = saml_here.as_request(here.acs, {}, posted=True)
        response.is_valid(request, request_id=root.get("InResponseTo"), raise_exceptions=True)
    authenticated_at = required_instant(statement.get("AuthnInstant"), "AuthnInstant")
    return Verified(
        in_response_to=root.get("InResponseTo", ""),
        assertion_id=assertion.get("ID"),
        name_id=name_id,
        name_id_format=name_id_format,
        attributes=_attributes(assertion),
        contexts=tuple(text_of(one) for one in statement.iter(named(SAML, "AuthnContextClassRef"))),
        authenticated_at=min(authenticated_at, at),
        session_index=statement.get("SessionIndex", ""),
        session_ends_at=ends_at,
    )


def status_of(field: str) -> str:
    """The provider's own refusal in a response without an assertion: the last status code's last word, or "".

    Nothing was verified: it explains, it decides nothing. "NoPassive" is how a provider says that it would have to ask.
    """
    try:
        root = parse(decode(field))
    except Refused:
        return ""
    if root.tag != named(SAMLP, "Response") or next(root.iter(named(SAML, "Assertion")), None) is not None:
        return ""
    codes = [one.get("Value", "") for one in root.iter(named(SAMLP, "StatusCode"))]
    words = [code.rpartition(":")[2] for code in codes if code.startswith("urn:oasis:names:tc:SAML:2.0:status:")]
    return "" if not words or words[0] == "Success" else words[-1]


def _signed(guarded: Guarded, provider: ProviderView, toolkit: Any) -> tuple[Element, Any]:
    """Steps 2 and 3: the assertion that signatures by configured certificates cover, and the toolkit's response."""
    path = OneLogin_Saml2_Utils.RESPONSE_SIGNATURE_XPATH
    if guarded.message_signed and not _fits(guarded.raw, toolkit, path):
        raise Refused(*_SIGNATURE)
    # The toolkit decrypts as soon as it is made: an encrypted assertion came this far only with a signature around it.
    response = OneLogin_Saml2_Response(toolkit, base64.b64encode(guarded.raw).decode())
    assertion, holder = guarded.assertion, guarded.raw
    if assertion is None:
        assertion = _opened(response, provider)
        holder = etree.tostring(response.decrypted_document)
    if not _fits(holder, toolkit, OneLogin_Saml2_Utils.ASSERTION_SIGNATURE_XPATH):
        raise Refused(*_SIGNATURE)
    return assertion, response


def _fits(document: bytes, toolkit: Any, path: str) -> bool:
    """Whether the signature at ``path`` is by one of the configured certificates."""
    certificates = toolkit.get_idp_data()["x509certMulti"]["signing"]
    return bool(OneLogin_Saml2_Utils.validate_sign(document, multicerts=certificates, xpath=path))


@contextmanager
def _refusing() -> Iterator[None]:
    """The toolkit's failures, and those of the libraries below it, as refusals."""
    try:
        yield
    except OneLogin_Saml2_ValidationError as error:
        raise Refused(*_KINDS.get(error.code, _INVALID)) from error
    except OneLogin_Saml2_Error as error:
        raise Refused("settings", "The provider's settings are not complete.") from error
    except (etree.LxmlError, xmlsec.Error, ValueError, TypeError, RuntimeError) as error:
        raise Refused(*_INVALID) from error


def _opened(response: Any, provider: ProviderView) -> Element:
    """The assertion out of its encryption, parsed anew within the same bounds and of the same shape as a plain one."""
    found = response.decrypted_document.findall(f".//{named(SAML, 'Assertion')}")
    if len(found) != 1:
        raise Refused("assertions", "The response must hold exactly one assertion.")
    assertion = parse(etree.tostring(found[0], encoding="utf-8", with_tail=False))
    guard_assertion(assertion, rules=saml_here.rules(provider))
    return assertion


def _check_status(root: Element) -> None:
    """Core 3.2.2.2: the first code decides."""
    status = only(root, SAMLP, "Status")
    if only(status, SAMLP, "StatusCode").get("Value") != _SUCCESS:
        raise Refused("status", "The identity provider did not let you in.")


def _check_addressing(
    root: Element, assertion: Element, provider: ProviderView, here: Here, *, message_signed: bool
) -> None:
    """Issuer (Profiles 4.1.4.2) of both; Destination (Bindings 3.5.5.2), which a signed response must have."""
    for element in (root, assertion):
        if text_of(only(element, SAML, "Issuer")) != provider.settings["entity_id"]:
            raise Refused("issuer", "The response comes from another identity provider.")
    destination = root.get("Destination")
    if destination != here.acs and (destination is not None or message_signed):
        raise Refused("destination", "The response was meant for another address.")


def _check_conditions(assertion: Element, here: Here, *, at: datetime) -> None:
    """Core 2.5.1: times, a known set of conditions, and an audience in every restriction; age by IssueInstant."""
    conditions = only(assertion, SAML, "Conditions")
    if any(child.tag not in _CONDITIONS for child in conditions):
        raise Refused("conditions", "The assertion has a condition that Ensign does not know.")
    _check_window(conditions, at=at)
    issued = required_instant(assertion.get("IssueInstant"), "IssueInstant")
    if not at - FRESH - SKEW <= issued <= at + SKEW:
        raise Refused("expired", "The assertion was made too long ago, or in the future.")
    restrictions = children(conditions, SAML, "AudienceRestriction")
    audiences = [[text_of(one) for one in children(part, SAML, "Audience")] for part in restrictions]
    if not audiences or not all(here.entity_id in allowed for allowed in audiences):
        raise Refused("audience", "The assertion was made for another application.")


def _check_subject(root: Element, assertion: Element, here: Here, *, at: datetime) -> tuple[str, str]:
    """Profiles 4.1.4.2: one bearer, this address, in time, for this request; returns NameID and its format."""
    subject = only(assertion, SAML, "Subject")
    name_id = only(subject, SAML, "NameID")
    name, form = text_of(name_id), name_id.get("Format", "")
    if not name or len(name) > 1024 or form == TRANSIENT_FORMAT:
        raise Refused("name_id", "The provider must send a NameID that stays the same for the same person.")
    confirmations = children(subject, SAML, "SubjectConfirmation")
    if len(confirmations) != 1 or confirmations[0].get("Method") != _BEARER:
        raise Refused("confirmation", "The assertion must have exactly one confirmation, as its bearer.")
    data = only(confirmations[0], SAML, "SubjectConfirmationData")
    if data.get("Recipient") != here.acs:
        raise Refused("recipient", "The assertion was meant for another address.")
    if data.get("NotOnOrAfter") is None or data.get("NotBefore") is not None:
        raise Refused("confirmation", "The confirmation must say until when it counts, and not from when.")
    _check_window(data, at=at)
    if data.get("InResponseTo", "") != root.get("InResponseTo", ""):
        raise Refused("in_response_to", "The assertion answers another request than the response.")
    return name, form


def _check_window(element: Element, *, at: datetime) -> None:
    starts = _instant(element.get("NotBefore"), "NotBefore")
    ends = _instant(element.get("NotOnOrAfter"), "NotOnOrAfter")
    if (starts is not None and at + SKEW < starts) or (ends is not None and at - SKEW >= ends):
        raise Refused("expired", "The assertion is not valid now.")


def _attributes(assertion: Element) -> Attributes:
    found: dict[str, tuple[str, ...]] = {}
    for statement in children(assertion, SAML, "AttributeStatement"):
        for attribute in children(statement, SAML, "Attribute"):
            name = attribute.get("Name").lower()
            if name in found:
                raise Refused("attributes", "An attribute is there twice.")
            found[name] = tuple(text_of(value) for value in children(attribute, SAML, "AttributeValue"))
    return found


def _instant(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused("shape", f"{name} is no instant.") from error
    if found.tzinfo is None:
        raise Refused("shape", f"{name} has no time zone.")
    return found


def required_instant(text: str | None, name: str) -> datetime:
    """An instant that must be there, with its time zone.

    :raises Refused: ``shape``, when it is missing or is none.
    """
    found = _instant(text, name)
    if found is None:
        raise Refused("shape", f"{name} is missing.")
    return found


_SIGNATURE: Final = ("signature", "No certificate of the provider's settings fits the signature.")
_INVALID: Final = ("invalid", "The response is not a valid SAML response.")
_Error = OneLogin_Saml2_ValidationError
_KINDS: Final[Mapping[int, tuple[str, str]]] = {
    _Error.INVALID_SIGNATURE: _SIGNATURE,
    _Error.STATUS_CODE_IS_NOT_SUCCESS: ("status", "The identity provider did not let you in."),
    _Error.WRONG_AUDIENCE: ("audience", "The assertion was made for another application."),
    _Error.WRONG_DESTINATION: ("destination", "The response was meant for another address."),
    _Error.WRONG_ISSUER: ("issuer", "The response comes from another identity provider."),
    _Error.WRONG_SUBJECTCONFIRMATION: ("confirmation", "The assertion is not confirmed for this address and time."),
    _Error.ASSERTION_EXPIRED: ("expired", "The assertion is not valid now."),
    _Error.ASSERTION_TOO_EARLY: ("expired", "The assertion is not valid now."),
    _Error.SESSION_EXPIRED: ("expired", "The session at the identity provider is over."),
}
