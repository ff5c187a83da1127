"""Sending a browser to a SAML provider, and our metadata. The request's id stays in the browser's session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from ensign.control.identity.sso import saml_here
from ensign.control.identity.sso.domain import ProviderView, Purpose
from ensign.control.kernel import clock

#: Where a session keeps which requests it has open: id -> provider, purpose, target, since when.
ASKED: Final = "ensign_saml"
#: How long somebody may take at the provider.
PATIENCE: Final = timedelta(minutes=15)
#: How many may be open at once, as from several tabs; the oldest goes first.
OPEN_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of this browser."""

    provider: str
    purpose: Purpose
    target: str


def begin(
    request: HttpRequest,
    provider: ProviderView,
    *,
    purpose: Purpose,
    target: str,
    hint: str,  # noqa: ARG001  # SAML has no standard hint; the signature is every kind's
    at: datetime,
) -> HttpResponse:
    """Redirect to the provider with a signed request: one that asks anew to confirm it is you, silent to renew."""
    auth = toolkit(provider)
    message = OneLogin_Saml2_Authn_Request(
        auth.get_settings(), force_authn=purpose == "confirm", is_passive=purpose == "renew", set_nameid_policy=True
    )
    kept = request.session.get(ASKED)
    asked: dict[str, Any] = dict(kept) if isinstance(kept, dict) else {}
    asked[message.get_id()] = {"provider": provider.id, "purpose": purpose, "target": target, "at": clock.text(at)}
    newest = sorted(asked.items(), key=lambda pair: str(pair[1]["at"]))[-OPEN_MAX:]
    request.session[ASKED] = dict(newest)
    parameters = {"SAMLRequest": message.get_request(), "RelayState": "ensign"}
    auth.add_request_signature(parameters)
    return HttpResponseRedirect(auth.redirect_to(provider.settings["sign_on_url"], parameters))


def take(request: HttpRequest, id: str, *, at: datetime) -> Asked | None:
    """The request with this id, if this browser has it open; it is open no more."""
    kept = request.session.get(ASKED)
    if not isinstance(kept, dict) or id not in kept:
        return None
    found = kept[id]
    request.session[ASKED] = {other: value for other, value in kept.items() if other != id}
    if at - clock.parse(found["at"]) > PATIENCE:
        return None
    return Asked(provider=found["provider"], purpose=found["purpose"], target=found["target"])


def toolkit(provider: ProviderView) -> OneLogin_Saml2_Auth:
    """python3-saml, set up for a provider."""
    here = saml_here.here(provider)
    return OneLogin_Saml2_Auth(saml_here.as_request(here.acs, {}, posted=False), saml_here.toolkit_settings(provider))


def metadata(provider: ProviderView) -> bytes:
    """Ensign's own metadata for one provider."""
    settings = OneLogin_Saml2_Settings(saml_here.toolkit_settings(provider), sp_validation_only=True)
    found = settings.get_sp_metadata()
    return found if isinstance(found, bytes) else str(found).encode()
