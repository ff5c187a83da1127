"""Addresses that switch a flag off: what one says, and whether a request to it is good. Pure.

A signed request carries the headers of Standard Webhooks (standardwebhooks.com): ``webhook-id``, ``webhook-timestamp``
(seconds) and ``webhook-signature``, a list of ``v1,<base64>`` separated by spaces: the HMAC-SHA256, under the key, of
``<id>.<timestamp>.<body>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from ensign.control.identity.tokens import BASE62, SECRET_LENGTH, checksum, hashed, is_genuine
from ensign.control.kernel import clock

Mode = Literal["signed", "secret"]

DAYS_DEFAULT: Final = 90
DAYS_MAX: Final = 365
TOLERANCE: Final = timedelta(minutes=5)
"""How far the time of a signed request may be from ours."""
MAX_BODY: Final = 1 << 20

MODES: Final[Mapping[Mode, str]] = {
    "signed": "Signed requests: whoever sees the address can do nothing with it",
    "secret": "A secret alone: weaker, as whoever sees it once can use it until it ends",
}

KEY_PREFIX: Final = "whsec_"
TOKEN_PREFIX: Final = "ensign_kt_"  # noqa: S105  # how tokens of this kind begin
_TOKEN: Final = re.compile(r"ensign_kt_[0-9A-Za-z]{49}\Z")
_ID: Final = re.compile(r"[!-~]{1,200}\Z")


class BadRequest(Exception):  # a refusal, whose code stands in the log
    """Why a request is not acted on: ``code`` stands in the log, nothing of the request does."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerView:
    """One address, without its secret. ``hint``: how the secret begins."""

    id: str
    version: int
    name: str
    project: str
    environment: str
    flag: str
    mode: Mode
    token_hash: str
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    status: Literal["active", "revoked"]
    revoked_by: str | None = None
    revoked_at: datetime | None = None

    def usable(self, *, at: datetime) -> bool:
        """Whether it does anything at ``at``."""
        return self.status == "active" and at < self.expires_at

    def to_state(self) -> dict[str, Any]:
        """JSON form."""
        names = [n for n in self.__dataclass_fields__ if n not in {"id", "version"}]
        times = {n: None if (at := getattr(self, n)) is None else clock.text(at) for n in _TIMES}
        return {**{n: getattr(self, n) for n in names}, **times}

    @staticmethod
    def from_state(id: str, version: int, state: Mapping[str, Any]) -> TriggerView:
        """The inverse of :meth:`to_state`."""
        times = {name: None if state[name] is None else clock.parse(state[name]) for name in _TIMES}
        return TriggerView(id=id, version=version, **{**state, **times})


_TIMES = ("created_at", "expires_at", "revoked_at")


def new_key() -> str:
    """A fresh key for signing: 32 random bytes, as Standard Webhooks writes them."""
    return KEY_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def new_token() -> str:
    """A fresh token for requests that are not signed; scanners recognise it by its checksum."""
    text = TOKEN_PREFIX + "".join(secrets.choice(BASE62) for _ in range(SECRET_LENGTH))
    return text + checksum(text)


def signature(key: str, *, id: str, timestamp: int, body: bytes) -> str:
    """The signature of a request, ``v1,<base64>``."""
    secret = base64.b64decode(key.removeprefix(KEY_PREFIX))
    made = hmac.new(secret, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(made).decode()


def check_signed(headers: Mapping[str, str], body: bytes, *, key: str, at: datetime) -> str:
    """The id of a request that is signed with ``key``, and recent. ``headers`` in lower case.

    :raises BadRequest: when a header is missing or malformed, the time is too far off, or no signature is right.
    """
    id, stamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not _ID.match(id) or not re.fullmatch(r"[0-9]{1,12}", stamp) or not given:
        raise BadRequest("unsigned")
    try:
        sent = datetime.fromtimestamp(int(stamp), UTC)
    except (OverflowError, ValueError) as error:
        raise BadRequest("unsigned") from error
    if abs(at - sent) > TOLERANCE:
        raise BadRequest("stale")
    expected = signature(key, id=id, timestamp=int(stamp), body=body)
    matches = [_equal(one, expected) for one in given.split(" ")[:10]]
    if not any(matches):
        raise BadRequest("bad_signature")
    return id


def _equal(given: str, expected: str) -> bool:
    scheme, _, value = given.partition(",")
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme == "v1" and hmac.compare_digest(given.encode(), expected.encode())


def check_secret(text: str, *, token_hash: str) -> None:
    """That ``text`` is the token.

    :raises BadRequest: when it is not.
    """
    if _TOKEN.match(text) is None or not is_genuine(text):
        raise BadRequest("no_token")
    if not token_hash or not hmac.compare_digest(hashed(text), token_hash):
        raise BadRequest("bad_token")


def seen_key(trigger: str, id: str) -> str:
    """Under which it is remembered that a signed request was acted on."""
    return hashlib.sha256(f"{trigger}\n{id}".encode()).hexdigest()
