"""Claims about typed constants at run time: what the code does not know yet is never passed off as what it knows."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from ensign_sdk.testing import FakeClient, rollout, variant
from ensign_sdk.typed import Flag, VariantFlag

MENU = Flag("menu")
COLOUR = VariantFlag[Literal["red", "blue"], str]("colour", variants=("red", "blue"), kind="string")
LIMIT = VariantFlag[Literal["high"], int]("limit", variants=("high",), kind="integer")
LAYOUT = VariantFlag[Literal["wide"], dict[str, Any]]("layout", variants=("wide",), kind="object")


def test_a_flag_is_asked_through_a_client_or_a_handle() -> None:
    fake = FakeClient({"menu": True, "colour": "red", "limit": variant("high", 7), "layout": variant("wide", {"a": 1})})
    assert (MENU.is_on(fake), MENU.bind(fake)(), COLOUR.is_on(fake)) == (True, True, True)
    assert (COLOUR.variant(fake), COLOUR.value(fake, default="none")) == ("red", "red")
    assert (LIMIT.variant(fake), LIMIT.value(fake, default=1)) == ("high", 7)
    assert LAYOUT.value(fake, default={}) == {"a": 1}
    assert repr(COLOUR) == "VariantFlag('colour')"


def test_off_and_unknown_flags_give_no_variant_and_the_default() -> None:
    fake = FakeClient({"colour": False, "limit": rollout(0)})
    assert (COLOUR.variant(fake), COLOUR.value(fake, default="none")) == (None, "none")
    assert (LIMIT.variant(fake), LIMIT.value(fake, default=1)) == (None, 1)
    assert (LAYOUT.variant(fake), LAYOUT.value(fake, default={})) == (None, {})
    assert MENU.is_on(fake) is False
    assert MENU.is_on(fake, default=True) is True
    assert MENU.bind(fake, default=True)() is True


def test_what_is_newer_than_the_code_is_said_once_and_not_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeClient({"colour": "green", "limit": variant("high", "many"), "layout": variant("wide")})
    for _ in range(3):
        assert COLOUR.variant(fake) is None
        assert LIMIT.value(fake, default=1) == 1
        assert LAYOUT.value(fake, default={}) == {}
    assert caplog.text.count("'green' is new") == 1
    assert caplog.text.count("'high': its payload is no number") == 1
