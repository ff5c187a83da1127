"""An OpenFeature provider on top of the client: `pip install ensign-sdk[openfeature]`.

>>> from openfeature import api
>>> from ensign_sdk import Client
>>> from ensign_sdk.openfeature import EnsignProvider
>>> rules = {"features": [{"name": "menu", "enabled": True, "strategies": []}]}
>>> api.set_provider_and_wait(EnsignProvider(Client.offline(rules)))
>>> api.get_client().get_boolean_value("menu", False)
True
>>> api.shutdown()

How flags look to OpenFeature stands in docs/reference/openfeature.md and in `ensign_engine.openfeature`.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ensign_engine import Ruleset
from ensign_engine.openfeature import Mapped, Resolution, context_of

try:
    from openfeature.evaluation_context import EvaluationContext
except ModuleNotFoundError as problem:
    raise ModuleNotFoundError(f"{problem}; it comes with: pip install 'ensign-sdk[openfeature]'") from problem
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from ensign_sdk._internal import lifecycle
from ensign_sdk._internal.worker import Worker
from ensign_sdk.client import Client

log = logging.getLogger("ensign_sdk")

Tracked = Callable[[str, EvaluationContext, TrackingEventDetails | None], object]
"""(event, merged context, details): what the application does with `track`."""

Value = TypeVar("Value")
_Structure = Sequence[FlagValueType] | Mapping[str, FlagValueType]

LOOK = 5.0
"""Seconds between two looks at how the client is; changes of flags are told at once."""


class EnsignProvider(AbstractProvider):
    """Resolves flags with a client, which belongs to the provider from then on: `shutdown` closes it.

    * `wait`: seconds that `initialize` waits for rules. Without any the provider is in ERROR until they come.
    * `stale_after`: seconds without a good word from the server until the provider is STALE; it goes on answering.
    * `on_track`: called by `track`, in the caller's thread. Without it, tracking does nothing; nothing is ever sent.
    * `hooks`: provider hooks.
    """

    def __init__(
        self,
        client: Client,
        *,
        wait: float = 10.0,
        stale_after: float = 300.0,
        on_track: Tracked | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        super().__init__()
        self.client = client
        self._wait = wait
        self._stale_after = stale_after
        self._on_track = on_track
        self._hooks = list(hooks)
        self._mapped: dict[str, Mapped] = {}
        self._seen: Ruleset | None = None
        self._state = "NOT_READY"
        self._unwell_since: float | None = None
        self._complained = False
        self._watcher: Worker | None = None

    def get_metadata(self) -> Metadata:
        """The provider's name."""
        return Metadata(name="Ensign")

    def get_provider_hooks(self) -> list[Hook]:
        """The hooks that the provider was made with."""
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002  # OpenFeature's signature
        """Start the client and wait for rules. Raises ProviderNotReadyError, which OpenFeature tells as an event."""
        self.client.start()
        ready = self.client.wait_until_ready(self._wait)
        self._seen = self.client._store.ruleset
        self._state = "READY" if ready else "ERROR"
        if self._on_change not in self.client._watchers:
            self.client._watchers += (self._on_change,)
        lifecycle.register(self)
        self._watch()
        if not ready:
            problem = self.client.status().error
            raise ProviderNotReadyError(f"no rules within {self._wait:g} s" + (f": {problem}" if problem else ""))

    def shutdown(self) -> None:
        """Send the last counts and stop."""
        lifecycle.forget(self)
        self.client._watchers = tuple(one for one in self.client._watchers if one != self._on_change)
        if self._watcher is not None:
            self._watcher.stop(1.0)
            self._watcher = None
        self.client.close()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Whether the flag is on, whatever its type."""
        return self._guarded(self._boolean, flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """The payload of the variant, or its name where payloads are none."""
        return self._guarded(self._typed("string"), flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """The number of the variant's payload, for flags whose numbers are all whole."""
        return self._guarded(self._typed("integer"), flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """The number of the variant's payload; whole numbers are floats here, too."""
        return self._guarded(self._typed("float", "integer"), flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self, flag_key: str, default_value: _Structure, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[_Structure]:
        """The JSON of the variant's payload: an object or a list."""
        return self._guarded(self._typed("object"), flag_key, default_value, evaluation_context)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Hand an event to `on_track`. Nothing is kept or sent: an event says what a person did."""
        if self._on_track is None:
            return
        try:
            self._on_track(tracking_event_name, evaluation_context or EvaluationContext(), tracking_event_details)
        except Exception:  # the hook is the application's; whoever tracks must not fail by it
            self._complain("on_track raised")

    def _guarded(
        self,
        resolve: Callable[[str, dict[str, Any]], Resolution],
        key: str,
        default: Value,
        context: EvaluationContext | None,
    ) -> FlagResolutionDetails[Value]:
        try:
            if not self.client.ready:
                return _failed(default, ErrorCode.PROVIDER_NOT_READY, "there are no rules yet")
            known = {} if context is None else context_of(context.targeting_key, context.attributes)
            found = resolve(key, known)
        except Exception as problem:  # e.g. a key that is no text, or a context of another kind
            self._complain(f"{key!r} could not be resolved")
            return _failed(default, ErrorCode.GENERAL, f"{type(problem).__name__}: {problem}")
        if found.error is not None:
            return _failed(default, ErrorCode(found.error), found.message, found.variant or None, found.metadata)
        value = default if found.value is None else found.value
        return FlagResolutionDetails(
            value=value, reason=Reason(found.reason), variant=found.variant, flag_metadata=found.metadata
        )

    def _boolean(self, key: str, context: dict[str, Any]) -> Resolution:
        flag = self.client._table[key]
        code = flag.decide(context)
        flag.counts[code != 0] += 1
        return self._mapping(key, flag).boolean(code)

    def _typed(self, kind: str, *also: str) -> Callable[[str, dict[str, Any]], Resolution]:
        def resolve(key: str, context: dict[str, Any]) -> Resolution:
            flag = self.client._table[key]
            mapped = self._mapping(key, flag)
            if mapped.flag.found and mapped.kind != kind and mapped.kind not in also:
                message = f"the flag {key!r} is of the type {mapped.kind}, not {kind}"
                return Resolution(None, "", "ERROR", "TYPE_MISMATCH", message, mapped.metadata)
            answer = flag.choose(context)
            flag.counts[answer.enabled] += 1
            given = answer.variant.name
            flag.variant_counts[given] = flag.variant_counts.get(given, 0) + 1
            found = mapped.resolution(answer)
            if kind == "float" and isinstance(found.value, int):
                return found._replace(value=float(found.value))
            return found

        return resolve

    def _mapping(self, key: str, flag: Any) -> Mapped:
        compiled = getattr(flag, "compiled", flag)
        known = self._mapped.get(key)
        if known is None or known.flag is not compiled:
            known = Mapped(compiled)
            if compiled.found:
                self._mapped[key] = known
        return known

    def _on_change(self) -> None:
        """In the thread that took the rules in, which must not wait for the application's handlers."""
        watcher = self._watcher
        if watcher is not None:
            watcher.wake()

    def _watch(self) -> None:
        self._looked = False
        self._watcher = Worker("ensign-openfeature", self._look)
        self._watcher.start()

    def _look(self) -> float:
        """Tell what has happened since the last look; returns the seconds until the next."""
        if not self._looked:
            self._looked = True  # OpenFeature has yet to tell how `initialize` ended
            return 0.1
        rules, seen = self.client._store.ruleset, self._seen
        if seen is not None and rules is not seen:
            changed = rules.changed_since(seen)
            self._mapped = {name: known for name, known in self._mapped.items() if name in rules}
            if changed and self._state != "ERROR":
                self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=sorted(changed)))
        self._seen = rules
        error, now = self.client.status().error, time.monotonic()
        if error is None:
            self._unwell_since = None
        elif self._unwell_since is None:
            self._unwell_since = now
        unwell = None if self._unwell_since is None else now - self._unwell_since
        if self._state == "ERROR" and not self.client.ready:
            return min(LOOK, 1.0)
        if unwell is not None and unwell >= self._stale_after:
            if self._state != "STALE":
                self._state = "STALE"
                self.emit_provider_stale(ProviderEventDetails(message=error))
        elif self._state in {"ERROR", "STALE"} and (self._state == "ERROR" or unwell is None):
            self._state = "READY"
            self.emit_provider_ready(ProviderEventDetails())
        return LOOK if unwell is None else min(LOOK, max(0.05, self._stale_after - unwell))

    def _complain(self, what: str) -> None:
        if not self._complained:
            log.exception("%s; further failures of this provider are not logged", what)
        self._complained = True

    def close(self, timeout: float = 1.0) -> None:
        """At the end of the process: stop looking. The client has its own last words."""
        if self._watcher is not None:
            self._watcher.stop(timeout)

    def _before_fork(self) -> None:
        """Nothing is locked here."""

    def _after_fork_in_parent(self) -> None:
        """The parent goes on."""

    def _after_fork_in_child(self) -> None:
        """The child has no threads."""
        self._watch()


def _failed(
    default: Value, code: ErrorCode, message: str, variant: str | None = None, metadata: Mapping[str, Any] | None = None
) -> FlagResolutionDetails[Value]:
    return FlagResolutionDetails(
        value=default,
        error_code=code,
        error_message=message,
        reason=Reason.ERROR,
        variant=variant,
        flag_metadata=metadata or {},
    )
