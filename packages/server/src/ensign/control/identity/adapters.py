"""allauth, held to what Ensign lets it do."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from ensign.control.identity.sso.oidc.client import GuardedSession
from ensign.control.identity.web import network_address
from ensign.control.kernel.sealing import vault

_PLACE = "mfa_authenticator/data"


def relying_party() -> str:
    """The host name that passkeys are bound to: that of ``ENSIGN_PUBLIC_URL``, whatever a request's Host says."""
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Nobody signs themselves up, and no mail leaves."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  # the signature is allauth's
        """Never: people are invited."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that every other part of identity sees."""
        return network_address(request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Nothing: Ensign needs no mail server."""


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # as above
    """Nobody signs themselves up through an identity provider either."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ARG002  # the signature is allauth's
        """Never."""
        return False

    def get_requests_session(self) -> GuardedSession:
        """Whatever allauth asks of a provider goes through the guard on outgoing URLs."""
        return GuardedSession()


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # as above
    """Seals the secrets of second factors and pins the relying party."""

    def encrypt(self, text: str) -> str:
        """Sealed under ``secrets.key``."""
        return vault().seal(text, place=_PLACE)

    def decrypt(self, encrypted_text: str) -> str:
        """The inverse of :meth:`encrypt`."""
        return vault().open(encrypted_text, place=_PLACE)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The pinned relying party."""
        return {"id": relying_party(), "name": "Ensign"}

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the log tells."""
