"""The ruleset: every flag and segment of an environment, compiled on first use.

A `Ruleset` never changes. A new document makes a new one, which takes over the compiled functions of the
flags that did not change; whoever holds the old one goes on undisturbed, so swapping is one assignment.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from ensign_engine.compiled import CompiledFlag
from ensign_engine.context import EMPTY, text
from ensign_engine.counters import Counters
from ensign_engine.documents import Document, apply_events, copied, loaded, read_full
from ensign_engine.explain import explain_flag, explain_unknown
from ensign_engine.model import FlagDefinition, SegmentDefinition, read_dependencies
from ensign_engine.results import Evaluation, Variant
from ensign_engine.settings import CustomStrategy, Settings
from ensign_engine.table import FlagTable, Rules
from ensign_engine.traces import Explanation


class Ruleset:
    """An immutable compiled table of flags.

    Evaluation never raises, whatever the context; building one raises RulesetError and changes nothing.

    Hot path for SDKs: `ruleset.table[name]` gives a `CompiledFlag` (compiled on first use, also for unknown
    names) whose `decide(context)` is truthy when the flag is on, and whose `counts` list `[no, yes]` the SDK
    adds to without a lock::

        flag = ruleset.table[name]
        if flag.decide(context):
            flag.counts[1] += 1
            return True
        flag.counts[0] += 1
        return False

    `flag.choose(context)` gives the prebuilt `Evaluation`; count `flag.counts[evaluation.enabled] += 1` and
    `flag.variant_counts[variant.name]`. `ruleset.counters.collect()` reports what was counted since the last
    report; counts live on across `parse(previous=...)` and `apply_delta`. The static context (appName,
    environment) is bound into the functions, so the SDK never copies or merges a context.
    """

    __slots__ = ("_every", "table")

    def __init__(self, table: FlagTable) -> None:
        self.table = table
        self._every: tuple[tuple[str, Callable[[Any], Evaluation]], ...] | None = None

    @classmethod
    def parse(
        cls,
        document: Document,
        *,
        previous: "Ruleset | None" = None,
        custom_strategies: Mapping[str, CustomStrategy] | None = None,
        static_context: Mapping[str, object] | None = None,
        hostname: str | None = None,
        random: Callable[[], float] | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> Self:
        """A ruleset from a full document (`features`, optional `segments`).

        With `previous` its options and counters are kept and the functions of unchanged flags reused; the
        other options are then not allowed. `static_context` stands in for what a context leaves out;
        `random` gives floats in [0, 1); `now` gives the time for an absent `currentTime`; `hostname` is what
        `applicationHostname` compares with. Raises RulesetError, and ValueError for options with `previous`.
        """
        options: dict[str, Any] = {
            "custom_strategies": custom_strategies,
            "static_context": static_context,
            "hostname": hostname,
            "random": random,
            "now": now,
        }
        given = {name: value for name, value in options.items() if value is not None}
        if previous is not None and given:
            raise ValueError("options come from the previous ruleset; give either `previous` or options")
        flags, segments = read_full(loaded(document))
        if previous is not None:
            return cls(previous.table.successor(flags, segments))
        return cls(FlagTable(Rules(flags, segments), _settings(given), Counters()))

    @classmethod
    def empty(cls, **options: Any) -> Self:
        """A ruleset without flags, to apply the first delta to; options as in `parse`."""
        return cls.parse({"version": 2, "features": []}, **options)

    def apply_delta(self, document: Document) -> Self:
        """The ruleset after the `events` of a delta document, in order (semantics, section 1).

        A document that holds `features` is taken as full. Raises RulesetError; then nothing has changed.
        """
        return self.succeeded(loaded(document))

    def succeeded(self, read: dict[str, Any]) -> Self:
        """As apply_delta, for a document that `documents.loaded` has read already and that the caller gives away."""
        rules = self.table.rules
        if "features" in read:
            flags, segments = read_full(read)
        else:
            flags, segments = apply_events(read, rules.flags, rules.segments)
        return type(self)(self.table.successor(flags, segments))

    def to_document(self) -> dict[str, Any]:
        """The full document in the wire's shape; a copy that the caller may change."""
        rules = self.table.rules
        return {
            "version": 2,
            "features": [copied(flag) for flag in rules.flags.values()],
            "segments": [copied(segment) for segment in rules.segments.values()],
        }

    def changed_since(self, old: "Ruleset") -> frozenset[str]:
        """Names of the flags whose answers may differ from those of `old`: flags that came, went or changed, and those
        that use a segment or ask a parent which did.
        """
        before, now = old.table.rules, self.table.rules
        every = before.flags.keys() | now.flags.keys()
        changed = {name for name in every if _differ(before.flags.get(name), now.flags.get(name))}
        segments = {
            key
            for key in before.segments.keys() | now.segments.keys()
            if _differ(before.segments.get(key), now.segments.get(key))
        }
        if segments:
            changed.update(
                name
                for name, flag in self.flags.items()
                if any(
                    isinstance(used, int) and used in segments
                    for item in flag.strategies or ()
                    for used in item.segments or ()
                )
            )
        # One level is enough: a parent with parents of its own satisfies nobody.
        children = {
            name
            for name, raw in now.flags.items()
            if any(parent.feature in changed for parent in read_dependencies(raw))
        }
        return frozenset(changed | children)

    def names(self) -> tuple[str, ...]:
        """The names of all flags, in the document's order."""
        return tuple(self.table.rules.flags)

    @property
    def counters(self) -> Counters:
        """What callers counted through `table`; shared with the rulesets before and after this one."""
        return self.table.counters

    @property
    def flags(self) -> Mapping[str, FlagDefinition]:
        """The definitions by name, each read when it is first looked at."""
        return self.table.definitions

    @property
    def segments(self) -> Mapping[int, SegmentDefinition]:
        """The segments by id."""
        return self.table.rules.segment_definitions()

    def __len__(self) -> int:
        return len(self.table.rules.flags)

    def __contains__(self, name: object) -> bool:
        return name in self.table.rules.flags

    def compiled(self, name: str) -> CompiledFlag:
        """The compiled form of `name` (see CompiledFlag); for an unknown name one that is always off."""
        return self.table[name]

    def is_enabled(self, name: str, context: Mapping[str, Any] = EMPTY) -> bool:
        """Whether the flag is on for `context`; False for an unknown name."""
        return self.table[name].decide(context) != 0

    def get_variant(self, name: str, context: Mapping[str, Any] = EMPTY) -> Variant:
        """The variant for `context`; the disabled one when the flag is off, unknown or has none."""
        return self.table[name].choose(context).variant

    def evaluate(self, name: str, context: Mapping[str, Any] = EMPTY) -> Evaluation:
        """The whole answer for one flag: found, enabled, variant, deciding strategy."""
        return self.table[name].choose(context)

    def evaluate_all(self, context: Mapping[str, Any] = EMPTY) -> dict[str, Evaluation]:
        """The answers for all flags, by name, in the document's order."""
        every = self._every
        if every is None:
            table = self.table
            every = self._every = tuple((name, table[name].choose) for name in table.rules.flags)
        return {name: choose(context) for name, choose in every}

    def explain(self, name: str, context: Mapping[str, Any] = EMPTY) -> Explanation:
        """Why the flag is on or off for `context`: strategies, constraints, segments, buckets, in words."""
        plan = self.table[name].plan
        return explain_unknown(name) if plan is None else explain_flag(plan, context)


def _differ(before: object, after: object) -> bool:
    return before is not after and before != after


def _settings(given: Mapping[str, Any]) -> Settings:
    options = dict(given)
    static = options.pop("static_context", {})
    known = {name: value for name, value in ((name, text(value)) for name, value in static.items()) if value}
    custom = dict(options.pop("custom_strategies", {}))
    return Settings(static_context=MappingProxyType(known), custom_strategies=MappingProxyType(custom), **options)
