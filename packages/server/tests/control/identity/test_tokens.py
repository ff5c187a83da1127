"""Claims: what tokens look like is what docs/reference/tokens.md tells scanners, and a look-alike is told offline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ensign.control.identity import tokens
from hypothesis import given
from hypothesis import strategies as st

PAGE = Path(__file__).resolve().parents[5] / "docs" / "reference" / "tokens.md"


def patterns() -> dict[str, str]:
    """Name -> regular expression, as the page lists them."""
    return dict(re.findall(r"^(\w+): `([^`]+)`$", PAGE.read_text(), re.MULTILINE))


@pytest.mark.parametrize("kind", ["personal", "service", "federated"])
def test_a_token_is_found_by_the_documented_expression_and_vouched_for_by_its_checksum(kind: tokens.Kind) -> None:
    found = re.search(patterns()[kind], f'export ENSIGN_TOKEN="{(text := tokens.new_token(kind))}"')
    assert found is not None
    assert found.group() == text
    assert tokens.is_genuine(text)
    assert tokens.is_token(text)


@pytest.mark.parametrize("type", ["backend", "edge", "frontend"])
def test_a_client_tokens_secret_is_found_and_vouched_for_without_its_project(type: str) -> None:
    secret = tokens.new_client_secret(type)
    found = re.search(patterns()[type], f"UNLEASH_TOKEN=shop:production.{secret}\n")
    assert found is not None
    assert found.group() == secret
    assert tokens.is_genuine(found.group())


@given(st.integers(11, 59), st.sampled_from(tokens.BASE62))
def test_one_wrong_character_is_told_offline(place: int, letter: str) -> None:
    """CRC-32 finds every single wrong byte."""
    text = tokens.new_token("service")
    if text[place] != letter:
        wrong = text[:place] + letter + text[place + 1 :]
        assert not tokens.is_genuine(wrong)
        assert not tokens.is_token(wrong)


def test_the_checksum_is_that_of_the_page() -> None:
    """The worked example of the page, so that others can write it anew."""
    example = re.search(r"`(ensign_svc_\w+)` is genuine", PAGE.read_text())
    assert example is not None
    assert tokens.is_genuine(example[1])


def test_tokens_of_before_checksums_still_have_the_form_of_tokens() -> None:
    assert tokens.is_token("ensign_pat_" + "a-_9" * 10 + "abc")
    assert not tokens.is_token("ensign_fed_" + "a" * 43)
    assert not tokens.is_token("ensign_pat_" + "a" * 44)
    assert not tokens.is_token("ensign_pat_" + "a" * 43 + "\n")
