"""When each token was last used, for whoever wonders whether it may be revoked. Hashes of tokens and times, no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

PRECISION = timedelta(minutes=10)
"""A use is said again only after so long: thousands of requests a second must not become as many writes."""


class Recency:
    """Uses that were not handed over yet. Thread-safe. Only valid tokens get here, so that memory has a bound."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, datetime] = {}
        self._fresh: dict[str, datetime] = {}
        #: Hashes of tokens that are in use without asking anew: those of open streams.
        self.holding: Callable[[], Iterable[str]] = tuple

    def used(self, token_hash: str, at: datetime) -> None:
        """A request with this token was admitted."""
        said = self._said.get(token_hash)
        if said is None or at - said >= PRECISION:
            with self._lock:
                self._said[token_hash] = self._fresh[token_hash] = at

    def take(self, at: datetime) -> Mapping[str, datetime]:
        """Token hash -> last use, of what was used since it was last said; open streams count as use."""
        for token_hash in self.holding():
            self.used(token_hash, at)
        with self._lock:
            taken, self._fresh = self._fresh, {}
        return taken

    def restore(self, uses: Mapping[str, datetime]) -> None:
        """They could not be handed over."""
        with self._lock:
            self._fresh = {**uses, **self._fresh}
