"""Identifiers fall into the buckets that every other implementation puts them in."""

import json
from pathlib import Path

import pytest
from ensign_engine.bucketing import bucket, hash32
from hypothesis import given
from hypothesis import strategies as st


def _murmur3(data: bytes, seed: int) -> int:
    """MurmurHash3 x86 32 as published, step by step: the yardstick for the library that is used."""
    mask, value = 0xFFFFFFFF, seed

    def scrambled(block: int) -> int:
        block = block * 0xCC9E2D51 & mask
        return ((block << 15 | block >> 17) & mask) * 0x1B873593 & mask

    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        value ^= scrambled(int.from_bytes(data[start : start + 4], "little"))
        value = ((value << 13 | value >> 19) & mask) * 5 + 0xE6546B64 & mask
    if data[whole:]:
        value ^= scrambled(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & mask
    value = (value ^ value >> 13) * 0xC2B2AE35 & mask
    return value ^ value >> 16


def test_the_golden_vectors_hold(vectors: Path) -> None:
    """Every vector of conformance/bucketing.json, among them text outside ASCII and empty parts."""
    rows = json.loads((vectors / "bucketing.json").read_text(encoding="utf-8"))
    assert len(rows) == 18
    for row in rows:
        group, identifier, seed = row["group"], row["identifier"], row["seed"]
        assert hash32(group, identifier, seed) == row["hash"], row
        assert bucket(group, identifier, row["normaliser"], seed) == row["bucket"], row


@given(st.text(), st.text(), st.integers(1, 10_000), st.integers(0, 2**32 - 1))
def test_buckets_are_those_of_the_published_algorithm(group: str, identifier: str, normaliser: int, seed: int) -> None:
    """For any text the bucket is the published hash, modulo, plus one."""
    expected = _murmur3(f"{group}:{identifier}".encode(), seed) % normaliser + 1
    assert bucket(group, identifier, normaliser, seed) == expected


def test_text_that_utf8_cannot_carry_is_hashed_all_the_same() -> None:
    """A lone surrogate counts as U+FFFD instead of raising in the middle of an evaluation."""
    assert hash32("g", "a\ud800") == hash32("g", "a\ufffd")


@pytest.mark.parametrize("normaliser", [0, -1])
def test_a_normaliser_must_be_positive(normaliser: int) -> None:
    """Nothing can be divided into no buckets."""
    with pytest.raises(ValueError, match="at least 1"):
        bucket("g", "1", normaliser)


def test_identifiers_spread_evenly() -> None:
    """A 10 % rollout reaches about a tenth of 20,000 users (6 standard deviations either way)."""
    on = sum(bucket("rollout", str(user), 100) <= 10 for user in range(20_000))
    assert abs(on - 2_000) < 6 * (20_000 * 0.1 * 0.9) ** 0.5
