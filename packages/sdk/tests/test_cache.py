"""Claims about the disk cache: it starts an application without its server, and can do no harm."""

from __future__ import annotations

import os
import stat

import pytest
from ensign_sdk._internal.cache import DiskCache, Origin
from ensign_testkit import adversary as enemy


def cached(tmp_path) -> DiskCache:
    return DiskCache(tmp_path, address="https://a/api", token="t", app_name="app")


def test_a_client_starts_from_the_cache_when_the_server_is_gone(hostile, connect, until) -> None:
    hostile.behaviour = enemy.rules("menu", ETag='"7"', Ensign_Revision="1.7", Ensign_Scope="s")
    client = connect(hostile.url)
    client.wait_until_ready(10)
    client.close()
    hostile.behaviour = enemy.drop
    again = connect(hostile.url, start=False)
    assert again.ready
    assert again.is_enabled("menu"), "before any request"
    assert (again.status().source, again.status().revision) == ("cache", (1, 7))
    again.start()
    until(lambda: again.status().error)
    assert again.is_enabled("menu")
    assert [s for s in hostile.seen if s.method == "GET"][-1].headers["if-none-match"] == '"7"'


def test_the_cache_does_not_bring_an_older_revision_back(hostile, connect, until) -> None:
    hostile.behaviour = enemy.rules("menu", Ensign_Revision="1.7", Ensign_Scope="s")
    connect(hostile.url).wait_until_ready(10)
    hostile.behaviour = enemy.rules("old", Ensign_Revision="1.6", Ensign_Scope="s")
    again = connect(hostile.url)
    until(lambda: "older" in (again.status().error or ""))
    assert again.is_enabled("menu")


def test_tokens_applications_and_servers_do_not_share(tmp_path) -> None:
    cached(tmp_path).save(b"rules", Origin())
    for other in (
        DiskCache(tmp_path, address="https://b/api", token="t", app_name="app"),
        DiskCache(tmp_path, address="https://a/api", token="u", app_name="app"),
        DiskCache(tmp_path, address="https://a/api", token="t", app_name="other"),
    ):
        assert other.load() is None
    assert cached(tmp_path).load() == (b"rules", Origin())


def test_the_file_holds_no_token_and_is_the_owners_alone(tmp_path) -> None:
    cache = DiskCache(tmp_path / "deep" / "er", address="https://a", token="secret-token", app_name="app")
    cache.save(b"rules", Origin('"e"', "s", (1, 2)))
    (path,) = (tmp_path / "deep" / "er").iterdir()
    assert b"secret-token" not in path.read_bytes()
    assert "secret-token" not in path.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cache.load() == (b"rules", Origin('"e"', "s", (1, 2)))


def test_any_byte_changed_or_missing_makes_it_no_cache(tmp_path) -> None:
    cache = cached(tmp_path)
    cache.save(b'{"version":2,"features":[]}', Origin('"e"', "s", (1, 2)))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place])
        assert cache.load() is None, place
    head = whole.index(b"\n")
    for place in range(head + 1, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert cache.load() is None, place
    for garbage in (b"", b"\n", b"null\n", b"[]\n", b"{}\nx", b"[" * 100_000 + b"\n", os.urandom(100)):
        path.write_bytes(garbage)
        assert cache.load() is None


@pytest.mark.parametrize("rules", [b"<html>", b'{"features":{}}', b"null"])
def test_a_cache_of_nonsense_is_passed_over(hostile, connect, tmp_path, rules) -> None:
    hostile.behaviour = enemy.rules("menu")
    client = connect(hostile.url, start=False)
    client._cache.save(rules, Origin())
    again = connect(hostile.url)
    assert again.wait_until_ready(10)
    assert again.is_enabled("menu")


def test_a_disk_that_cannot_be_written_is_lived_with(hostile, connect, tmp_path, caplog, until) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    hostile.behaviour = enemy.rules("menu")
    client = connect(hostile.url, cache_dir=blocked / "cache")
    assert client.wait_until_ready(10)
    until(lambda: sum("on disk" in record.message for record in caplog.records) == 1)
    hostile.behaviour = enemy.rules("menu", "new")
    until(lambda: client.is_enabled("new"))
    assert sum("on disk" in record.message for record in caplog.records) == 1


def test_no_cache_when_told_so(hostile, connect, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    hostile.behaviour = enemy.rules("menu")
    assert connect(hostile.url, cache_dir=False).wait_until_ready(10)
    assert not (tmp_path / "home").exists()
    assert connect(hostile.url, cache_dir=None)._cache._path.parent == tmp_path / "home" / "ensign"
