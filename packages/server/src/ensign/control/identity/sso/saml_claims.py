"""What a verified assertion says about a person, in the words of Okta, Entra ID, Google and Shibboleth. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CLAIMS: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
_MICROSOFT: Final = "http://schemas.microsoft.com"

#: Names that identity providers give, the first that is there counts. Compared without regard to case.
EMAIL: Final = (
    "email", "mail", "emailaddress", f"{_CLAIMS}/emailaddress", "urn:oid:0.9.2342.19200300.100.1.3", "user.email",
)  # fmt: skip
NAME: Final = (
    "displayname", "name", f"{_MICROSOFT}/identity/claims/displayname", "urn:oid:2.16.840.1.113730.3.1.241", "cn",
)  # fmt: skip
GIVEN: Final = ("firstname", "givenname", f"{_CLAIMS}/givenname", "urn:oid:2.5.4.42", "user.firstname")
FAMILY: Final = ("lastname", "surname", "sn", f"{_CLAIMS}/surname", "urn:oid:2.5.4.4", "user.lastname")
GROUPS: Final = (
    "groups", "group", "memberof", "roles", f"{_MICROSOFT}/ws/2008/06/identity/claims/groups",
    "urn:oid:1.3.6.1.4.1.5923.1.5.1.1",
)  # fmt: skip
#: Entra ID sends this in place of the groups when there are more than 150: the list is not empty, it is missing.
_GROUPS_ELSEWHERE: Final = f"{_MICROSOFT}/claims/groups.link"
_METHODS: Final = f"{_MICROSOFT}/claims/authnmethodsreferences"

#: Contexts of authentication that say that more than a password was used (SAML AuthnContext 2.0, section 3.4; REFEDS).
STRONG: Final = frozenset(
    {
        "https://refeds.org/profile/mfa",
        f"{_MICROSOFT}/claims/multipleauthn",
        *(
            f"urn:oasis:names:tc:SAML:2.0:ac:classes:{name}"
            for name in (
                "MobileTwoFactorContract", "MobileTwoFactorUnregistered", "SmartcardPKI", "TimeSyncToken",
            )
        ),
    }
)  # fmt: skip

EMAIL_FORMAT: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
TRANSIENT_FORMAT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"

Attributes = Mapping[str, tuple[str, ...]]
"""Attribute name in lower case -> its values."""


def first(attributes: Attributes, names: tuple[str, ...], chosen: str = "") -> str:
    """The first value of the attribute ``chosen``, or of the first of ``names`` that is there; "" when none is."""
    for name in (chosen.lower(),) if chosen else names:
        for value in attributes.get(name, ()):
            if value:
                return value
    return ""


def email(attributes: Attributes, *, name_id: str, name_id_format: str, chosen: str = "") -> str:
    """The person's address: an attribute, else a NameID that is one."""
    found = first(attributes, EMAIL, chosen)
    return found or (name_id if name_id_format == EMAIL_FORMAT else "")


def name(attributes: Attributes, *, chosen: str = "") -> str:
    """What the person is called; "" when the provider does not say."""
    found = first(attributes, NAME, chosen)
    return found or " ".join(part for part in (first(attributes, GIVEN), first(attributes, FAMILY)) if part)


def groups(attributes: Attributes, *, chosen: str = "") -> tuple[str, ...]:
    """The groups that the provider lists, each once."""
    for one in (chosen.lower(),) if chosen else GROUPS:
        if one in attributes:
            return tuple(dict.fromkeys(value for value in attributes[one] if value))
    return ()


def groups_missing(attributes: Attributes) -> bool:
    """Whether the person is in more groups than the provider sends."""
    return _GROUPS_ELSEWHERE in attributes


def strong(contexts: tuple[str, ...], attributes: Attributes) -> bool:
    """Whether the provider says that a second factor was used."""
    return any(one in STRONG for one in (*contexts, *attributes.get(_METHODS, ())))
