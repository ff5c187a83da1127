"""Telling the server which rules run here, so that it can say when a change is live everywhere."""

import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ensign_sdk._internal import backoff

if TYPE_CHECKING:
    from ensign_sdk._internal.transport import Reply

APPLIED = "/client/applied"
CONFIRMS = {"Ensign-Confirms": "1"}
"""What a stream is asked for with: the server then knows that it will hear when its events are applied."""
MAX_PENDING = 64
MAX_TRIES = 3
MAX_WITHIN = 60.0
_IDLE = 3600.0
_LATER = frozenset({408, 429, 500, 502, 503, 504})

Revision = tuple[int, int]


class Confirmer:
    """`opened` and `applied` are called by the thread of the stream, `step` by the one that reports.

    A confirmation waits for a moment drawn from as many seconds as the server asks for, so that thousands of clients
    do not answer a change at once; it says how long ago the rules were swapped, so that nothing is lost by waiting.
    """

    def __init__(self, post: "Callable[[str, dict[str, Any], float], Reply | None]", *, timeout: float) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._post = post
        self._timeout = timeout
        self._node: str | None = None
        self._within = 0.0
        self._before: Revision | None = None
        self._pending: list[tuple[Revision, float]] = []
        self._due = 0.0
        self._tries = 0

    def opened(self, headers: Mapping[str, str]) -> None:
        """A stream was opened. Servers that do not say which node they are want no confirmations."""
        self._node = headers.get("ensign-node")
        self._spread(headers)

    def applied(self, before: Revision | None, revision: Revision | None) -> None:
        """The rules of `revision` have just taken the place of those of `before`."""
        if self._node is None or revision is None:
            return
        if not self._pending:
            self._before, self._tries = before, 0
            self._due = time.monotonic() + random.uniform(0, self._within)  # noqa: S311  # spreads load, no secret
        self._pending.append((revision, time.monotonic()))
        del self._pending[:-MAX_PENDING]
        self.wake()

    def step(self) -> float:
        """Confirm what is due; returns the seconds until the next time. Never raises."""
        if not self._pending:
            return _IDLE
        now = time.monotonic()
        return self._due - now if now < self._due else self.flush(timeout=self._timeout)

    def flush(self, *, timeout: float) -> float:
        """Confirm what there is, due or not."""
        steps = self._pending[:]
        if not steps or self._node is None:
            return _IDLE
        now = time.monotonic()
        applied = [
            {"revision": _text(revision), "agoMs": round((now - at) * 1000, 1)}
            for revision, at in steps
        ]  # fmt: skip
        before = None if self._before is None else _text(self._before)
        reply = self._post(APPLIED, {"applied": applied, "before": before, "node": self._node}, timeout)
        if reply is None or reply.status in _LATER:
            self._tries += 1
            if self._tries < MAX_TRIES:
                wait = 0.0 if reply is None else backoff.asked(reply.headers.get("retry-after"))
                pause = backoff.after_failures(self._tries, least=wait)
                self._due = time.monotonic() + pause
                return pause
        elif reply.status >= 400:
            self._node = None  # until the next stream: this server does not know what we say
        else:
            self._spread(reply.headers)
        del self._pending[: len(steps)]
        self._before, self._tries = steps[-1][0], 0
        return 0.0 if self._pending else _IDLE

    def _spread(self, headers: Mapping[str, str]) -> None:
        try:
            self._within = min(MAX_WITHIN, max(0.0, float(headers.get("ensign-confirm-within", ""))))
        except ValueError:
            self._within = 2.0


class Errands:
    """What one thread does by turns: confirming, as soon as that is due, and reporting counts."""

    def __init__(self, confirm: Callable[[], float], report: Callable[[], float]) -> None:
        self._confirm = confirm
        self._report = report
        self._report_at = 0.0

    def step(self) -> float:
        """Do what is due; returns the seconds until something is."""
        pause = self._confirm()
        now = time.monotonic()
        if now >= self._report_at:
            self._report_at = now + self._report()
        return max(0.0, min(pause, self._report_at - time.monotonic()))


def _text(revision: Revision) -> str:
    return f"{revision[0]}.{revision[1]}"
