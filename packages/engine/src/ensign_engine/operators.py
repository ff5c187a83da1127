"""The operators of a constraint, by kind (semantics, section 6)."""

from collections.abc import Mapping
from types import MappingProxyType

OPERATORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "list": ("IN", "NOT_IN"),
        "text": ("STR_STARTS_WITH", "STR_ENDS_WITH", "STR_CONTAINS"),
        "number": ("NUM_EQ", "NUM_GT", "NUM_GTE", "NUM_LT", "NUM_LTE"),
        "date": ("DATE_AFTER", "DATE_BEFORE"),
        "semver": ("SEMVER_EQ", "SEMVER_GT", "SEMVER_LT", "SEMVER_GTE", "SEMVER_LTE"),
        "regex": ("REGEX",),
        "address": ("IN_CIDR",),
    }
)
"""Kind of comparison -> its operators, as the wire spells them."""

KIND_OF: Mapping[str, str] = MappingProxyType(
    {operator: kind for kind, operators in OPERATORS.items() for operator in operators}
)
"""Operator -> kind."""

TAKES_VALUES = frozenset(op for op, kind in KIND_OF.items() if kind in {"list", "text", "address"})
"""Operators that read the list `values`."""

TAKES_VALUE = frozenset(KIND_OF) - TAKES_VALUES
"""Operators that read the single `value`."""
