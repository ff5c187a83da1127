"""What promoting makes of a flag: the configuration of the one environment, the amounts of the other. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ensign.control.flags.domain import FlagConfig, Override, Strategy, Variant
from ensign.control.progression.domain import digest as digests
from ensign.control.progression.domain.digest import ID_FIELDS


def blend(source: FlagConfig, target: FlagConfig) -> FlagConfig:
    """``target`` as it would be with what ``source`` runs.

    Strategies that are switched on, variants, constraints and dependencies are the source's. Percentages, lists of ids
    and the switch stay the target's. A strategy goes into the place of the one that is most like it; one that the
    target has nothing like begins at 0 %, or with the source's list where it has no percentage. The result has the
    source's progression digest, for the same segments. New strategies have an empty id.

    :raises ValueError: when all strategies of ``source`` are switched off: without any, everybody would have the flag.
    """
    live = [s for s in source.strategies if not s.disabled]
    if source.strategies and not live:
        raise ValueError("all strategies are switched off")
    pairs = _matched(live, target.strategies)
    return FlagConfig(
        enabled=target.enabled,
        strategies=tuple(_strategy(one, other) for one, other in zip(live, pairs, strict=True)),
        variants=_variants(source.variants, target.variants),
        dependencies=source.dependencies,
    )


def _matched(live: Sequence[Strategy], old: Sequence[Strategy]) -> list[Strategy | None]:
    """For each of ``live`` the old strategy whose place it takes, each at most once: of the same type, first those that
    do the same, then those with the same title, then by place.
    """
    found: list[Strategy | None] = [None] * len(live)
    free = list(old)
    for alike in (_same_rules, _same_title, lambda _one, _other: True):
        for place, strategy in enumerate(live):
            if found[place] is None:
                other = next((o for o in free if o.name == strategy.name and alike(strategy, o)), None)
                if other is not None:
                    found[place] = other
                    free.remove(other)
    return found


def _same_rules(one: Strategy, other: Strategy) -> bool:
    return (one.constraints, one.segments) == (other.constraints, other.segments)


def _same_title(one: Strategy, other: Strategy) -> bool:
    return bool(one.title) and one.title == other.title


def _strategy(source: Strategy, target: Strategy | None) -> Strategy:
    if target is None:
        return replace(source, id="", parameters={**source.parameters, **dict.fromkeys(digests.amounts(source), "0")})
    kept = digests.amounts(source) | digests.lists(source)
    mine = {name: value for name, value in target.parameters.items() if name in kept}
    return replace(
        source,
        id=target.id,
        parameters={**source.parameters, **mine},
        variants=_variants(source.variants, target.variants),
    )


def _variants(source: Sequence[Variant], target: Sequence[Variant]) -> tuple[Variant, ...]:
    old = {variant.name: variant for variant in target}
    return tuple(replace(v, overrides=_overrides(v, old.get(v.name))) for v in source)


def _overrides(source: Variant, target: Variant | None) -> tuple[Override, ...]:
    """The source's, with the target's lists of ids where it forces the same variant by the same field."""
    mine = {} if target is None else {o.context_name: o for o in target.overrides}
    return tuple(mine.get(o.context_name, o) if o.context_name in ID_FIELDS else o for o in source.overrides)


def segments_of(config: FlagConfig, *, mapped: Collection[str]) -> tuple[str, ...]:
    """Keys of the segments whose content goes along: those that are used and not environment-mapped, sorted."""
    live = [s for s in config.strategies if not s.disabled]
    return tuple(sorted({key for strategy in live for key in strategy.segments} - set(mapped)))
