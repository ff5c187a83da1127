"""Whether constraints may be written, and their one canonical form (semantics, section 12). Pure.

Every error names the field's path (``constraints[0].value``) and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ensign_engine.validate import (
    KIND_OF,
    TAKES_VALUES,
    canonical_date,
    canonical_number,
    check_cidr,
    check_regex,
    check_semver,
)

from ensign.control.kernel.errors import Invalid
from ensign.control.segments.domain import Constraint, SegmentConfig

MAX_CONSTRAINTS = 100
MAX_VALUES = 1_000
MAX_VALUE = 100

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{7,}[0-9]\Z")
#: Dashed or spaced national numbers: US SSN, Swedish personnummer, Danish CPR, Finnish hetu, Norwegian fødselsnummer.
_NATIONAL = re.compile(r"(\d{3}-\d{2}-\d{4}|\d{6}[-+A]\d{3}[0-9A-Z]{1}|\d{8}[-+]\d{4}|\d{6} \d{5})\Z")


class Errors:
    """Messages by field path, gathered so that a person sees all of them at once."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def add(self, path: str, message: str) -> None:
        """Note what is wrong at ``path``; the first message there stays."""
        self.fields.setdefault(path, message)

    def raise_if_any(self, message: str) -> None:
        """
        :raises Invalid: when anything was noted.
        """
        if self.fields:
            raise Invalid(message, remedy="Correct the fields that are named.", fields=self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """Something that is allowed but that a person should know before it reaches every SDK."""

    field: str
    message: str


def text_problem(text: str, *, limit: int = MAX_VALUE) -> str | None:
    """What is wrong with a short text that travels to SDKs, or None.

    A quotation mark or a backslash at the end makes older Yggdrasil SDKs turn the whole flag off.
    """
    if not text:
        return "Write something here."
    if len(text) > limit:
        return f"It has {len(text):,} characters; at most {limit} fit."
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        return "Remove the control characters."
    if '"' in text or text.endswith("\\"):
        return "Remove the quotation mark or the backslash at the end: older SDKs would turn the whole flag off."
    return None


def check_constraint(constraint: Constraint, *, path: str, errors: Errors) -> Constraint:
    """The canonical form; what is wrong is noted in ``errors`` under ``path``."""
    name = constraint.context_name.strip()
    problem = text_problem(name)
    if problem:
        errors.add(f"{path}.context_name", f"{problem} Name a field of the context, such as userId or country.")
    kind = KIND_OF.get(constraint.operator)
    if kind is None:
        errors.add(f"{path}.operator", f"There is no operator “{constraint.operator[:40]}”.")
        return constraint
    if kind == "date" and name != "currentTime":
        errors.add(
            f"{path}.context_name",
            "Dates compare with currentTime only: some SDKs ignore any other field. Choose currentTime.",
        )
    insensitive = constraint.case_insensitive and kind in {"text", "regex"}
    cleaned = replace(constraint, context_name=name, case_insensitive=insensitive)
    if constraint.operator in TAKES_VALUES:
        return replace(cleaned, value=None, values=_values(constraint, kind=kind, path=path, errors=errors))
    return replace(cleaned, values=(), value=_value(constraint, kind=kind, path=path, errors=errors))


def _values(constraint: Constraint, *, kind: str, path: str, errors: Errors) -> tuple[str, ...]:
    field = f"{path}.values"
    values = tuple(dict.fromkeys(trimmed for value in constraint.values if (trimmed := value.strip())))
    if not values:
        errors.add(field, "List at least one value.")
    if len(values) > MAX_VALUES:
        errors.add(
            field, f"The list has {len(values):,} values; at most {MAX_VALUES:,} fit. Use a segment or a rollout."
        )
    for place, value in enumerate(values):
        problem = text_problem(value) or (check_cidr(value) if kind == "address" else None)
        if problem:
            errors.add(f"{field}[{place}]", f"“{value[:40]}”: {problem}")
            break
    return values


def _value(constraint: Constraint, *, kind: str, path: str, errors: Errors) -> str:
    field = f"{path}.value"
    value = constraint.value or ""
    if kind == "regex":
        if constraint.inverted:
            errors.add(
                f"{path}.inverted", "A pattern cannot be negated: SDKs disagree on it. Write the pattern the other way."
            )
        problem = "Write a pattern." if not value else check_regex(value)
        if problem is None and any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF for c in value):
            problem = "Remove the control characters."
        if problem:
            errors.add(field, problem)
        return value
    value = value.strip()
    canonical: dict[str, Callable[[str], str]] = {"number": canonical_number, "date": canonical_date}
    try:
        if kind in canonical:
            return canonical[kind](value)
    except ValueError as problem_found:
        errors.add(field, str(problem_found))
        return value
    problem = check_semver(value)
    if problem:
        errors.add(field, problem)
    return value


def check_constraints(constraints: Sequence[Constraint], *, path: str, errors: Errors) -> tuple[Constraint, ...]:
    """The canonical forms, in order; ``path`` is that of the list."""
    if len(constraints) > MAX_CONSTRAINTS:
        errors.add(path, f"There are {len(constraints)} constraints; at most {MAX_CONSTRAINTS} fit.")
        return tuple(constraints)
    return tuple(check_constraint(c, path=f"{path}[{i}]", errors=errors) for i, c in enumerate(constraints))


def check_config(config: SegmentConfig) -> SegmentConfig:
    """The canonical form of a segment's content in one environment.

    :raises Invalid: naming every field that is wrong. A segment without constraints is refused, as it would hold for
        everybody.
    """
    errors = Errors()
    if not config.constraints:
        errors.add("constraints", "Add at least one constraint: a segment without any would hold for everybody.")
    constraints = check_constraints(config.constraints, path="constraints", errors=errors)
    errors.raise_if_any("The segment cannot be saved like this.")
    return SegmentConfig(constraints=constraints)


def personal_data(values: Iterable[str], *, field: str) -> list[Caution]:
    """A warning when values look like what identifies people: rules travel to every SDK, and so would these."""
    found = dict.fromkeys(kind for value in values if (kind := _looks_like(value)))
    return [
        Caution(
            field=field,
            message=f"This list seems to hold {kind}. It would reach every SDK and stay in the log."
            " Target an opaque id or an attribute instead.",
        )
        for kind in found
    ]


def _looks_like(value: str) -> str | None:
    text = value.strip()
    if _EMAIL.match(text):
        return "e-mail addresses"
    if _NATIONAL.match(text):
        return "national identity numbers"
    digits = sum(c.isdigit() for c in text)
    if _PHONE.match(text) and 9 <= digits <= 15 and (text.startswith("+") or any(c in " ()-/" for c in text)):
        return "phone numbers"
    return None


def warnings(constraints: Iterable[Constraint], *, path: str) -> list[Caution]:
    """What a person should know about these constraints before they are published."""
    found: list[Caution] = []
    for place, constraint in enumerate(constraints):
        values = constraint.values if constraint.value is None else (constraint.value,)
        found += personal_data(values, field=f"{path}[{place}].values")
    return found
