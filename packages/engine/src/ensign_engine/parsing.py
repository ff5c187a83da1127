"""Numbers, instants, versions and addresses out of text, strictly (semantics, 6.4 to 6.6 and 6.8).

Every parser gives None for text that it does not accept; none raises.
"""

import ipaddress
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

Instant = tuple[int, str]
"""Whole seconds since the year 1 in UTC, then the fraction's digits without trailing zeros.

Comparing two of them compares the instants exactly, whatever the number of digits."""

Version = tuple[object, ...]
"""A key that sorts as SemVer 2.0.0 precedence does; build metadata is not in it."""

_CONTEXT_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RULE_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_NUMERIC = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMERIC}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"({_NUMERIC})\.({_NUMERIC})\.({_NUMERIC})(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_PREFIX_LENGTH = re.compile(r"[0-9]{1,3}")


def context_number(value: str) -> float | None:
    """A number as a context gives it: sign, digits, fraction, exponent; also `.5` and `5.`; no spaces."""
    return float(value) if _CONTEXT_NUMBER.fullmatch(value) else None


def rule_number(value: str) -> float | None:
    """A number as a constraint gives it: like a context's but trimmed, with digits round the point."""
    trimmed = value.strip()
    return float(trimmed) if _RULE_NUMBER.fullmatch(trimmed) else None


def instant(value: str) -> Instant | None:
    """An RFC 3339 date-time with a zone (5.6; a space may stand for `T`); date-only, zone-less: None."""
    match = _INSTANT.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    try:
        days = date(year, month, day).toordinal()
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
    if match.group(8):
        offset_hours, offset_minutes = int(match.group(9)), int(match.group(10))
        if offset_hours > 23 or offset_minutes > 59:
            return None
        offset = offset_hours * 3_600 + offset_minutes * 60
        seconds += -offset if match.group(8) == "+" else offset
    return seconds, (match.group(7) or "").rstrip("0")


def instant_of(moment: datetime) -> Instant:
    """The instant of a clock reading; one without a zone is taken as UTC."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    seconds = utc.toordinal() * 86_400 + utc.hour * 3_600 + utc.minute * 60 + utc.second
    return seconds, (f"{utc.microsecond:06d}" if utc.microsecond else "").rstrip("0")


def instant_text(moment: datetime) -> str:
    """A clock reading as ISO 8601 in UTC, `2026-11-22T14:31:05.325Z`."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def semver(value: str) -> Version | None:
    """A key that sorts by SemVer 2.0.0 precedence (clause 11), or None: strict, three parts, no `v`."""
    match = _SEMVER.fullmatch(value)
    if match is None:
        return None
    # Numbers without leading zeros compare by length, then text: exact at any size, without int() limits.
    core = tuple((len(part), part) for part in match.group(1, 2, 3))
    if match.group(4) is None:
        return (*core, 1)
    identifiers = tuple((0, len(part), part) if part.isdigit() else (1, 0, part) for part in match.group(4).split("."))
    return (*core, 0, identifiers)


def address(value: str) -> tuple[int, int] | None:
    """(family 4 or 6, number) of an IPv4 or IPv6 address; zones (`%eth0`) and leading zeros are refused."""
    if "%" in value:
        return None
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        return None
    return parsed.version, int(parsed)


def network(value: str) -> tuple[int, int, int] | None:
    """(family, mask, network) of an address or `address/prefix`, trimmed; host bits allowed, netmasks not."""
    head, slash, prefix = value.strip().partition("/")
    parsed = address(head)
    if parsed is None:
        return None
    family, number = parsed
    bits = 32 if family == 4 else 128
    length = bits
    if slash:
        if not _PREFIX_LENGTH.fullmatch(prefix):
            return None
        length = int(prefix)
        if length > bits:
            return None
    mask = ((1 << length) - 1) << (bits - length)
    return family, mask, number & mask


class AddressSet:
    """A set of networks that an address can be in; entries that do not parse are skipped (6.8)."""

    __slots__ = ("_by_mask",)

    def __init__(self, entries: Iterable[str]) -> None:
        grouped: dict[tuple[int, int], set[int]] = {}
        for entry in entries:
            parsed = network(entry)
            if parsed is not None:
                family, mask, base = parsed
                grouped.setdefault((family, mask), set()).add(base)
        self._by_mask = tuple((family, mask, frozenset(bases)) for (family, mask), bases in grouped.items())

    def __bool__(self) -> bool:
        return bool(self._by_mask)

    def contains(self, value: str) -> bool:
        """Whether `value` is an address in one of the networks; families never match each other."""
        parsed = address(value)
        if parsed is None:
            return False
        family, number = parsed
        return any(family == of_family and number & mask in bases for of_family, mask, bases in self._by_mask)
