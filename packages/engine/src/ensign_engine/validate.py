"""Checks at write time, so that a bad rule never reaches an SDK (semantics, section 12). Pure functions.

`check_*` gives None for acceptable text, else a sentence that says what to change. `canonical_*` gives the
one spelling that every SDK reads alike, or raises ValueError with that sentence.
"""

import math
from datetime import date
from decimal import Decimal

from ensign_engine import patterns
from ensign_engine.operators import KIND_OF, OPERATORS, TAKES_VALUE, TAKES_VALUES
from ensign_engine.parsing import address, context_number, instant, network, semver

__all__ = [
    "KIND_OF",
    "OPERATORS",
    "TAKES_VALUE",
    "TAKES_VALUES",
    "canonical_date",
    "canonical_number",
    "check_cidr",
    "check_date",
    "check_number",
    "check_regex",
    "check_semver",
]

MAX_NUMBER = 100
"""Longest number accepted, in characters, before and after it is written out."""

_DAY = 86_400


def check_regex(pattern: str) -> str | None:
    """Whether RE2 compiles `pattern` (no look-around, no back-references, at most 4,096 characters)."""
    try:
        patterns.searcher(pattern, ignore_case=False)
    except patterns.PatternError as problem:
        return f"This pattern is not valid RE2 syntax: {problem}."
    return None


def check_semver(version: str) -> str | None:
    """Whether `version` is strict SemVer 2.0.0: three numbers, optional -prerelease and +build, no `v`."""
    if semver(version) is None:
        return "Write a full version such as 1.2.3 or 2.0.0-rc.1, without a leading v."
    return None


def check_date(moment: str) -> str | None:
    """Whether `moment` is a date and time with a zone, to the millisecond at most (RFC 3339)."""
    try:
        canonical_date(moment)
    except ValueError as problem:
        return str(problem)
    return None


def check_number(number: str) -> str | None:
    """Whether `number` is a finite decimal number."""
    try:
        canonical_number(number)
    except ValueError as problem:
        return str(problem)
    return None


def check_cidr(entry: str) -> str | None:
    """Whether `entry` is an IPv4 or IPv6 address or `address/prefix`, without spaces round it."""
    if entry != entry.strip():
        return "Remove the spaces round this address."
    if network(entry) is not None:
        return None
    if address(entry.partition("/")[0]) is not None:
        return "The number after the slash must be a prefix length: up to 32 for IPv4, up to 128 for IPv6."
    return "Write an IPv4 or IPv6 address, or a range such as 10.0.0.0/8 or 2001:db8::/32."


def canonical_date(moment: str) -> str:
    """The same instant as `YYYY-MM-DDTHH:MM:SS.mmmZ`, which every SDK reads. Raises ValueError."""
    parsed = instant(moment.strip())
    if parsed is None:
        raise ValueError("Write a date and time with a zone, such as 2026-11-22T14:30:00Z.")
    seconds, fraction = parsed
    if len(fraction) > 3:
        raise ValueError("Give the time to the millisecond at most; some SDKs cannot read more digits.")
    days, rest = divmod(seconds, _DAY)
    try:
        day = date.fromordinal(days)
    except (ValueError, OverflowError):
        raise ValueError("This time falls outside the years 1 to 9999 in UTC.") from None
    hours, minutes = rest // 3_600, rest // 60 % 60
    return f"{day.isoformat()}T{hours:02d}:{minutes:02d}:{rest % 60:02d}.{fraction:0<3}Z"


def canonical_number(number: str) -> str:
    """The same number in plain digits: `1e3` becomes `1000`, `+5.0` becomes `5`. Raises ValueError."""
    trimmed = number.strip()
    value = context_number(trimmed) if len(trimmed) <= MAX_NUMBER else None
    if value is None:
        raise ValueError("Write a decimal number such as 5, -3 or 0.25.")
    if not math.isfinite(value):
        raise ValueError("This number is too large.")
    if abs(Decimal(trimmed).adjusted()) > MAX_NUMBER:
        raise ValueError("Write a number of at most 100 digits.")
    plain = f"{Decimal(trimmed):f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    plain = "0" if plain in {"-0", "-", ""} else plain
    if len(plain) > MAX_NUMBER:
        raise ValueError("Write a number of at most 100 digits.")
    return plain
