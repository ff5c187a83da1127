"""Verifying a signature with a provider's published keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt

from ensign.control.identity.sso.oidc.rules import ALGORITHMS, BadToken

#: What a token may weigh. Groups make them large, but not larger.
TOKEN_MAX: Final = 256 * 1024

#: Type of key (RFC 7518, 6.1) -> what the algorithms that use it begin with.
_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("EdDSA",)}


class UnknownKey(BadToken):
    """The token names a key that the provider has not published, or not yet."""


def header_of(token: str, *, types: Sequence[str]) -> tuple[str, str]:
    """(algorithm, key id) of a token, from its header, which nothing vouches for yet. Its ``typ`` is one of ``types``.

    :raises BadToken: when it is no token, or not signed by an algorithm of the list.
    """
    if len(token) > TOKEN_MAX:
        raise BadToken("size")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise BadToken("form") from error
    algorithm, kid, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "")
    if algorithm not in ALGORITHMS:
        raise BadToken("alg")
    if not isinstance(kid, str) or not isinstance(kind, str) or "crit" in header:
        raise BadToken("header")
    if kind and kind.lower().removeprefix("application/") not in types:
        raise BadToken("typ")
    return algorithm, kid


def verified(token: str, published: Mapping[str, Any], *, types: Sequence[str]) -> tuple[dict[str, Any], str]:
    """(claims, algorithm) of a token that one of the ``published`` keys (a JWK set) has signed. Claims are not judged.

    :raises UnknownKey: when none of the keys is the one.
    :raises BadToken: when the signature is not by that key.
    """
    algorithm, kid = header_of(token, types=types)
    for key in _fitting(published, algorithm=algorithm, kid=kid):
        try:
            with_key = jwt.PyJWK(key, algorithm=algorithm)
            claims = jwt.decode(token, with_key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError:
            if kid:
                raise BadToken("signature") from None
            continue
        return dict(claims), algorithm
    raise UnknownKey("kid")


#: ``rules`` judges the claims, by our clock and with our leeway.
_SIGNATURE_ONLY: Final[Any] = {
    "verify_signature": True,
    **{f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")},
}


def _fitting(published: Mapping[str, Any], *, algorithm: str, kid: str) -> list[dict[str, Any]]:
    """The keys for signatures of this algorithm: by id, or all of the type where neither side names one."""
    found = []
    for key in published.get("keys", ()):
        if not isinstance(key, dict) or key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
            continue
        if not algorithm.startswith(_FAMILIES.get(str(key.get("kty")), ("\x00",))):
            continue
        if not kid or key.get("kid") == kid:
            found.append(key)
    return found[:20]
