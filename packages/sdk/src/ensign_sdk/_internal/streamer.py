"""Having changes pushed: one stream after the other, and polling where streams do not work."""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ensign_sdk._internal import backoff
from ensign_sdk._internal.cache import DiskCache, Origin
from ensign_sdk._internal.confirmer import CONFIRMS, Confirmer
from ensign_sdk._internal.deferred import load_http
from ensign_sdk._internal.poller import Poller, revision_of
from ensign_sdk._internal.sse import Event, Parser
from ensign_sdk._internal.store import Store
from ensign_sdk.config import Config

if TYPE_CHECKING:
    from ensign_sdk._internal.transport import Stream, Transport

log = logging.getLogger("ensign_sdk")

STREAMING = "/client/streaming"
SILENCE = 60.0
"""Seconds without a byte, after which a stream counts as dead; servers send a comment at least every 30 s."""
FAILURES, WINDOW = 5, 60.0
"""So many failures within so many seconds end the streaming for a while, as with the official SDKs."""
_COUNTED = frozenset({408, 500, 502, 503, 504})
SAVING = 5.0
"""Seconds between two writes of the cache."""


class _Refused(Exception):
    """There will be no stream now; `wait` is how long the server wants to be left alone."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _Broken(Exception):
    """The stream could not be opened, or ended."""


class Streamer:
    """`step` runs one stream for as long as it lasts; `tried` is called when rules came, or did not.

    A stream that fails before its first event is followed by one poll, so that a client whose streams are held up
    somewhere still starts at once and stays current.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        poller: Poller,
        *,
        cache: DiskCache | None,
        headers: dict[str, str],
        tried: Callable[[], None],
        confirmer: Confirmer | None = None,
    ) -> None:
        self._config = config
        self._confirmer = confirmer
        self._store = store
        self._poller = poller
        self._cache = cache
        self._headers = headers
        self._tried = tried
        self._transport: Transport | None = None
        self._stream: Stream | None = None
        self._stopped = False
        self._greeted = False
        self._anew = False
        self._event_id: str | None = None
        self._base: object = None
        self._failed: list[float] = []
        self._polls_until = 0.0
        self._said: str | None = None
        self._unsaved = False
        self._saved_at = -SAVING

    def step(self) -> float:
        """Stream, or poll while streams do not work; returns the seconds until the next time. Never raises."""
        now = time.monotonic()
        if now < self._polls_until:
            return min(self._poller.step(), max(0.0, self._polls_until - time.monotonic()))
        self._greeted = False
        after: Callable[[], float] = float
        try:
            self._run()
        except _Refused as refusal:
            after = partial(self._fall_back, str(refusal), refusal.wait)
        except _Broken as problem:
            after = partial(self._broke, str(problem))
        finally:
            self._store.mode = "polling"
            self._hang_up()
            self._save(at_once=True)
        return after()

    def interrupt(self) -> None:
        """End the stream, from another thread and for good."""
        self._stopped = True
        stream = self._stream
        if stream is not None:
            stream.interrupt()

    def abandon(self) -> None:
        """In a forked child: the stream is the parent's."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abandon()

    def _run(self) -> None:
        """One stream until it ends. Raises _Refused or _Broken, unless it was interrupted."""
        load_http()
        from ensign_sdk._internal.transport import TransportError  # deferred: the first use of HTTP, in this thread

        try:
            headers = self._open()
            parser = Parser()
            while not self._stopped:
                assert self._stream is not None
                data = self._stream.read(SILENCE if self._greeted else self._config.timeout)
                if not data:
                    raise _Broken("the server ended the stream")
                for event in parser.feed(data):
                    self._take(event, headers)
                if self._greeted:
                    self._poller.worked()
                    self._save()
        except (TransportError, ValueError) as problem:
            if not self._stopped:
                raise _Broken(str(problem)) from problem

    def _open(self) -> Mapping[str, str]:
        """Ask for the stream; returns the answer's headers. Raises _Refused, _Broken, TransportError."""
        from ensign_sdk._internal.transport import Transport  # deferred: the first use of HTTP, in this thread

        config = self._config
        if self._transport is None:
            self._transport = Transport(config.endpoint, config.token, timeout=config.timeout, sent=config.what_is_sent)
        known = self._known()
        asked = {**self._headers, "Accept": "text/event-stream", "Cache-Control": "no-cache"}
        if self._confirmer is not None:
            asked.update(CONFIRMS)
        if known is not None:
            asked["Last-Event-ID"] = known
        stream = self._stream = self._transport.stream(STREAMING, headers=asked)
        if self._stopped:  # between two looks at it
            stream.interrupt()
        status, headers = stream.begin()
        if status in _COUNTED:
            raise _Broken(f"the server answered {status}")
        if status != 200:
            raise _Refused(f"the server answered {status}", backoff.asked(headers.get("retry-after")))
        if not headers.get("content-type", "").lower().startswith("text/event-stream"):
            raise _Refused("the answer is no stream")
        if known is not None and headers.get("ensign-scope", self._store.origin.scope) != self._store.origin.scope:
            self._anew = True  # what the token sees has changed: what we hold is no base for what is newer
            raise _Broken("the token reaches other projects than before")
        if self._confirmer is not None:
            self._confirmer.opened(headers)
        return headers

    def _known(self) -> str | None:
        """The event that our rules are as of, if they may be the base for what is newer."""
        if self._anew:
            return None
        origin = self._store.origin
        if origin.revision is not None and origin.scope is not None:
            return str(origin.revision[1])
        return self._event_id if self._base is self._store.ruleset else None

    def _take(self, event: Event, headers: Mapping[str, str]) -> None:
        if event.name == "fetch-mode" and event.data.strip() == "polling":
            raise _Refused("the server asks for polling")
        if event.name not in {"unleash-connected", "unleash-updated"}:
            return
        store, revision = self._store, revision_of(event.revision)
        if event.name == "unleash-updated" or _says_something(event.data):
            if revision is None and store.origin.scope is None:
                origin = Origin()
            else:
                origin = Origin(None, headers.get("ensign-scope"), revision)
            held = store.origin
            older = revision and held.revision and held.scope == origin.scope and revision < held.revision
            if store.apply(event.data, origin):
                if self._confirmer is not None:
                    self._confirmer.applied(held.revision, revision)
            elif not older:
                self._anew = True
                raise _Broken(store.error or "the event cannot be read")
            self._anew = False
            self._unsaved = True
        self._event_id, self._base = event.id or self._event_id, store.ruleset
        self._greeted = True
        store.mode, self._said = "streaming", None
        self._poller.worked()
        self._tried()

    def _broke(self, problem: str) -> float:
        """Try again soon; after too many failures only later."""
        if self._stopped:
            return 0.0
        now = time.monotonic()
        self._failed = [at for at in self._failed if at > now - WINDOW] + [now]
        if len(self._failed) >= FAILURES:
            return self._fall_back(problem, 0.0)
        if self._greeted and len(self._failed) == 1:
            # A server that restarts ends many streams at once; they should not all come back in the same moment.
            return random.uniform(0, 1)  # noqa: S311  # spreads load, keeps no secret
        self._poller.step()
        return backoff.after_failures(len(self._failed))

    def _fall_back(self, problem: str, wait: float) -> float:
        """Poll for about five minutes."""
        if self._stopped:
            return 0.0
        self._failed.clear()
        self._polls_until = time.monotonic() + max(wait, backoff.refused())
        if problem != self._said:
            interval = self._config.refresh_interval
            log.info("Ensign cannot stream (%s); it asks every %g s and tries again later", problem, interval)
        self._said = problem
        return self._poller.step()

    def _hang_up(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _save(self, *, at_once: bool = False) -> None:
        """Keep the rules on disk, not more often than every few seconds."""
        if self._cache is None or not self._unsaved:
            return
        now = time.monotonic()
        if at_once or now - self._saved_at >= SAVING:
            self._unsaved, self._saved_at = False, now
            try:
                body = json.dumps(self._store.to_document(), separators=(",", ":")).encode()
            except RecursionError:  # nested too deeply to be written, though not to be used
                return
            self._cache.save(body, self._store.origin)


def _says_something(data: str) -> bool:
    """Whether a first event changes anything; one that only greets has no events."""
    return data.replace(" ", "") != '{"events":[]}'
