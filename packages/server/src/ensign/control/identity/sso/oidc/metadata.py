"""What providers publish about themselves (OpenID Connect Discovery 1.0), kept for a while in this process.

A provider that does not answer is not asked again for some seconds, so that it cannot hold every thread of the server;
keys that are not known yet are fetched at most once a minute, so that forged tokens cannot make us ask all the time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ensign.control.identity.sso.domain import ProviderView
from ensign.control.identity.sso.oidc import keys
from ensign.control.kernel import fetching
from ensign.control.kernel.errors import EnsignError, Unavailable

#: Seconds that an answer is used for, that a failure is remembered for, and between two askings for unknown keys.
FRESH: Final = 600.0
FAILED: Final = 15.0
KEYS_EVERY: Final = 60.0
#: Providers remembered at once. An organisation has one or two.
KEPT: Final = 32

_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderDown(Unavailable):
    """The provider does not answer, or not as one."""


@dataclass(slots=True)
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    config: dict[str, Any] = field(default_factory=dict)
    config_at: float = float("-inf")
    published: dict[str, Any] = field(default_factory=dict)
    published_at: float = float("-inf")
    failed_at: float = float("-inf")


_known: dict[str, _Known] = {}
_guard = threading.Lock()


def config(provider: ProviderView) -> Mapping[str, Any]:
    """The provider's configuration, whose issuer is the one that an administrator entered.

    :raises ProviderDown: when it cannot be had.
    """
    known = _of(provider)
    with known.lock:
        return _config(provider, known)


def claims_of(provider: ProviderView, token: str, *, types: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """(claims, algorithm) of a token that this provider has signed; its keys are asked for when it has new ones.

    :raises rules.BadToken: when it has not. :raises ProviderDown: when the keys cannot be had.
    """
    keys.header_of(token, types=types)  # what cannot be good is refused before anybody is asked
    known = _of(provider)
    with known.lock:
        asked = time.monotonic() - known.published_at
        if asked > FRESH:
            _publish(provider, known)
            asked = 0.0
        try:
            return keys.verified(token, known.published, types=types)
        except keys.UnknownKey:
            if asked < KEYS_EVERY:
                raise
        _publish(provider, known)
        return keys.verified(token, known.published, types=types)


def forget() -> None:
    """Ask every provider anew. When settings change, and between tests."""
    with _guard:
        _known.clear()


def _of(provider: ProviderView) -> _Known:
    name = f"{provider.id}/{provider.settings['issuer']}"
    with _guard:
        if name not in _known and len(_known) >= KEPT:
            _known.clear()
        return _known.setdefault(name, _Known())


def _config(provider: ProviderView, known: _Known) -> dict[str, Any]:
    if time.monotonic() - known.config_at > FRESH:
        issuer = provider.settings["issuer"]
        found = _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", provider, known)
        if found.get("issuer") != issuer:
            raise _down(provider, "its discovery document names another issuer than its settings")
        for name in _ENDPOINTS:
            _check_endpoint(provider, found.get(name), issuer)
        known.config, known.config_at = found, time.monotonic()
    return known.config


def _check_endpoint(provider: ProviderView, url: object, issuer: str) -> None:
    """Every endpoint is a URL, as safe as the issuer's own: an https provider does not send anybody to http."""
    parts = urlsplit(url) if isinstance(url, str) else None
    allowed = {"https", urlsplit(issuer).scheme}
    if parts is None or parts.scheme not in allowed or not parts.hostname:
        raise _down(provider, "its discovery document lacks an endpoint")


def _publish(provider: ProviderView, known: _Known) -> None:
    found = _get(_config(provider, known)["jwks_uri"], provider, known)
    if not isinstance(found.get("keys"), list):
        raise _down(provider, "it publishes no keys")
    known.published, known.published_at = found, time.monotonic()


def _get(url: str, provider: ProviderView, known: _Known) -> dict[str, Any]:
    if time.monotonic() - known.failed_at < FAILED:
        raise _down(provider, "it did not answer a moment ago")
    try:
        answer = fetching.fetch(fetching.guarded(url))
        found = answer.json() if answer.status == 200 else None
    except EnsignError as error:
        raise _down(provider, error.message.rstrip(".")) from error
    except (OSError, ValueError) as error:
        known.failed_at = time.monotonic()
        raise _down(provider, "it does not answer in time") from error
    if not isinstance(found, dict):
        known.failed_at = time.monotonic()
        raise _down(provider, f"it answered {answer.status} without a document")
    return found


def _down(provider: ProviderView, why: str) -> ProviderDown:
    return ProviderDown(
        f"{provider.name} cannot be used for signing in at present: {why}.",
        remedy="Try again in a minute. If it stays so, an administrator checks its settings; "
        "where nobody gets in at all, use the emergency access, or `ensign sso release` on the server.",
        code="provider-down",
    )
