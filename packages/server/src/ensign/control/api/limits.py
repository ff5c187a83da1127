"""How many requests a caller may send to the API. Counted in this process, in a moving window of a minute.

A caller is a token, else a session, else an address. All callers of one address together may send ten times as much, so
that made-up tokens gain nothing.
"""

from __future__ import annotations

import hashlib
import math
import time

from django.conf import settings
from django.http import HttpRequest
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ensign.control.kernel.errors import RateLimited

ADDRESS_FACTOR = 10
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


#: Wrong tokens that one address may send in a minute, as a part of what a caller may send at all: 60 of 1,200.
GUESSES_SHARE = 20


class Guesses:
    """Wrong tokens of one address, in this process. Valid ones are never held up: an office may share an address."""

    def __init__(self, *, per_minute: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._item = RateLimitItemPerMinute(per_minute)

    def failed(self, address: str) -> None:
        """Count a wrong token.

        :raises RateLimited: when it is one too many. Then nothing is written for it any more, not even a summary.
        """
        if not self._limiter.hit(self._item, address):
            raise RateLimited(
                f"More than {self._item.amount} wrong tokens in a minute from this address.",
                retry_after=60,
                remedy="Find what sends them; a valid token still works.",
            )


class ApiLimits:
    """The counters of one process."""

    def __init__(self, *, requests: int, writes: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(requests)
        self._writes = RateLimitItemPerMinute(writes)
        self._address = RateLimitItemPerMinute(requests * ADDRESS_FACTOR)

    def check(self, request: HttpRequest) -> None:
        """Count the request.

        :raises RateLimited: when it is one too many, with the seconds after which one more is possible.
        """
        address = str(request.META.get("REMOTE_ADDR", ""))
        caller = self._caller(request, address)
        self._hit(self._address, "address", address)
        self._hit(self._requests, "requests", caller)
        if request.method not in _SAFE:
            self._hit(self._writes, "writes", caller)

    @staticmethod
    def _caller(request: HttpRequest, address: str) -> str:
        secret = request.headers.get("Authorization") or request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        return hashlib.sha256(secret.encode()).hexdigest() if secret else address

    def _hit(self, item: RateLimitItemPerMinute, kind: str, who: str) -> None:
        if self._limiter.hit(item, kind, who):
            return
        reset = self._limiter.get_window_stats(item, kind, who).reset_time
        raise RateLimited(
            f"More than {item.amount} {'writes' if kind == 'writes' else 'requests'} in a minute.",
            retry_after=max(1, math.ceil(reset - time.time())),
            remedy="Wait for the time in Retry-After."
            " An administrator can raise ENSIGN_API_RATE and ENSIGN_API_WRITE_RATE.",
        )
