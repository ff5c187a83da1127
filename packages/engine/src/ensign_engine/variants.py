"""Choosing a variant (semantics, section 9)."""

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

from ensign_engine.bucketing import VARIANT_SEED, bucket, unchecked_hash, well_formed
from ensign_engine.context import lookup
from ensign_engine.model import VariantDefinition
from ensign_engine.results import NO_VARIANT, Evaluation, Variant
from ensign_engine.settings import Settings

Picker = Callable[[Any], Evaluation]


class Choice(NamedTuple):
    """How a variant was chosen: position (None: no variant), and the bucket when hashing decided."""

    position: int | None
    reason: str
    bucket: int | None = None
    total: int = 0
    identifier: str | None = None


class VariantPlan(NamedTuple):
    """The variants that compete once a strategy (or the flag itself) is on.

    `cumulative` holds running sums of the weights; `source` is `strategy` or `flag`.
    """

    source: str
    group: str
    stickiness: str
    variants: tuple[VariantDefinition, ...]
    cumulative: tuple[int, ...]
    overrides: tuple[tuple[str, frozenset[str], int], ...]

    @property
    def total(self) -> int:
        """The sum of the weights; 0 means that there is no variant to give."""
        return self.cumulative[-1] if self.cumulative else 0

    def choose(self, context: Any, settings: Settings) -> Choice:
        """The reference selection: overrides in order, then the bucket. Never raises."""
        if not self.variants:
            return Choice(None, "the flag has no variants")
        if self.total <= 0:
            return Choice(None, "the weights of the variants sum to 0")
        for name, values, index in self.overrides:
            if settings.value(context, name) in values:
                return Choice(index, f"an override on {name} names this variant", total=self.total)
        found = identifier(context, self.stickiness, settings)
        place = bucket(self.group, found, self.total, VARIANT_SEED)
        index = bisect_left(self.cumulative, place)
        reason = f"bucket {place} of {self.total} falls to this variant"
        return Choice(index, reason, place, self.total, found)


def variant_plan(variants: tuple[VariantDefinition, ...], *, source: str, group: str, stickiness: str) -> VariantPlan:
    """The plan for `variants`, whose first member's stickiness wins over `stickiness`."""
    first = variants[0].stickiness if variants else ""
    return VariantPlan(
        source=source,
        group=group,
        stickiness=first or stickiness or "default",
        variants=variants,
        cumulative=tuple(accumulate(variant.weight for variant in variants)),
        overrides=tuple(
            (override.context_name, frozenset(override.values), index)
            for index, variant in enumerate(variants)
            for override in variant.overrides
        )
        if source == "flag"
        else (),
    )


def identifier(context: Any, stickiness: str, settings: Settings) -> str:
    """The text that is hashed: never empty, because a missing field falls back to a random identifier."""
    if stickiness == "random":
        return settings.random_identifier()
    if stickiness == "default":
        found = settings.value(context, "userId") or settings.value(context, "sessionId")
    else:
        found = settings.value(context, stickiness)
    return found or settings.random_identifier()


def results(plan: VariantPlan) -> tuple[Variant, ...]:
    """The wire variants of `plan`, in order, as given to a caller whose flag is on."""
    return tuple(Variant(item.name, True, item.payload, True) for item in plan.variants)


def picker(plan: VariantPlan, evaluation: Callable[[Variant], Evaluation], settings: Settings) -> Picker:
    """A function from context to the prebuilt evaluation of the variant that `plan.choose` names."""
    nothing = evaluation(NO_VARIANT)
    if plan.total <= 0:
        return lambda _context: nothing
    outcomes = tuple(map(evaluation, results(plan)))

    def careful(context: Any) -> Evaluation:
        index = plan.choose(context, settings).position
        return nothing if index is None else outcomes[index]

    if plan.overrides or plan.stickiness in {"random", "currentTime"}:
        return careful
    return _hashing(plan, outcomes, careful, settings)


def _hashing(plan: VariantPlan, outcomes: tuple[Evaluation, ...], careful: Picker, settings: Settings) -> Picker:
    first = "userId" if plan.stickiness == "default" else plan.stickiness
    second = "sessionId" if plan.stickiness == "default" else None
    static = settings.static_context
    first_static = static.get(first)
    second_static = static.get("sessionId")
    prefix = well_formed(plan.group + ":")
    cumulative, total = plan.cumulative, plan.total
    random_identifier = settings.random_identifier

    def pick(context: Any) -> Evaluation:
        try:
            found = context.get(first)
            if type(found) is not str or first == "properties":
                found = lookup(context, first, first_static)
            if not found:
                found = (second and lookup(context, second, second_static)) or random_identifier()
            if not found.isascii():
                found.encode()  # raises for text that must not reach the hash (see bucketing)
            place = unchecked_hash(prefix + found, VARIANT_SEED, False) % total + 1
        except Exception:  # an odd context, or an identifier that UTF-8 cannot carry: take the careful way
            return careful(context)
        return outcomes[bisect_left(cumulative, place)]

    return pick
