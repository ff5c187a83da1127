"""What an explanation consists of; every part turns into JSON with `to_dict`."""

from dataclasses import dataclass, fields
from typing import Any

from ensign_engine.results import Variant


class _Trace:
    """Turns a trace into dictionaries, lists and scalars, keyed by its field names."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable copy."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass


def _plain(value: object) -> Any:
    if isinstance(value, _Trace | Variant):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class ConstraintTrace(_Trace):
    """One constraint: what it compared with what (`actual` is None for an absent value) and what came out."""

    context_name: str
    operator: str
    values: tuple[str, ...]
    value: str | None
    inverted: bool
    case_insensitive: bool
    actual: str | None
    result: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class SegmentTrace(_Trace):
    """One segment of a strategy; `found` is False when there is no such segment, and the strategy off."""

    id: object
    name: str
    found: bool
    result: bool
    constraints: tuple[ConstraintTrace, ...]


@dataclass(frozen=True, slots=True)
class StrategyTrace(_Trace):
    """One strategy. `result` is `on`, `off` or `not reached` (an earlier one had already decided).

    For rollouts: `percentage`, `stickiness`, `group`, the `identifier` that was hashed and its `bucket`
    (1..100; on when at most the percentage). They are None where they play no part.
    """

    index: int
    name: str
    result: str
    reason: str
    constraints: tuple[ConstraintTrace, ...]
    segments: tuple[SegmentTrace, ...]
    percentage: int | None = None
    stickiness: str | None = None
    group: str | None = None
    identifier: str | None = None
    bucket: int | None = None


@dataclass(frozen=True, slots=True)
class DependencyTrace(_Trace):
    """One parent: what was asked of it, and was it so. `parent_enabled` is None when nobody asked."""

    parent: str
    wants_enabled: bool
    wants_variants: tuple[str, ...]
    satisfied: bool
    reason: str
    parent_enabled: bool | None = None
    parent_variant: str | None = None


@dataclass(frozen=True, slots=True)
class VariantTrace(_Trace):
    """How the variant was chosen; `source` is `strategy` or `flag` (whose variants competed)."""

    source: str
    reason: str
    stickiness: str
    group: str
    identifier: str | None
    bucket: int | None
    total_weight: int


@dataclass(frozen=True, slots=True)
class Explanation(_Trace):
    """Why a flag is on or off for a context, part by part; `reason` says it in a sentence.

    `decided_by` is the position of the strategy that turned the flag on, or None.
    """

    name: str
    found: bool
    enabled: bool
    variant: Variant
    reason: str
    decided_by: int | None
    dependencies: tuple[DependencyTrace, ...]
    strategies: tuple[StrategyTrace, ...]
    variant_choice: VariantTrace | None
