"""OpenID Connect, as ``kinds`` knows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from ensign.control.identity.sso.domain import ProviderView, Purpose
from ensign.control.identity.sso.kinds import KindOfProvider
from ensign.control.identity.sso.oidc import shapes
from ensign.control.kernel import fetching
from ensign.control.kernel.errors import Invalid


def _begin(
    request: HttpRequest, provider: ProviderView, *, purpose: Purpose, target: str, hint: str, at: datetime
) -> HttpResponse:
    from ensign.control.identity.sso.oidc import flow  # deferred: `requests`, which allauth needs, takes a while

    return flow.begin(request, provider, purpose=purpose, target=target, hint=hint, at=at)


def _clean(shape: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, of a provider that this server may call.

    :raises Invalid: naming the field.
    """
    kept = shapes.clean(shape, raw)
    try:
        fetching.guarded(kept["issuer"])
    except Invalid as error:
        raise Invalid(error.message, fields={"issuer": f"{error.message} {error.remedy}"}) from error
    return kept


def _addresses(provider: ProviderView) -> list[tuple[str, str]]:
    names = (("Redirect URI", "sso:callback"), ("Back-channel log-out URI", "sso:backchannel-logout"))
    return [(label, settings.PUBLIC_URL + reverse(name, args=[provider.key])) for label, name in names]


OIDC: Final = KindOfProvider(
    title="OpenID Connect",
    begin=_begin,
    clean=_clean,
    addresses=_addresses,
    secrets=("client_secret",),
    lasting=("issuer", "tenant"),
)
