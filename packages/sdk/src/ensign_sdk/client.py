"""The client: what an application holds, one for the life of its process."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from ensign_engine import DISABLED, Evaluation, Ruleset, Variant

from ensign_sdk._internal import lifecycle
from ensign_sdk._internal.cache import DiskCache
from ensign_sdk._internal.confirmer import Confirmer, Errands
from ensign_sdk._internal.handles import answered, bound, called
from ensign_sdk._internal.metrics import Reporter
from ensign_sdk._internal.observed import Listener, ObservedTable, Table
from ensign_sdk._internal.poller import Poller
from ensign_sdk._internal.settled import Settled
from ensign_sdk._internal.store import Store
from ensign_sdk._internal.streamer import Streamer
from ensign_sdk._internal.worker import Worker
from ensign_sdk.config import Config, CustomStrategy, Document, configured, parsed, strategies, trusting
from ensign_sdk.types import EMPTY, Context, Fallback, FlagHandle, Impression, Status, VariantFallback

if TYPE_CHECKING:
    from ensign_sdk._internal.trust import Trust

log = logging.getLogger("ensign_sdk")

_NO_FLAGS: Mapping[str, Any] = {"version": 2, "features": []}


class Client:
    """Evaluates flags in this process and keeps their rules up to date in the background.

    Making one raises ValueError for arguments that cannot be meant. After that nothing here raises, and nothing
    waits for the network but `wait_until_ready`, `close` and `async with`. Safe to share between threads and across
    forks.
    """

    _config: Config | None
    _closed: bool
    _running: bool
    _poller: Poller
    _streamer: Streamer | None
    _reporter: Reporter
    _confirmer: Confirmer
    _cache: DiskCache | None

    def __init__(
        self,
        *,
        url: str,
        token: str,
        app_name: str,
        environment: str | None = None,
        instance_id: str | None = None,
        refresh_interval: float = 15.0,
        metrics_interval: float = 60.0,
        timeout: float = 10.0,
        cache_dir: str | os.PathLike[str] | bool | None = None,
        bootstrap: Document | None = None,
        custom_strategies: Mapping[str, CustomStrategy] | None = None,
        on_impression: Callable[[Impression], object] | None = None,
        what_is_sent: Callable[[bytes], object] | None = None,
        streaming: bool = True,
        public_key: str | Iterable[str] | None = None,
        projects: Iterable[str] | None = None,
        start: bool = True,
        wait: float = 0.0,
    ) -> None:
        """Times are in seconds. See the README for each option.

        * `environment`: a label for contexts; which environment's rules come is decided by the token alone.
        * `metrics_interval`: 0 sends no counts at all.
        * `cache_dir`: where the last good rules are kept; False for nowhere.
        * `bootstrap`: a document or its file, used until the server or the cache has better.
        * `streaming`: have changes pushed; where that does not work, and with False, they are asked for every
          `refresh_interval`.
        * `public_key`: the log's, or several; with it only rules that it has signed are used.
        * `projects`: of which projects there must be signed rules; by default those that the token names.
        * `what_is_sent`: called with every piece of text before it leaves the process, the token masked.
        * `start`: False to call `start()` later; `wait`: how long to wait here until ready.

        Raises ValueError.
        """
        config = configured(
            url=url, token=token, app_name=app_name, environment=environment, instance_id=instance_id,
            refresh_interval=refresh_interval, metrics_interval=metrics_interval, timeout=timeout,
            cache_dir=cache_dir, bootstrap=bootstrap, custom_strategies=custom_strategies,
            on_impression=on_impression, what_is_sent=what_is_sent, streaming=streaming,
            public_key=public_key, projects=projects,
        )  # fmt: skip
        static = {"appName": config.app_name, "environment": config.environment}
        options = {"custom_strategies": config.custom_strategies, "static_context": static}
        brought = None if config.bootstrap is None else parsed(config.bootstrap, "bootstrap", **options)
        nothing = Ruleset.empty(**options) if brought is None else Ruleset.parse(_NO_FLAGS, previous=brought)
        self._prepare(nothing, config.on_impression, config.trust)
        self._config = config
        self._begin(config, brought)
        self._connect()
        if start:
            self.start()
            if wait > 0:
                self.wait_until_ready(wait)

    @classmethod
    def offline(
        cls,
        ruleset: Document,
        *,
        app_name: str = "offline",
        environment: str | None = None,
        custom_strategies: Mapping[str, CustomStrategy] | None = None,
        on_impression: Callable[[Impression], object] | None = None,
        public_key: str | Iterable[str] | None = None,
    ) -> Self:
        """A client on a fixed ruleset: a document in the wire format, its JSON in bytes, or the file that holds it.

        It starts no threads and sends nothing. Raises ValueError, also for rules that `public_key` has not signed.
        """
        static = {"appName": app_name, "environment": environment}
        options = {"custom_strategies": strategies(custom_strategies), "static_context": static}
        client = cls.__new__(cls)
        rules = parsed(ruleset, "ruleset", **options)
        trust = trusting(public_key)
        client._prepare(Ruleset.parse(_NO_FLAGS, previous=rules), on_impression, trust)
        client._config = None
        if not client._store.bring(rules, ruleset, "offline"):
            raise ValueError(f"ruleset cannot be trusted: {client._store.error}")
        client._settled.set()
        return client

    def is_enabled(self, name: str, context: Context | None = None, default: bool | Fallback = False) -> bool:
        """Whether the flag is on for `context`.

        For a name that the rules do not hold, and before there are any: `default`, or what it says when called with
        (name, context).
        """
        try:
            flag = self._table[name]
            if flag.decide(EMPTY if context is None else context):
                flag.counts[1] += 1
                return True
            if flag.found or default is False:
                flag.counts[0] += 1
                return False
            answer = answered(default, name, context)
            flag.counts[answer] += 1
            return answer
        except Exception:  # e.g. a name that cannot be looked up; the caller must get an answer
            return self._rescued("is_enabled", name, default)

    def get_variant(
        self, name: str, context: Context | None = None, default: Variant | VariantFallback | None = None
    ) -> Variant:
        """The flag's variant for `context`.

        Where none is given (the flag is off, unknown or has none): `default`, or what it returns when called with
        (name, context), or else the variant named `disabled`.
        """
        try:
            flag = self._table[name]
            answer = flag.choose(EMPTY if context is None else context)
            variant: Variant = answer.variant
            if default is not None and not variant.enabled:
                chosen = default(name, context) if callable(default) else default
                variant = chosen._replace(feature_enabled=variant.feature_enabled)
            flag.counts[answer.enabled] += 1
            given = flag.variant_counts
            given[variant.name] = given.get(variant.name, 0) + 1
            return variant
        except Exception:  # e.g. a fallback function that raises; the caller must get an answer
            self._rescued("get_variant", name, False)
            return default if isinstance(default, Variant) else DISABLED

    def evaluate_all(self, context: Context | None = None) -> dict[str, Evaluation]:
        """The answers for all flags, by name. Counts nothing and makes no impressions: nobody acted on them yet."""
        return self._store.ruleset.evaluate_all(EMPTY if context is None else context)

    def flag(self, name: str, default: bool | Fallback = False) -> FlagHandle:
        """One flag as a function: `menu = client.flag("menu")`, then `menu(context)` or `menu.variant(context)`.

        The quickest way to ask; make it once and keep it. It follows the rules as they change.
        """
        handle, bind = bound(name, default)
        self._handles.add(handle)
        bind(self._table)
        return handle

    @property
    def ready(self) -> bool:
        """Whether there are rules, from wherever."""
        return self._store.source is not None

    def wait_until_ready(self, timeout: float | None = None) -> bool:
        """Wait until the server has answered, or has been tried in vain while there are rules from elsewhere.

        At most `timeout` seconds. Returns whether there are rules.
        """
        self._settled.wait(timeout)
        return self.ready

    async def ready_async(self, timeout: float | None = None) -> bool:
        """`wait_until_ready` for coroutines: no thread waits, and the loop goes on."""
        await self._settled.wait_async(timeout)
        return self.ready

    def status(self) -> Status:
        """What this client runs on, for health pages and tests."""
        return self._store.status()

    def start(self) -> None:
        """Begin to fetch and report in the background. Does nothing when started, closed or offline."""
        if self._config is None or self._closed or self._running:
            return
        self._running = True
        self._store.mode = "polling"
        lifecycle.register(self)
        for worker in self._workers:
            worker.start()

    def close(self, timeout: float = 2.0) -> None:
        """Stop, and send the last counts within about `timeout` seconds. The last rules go on answering."""
        if self._closed:
            return
        self._closed = True
        lifecycle.forget(self)
        if self._config is None or not self._running:
            return
        deadline = time.monotonic() + timeout
        for worker in self._workers:
            worker.stop(0.0)
        ended = [worker.stop(max(0.0, deadline - time.monotonic())) for worker in self._workers]
        left = deadline - time.monotonic()
        if self._config.sends_metrics and all(ended) and left > 0:
            try:
                self._confirmer.flush(timeout=min(left, self._config.timeout))
                left = deadline - time.monotonic()
                self._reporter.flush(timeout=max(0.1, min(left, self._config.timeout)))
            except Exception:  # a defect here must not fail the application's own shutdown
                log.exception("the last counts could not be sent")
        if all(ended):
            self._poller.close()

    async def close_async(self, timeout: float = 2.0) -> None:
        """`close` for coroutines: it waits for the network in a thread."""
        import asyncio  # deferred: applications without an event loop never load it

        await asyncio.to_thread(self.close, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        """Wait for the first rules, at most `timeout` seconds; go on without them then."""
        self.start()
        await self.ready_async(None if self._config is None else self._config.timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_async()

    def _prepare(
        self, ruleset: Ruleset, on_impression: Callable[[Impression], object] | None, trust: "Trust | None"
    ) -> None:
        self._listener = None if on_impression is None else Listener(on_impression)
        self._handles: WeakSet[Any] = WeakSet()
        self._watchers: tuple[Callable[[], object], ...] = ()
        self._settled = Settled()
        self._closed = self._running = False
        self._complained = False
        self._workers: tuple[Worker, ...] = ()
        self._table: Table = {}
        self._store = Store(ruleset, self._swapped, trust)
        self._swapped(ruleset)

    def _swapped(self, ruleset: Ruleset) -> None:
        table: Table = ruleset.table
        if self._listener is not None:
            table = ObservedTable(ruleset.table, self._listener)
        self._exchanged(table)

    def _exchanged(self, table: Table) -> None:
        self._table = table
        for handle in tuple(self._handles):
            handle.bind(table)
        for told in self._watchers:
            told()

    def _begin(self, config: Config, brought: Ruleset | None) -> None:
        """Rules to begin with: what the server said last, else what the application brings along."""
        self._cache = None
        if config.cache_dir is not None:
            address = config.endpoint.origin + config.endpoint.base
            self._cache = DiskCache(config.cache_dir, address=address, token=config.token, app_name=config.app_name)
            kept = self._cache.load()
            if kept is not None and self._store.offer(kept[0], "cache", kept[1]):
                return
        if brought is not None and config.bootstrap is not None:
            self._store.bring(brought, config.bootstrap, "bootstrap")

    def _connect(self) -> None:
        """What talks to the server, in a thread each; made anew in a forked child."""
        config = self._config
        assert config is not None
        connection_id = _uuid()
        headers = config.headers(connection_id)
        self._poller = Poller(config, self._store, cache=self._cache, headers=headers, tried=self._tried)
        self._reporter = Reporter(config, self._store.ruleset.counters, connection_id=connection_id, headers=headers)
        self._streamer = None
        self._confirmer = Confirmer(self._reporter.post, timeout=config.timeout)
        if config.streaming:
            self._streamer = Streamer(
                config, self._store, self._poller, cache=self._cache, headers=headers, tried=self._tried,
                confirmer=self._confirmer if config.sends_metrics else None,
            )  # fmt: skip
            self._workers = (Worker("ensign-streamer", self._streamer.step, self._streamer.interrupt),)
        else:
            self._workers = (Worker("ensign-poller", self._poller.step),)
        if config.sends_metrics:
            reporting = Worker("ensign-metrics", Errands(self._confirmer.step, self._reporter.step).step)
            self._confirmer.wake = reporting.wake
            self._workers += (reporting,)
        if config.trust is not None:
            from ensign_sdk._internal.prover import Prover  # deferred: who verifies nothing loads nothing

            proofs = Worker("ensign-proofs", Prover(config, config.trust, headers=headers).step)
            config.trust.changed = proofs.wake
            self._workers += (proofs,)

    def _tried(self) -> None:
        if self.ready:
            self._settled.set()

    def _rescued(self, what: str, name: object, default: object) -> bool:
        if not self._complained:
            log.exception("%s(%s) failed; further failures are not logged", what, called(name))
        self._complained = True
        return default is True

    def _before_fork(self) -> None:
        self._reporter.lock.acquire()

    def _after_fork_in_parent(self) -> None:
        self._reporter.lock.release()

    def _after_fork_in_child(self) -> None:
        """The child has no threads, and locks that it cannot trust: everything that holds some is made anew."""
        settled = self._settled.is_set()
        self._settled = Settled()
        if settled:
            self._settled.set()
        self._reporter.lock.release()
        self._reporter.forget()
        if self._streamer is not None:
            self._streamer.abandon()
        self._store.mode = "polling"
        self._connect()
        for worker in self._workers:
            worker.start()


def _uuid() -> str:
    """A random UUID (RFC 9562, version 4) without the module, whose import takes longer than all of ours."""
    number = int.from_bytes(os.urandom(16), "big")
    number = number & ~(0xF << 76) | 4 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
