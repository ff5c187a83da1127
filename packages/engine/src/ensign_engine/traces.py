"""What an explanation consists of; every part turns into JSON with `to_dict`."""

from typing import Any, NamedTuple

from ensign_engine.results import Variant


class ConstraintTrace(NamedTuple):
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


class SegmentTrace(NamedTuple):
    """One segment of a strategy; `found` is False when there is no such segment, and the strategy off."""

    id: object
    name: str
    found: bool
    result: bool
    constraints: tuple[ConstraintTrace, ...]


class StrategyTrace(NamedTuple):
    """One strategy. `result` is `on`, `off` or `not reached` (an earlier one had already decided).

    For rollouts: `percentage`, `stickiness`, `group`, the `identifier` that was hashed and its `bucket`
    (1..100; on when at most the percentage). They are None where they play no part.
    """

    position: int
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


class DependencyTrace(NamedTuple):
    """One parent: what was asked of it, and was it so. `parent_enabled` is None when nobody asked."""

    parent: str
    wants_enabled: bool
    wants_variants: tuple[str, ...]
    satisfied: bool
    reason: str
    parent_enabled: bool | None = None
    parent_variant: str | None = None


class VariantTrace(NamedTuple):
    """How the variant was chosen; `source` is `strategy` or `flag` (whose variants competed)."""

    source: str
    reason: str
    stickiness: str
    group: str
    identifier: str | None
    bucket: int | None
    total_weight: int


class Explanation(NamedTuple):
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

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable copy, keyed by the field names."""
        return {key: _plain(value) for key, value in self._asdict().items()}


def _plain(value: object) -> Any:
    if isinstance(value, Variant):
        return value.to_dict()
    if isinstance(value, tuple):
        shape = getattr(value, "_asdict", None)
        if shape is not None:
            return {key: _plain(item) for key, item in shape().items()}
        return [_plain(item) for item in value]
    return value
