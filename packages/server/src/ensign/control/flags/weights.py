"""Making the weights of variants sum to 1000 (semantics, section 12). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ensign.control.flags.domain import Variant
from ensign.control.segments.validation import Errors

TOTAL = 1000


def normalise(variants: Sequence[Variant], *, path: str, errors: Errors) -> tuple[Variant, ...]:
    """``variants`` sorted by name, with fixed weights kept and the rest split evenly over the variable ones.

    The first variable ones by name get one more where it does not divide. Lists whose fixed weights leave nothing to
    split, or exceed 1000, are noted in ``errors`` under ``path``. An empty list stays empty.
    """
    ordered = sorted(variants, key=lambda v: v.name)
    if not ordered:
        return ()
    variable = [v for v in ordered if v.weight_type == "variable"]
    fixed = sum(v.weight for v in ordered if v.weight_type == "fix")
    if not variable:
        errors.add(path, "Let at least one variant take what the fixed weights leave (weight type “variable”).")
        return tuple(ordered)
    if fixed > TOTAL:
        errors.add(path, f"The fixed weights sum to {fixed / 10:g} %; together they may be 100 % at most.")
        return tuple(ordered)
    share, rest = divmod(TOTAL - fixed, len(variable))
    weights = {v.name: share + (place < rest) for place, v in enumerate(variable)}
    return tuple(replace(v, weight=weights[v.name]) if v.weight_type == "variable" else v for v in ordered)
