"""Write-time checks accept what every SDK reads alike and say how to mend the rest."""

import math
from collections.abc import Mapping
from datetime import datetime

import pytest
from ensign_engine import Ruleset, parsing, validate
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("pattern", ["^a+$", "(?i)x", "[[:alpha:]]", "a{1000}", ""])
def test_patterns_that_re2_knows(pattern: str) -> None:
    """RE2 syntax passes."""
    assert validate.check_regex(pattern) is None


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "(?<!a)b", "\\1", "a{1001}", "x" * 4_097, "[z-a]"])
def test_patterns_that_re2_refuses(pattern: str) -> None:
    """Look-around, back-references, runaway repetition and length are refused with a reason."""
    assert "not valid RE2 syntax: " in (validate.check_regex(pattern) or "")


@pytest.mark.parametrize("version", ["1.2.3", "0.0.0", "1.2.3-a.1", "1.2.3-0a", "1.2.3+b.01", f"{'9' * 50}.0.0"])
def test_versions_that_are_strict(version: str) -> None:
    """SemVer 2.0.0, of any size."""
    assert validate.check_semver(version) is None


@pytest.mark.parametrize(
    "version", ["", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.3 ", "１.2.3"]
)
def test_versions_that_are_not(version: str) -> None:
    """Short, prefixed, zero-led or spaced versions are refused."""
    assert validate.check_semver(version)


def test_versions_sort_by_precedence() -> None:
    """The order that SemVer 2.0.0, clause 11, gives as its example."""
    order = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
             "1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0", "2.0.0"]  # fmt: skip
    keys = [parsing.semver(version) for version in order]
    assert all(key is not None for key in keys)
    shuffled = order[::-1]
    assert sorted(shuffled, key=lambda version: parsing.semver(version) or ()) == order


@pytest.mark.parametrize(
    ("given_date", "expected"),
    [
        ("2026-11-22T14:30:00Z", "2026-11-22T14:30:00.000Z"),
        ("2026-11-22T14:30:00.5+01:00", "2026-11-22T13:30:00.500Z"),
        ("2026-01-01 00:30:00+01:00", "2025-12-31T23:30:00.000Z"),
        (" 2024-02-29t12:00:00.120z ", "2024-02-29T12:00:00.120Z"),
    ],
)
def test_dates_get_one_spelling(given_date: str, expected: str) -> None:
    """UTC, milliseconds, Z."""
    assert validate.canonical_date(given_date) == expected
    assert validate.check_date(given_date) is None


@pytest.mark.parametrize(
    "bad",
    ["", "2026-11-22", "2026-11-22T14:30Z", "2026-11-22T14:30:00", "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z",
     "2026-11-22T14:60:00Z", "1700000000", "2026-11-22T14:30:00.0001Z", "0001-01-01T00:00:00+01:00",
     "9999-12-31T23:59:59-01:00", "2026-11-22T14:30:00+24:00"],
)  # fmt: skip
def test_dates_that_some_sdk_misreads_are_refused(bad: str) -> None:
    """Without zone or seconds, impossible, too precise or out of range."""
    assert validate.check_date(bad)


@given(st.datetimes())
def test_a_canonical_date_is_the_same_instant(moment: datetime) -> None:
    """The instant survives, and canonical text is a fixed point."""
    spelt = parsing.instant_text(moment)
    milliseconds = moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
    assert parsing.instant(spelt) == parsing.instant_of(milliseconds)
    assert validate.canonical_date(spelt) == spelt


@pytest.mark.parametrize(
    ("number", "expected"),
    [("5", "5"), ("+5.0", "5"), ("1e3", "1000"), ("-0", "0"), ("0.10", "0.1"), (" 7 ", "7"), ("100", "100"),
     (".5", "0.5"), ("5.", "5"), ("1.5e-3", "0.0015"), ("007", "7"), ("-0.0", "0")],
)  # fmt: skip
def test_numbers_get_one_spelling(number: str, expected: str) -> None:
    """Plain decimal digits."""
    assert validate.canonical_number(number) == expected
    assert validate.check_number(number) is None


@pytest.mark.parametrize("bad", ["", "x", "1_0", "0x1", "NaN", "inf", "1e999", "1e-200", "1,5", "٥", "9" * 101])
def test_what_is_no_finite_number_is_refused(bad: str) -> None:
    """Infinite, hexadecimal, grouped, foreign digits, or longer than 100 characters."""
    assert validate.check_number(bad)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_canonical_number_is_the_same_number(number: float) -> None:
    """Whatever is accepted keeps its value, has no exponent and reads as a constraint's value."""
    if validate.check_number(repr(number)) is None:
        spelt = validate.canonical_number(repr(number))
        assert float(spelt) == number
        assert parsing.rule_number(spelt) == number
        assert math.copysign(1, float(spelt)) == math.copysign(1, number) or number == 0


@pytest.mark.parametrize("entry", ["10.0.0.1", "10.9.9.9/8", "::1", "2001:db8::/32", "0.0.0.0/0", "1.2.3.4/32"])
def test_addresses_and_ranges(entry: str) -> None:
    """IPv4 and IPv6, with or without a prefix, host bits allowed."""
    assert validate.check_cidr(entry) is None


@pytest.mark.parametrize(
    "entry",
    ["", "10.1", "010.0.0.1", "10.0.0.0/33", "::/129", "10.0.0.0/255.0.0.0", " ::1", "fe80::1%lo", "x", "10.0.0.0/"],
)
def test_what_is_no_address_is_refused(entry: str) -> None:
    """Short forms, netmasks, zones, spaces and impossible prefixes."""
    assert validate.check_cidr(entry)


def test_every_operator_has_one_kind_and_one_operand() -> None:
    """19 operators; each reads either `value` or `values`, and the engine knows it."""
    listed = [operator for operators in validate.OPERATORS.values() for operator in operators]
    assert len(listed) == len(set(listed)) == 19
    assert set(listed) == validate.TAKES_VALUE | validate.TAKES_VALUES
    assert not validate.TAKES_VALUE & validate.TAKES_VALUES
    for operator in listed:
        constraint = {"contextName": "x", "operator": operator, "values": ["1.2.3"], "value": None}
        problem = _problem(constraint)
        assert ("needs a value" in problem) == (operator in validate.TAKES_VALUE)


def _problem(constraint: Mapping[str, object]) -> str:
    strategy = {"name": "default", "constraints": [constraint]}
    rules = Ruleset.parse({"features": [{"name": "f", "enabled": True, "strategies": [strategy]}]})
    return rules.explain("f").strategies[0].constraints[0].problem or ""
