"""How somebody signed in or why they did not, and why a session ended, as pages say it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: ``way`` of a sign-in or a refusal, ``limit`` or ``because`` of an end -> words.
WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Ways in, and what was refused.
        "password": "password",
        "totp": "authenticator app",
        "recovery_code": "recovery code",
        "passkey": "passkey",
        "setup": "set-up",
        "invitation": "invitation",
        "oidc": "OpenID Connect",
        "saml": "SAML",
        "emergency": "emergency access",
        "factor": "second factor",
        "limit": "too many tries",
        "link": "one-time link",
        "network": "network address not allowed",
        "token": "token",
        "provider": "identity provider",
        "enforced": "their identity provider is enforced",
        # Why a session ended.
        "idle": "unused for too long",
        "lifetime": "its time was over",
        "rules": "the sign-in rules",
        "closed": "the emergency access closed",
        "provider_time": "its time at the provider was over",
        "logout": "signed out at the provider",
        "not_renewed": "the provider does not vouch for them any more",
        "provider_disabled": "the provider was disabled",
        "released": "released from the provider",
        "enforcement": "their identity provider was enforced",
    }
)


def in_words(way: str) -> str:
    """What pages say for a ``way``, ``limit`` or ``because`` of an entry; what is not known here stands as it is."""
    return WORDS.get(way, way.replace("_", " "))
