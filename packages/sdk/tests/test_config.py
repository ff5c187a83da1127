"""Claims: what cannot be meant is said at once, as a ValueError; addresses are understood in all their forms."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import ensign_sdk
import pytest
from ensign_sdk import Client
from ensign_sdk.config import Endpoint

GOOD = {"url": "https://flags.example.com", "token": "a:b.c", "app_name": "app", "start": False, "cache_dir": False}


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://flags.example.com", "/api"),
        ("https://flags.example.com/", "/api"),
        ("https://flags.example.com/api", "/api"),
        ("https://flags.example.com//api//", "/api"),
        ("https://flags.example.com/api/client/features", "/api"),
        ("https://flags.example.com/ensign", "/ensign/api"),
        ("https://flags.example.com/ensign/api/", "/ensign/api"),
        ("  https://flags.example.com/api ", "/api"),
    ],
)
def test_addresses_with_and_without_api(url: str, base: str) -> None:
    assert Endpoint.parse(url) == Endpoint(True, "flags.example.com", 443, base)


def test_ports_and_ipv6() -> None:
    assert Endpoint.parse("http://localhost:4242") == Endpoint(False, "localhost", 4242, "/api")
    assert Endpoint.parse("http://[::1]:4242").origin == "http://[::1]:4242"
    assert Endpoint.parse("http://localhost").port == 80


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("url", "", "url is missing"),
        ("url", None, "url is missing"),
        ("url", "flags.example.com", "must look like"),
        ("url", "ftp://flags.example.com", "must look like"),
        ("url", "https://", "must look like"),
        ("url", "https://host:port", "cannot be used"),
        ("url", "https://user:secret@host", "token has an option"),
        ("url", "https://host/?a=b", "query"),
        ("url", "https://host/a b", "percent-encoded"),
        ("token", "", "token is missing"),
        ("token", None, "token is missing"),
        ("token", "a\nb", "line break"),
        ("token", "schlüssel", "characters"),
        ("app_name", "", "app_name"),
        ("app_name", "x" * 201, "app_name"),
        ("app_name", "a\nb", "control characters"),
        ("app_name", 7, "app_name"),
        ("environment", "", "environment"),
        ("instance_id", "ü", "ASCII"),
        ("refresh_interval", 0, "refresh_interval"),
        ("refresh_interval", float("nan"), "refresh_interval"),
        ("refresh_interval", "15", "refresh_interval"),
        ("metrics_interval", -1, "metrics_interval"),
        ("timeout", True, "timeout"),
        ("cache_dir", 7, "cache_dir"),
        ("bootstrap", "/nowhere/at/all.json", "bootstrap cannot be read"),
        ("bootstrap", {"features": 7}, "bootstrap is no ruleset"),
        ("bootstrap", 7, "bootstrap cannot be read"),
        ("custom_strategies", [1], "custom_strategies"),
        ("custom_strategies", {"x": 1}, "custom_strategies"),
        ("custom_strategies", {"default": print}, "built-in"),
        ("on_impression", 7, "on_impression"),
        ("what_is_sent", "yes", "what_is_sent"),
    ],
)
def test_an_argument_that_cannot_be_meant(option: str, value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Client(**{**GOOD, option: value})


def test_the_message_never_holds_the_token() -> None:
    with pytest.raises(ValueError, match="token") as caught:
        Client(**{**GOOD, "token": "very-secret\nx"})
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("ruleset", ["/nowhere.json", {"features": 3}, {}, 7, None])
def test_offline_refuses_what_is_no_ruleset(ruleset: object) -> None:
    with pytest.raises(ValueError, match="ruleset"):
        Client.offline(ruleset)


def test_an_application_of_any_script_can_be_named(hostile, connect) -> None:
    from ensign_testkit.adversary import rules

    hostile.behaviour = rules("menu")
    client = connect(hostile.url, app_name="Käse 日本")
    assert client.wait_until_ready(10)
    assert hostile.wait_until(lambda: bool(hostile.posted("/register")))
    assert hostile.posted("/register")[0]["appName"] == "Käse 日本"


def test_the_version_is_the_packages() -> None:
    assert ensign_sdk.__version__ == version("ensign-sdk")


def test_importing_and_being_offline_load_no_http_and_few_modules() -> None:
    code = (
        "import sys, ensign_sdk; c = ensign_sdk.Client.offline({'features': []}); c.is_enabled('a'); "
        "print(sorted({'http', 'ssl', 'socket', 'email', 'urllib.request', 'asyncio', 'tempfile'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=_path(), check=True)
    assert done.stdout.strip() in {"[]", "['socket']"}, "the engine may need the host's name"


def test_it_needs_what_is_ours_and_mmh3_alone() -> None:
    from importlib.metadata import requires

    def needs(package: str) -> list[str]:
        return [need for need in requires(package) or () if "extra" not in need]

    assert sorted(needs("ensign-sdk")) == ["ensign-engine", "ensign-ledger"]
    assert [need.partition(">")[0] for need in needs("ensign-engine")] == ["mmh3"]
    assert needs("ensign-ledger") == []


def _path() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
