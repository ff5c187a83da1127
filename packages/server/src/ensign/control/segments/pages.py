"""Segments as pages show them."""

from __future__ import annotations

from ensign.control.segments import words as conditions
from ensign.control.segments.domain import Constraint, SegmentConfig
from ensign.control.ui import looks

SHOWN = 12


def rule(constraint: Constraint) -> looks.Rule:
    """A constraint as a rule."""
    values = conditions.values(constraint)
    return looks.Rule(
        field=constraint.context_name,
        operator=conditions.operator(constraint),
        values=values[:SHOWN],
        negative=constraint.inverted != (constraint.operator == "NOT_IN"),
        case_insensitive=constraint.case_insensitive,
        more=max(0, len(values) - SHOWN),
    )


def rules(config: SegmentConfig) -> list[looks.Rule]:
    """A segment's conditions as rules."""
    return [rule(constraint) for constraint in config.constraints]


def summary(config: SegmentConfig | None) -> str:
    """A segment in one environment as one line; empty where it is not defined."""
    return "" if config is None else conditions.constraints(config.constraints, shown=3)
