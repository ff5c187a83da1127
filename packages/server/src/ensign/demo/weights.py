"""The variants of the demo's experiments."""

from __future__ import annotations

from collections.abc import Sequence

from ensign.control.flags.domain import Payload, Variant


def variants(names: Sequence[str], *, first: int) -> tuple[Variant, ...]:
    """Variants whose weights sum to 1000; ``first`` is the weight of the first, 0 for even shares."""
    rest = len(names) - 1
    weights = [first, *([(1000 - first) // rest] * rest)] if first else [1000 // len(names)] * len(names)
    weights[-1] += 1000 - sum(weights)
    return tuple(
        Variant(
            name=name,
            weight=weight,
            weight_type="fix" if first and number == 0 else "variable",
            payload=Payload(type="string", value=f"{name}-copy"),
        )
        for number, (name, weight) in enumerate(zip(names, weights, strict=True))
    )
