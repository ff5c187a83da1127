"""Fetching rules: every so often, only when they changed, and with patience for a server that is unwell."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ensign_sdk._internal import backoff
from ensign_sdk._internal.cache import DiskCache, Origin
from ensign_sdk._internal.deferred import load_http
from ensign_sdk._internal.store import Store
from ensign_sdk.config import Config

if TYPE_CHECKING:
    from ensign_sdk._internal.transport import Reply, Transport

log = logging.getLogger("ensign_sdk")

FEATURES = "/client/features"


class Poller:
    """`step` asks the server once. `tried` is called after each try, whether it worked or not."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        cache: DiskCache | None,
        headers: dict[str, str],
        tried: Callable[[], None],
    ) -> None:
        self._config = config
        self._store = store
        self._cache = cache
        self._headers = headers
        self._tried = tried
        self._transport: Transport | None = None
        self._failures = 0

    def step(self) -> float:
        """Ask once; returns the seconds until the next time. Never raises."""
        load_http()
        from ensign_sdk._internal.transport import TransportError  # here: its first use, in this thread

        try:
            reply = self._fetch()
        except TransportError as problem:
            pause = self._failed(f"no answer from {self._config.endpoint.origin}: {problem}")
        else:
            pause = self._answered(reply)
        self._tried()
        return pause

    def close(self) -> None:
        """Let go of the connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _fetch(self) -> "Reply":
        from ensign_sdk._internal.transport import Transport  # here: its first use, in this thread

        config = self._config
        if self._transport is None:
            self._transport = Transport(config.endpoint, config.token, timeout=config.timeout, sent=config.what_is_sent)
        etag = self._store.origin.etag
        headers = {**self._headers, "Accept": "application/json", "Accept-Encoding": "gzip"}
        if etag:
            headers["If-None-Match"] = etag
        return self._transport.request("GET", FEATURES, headers=headers)

    def _answered(self, reply: "Reply") -> float:
        status = reply.status
        if status == 304:
            self.worked()
            return backoff.jittered(self._config.refresh_interval)
        if status == 200:
            origin = _origin(reply)
            if self._store.offer(reply.body, "server", origin):
                self.worked()
                if self._cache is not None:
                    self._cache.save(reply.body, self._store.origin)
                return backoff.jittered(self._config.refresh_interval)
            self._failures += 1
            return backoff.after_failures(self._failures, least=self._config.refresh_interval / 2)
        if status in {401, 403}:
            return self._failed(
                f"{self._config.endpoint.origin} refuses the token ({status});"
                " check that it is a backend token, neither revoked nor expired",
                pause=backoff.refused(),
            )
        if 300 <= status < 400:
            target = reply.headers.get("location", "another address")[:200]
            return self._failed(f"{self._config.endpoint.origin} redirects to {target}; use that as url")
        wait = backoff.asked(reply.headers.get("retry-after"))
        return self._failed(f"{self._config.endpoint.origin} answered {status}", least=wait)

    def worked(self) -> None:
        """The server has answered, here or on a stream."""
        if self._failures:
            log.warning("Ensign reaches %s again", self._config.endpoint.origin)
        self._failures = 0
        self._store.confirmed()

    def _failed(self, problem: str, *, least: float = 0.0, pause: float | None = None) -> float:
        self._failures += 1
        if problem != self._store.error:
            held = len(self._store.ruleset)
            log.error("Ensign: %s; going on with %d flags from %s", problem, held, self._store.source or "nowhere")
        self._store.error = problem
        return backoff.after_failures(self._failures, least=least) if pause is None else pause


def _origin(reply: "Reply") -> Origin:
    """The ETag, and what Ensign's servers add: `Ensign-Revision: epoch.number` and `Ensign-Scope`."""
    revision = revision_of(reply.headers.get("ensign-revision", ""))
    return Origin(reply.headers.get("etag"), reply.headers.get("ensign-scope"), revision)


def revision_of(text: str) -> tuple[int, int] | None:
    """(epoch, number) of `epoch.number`, or None."""
    epoch, _, number = text.partition(".")
    return (int(epoch), int(number)) if _whole(epoch) and _whole(number) else None


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
