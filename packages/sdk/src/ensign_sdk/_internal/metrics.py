"""Reporting counts: how often each flag was answered yes and no, and which variants were given. Nothing else."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ensign_engine import Counters

from ensign_sdk._internal import backoff
from ensign_sdk._internal.deferred import load_http
from ensign_sdk.config import BUILT_IN, Config
from ensign_sdk.version import SDK, SPEC

if TYPE_CHECKING:
    from ensign_sdk._internal.transport import Reply, Transport
    from ensign_sdk._internal.trust import Trust

log = logging.getLogger("ensign_sdk")

REGISTER, METRICS = "/client/register", "/client/metrics"
MAX_NAME = 100
MAX_FLAGS = 10_000

_LATER = frozenset({401, 403, 408, 429, 500, 502, 503, 504})

Toggle = dict[str, Any]


class Reporter:
    """`step` registers once and sends what was counted since; what could not be sent is added to the next report.

    `lock` is held while counts are taken out, never while they are sent, so that a fork can hold it, too.
    """

    def __init__(self, config: Config, counters: Counters, *, connection_id: str, headers: dict[str, str]) -> None:
        self.lock = threading.Lock()
        self._config = config
        self._trust: Trust | None = config.trust
        self._counters = counters
        self._connection_id = connection_id
        self._headers = {**headers, "Content-Type": "application/json"}
        self._started = _now()
        self._since = self._started
        self._pending: dict[str, Toggle] = {}
        self._registered = False
        self._transport: Transport | None = None
        self._failures = 0

    def step(self) -> float:
        """Send what there is; returns the seconds until the next time. Never raises."""
        return self.flush(timeout=self._config.timeout)

    def flush(self, *, timeout: float) -> float:
        """One report, within about `timeout` seconds."""
        if not self._registered:
            reply = self.post(REGISTER, self._registration(), timeout)
            if reply is None or reply.status in _LATER:
                return self._failed(reply)
            self._registered = True  # or refused for good: counts matter more
        with self.lock:
            self._collect()
            toggles, until = self._pending, _now()
            since = min(self._since, until)  # a clock that was set back would give a span that no server accepts
            self._pending, self._since = {}, until
        refused = self._refusals()
        if toggles or refused:
            report = self._report(toggles, since, until)
            if refused:
                report["refusedRulesets"] = refused
            reply = self.post(METRICS, report, timeout)
            if reply is None or reply.status >= 300:
                if reply is None or reply.status not in {400, 413}:  # those would be refused for ever
                    self._restore(toggles, since)
                    if self._trust is not None:
                        self._trust.reports.extend(code for code, times in refused.items() for _ in range(times))
                return self._failed(reply)
        self._failures = 0
        return backoff.jittered(self._config.metrics_interval)

    def forget(self) -> None:
        """For a forked child: what the parent counted is the parent's to send."""
        self._counters.collect()
        if self._trust is not None:
            self._trust.reports.clear()

    def _collect(self) -> None:
        for name, report in self._counters.collect().items():
            if not plausible(name):
                continue
            toggle = self._pending.get(name)
            if toggle is None:
                if len(self._pending) >= MAX_FLAGS:
                    continue
                toggle = self._pending[name] = {"yes": 0, "no": 0, "variants": {}}
            _add(toggle, {"yes": report.yes, "no": report.no, "variants": report.variants})

    def _refusals(self) -> dict[str, int]:
        """How often rules were refused since the last report, by the kind of reason."""
        found: dict[str, int] = {}
        reports = () if self._trust is None else self._trust.reports
        while reports:
            code = reports.popleft()
            found[code] = found.get(code, 0) + 1
        return found

    def _restore(self, toggles: dict[str, Toggle], since: str) -> None:
        with self.lock:
            for name, toggle in self._pending.items():
                _add(toggles.setdefault(name, {"yes": 0, "no": 0, "variants": {}}), toggle)
            self._pending, self._since = toggles, since

    def _failed(self, reply: "Reply | None") -> float:
        self._failures += 1
        status = None if reply is None else reply.status
        if self._failures == 1:
            log.info("Ensign could not report its counts (%s); they are kept for later", status or "no answer")
        if status in {401, 403}:
            return backoff.refused()
        wait = 0.0 if reply is None else backoff.asked(reply.headers.get("retry-after"))
        return backoff.after_failures(self._failures, least=max(wait, min(self._config.metrics_interval, 5.0)))

    def post(self, path: str, document: dict[str, Any], timeout: float) -> "Reply | None":
        """Send one document on a connection of its own; None when no answer came. One thread at a time."""
        load_http()
        from ensign_sdk._internal.transport import Transport, TransportError  # here: its first use, in this thread

        config = self._config
        if self._transport is None:
            self._transport = Transport(config.endpoint, config.token, timeout=config.timeout, sent=config.what_is_sent)
        body = json.dumps(document, separators=(",", ":")).encode()
        try:
            reply = self._transport.request("POST", path, headers=self._headers, body=body, timeout=timeout)
        except TransportError:
            return None
        finally:
            self._transport.close()
        return reply

    def _identity(self) -> dict[str, Any]:
        return {
            "appName": self._config.app_name,
            "instanceId": self._config.instance_id,
            "connectionId": self._connection_id,
            "sdkVersion": SDK,
            "platformName": sys.implementation.name,
            "platformVersion": ".".join(map(str, sys.version_info[:3])),
            "yggdrasilVersion": None,
            "specVersion": SPEC,
        }

    def _registration(self) -> dict[str, Any]:
        return {
            **self._identity(),
            "strategies": [*BUILT_IN, *self._config.custom_strategies],
            "started": self._started,
            "interval": int(self._config.metrics_interval * 1000),
        }

    def _report(self, toggles: dict[str, Toggle], since: str, until: str) -> dict[str, Any]:
        return {**self._identity(), "bucket": {"start": since, "stop": until, "toggles": toggles}}


def plausible(name: object) -> bool:
    """Whether a flag may be called so; what a caller passed by mistake could be anything, and is not sent."""
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME


def _add(toggle: Toggle, more: Toggle) -> None:
    toggle["yes"] += more["yes"]
    toggle["no"] += more["no"]
    variants = toggle["variants"]
    for name, times in more["variants"].items():
        variants[name] = variants.get(name, 0) + times


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
