"""Claims about `ensign_sdk.testing`: the fake is a client, it is set in a few words, and it remembers the questions."""

from __future__ import annotations

import asyncio
import doctest
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

import ensign_sdk.testing
import ensign_sdk.testing.fake
import pytest
from ensign_sdk import Client, Impression, Variant
from ensign_sdk.testing import Asked, FakeClient, UnknownFlagError, document, rollout, split, variant, when

pytest_plugins = ["pytester"]


def test_the_examples_of_the_documentation_hold() -> None:
    for module in (ensign_sdk.testing, ensign_sdk.testing.fake):
        assert doctest.testmod(module).failed == 0


def test_a_flag_means_what_it_was_set_to() -> None:
    fake = FakeClient(
        {
            "on": True, "off": False, "red": "red", "high": variant("high", payload=100), "text": variant("t", "hello"),
            "json": variant("j", {"a": [1]}), "gold": when(plan="gold", country=["SE", "NO"]), "all": rollout(100),
            "none": rollout(0), "two": split({"a": 500, "b": 500}), "gold-red": when(plan="gold").giving("red", 1.5),
            "wire": {"strategies": [{"name": "userWithId", "parameters": {"userIds": "7"}}]},
        }
    )  # fmt: skip
    on = [name for name in fake.evaluate_all({"userId": "7"}) if fake.is_enabled(name, {"userId": "7"})]
    assert on == ["on", "red", "high", "text", "json", "all", "two", "wire"]
    assert fake.get_variant("red").name == "red"
    payloads = {name: fake.get_variant(name).payload for name in ("high", "text", "json")}
    assert payloads == {
        "high": {"type": "number", "value": "100"},
        "text": {"type": "string", "value": "hello"},
        "json": {"type": "json", "value": '{"a": [1]}'},
    }
    gold: Any = {"plan": "gold", "country": "NO"}
    assert fake.is_enabled("gold", gold)
    assert not fake.is_enabled("gold", {**gold, "country": "DK"})
    assert fake.get_variant("gold-red", gold).payload == {"type": "number", "value": "1.5"}
    assert {fake.get_variant("two", {"userId": str(number)}).name for number in range(50)} == {"a", "b"}


def test_the_same_words_make_a_real_client() -> None:
    client = Client.offline(document({"menu": True, "colour": "red"}))
    assert client.is_enabled("menu")
    assert client.get_variant("colour").name == "red"
    assert type(client) is Client


@pytest.mark.parametrize("meaning", [None, 1, object(), ["on"]])
def test_what_cannot_be_meant_is_refused_at_once(meaning: Any) -> None:
    with pytest.raises(TypeError, match="the flag 'x' cannot be"):
        FakeClient({"x": meaning})
    fake = FakeClient({"y": True})
    with pytest.raises(TypeError, match="the flag 'x' cannot be"):
        fake.set("x", meaning)
    with pytest.raises(TypeError, match="the flag 'x' cannot be"):
        fake.flags({"x": meaning})
    assert fake.is_enabled("y")


def test_the_fake_is_a_client_with_everything_that_one_has() -> None:
    told: list[Impression] = []
    fake = FakeClient({"menu": {"impressionData": True}}, on_impression=told.append)
    assert isinstance(fake, Client)
    with fake as same:
        assert same is fake
        assert fake.ready
        assert fake.wait_until_ready(0)
        assert (fake.status().source, fake.status().flags) == ("offline", 1)
        handle = fake.flag("menu")
        assert handle({"userId": "7"})
        fake.set("menu", False)
        assert not handle()
        fake.remove("menu")
        assert not handle()
        assert fake.is_enabled("menu", default=True)
        assert fake.get_variant("menu", default=Variant("mine", True)).name == "mine"
    assert [(one.flag, one.enabled, one.context) for one in told] == [("menu", True, {"userId": "7"})]
    with pytest.raises(TypeError, match="FakeClient"):
        FakeClient.offline({})


def test_it_remembers_what_was_asked() -> None:
    fake = FakeClient({"menu": True, "colour": "red"})
    fake.is_enabled("menu", {"userId": "7"})
    fake.flag("colour").variant({"userId": "8"})
    fake.is_enabled("unknown")
    assert fake.asked == [
        Asked("isEnabled", "menu", {"userId": "7"}, True, None),
        Asked("getVariant", "colour", {"userId": "8"}, True, "red"),
        Asked("isEnabled", "unknown", {}, False, None),
    ]
    fake.asked.clear()
    fake.evaluate_all()
    assert fake.asked == []


def test_strict_refuses_flags_that_were_not_set() -> None:
    fake = FakeClient({"menu": True}, strict=True)
    for ask in (fake.is_enabled, fake.get_variant, fake.flag):
        with pytest.raises(UnknownFlagError, match=r"'menus' is not set in this test \(set: menu\)"):
            ask("menus")
    assert fake.is_enabled("menu")


def test_flags_hold_for_a_block_and_nest() -> None:
    fake = FakeClient({"menu": True})
    colour = fake.flags({"menu": "red"})
    with suppress(ZeroDivisionError), fake.flags(menu=False, new=True):
        assert (fake.is_enabled("menu"), fake.is_enabled("new")) == (False, True)
        with colour as same:
            assert same.get_variant("menu").name == "red"
            with colour:
                assert fake.is_enabled("new")
        assert not fake.is_enabled("menu")
        raise ZeroDivisionError
    assert (fake.is_enabled("menu"), fake.is_enabled("new")) == (True, False)


def test_flags_decorate_functions_and_coroutines() -> None:
    fake = FakeClient({"menu": False})

    @fake.flags(menu=True)
    def plain(number: int) -> tuple[int, bool]:
        """Documented."""
        return number, fake.is_enabled("menu")

    @fake.flags(menu=True)
    async def awaiting() -> bool:
        await asyncio.sleep(0)
        return fake.is_enabled("menu")

    assert plain(3) == (3, True)
    assert plain.__doc__ == "Documented."
    assert asyncio.run(awaiting()) is True
    assert not fake.is_enabled("menu")


OF_SOMEBODY = """
import pytest

pytestmark = pytest.mark.ensign_flags({"new-menu": True}, colour="red")

def test_flags_of_the_module(ensign_flags):
    assert ensign_flags.is_enabled("new-menu")
    assert ensign_flags.get_variant("colour").name == "red"

@pytest.mark.ensign_flags(colour="blue")
def test_the_nearest_marker_wins(ensign_flags):
    assert ensign_flags.is_enabled("new-menu")
    assert ensign_flags.get_variant("colour").name == "blue"

def test_each_test_has_its_own(ensign_flags):
    ensign_flags.set("colour", "green")

def test_an_unknown_flag_fails(ensign_flags):
    ensign_flags.is_enabled("typo")
"""


def test_pytest_finds_the_fixture_and_the_marker(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = entry_points(group="pytest11", name="ensign")
    # By hand, as the workspace's many other plugins would take seconds to load.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", found.value)
    pytester.makepyfile(OF_SOMEBODY)
    done = pytester.runpytest_subprocess("--strict-markers")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines("*UnknownFlagError: the flag 'typo' is not set in this test (set: colour, new-menu)*")
    done = pytester.runpytest_subprocess("-o", "ensign_strict=false")
    done.assert_outcomes(passed=4)
