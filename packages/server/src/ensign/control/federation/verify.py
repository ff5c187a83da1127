"""Whether an ID token says the truth: pure decisions on bytes, keys and instants. No Django, no network.

The steps, in the order in which ``exchange`` takes them; each fails closed with a code of its own:

1. the size, and three parts of base64url (RFC 7515, section 7.1);
2. the header: an algorithm of our list (RFC 8725, section 3.1), a key's id, nothing critical;
3. the claims are one JSON object that means one thing, not nested deeply;
4. the issuer is that of a rule, letter by letter (OpenID Connect Core, section 3.1.3.7, step 2);
5. the audience is one text, that of the rule (step 3; a token for several recipients could be used by each of them);
6. the times, with 60 seconds of leeway, and no older than an hour (steps 9 and 10);
7. the key is the issuer's, is fit for the algorithm, and the signature is its (steps 6 to 8);
8. the claims match the rule (``domain.compare``); 9. it was not exchanged before (``exchange``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ensign.control.api.parser import strict_json

MAX_TOKEN: Final = 16_384
LEEWAY: Final = timedelta(seconds=60)
MAX_AGE: Final = timedelta(minutes=60)

#: Algorithm -> what its key must say of itself. Never ``none``, never one with a shared secret.
ALGORITHMS: Final[Mapping[str, Mapping[str, str]]] = {
    "RS256": {"kty": "RSA"},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
_RSA_BITS: Final = range(2048, 8193)
_FORM: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\Z")

#: Code -> what is said to whoever sent the token. Codes stand in the log.
REFUSALS: Final[Mapping[str, str]] = {
    "too_large": f"The token is larger than {MAX_TOKEN:,} characters.",
    "malformed": "This is not a signed JWT.",
    "algorithm": f"The token must be signed with {', '.join(ALGORITHMS)}.",
    "header": "The token's header asks for something that is not done here, or names no key.",
    "unknown_issuer": "No rule trusts the issuer of this token.",
    "audience": "The token is for another audience. It must be one text, that of a rule.",
    "times": "The token does not say when it was made and when it ends.",
    "expired": "The token has expired.",
    "not_yet": "The token counts only in the future. Check the clocks.",
    "too_old": "The token is older than an hour. Exchange it at the beginning of the job.",
    "issuer_away": "The issuer's keys cannot be read now. Try again in a minute.",
    "unknown_key": "The issuer has no such key.",
    "unfit_key": "The issuer's key is not fit for the token's algorithm.",
    "signature": "The token's signature is wrong.",
    "claims": "No rule lets this job in. An administrator sees why under “Try a token” of a rule.",
    "ambiguous": "Several rules let this job in: name the service account as `audience`.",
    "inactive": "The service account is disabled.",
    "replayed": "The token was exchanged before. Ask the CI for a new one.",
}


class Refused(Exception):
    """The token is refused. ``code`` is a key of REFUSALS; nothing of the token is in it."""

    def __init__(self, code: str) -> None:
        super().__init__(REFUSALS[code])
        self.code = code


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that can be read and is not trusted yet. ``digest``: SHA-256 of what its signature covers."""

    text: str
    algorithm: str
    kid: str
    issuer: str
    claims: Mapping[str, Any]
    digest: str

    def replay_keys(self) -> tuple[str, ...]:
        """Hashes by which it is known again. Its text would not do: a signature can be spelled in several ways."""
        name = self.claims.get("jti")
        keys = [f"input\x00{self.issuer}\x00{self.digest}"]
        if isinstance(name, str):
            keys.append(f"jti\x00{self.issuer}\x00{name}")
        return tuple(hashlib.sha256(key.encode()).hexdigest() for key in keys)

    def forgotten_at(self, *, at: datetime) -> datetime:
        """When it need not be remembered any more: whatever it says of its end, it is too old by then."""
        return at + MAX_AGE + 2 * LEEWAY


def read(text: str) -> Presented:
    """Steps 1 to 3, and the issuer that it names.

    :raises Refused: when it cannot be a token.
    """
    if len(text) > MAX_TOKEN:
        raise Refused("too_large")
    found = _FORM.match(text)
    if found is None:
        raise Refused("malformed")
    header, claims = _object(found[1]), _object(found[2])
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Refused("algorithm")
    kind = header.get("typ", "JWT")
    if "crit" in header or "b64" in header or not isinstance(kind, str) or kind.upper() != "JWT":
        raise Refused("header")
    if not isinstance(kid, str) or not 1 <= len(kid) <= 256:
        raise Refused("header")
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise Refused("unknown_issuer")
    digest = hashlib.sha256(f"{found[1]}.{found[2]}".encode()).hexdigest()
    return Presented(text=text, algorithm=algorithm, kid=kid, issuer=issuer, claims=claims, digest=digest)


def _object(part: str) -> dict[str, Any]:
    try:
        value = strict_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError) as error:
        raise Refused("malformed") from error
    if not isinstance(value, dict):
        raise Refused("malformed")
    return value


def check_audience(token: Presented, audience: str) -> None:
    """Step 5.

    :raises Refused: for any other audience, and for a list.
    """
    if token.claims.get("aud") != audience:
        raise Refused("audience")


def check_times(token: Presented, *, at: datetime) -> None:
    """Step 6.

    :raises Refused: when the token does not count at ``at``.
    """
    now = at.timestamp()
    leeway = LEEWAY.total_seconds()
    ends, made = _number(token.claims.get("exp")), _number(token.claims.get("iat"))
    begins = made if "nbf" not in token.claims else _number(token.claims["nbf"])
    if ends is None or made is None or begins is None:
        raise Refused("times")
    if ends <= now - leeway:
        raise Refused("expired")
    if max(made, begins) > now + leeway:
        raise Refused("not_yet")
    if made < now - MAX_AGE.total_seconds() - leeway:
        raise Refused("too_old")


def _number(value: Any) -> float | None:
    """A NumericDate (RFC 7519, section 2); a truth value is no number, though Python takes it for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def key_of(token: Presented, keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The issuer's key that the token names; None when there is none.

    :raises Refused: when two share the name, or it is not fit for the algorithm.
    """
    named = [key for key in keys if key.get("kid") == token.kid]
    if not named:
        return None
    key = named[0]
    wanted = ALGORITHMS[token.algorithm]
    fit = (
        len(named) == 1
        and all(key.get(member) == value for member, value in wanted.items())
        and key.get("use", "sig") == "sig"
        and key.get("alg", token.algorithm) == token.algorithm
    )
    if not fit:
        raise Refused("unfit_key")
    return key


def check_signature(token: Presented, key: Mapping[str, Any]) -> None:
    """Step 7, with ``key`` from :func:`key_of`.

    :raises Refused: when the signature is not the key's.
    """
    try:
        public = jwt.PyJWK(dict(key), algorithm=token.algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Refused("unfit_key") from error
    if isinstance(public.key, RSAPublicKey) and public.key.key_size not in _RSA_BITS:
        raise Refused("unfit_key")
    try:
        jwt.PyJWS().decode_complete(token.text, public, algorithms=[token.algorithm])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Refused("signature") from error
