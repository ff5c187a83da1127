"""The keys of issuers: fetched through the guard on outgoing URLs, kept in this process, within bounds.

Only issuers that a rule trusts are ever asked. A key that nobody knows makes us ask again at most once a minute, and
an issuer that does not answer is left alone for as long: made-up tokens cause no more than one question a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ensign.control.api.parser import strict_json
from ensign.control.federation.domain import check_issuer
from ensign.control.kernel import fetching, outbound
from ensign.control.kernel.errors import Invalid

FRESH: Final = 600.0
"""Seconds for which keys are not asked for again, unless a token names an unknown one."""
STALE: Final = 3600.0
"""Seconds for which keys count while their issuer does not answer."""
PAUSE: Final = 60.0
"""Seconds between two questions to one issuer."""
SECONDS: Final = 5.0
"""How long each of the two documents may take."""
MAX_DOCUMENT: Final = 262_144
MAX_KEYS: Final = 100
MAX_ISSUERS: Final = 200

Keys = Sequence[Mapping[str, Any]]


class Away(Exception):
    """The issuer's keys cannot be had. The message says why, for the administrator."""


@dataclass
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: Keys = ()
    read_at: float | None = None
    asked_at: float | None = None
    problem: str = ""


class Issuers:
    """The keys that this process knows. ``ask`` gets an issuer's keys, ``now`` a monotonic clock."""

    def __init__(self, *, ask: Callable[[str], Keys] | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask or fetch
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def keys(self, issuer: str, *, unknown: bool = False) -> Keys:
        """The issuer's keys; asked for anew when they are old, or, with ``unknown``, when a minute has passed.

        :raises Away: when there are none that may count.
        """
        known = self._of(issuer)
        if not known.lock.acquire(timeout=SECONDS):
            raise Away("Others are waiting for it already.")
        try:
            now = self._now()
            old = known.read_at is None or now - known.read_at >= FRESH
            if (old or unknown) and (known.asked_at is None or now - known.asked_at >= PAUSE):
                known.asked_at = now
                try:
                    known.keys, known.problem = self._ask(issuer), ""
                    known.read_at = self._now()
                except Away as away:
                    known.problem = str(away)
            if known.read_at is None or self._now() - known.read_at >= STALE:
                raise Away(known.problem or "It does not answer.")
            return known.keys
        finally:
            known.lock.release()

    def forget(self, issuer: str) -> None:
        """Ask anew next time: a rule about it was changed, or somebody tries it out."""
        with self._lock:
            self._known.pop(issuer, None)

    def _of(self, issuer: str) -> _Known:
        with self._lock:
            if issuer not in self._known and len(self._known) >= MAX_ISSUERS:
                self._known.pop(next(iter(self._known)))
            return self._known.setdefault(issuer, _Known())


def fetch(issuer: str) -> Keys:
    """The keys that the issuer publishes (OpenID Connect Discovery, sections 4.1 and 4.3; RFC 7517, section 5).

    :raises Away: when a document cannot be had or is not what it should be.
    """
    discovery = _document(issuer.removesuffix("/") + "/.well-known/openid-configuration")
    if discovery.get("issuer") != issuer:
        raise Away("Its discovery document names another issuer.")
    address = discovery.get("jwks_uri")
    if not isinstance(address, str):
        raise Away("Its discovery document names no keys.")
    found = _document(address).get("keys")
    if not isinstance(found, list) or not all(isinstance(key, dict) for key in found):
        raise Away("Its key set is not one.")
    if len(found) > MAX_KEYS:
        raise Away(f"Its key set holds more than {MAX_KEYS} keys.")
    return tuple(found)


def _document(url: str) -> dict[str, Any]:
    try:
        check_issuer(url.partition("?")[0])  # the same demands on scheme and host
        target = outbound.check(url, allow=fetching.allowance())
        answer = fetching.fetch(target, limit=MAX_DOCUMENT, timeout=SECONDS)
    except Invalid as error:
        raise Away(f"{error.message} {error.remedy}".strip()) from error
    except OSError as error:
        raise Away(f"It cannot be read: {type(error).__name__}.") from error
    if answer.status != 200:
        raise Away(f"It answers {answer.status}; redirects are not followed.")
    try:
        value = strict_json(answer.body)
    except ValueError as error:
        raise Away("It answers with something that is not JSON.") from error
    if not isinstance(value, dict):
        raise Away("It answers with something that is no document.")
    return value


#: The keys that this process knows.
ISSUERS: Final = Issuers()
