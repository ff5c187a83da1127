"""Constraints in plain words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ensign.control.segments.domain import Constraint


@dataclass(frozen=True, slots=True)
class Operator:
    """How an operator reads, and negated; ``help`` says what to write."""

    words: str
    negated: str
    group: str
    help: str = ""


_TIME = "A time with a zone, such as 2026-12-24T18:00:00Z."
_LIST = "One value a line, or separated by commas."

#: The operators in the order in which the editor offers them.
OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "IN": Operator("is one of", "is not one of", "Lists", f"{_LIST} Upper and lower case differ."),
        "NOT_IN": Operator("is none of", "is one of", "Lists", f"{_LIST} Holds when the field is missing, too."),
        "STR_STARTS_WITH": Operator("starts with", "does not start with", "Text", _LIST),
        "STR_ENDS_WITH": Operator("ends with", "does not end with", "Text", _LIST),
        "STR_CONTAINS": Operator("contains", "does not contain", "Text", _LIST),
        "REGEX": Operator("matches", "does not match", "Text", "A pattern in RE2 syntax, found anywhere in the text."),
        "NUM_EQ": Operator("equals", "does not equal", "Numbers", "A number such as 5 or 0.25."),
        "NUM_GT": Operator("is more than", "is not more than", "Numbers", "A number such as 5 or 0.25."),
        "NUM_GTE": Operator("is at least", "is not at least", "Numbers", "A number such as 5 or 0.25."),
        "NUM_LT": Operator("is less than", "is not less than", "Numbers", "A number such as 5 or 0.25."),
        "NUM_LTE": Operator("is at most", "is not at most", "Numbers", "A number such as 5 or 0.25."),
        "DATE_AFTER": Operator("is after", "is not after", "Time", _TIME),
        "DATE_BEFORE": Operator("is before", "is not before", "Time", _TIME),
        "SEMVER_EQ": Operator("is version", "is not version", "Versions", "A full version such as 2.4.0."),
        "SEMVER_GT": Operator("is newer than version", "is not newer than version", "Versions", "Such as 2.4.0."),
        "SEMVER_GTE": Operator("is at least version", "is not at least version", "Versions", "Such as 2.4.0."),
        "SEMVER_LT": Operator("is older than version", "is not older than version", "Versions", "Such as 2.4.0."),
        "SEMVER_LTE": Operator("is at most version", "is not at most version", "Versions", "Such as 2.4.0."),
        "IN_CIDR": Operator("is in the network", "is not in the network", "Networks", "Such as 10.0.0.0/8. " + _LIST),
    }
)

SHOWN = 5


def operator(constraint: Constraint) -> str:
    """``is one of`` or, inverted, ``is not one of``; an unknown operator as it is."""
    known = OPERATORS.get(constraint.operator)
    if known is None:
        return f"not {constraint.operator}" if constraint.inverted else constraint.operator
    return known.negated if constraint.inverted else known.words


def values(constraint: Constraint) -> tuple[str, ...]:
    """What it compares with."""
    return constraint.values if constraint.value is None else (constraint.value,)


def listing(items: Sequence[str], *, shown: int = SHOWN) -> str:
    """``SE, NO``; beyond ``shown``: ``a, b, c, d, e and 12 more``."""
    if len(items) <= shown:
        return ", ".join(items)
    return f"{', '.join(items[:shown])} and {len(items) - shown:,} more"


def constraint(value: Constraint, *, shown: int = SHOWN) -> str:
    """``country is one of SE, NO``; ``appVersion is at least version 2.4.0``."""
    case = " (upper and lower case alike)" if value.case_insensitive else ""
    return f"{value.context_name} {operator(value)} {listing(values(value), shown=shown)}{case}"


def constraints(all_of: Sequence[Constraint], *, shown: int = SHOWN) -> str:
    """All of them, joined by “and”; “everybody” for none."""
    return " and ".join(constraint(c, shown=shown) for c in all_of) or "everybody"
