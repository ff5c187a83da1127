"""The playground against a draft: what given contexts get before and after a change, by the engine that SDKs have.

Evaluated here and kept nowhere: a context is people's data, and stays out of addresses, logs and tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.world import Ref, World
from ensign.control.kernel.errors import Invalid
from ensign.control.publishing import playground
from ensign.control.segments.domain import SegmentConfig

MAX_CONTEXTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One flag for one context: the answers before and after; ``context`` is its place in what was given, from 0."""

    context: int
    before: playground.Answer
    after: playground.Answer

    @property
    def differs(self) -> bool:
        """Whether this context gets something else."""
        return (self.before.enabled, self.before.variant, self.before.payload) != (
            self.after.enabled,
            self.after.variant,
            self.after.payload,
        )


def compare(
    *, before: World, after: World, operations: Sequence[Operation], contexts: Sequence[Mapping[str, object]]
) -> tuple[Tried, ...]:
    """Evaluate every flag that the change may affect for every context, in both worlds.

    Both sides are the published rules with the touched contents of ``before`` or ``after`` laid over them.

    :raises Invalid: without a context, or with too many.
    """
    if not 1 <= len(contexts) <= MAX_CONTEXTS:
        raise Invalid(f"Give 1 to {MAX_CONTEXTS} contexts.", fields={"contexts": f"{len(contexts)} were given."})
    refs = algebra.touched(after.environment, operations)
    sides = [_side(world, refs) for world in (before, after)]
    segments = frozenset(r.key for r in refs if r.kind == "segment" and r.environment)
    keys = sorted({r.key for r in refs if r.kind in {"flag", "config"}} | _using(segments, sides))
    return tuple(
        Tried(
            context=place,
            before=playground.answer(sides[0].rules, key, context),
            after=playground.answer(sides[1].rules, key, context),
        )
        for place, context in enumerate(contexts)
        for key in keys
    )


def _side(world: World, refs: frozenset[Ref]) -> playground.Overlaid:
    return playground.overlaid(
        world.project,
        world.environment,
        flags={r.key: (world.flags[r.key], world.configs[r.key]) for r in refs if r.kind in {"flag", "config"}},
        segments={
            r.key: SegmentConfig(constraints=world.segments[r.key])
            for r in refs
            if r.kind == "segment" and r.environment
        },
    )


def _using(segments: frozenset[str], sides: Sequence[playground.Overlaid]) -> set[str]:
    return {flag for side in sides for flag, used in side.segments.items() if segments & used}
