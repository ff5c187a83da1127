"""What differs between providers: their settings, and how their claims are read. Pure; no I/O.

======== =================================== ================= ======================================================
shape    organisation                        groups            address
======== =================================== ================= ======================================================
okta     the issuer                          claim, by names   ``email`` with ``email_verified``
google   ``hd`` must be a configured domain  none are sent     ``email`` with ``email_verified``
entra    ``tid`` must be the tenant          claim, object ids ``email``, verified by ``xms_edov`` or by the tenant
keycloak the issuer (a realm)                claim, by names   ``email`` with ``email_verified``
generic  the issuer                          claim             ``email`` with ``email_verified``
======== =================================== ================= ======================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from ensign.control.identity.sso.domain import GROUPS_MAX, Asserted, NotLetIn, ProviderView
from ensign.control.identity.sso.oidc.rules import instant
from ensign.control.kernel.errors import Invalid

SCOPES: Final[Mapping[str, str]] = {
    "okta": "openid profile email groups",
    "google": "openid profile email",
    "entra": "openid profile email",
    "keycloak": "openid profile email",
    "generic": "openid profile email",
}
GOOGLE: Final = "https://accounts.google.com"
_MICROSOFT: Final = "login.microsoftonline.com"
_TENANT: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}\Z")
_VALUE_MAX: Final = 500


def clean(shape: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an OIDC provider: ``issuer, client_id, scopes, tenant, trust_email, strong_acr``.

    :raises Invalid: naming the fields.
    """
    tenant = str(raw.get("tenant") or "").strip().lower()
    if shape == "entra" and not _TENANT.match(tenant):
        raise _invalid("tenant", "Enter the directory (tenant) id, like 72f988bf-86f1-41af-91ab-2d7cd011db47.")
    issuer = str(raw.get("issuer") or "").strip()
    issuer = issuer.removesuffix("/.well-known/openid-configuration")
    if not issuer:
        issuer = {"google": GOOGLE, "entra": f"https://{_MICROSOFT}/{tenant}/v2.0"}.get(shape, "")
    parts = urlsplit(issuer)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment or "@" in issuer:
        raise _invalid("issuer", "Enter the issuer as the provider writes it, like https://example.okta.com.")
    if parts.hostname == _MICROSOFT and (shape != "entra" or tenant not in issuer.lower()):
        raise _invalid("issuer", "Microsoft's issuer must be that of your one tenant, not common or organizations.")
    client_id = str(raw.get("client_id") or "").strip()
    if not client_id or len(client_id) > 255 or not client_id.isprintable():
        raise _invalid("client_id", "Enter the client id that the provider gave.")
    return {
        "issuer": issuer,
        "client_id": client_id,
        "scopes": _scopes(str(raw.get("scopes") or SCOPES.get(shape, SCOPES["generic"]))),
        "tenant": tenant if shape == "entra" else "",
        "trust_email": bool(raw.get("trust_email")) and shape != "google",
        "strong_acr": str(raw.get("strong_acr") or "").strip()[:200],
    }


def _scopes(text: str) -> str:
    wanted = list(dict.fromkeys(text.split()))
    if not all(_SCOPE.match(one) for one in wanted) or len(wanted) > 20:
        raise _invalid("scopes", "Enter scopes with spaces between, like: openid profile email.")
    return " ".join(wanted if "openid" in wanted else ["openid", *wanted])


def _invalid(field: str, text: str) -> Invalid:
    return Invalid("The provider's settings are not complete.", fields={field: text})


def needs_more(provider: ProviderView, claims: Mapping[str, Any]) -> bool:
    """Whether the user info is to be asked for: the ID token lacks the address, or the groups that are mapped."""
    groups = bool(provider.group_mapping) and provider.shape != "google"
    return "email" not in claims or (groups and provider.group_claim not in claims and not _elsewhere(provider, claims))


def together(claims: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    """The ID token's claims with what the user info adds; whether an address is verified comes with the address."""
    about = {} if "email" in claims else dict.fromkeys(("email_verified", "xms_edov"))
    return {**info, **{name: value for name, value in claims.items() if name not in about}}


def read(provider: ProviderView, claims: Mapping[str, Any], *, at: datetime) -> Asserted:
    """What verified claims (of the ID token, with what the user info adds) assert of the person.

    :raises NotLetIn: when they are of another organisation, or the groups cannot be told.
    """
    _require_organisation(provider, claims)
    email = claims.get("email")
    if not email and provider.shape == "entra":
        email = claims.get("preferred_username")
    amr, acr = claims.get("amr"), claims.get("acr")
    strong_acr = str(provider.settings.get("strong_acr") or "").split()
    dated = instant(claims, "auth_time") is not None  # a second factor of which nobody says when is none of today
    name = claims.get("name")
    sid = claims.get("sid")
    return Asserted(
        provider=provider.id,
        subject=str(claims["sub"]),
        email=email if isinstance(email, str) and len(email) <= 254 else "",
        email_verified=_verified(provider, claims),
        name=name if isinstance(name, str) else "",
        groups=groups_of(provider, claims),
        authenticated_at=instant(claims, "auth_time") or instant(claims, "iat") or at,
        strong=dated and ((isinstance(amr, list) and "mfa" in amr) or (isinstance(acr, str) and acr in strong_acr)),
        session_index=sid if isinstance(sid, str) and len(sid) <= 255 else "",
    )


def groups_of(provider: ProviderView, claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of the group claim. A lone text is a list of one; what is not told is refused, never taken as none.

    :raises NotLetIn: when there are too many, they are no texts, or the provider left them out for their number.
    """
    if provider.shape == "google":
        return ()
    if provider.group_mapping and _elsewhere(provider, claims):
        raise NotLetIn(
            "groups-overage",
            "You belong to so many groups that the provider leaves them out of what it sends.",
            remedy="An administrator lets Entra send only groups assigned to the application, or app roles.",
        )
    value = claims.get(provider.group_claim) if provider.group_claim else None
    values = [value] if isinstance(value, str) else value
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise NotLetIn("groups-form", "The provider sends groups in a form that Ensign does not read.")
    if len(values) > GROUPS_MAX:
        raise NotLetIn(
            "groups-many",
            f"The provider sends more than {GROUPS_MAX:,} groups for you.",
            remedy="An administrator lets it send only the groups that Ensign needs.",
        )
    return tuple(one for one in dict.fromkeys(values) if one and len(one) <= _VALUE_MAX)


def _elsewhere(provider: ProviderView, claims: Mapping[str, Any]) -> bool:
    """Entra's overage: beyond 200 groups it sends where to ask for them instead."""
    names = claims.get("_claim_names")
    return (isinstance(names, Mapping) and provider.group_claim in names) or claims.get("hasgroups") in [True, "true"]


def _require_organisation(provider: ProviderView, claims: Mapping[str, Any]) -> None:
    if provider.shape == "google" and claims.get("hd") not in provider.domains:
        raise NotLetIn(
            "another-organisation",
            "This Google account does not belong to your organisation's Workspace.",
            remedy="Choose your work account when Google asks.",
        )
    if provider.shape == "entra" and claims.get("tid") != provider.settings["tenant"]:
        raise NotLetIn("another-organisation", "This Microsoft account belongs to another tenant.")


def _verified(provider: ProviderView, claims: Mapping[str, Any]) -> bool:
    """Whether the address counts as theirs: by the provider's word; where it says nothing, an administrator may have
    decided that addresses of this provider do. Entra says it by ``xms_edov``.
    """
    if "email_verified" in claims:
        return claims["email_verified"] is True
    if provider.shape == "entra" and claims.get("email") and claims.get("xms_edov") in [True, "1", "true"]:
        return True
    return bool(provider.settings.get("trust_email"))
