"""One constraint as a test on a context value (semantics, section 6; CANON where SDKs differ).

`compile_constraint` is used by the generated functions and by the explaining interpreter alike, so both
agree on what a single comparison means. `Test.form` names the shape of the check for the code generator.
"""

from collections.abc import Callable
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from ensign_engine import patterns
from ensign_engine.memo import Memo
from ensign_engine.model import ConstraintDefinition
from ensign_engine.notices import warn_once
from ensign_engine.operators import KIND_OF
from ensign_engine.parsing import (
    AddressSet,
    Instant,
    context_number,
    instant,
    rule_number,
    semver,
)

Predicate = Callable[[str], bool]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": eq,
    "GT": gt,
    "GTE": ge,
    "LT": lt,
    "LTE": le,
    "AFTER": gt,
    "BEFORE": lt,
}

_PARSERS: dict[str, tuple[Callable[[str], Any], Callable[[str], Any]]] = {
    "number": (rule_number, context_number),
    "date": (instant, instant),
    "semver": (semver, semver),
}
"""Kind -> how to read the constraint's value, how to read the context's."""

_AFFIXES: dict[str, tuple[str, Callable[[str, tuple[str, ...]], bool]]] = {
    "STR_STARTS_WITH": ("starts", str.startswith),
    "STR_ENDS_WITH": ("ends", str.endswith),
    "STR_CONTAINS": ("contains_any", lambda value, entries: any(entry in value for entry in entries)),
}


class Test(NamedTuple):
    """A constraint ready to be asked.

    `form` is one of `in`, `is`, `starts`, `ends`, `contains`, `contains_any`, `memo`, `never`; `negated` is
    whether the form's answer is turned round; `data` is what the form needs. `holds` is the whole answer,
    inversion included, for a value or None (absent). `compare_instant` is there for dates only.
    """

    definition: ConstraintDefinition
    form: str
    negated: bool
    data: tuple[object, ...]
    holds: Callable[[str | None], bool]
    problem: str | None = None
    lower: bool = False
    compare_instant: Callable[[Instant], bool] | None = None

    @property
    def field(self) -> str:
        """The context field that the constraint looks at."""
        return self.definition.context_name


def compile_constraint(definition: ConstraintDefinition) -> Test:
    """The test that `definition` stands for; a malformed definition is false, whatever `inverted` says."""
    kind = KIND_OF.get(definition.operator)
    if kind == "list":
        return _membership(definition)
    if kind == "text":
        return _affix(definition)
    if kind == "address":
        return _memoised(definition, AddressSet(definition.values).contains)
    if kind is None:
        return _malformed(definition, f"the operator {definition.operator!r} is not known")
    if definition.value is None:
        return _malformed(definition, f"{definition.operator} needs a value")
    if kind == "regex":
        return _pattern(definition, definition.value)
    return _comparison(definition, kind, definition.value)


def _malformed(definition: ConstraintDefinition, problem: str) -> Test:
    return Test(definition, "never", False, (), lambda _value: False, problem)


def _membership(definition: ConstraintDefinition) -> Test:
    values = frozenset(definition.values)
    negated = (definition.operator == "NOT_IN") is not definition.inverted

    def holds(value: str | None) -> bool:
        return (value in values) is not negated

    if len(values) == 1:
        return Test(definition, "is", negated, tuple(values), holds)
    return Test(definition, "in", negated, (values,), holds)


def _affix(definition: ConstraintDefinition) -> Test:
    lower, negated = definition.case_insensitive, definition.inverted
    entries = tuple(dict.fromkeys(v.lower() if lower else v for v in definition.values if v))
    form, occurs = _AFFIXES[definition.operator]

    def holds(value: str | None) -> bool:
        found = value is not None and occurs(value.lower() if lower else value, entries)
        return found is not negated

    if form == "contains_any" and len(entries) == 1:
        return Test(definition, "contains", negated, entries, holds, lower=lower)
    return Test(definition, form, negated, (entries,), holds, lower=lower)


def _comparison(definition: ConstraintDefinition, kind: str, value: str) -> Test:
    compare = _COMPARE[definition.operator.rpartition("_")[2]]
    parse_value, parse_context = _PARSERS[kind]
    bound = parse_value(value)
    if bound is None:
        return _malformed(definition, f"{value!r} is not a value that {definition.operator} can compare with")

    def predicate(given: str) -> bool:
        parsed = parse_context(given)
        return parsed is not None and bool(compare(parsed, bound))

    inverted = definition.inverted
    if kind == "date":
        return _memoised(definition, predicate, lambda moment: bool(compare(moment, bound)) is not inverted)
    return _memoised(definition, predicate)


def _pattern(definition: ConstraintDefinition, pattern: str) -> Test:
    if not patterns.available():
        warn_once("REGEX constraints are false: google-re2 is not installed (install ensign-engine[regex])")
        return _malformed(definition, "google-re2 is not installed, so REGEX constraints are false")
    try:
        predicate = patterns.searcher(pattern, ignore_case=definition.case_insensitive)
    except patterns.PatternError as problem:
        # Section 6.1: an invalid pattern matches nothing and is inverted like a value that does not match.
        inverted = definition.inverted
        reason = f"the pattern is not valid: {problem}"
        return (
            _memoised(definition, lambda _value: False, problem=reason) if inverted else _malformed(definition, reason)
        )
    return _memoised(definition, predicate)


def _memoised(
    definition: ConstraintDefinition,
    predicate: Predicate,
    compare_instant: Callable[[Instant], bool] | None = None,
    problem: str | None = None,
) -> Test:
    inverted = definition.inverted
    memo = Memo(lambda value: inverted if value is None else predicate(value) is not inverted)
    return Test(definition, "memo", False, (memo,), memo.ask, problem, compare_instant=compare_instant)
