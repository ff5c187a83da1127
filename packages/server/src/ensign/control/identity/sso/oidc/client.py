"""Talking to a provider through allauth's OpenID Connect adapter, held to what Ensign lets it do.

allauth builds the redirect, and knows how a provider wants its client to prove itself at the token endpoint. Replaced
are: discovery (kept, guarded), every request (through ``kernel.fetching``) and the judgement of tokens, for it verifies
no signature in the code flow, takes the algorithm from the token and sends no nonce. None of its URLs is mounted, and
its accounts, tokens and sign-in are not used.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import requests
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from ensign.control.identity.sso import secrets
from ensign.control.identity.sso.domain import NotLetIn, ProviderView
from ensign.control.identity.sso.oidc import metadata
from ensign.control.identity.sso.oidc.metadata import ProviderDown
from ensign.control.kernel import fetching
from ensign.control.kernel.errors import Invalid


def callback_address(provider: ProviderView) -> str:
    """Where the provider sends people back to; by ``ENSIGN_PUBLIC_URL``, whatever a request's Host says."""
    return settings.PUBLIC_URL + reverse("sso:callback", args=[provider.key])


class GuardedSession:
    """What allauth takes for a session of ``requests``: every request goes through the guard, in bounded time."""

    def __enter__(self) -> GuardedSession:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
    ) -> requests.Response:
        """One request.

        :raises requests.RequestException: when there is no answer.
        """
        sent = dict(headers or {})
        if isinstance(auth, requests.auth.HTTPBasicAuth):
            pair = f"{auth.username!s}:{auth.password!s}".encode()
            sent["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        body = None
        if method == "POST":
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(data or {}).encode()
        address = f"{url}?{urlencode(params)}" if params else url
        try:
            target = fetching.guarded(address)
            answer = fetching.fetch(target, method="POST" if method == "POST" else "GET", body=body, headers=sent)
        except (OSError, Invalid) as error:
            raise requests.ConnectionError(str(error)) from error
        response = requests.Response()
        response.status_code, response._content = answer.status, answer.body
        response.headers.update({"content-type": "", **answer.headers})
        response.encoding = "utf-8"
        return response

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> requests.Response:
        """A GET."""
        return self.request("GET", url, headers=headers)


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """allauth's adapter for one of our providers, whose row is not allauth's."""

    def __init__(self, request: HttpRequest, provider: ProviderView) -> None:
        self._ours = provider
        self._app = SocialApp(
            provider="openid_connect",
            provider_id=provider.key,
            name=provider.name,
            client_id=provider.settings["client_id"],
            secret=secrets.reveal(provider.id, "client_secret"),
            settings={"server_url": provider.settings["issuer"]},
        )
        super().__init__(request, provider.key)

    def get_provider(self) -> Any:
        """allauth's idea of a provider, made from ours; nothing of it is stored."""
        return OpenIDConnectProvider(self.request, app=self._app)

    @property
    def openid_config(self) -> Mapping[str, Any]:
        """What the provider publishes, kept for a while."""
        return metadata.config(self._ours)

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:  # noqa: ARG002  # the signature is allauth's
        """Ours."""
        return callback_address(self._ours)

    def client(self) -> OAuth2Client:
        """The client that redirects and exchanges codes."""
        return self.get_client(self.request, self._app)


def redirect_address(request: HttpRequest, provider: ProviderView, *, state: str, **parameters: str) -> str:
    """Where to send the browser.

    :raises ProviderDown: when the provider's endpoints cannot be had.
    """
    adapter = Adapter(request, provider)
    client = adapter.client()
    client.state = state
    return str(client.get_redirect_url(adapter.authorize_url, provider.settings["scopes"].split(), parameters))


def exchange(request: HttpRequest, provider: ProviderView, *, code: str, verifier: str) -> tuple[str, str]:
    """(ID token, access token) for a code. Neither is verified yet.

    :raises ProviderDown: when the provider does not answer. :raises NotLetIn: when it does not take the code.
    """
    try:
        answer = Adapter(request, provider).client().get_access_token(code, pkce_code_verifier=verifier)
    except requests.RequestException as error:
        raise ProviderDown(
            f"{provider.name} does not answer.", remedy="Try again in a minute.", code="provider-down"
        ) from error
    except (OAuth2Error, ValueError):
        raise NotLetIn(
            "code-refused",
            f"{provider.name} did not confirm this sign-in.",
            remedy="Start again. If it happens each time, an administrator checks client id and secret.",
        ) from None
    given, access = answer.get("id_token"), answer.get("access_token")
    if not isinstance(given, str) or not isinstance(access, str):
        raise NotLetIn("no-id-token", f"{provider.name} sent no ID token.", remedy=_SCOPE)
    return given, access


def user_info(provider: ProviderView, access_token: str, *, subject: str) -> dict[str, Any]:
    """What the provider's user info says of ``subject``; empty where it has none.

    :raises ProviderDown: when it does not answer. :raises NotLetIn: when it speaks of somebody else (Core, 5.3.2).
    """
    address = metadata.config(provider).get("userinfo_endpoint")
    if not isinstance(address, str):
        return {}
    try:
        answer = GuardedSession().get(address, headers={"Authorization": f"Bearer {access_token}"})
        found = answer.json() if answer.status_code == 200 else {}
    except requests.RequestException as error:
        raise ProviderDown(
            f"{provider.name} does not answer.", remedy="Try again in a minute.", code="provider-down"
        ) from error
    if not isinstance(found, dict) or (found and found.get("sub") != subject):
        raise NotLetIn("userinfo-subject", f"{provider.name} spoke of somebody else.")
    return found


_SCOPE = "An administrator checks that the scope openid is asked for."
