"""What must be true of a token's claims. Pure; no I/O, no clock. The signature was verified before (``keys``).

Numbers are those of OpenID Connect Core 1.0, section 3.1.3.7, and of Back-Channel Logout 1.0, section 2.6.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

#: How far the clocks of provider and server may differ.
SKEW: Final = timedelta(seconds=60)
#: An ID token answers a question asked minutes ago, a log-out token is sent at once.
ID_TOKEN_AGE: Final = timedelta(minutes=10)
LOGOUT_AGE: Final = timedelta(minutes=5)

LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

#: Signatures by keys of the provider alone: ``none`` and everything with a shared secret are absent on purpose.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")

_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512, "EdDSA": hashlib.sha512}


class BadToken(Exception):
    """A token breaks a rule; the text names it, for the log of the server, and holds nothing of the token."""


def check_id_token(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    algorithm: str,
    access_token: str,
    at: datetime,
    max_age: timedelta | None = None,
) -> None:
    """Refuse an ID token that is not the answer to our question.

    :raises BadToken: naming the rule.
    """
    _check_issuer(claims, issuer)  # 2
    _check_audience(claims, client_id)  # 3, 4, 5
    _check_times(claims, at=at, age=ID_TOKEN_AGE, needs_end=True)  # 9, 10
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):  # 11
        raise BadToken("nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
        raise BadToken("sub")
    if "at_hash" in claims and claims["at_hash"] != half_hash(access_token, algorithm):  # 3.1.3.8
        raise BadToken("at_hash")
    if max_age is not None:  # 13
        proved = instant(claims, "auth_time")
        if proved is None or at - proved > max_age + SKEW or proved > at + SKEW:
            raise BadToken("auth_time")


def check_logout_token(claims: Mapping[str, Any], *, issuer: str, client_id: str, at: datetime) -> None:
    """Refuse what is no log-out token of this provider for us. Replay (``jti``) is the caller's to refuse.

    :raises BadToken: naming the rule.
    """
    _check_issuer(claims, issuer)  # 3
    _check_audience(claims, client_id)  # 3
    _check_times(claims, at=at, age=LOGOUT_AGE, needs_end=False)  # 3
    named = [claims.get("sub"), claims.get("sid")]
    if not any(isinstance(one, str) and one for one in named):  # 4
        raise BadToken("sub and sid")
    if any(one is not None and not (isinstance(one, str) and 1 <= len(one) <= 255) for one in named):
        raise BadToken("sub or sid")
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT_EVENT), Mapping):  # 5
        raise BadToken("events")
    if "nonce" in claims:  # 6
        raise BadToken("nonce")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 255:  # 7
        raise BadToken("jti")


def half_hash(text: str, algorithm: str) -> str:
    """``at_hash``: the left half of the hash that goes with the signature's algorithm, base64url."""
    make = _HASHES.get(algorithm) or _HASHES[algorithm[-3:]]
    digest = make(text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A claim in seconds since 1970 as an instant, or None when it is missing or no such number."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 32_503_680_000:
        return None
    return datetime.fromtimestamp(value, UTC)


def _check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    if claims.get("iss") != issuer:
        raise BadToken("iss")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """The token is for us; one that is for others, too, must have been made for us (``azp``)."""
    given = claims.get("aud")
    audience = [given] if isinstance(given, str) else given
    if not isinstance(audience, list) or client_id not in audience:
        raise BadToken("aud")
    if (len(audience) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise BadToken("azp")


def _check_times(claims: Mapping[str, Any], *, at: datetime, age: timedelta, needs_end: bool) -> None:
    end, made, start = (instant(claims, name) for name in ("exp", "iat", "nbf"))
    if (needs_end or "exp" in claims) and (end is None or at > end + SKEW):
        raise BadToken("exp")
    if made is None or made > at + SKEW or at - made > age + SKEW:
        raise BadToken("iat")
    if "nbf" in claims and (start is None or start > at + SKEW):
        raise BadToken("nbf")
