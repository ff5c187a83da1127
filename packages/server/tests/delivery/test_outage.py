"""Claims: with the source gone the last good state is served, also after a restart; nothing ever goes back."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.lastgood import LastGood
from ensign.delivery.published import Published
from ensign.delivery.source import SourceError, SqliteSource
from ensign.delivery.state import State, advanced
from ensign_testkit.delivery import MemorySource, flag, serving
from ensign_testkit.waiting import until

FEATURES, TOKEN = "/api/client/features", "shop:production.backend-secret"


def names(plane) -> list[str]:
    return [feature["name"] for feature in plane.get(FEATURES).json["features"]]


def test_rules_are_served_on_while_the_source_is_down_and_followed_when_it_returns(plane) -> None:
    plane.source.down = True
    plane.source.hint()
    until(lambda: not plane.app.feed.current)
    assert names(plane) == ["basket", "colour", "menu", "old"]
    assert plane.get("/ready", token=None).status == 200
    plane.source.publish([flag("new")])
    plane.source.down = False
    until(lambda: names(plane) == ["new"])


def test_a_restart_with_the_source_down_serves_the_last_good_state(plane, tmp_path: Path) -> None:
    path = tmp_path / "last-good"
    until(path.exists)
    assert b"backend-secret" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    plane.source.down = True
    with serving(DeliveryApp(plane.source, last_good=path)) as plane.server:
        assert names(plane) == ["basket", "colour", "menu", "old"]
        assert plane.get(FEATURES, token="unknown:x.y").status == 503, "it may be new"
        assert plane.get("/api/frontend", token="shop:production.frontend-secret").status == 200


def test_without_any_state_everything_is_503_and_never_401(tmp_path: Path, plane) -> None:
    source = MemorySource()
    source.down = True
    with serving(DeliveryApp(source, last_good=tmp_path / "none")) as plane.server:
        for path in (FEATURES, "/api/frontend", "/ready", "/api/client/features/x"):
            for token in (None, TOKEN):
                assert plane.get(path, token=token).status == 503
        assert plane.post("/api/client/metrics", {"appName": "a"}).status == 503
        assert plane.get("/health", token=None).status == 200
        source.token(TOKEN)
        source.publish([flag("late")])
        source.down = False
        until(lambda: plane.get(FEATURES).status == 200)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "no json"])
def test_a_damaged_last_good_file_counts_as_none(damage: str, tmp_path: Path, plane) -> None:
    path = tmp_path / "last-good"
    until(path.exists)
    whole = path.read_bytes()
    middle = len(whole) // 2
    broken = {
        "truncated": whole[:middle], "empty": b"", "no json": b"x\ny",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
    }  # fmt: skip
    path.write_bytes(broken[damage])
    assert LastGood(path).load() is None


def test_a_disk_that_cannot_be_written_does_not_stop_delivery(tmp_path: Path, plane, caplog) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with serving(DeliveryApp(plane.source, last_good=blocked / "last-good")) as plane.server:
        plane.source.publish([flag("new")])
        until(lambda: plane.get(FEATURES).status == 200 and names(plane) == ["new"])
    assert "on disk" in caplog.text


def published(number: int, epoch: int = 1, **more: Any) -> Published:
    content = {"project": "p", "environment": "e", "number": number, "epoch": epoch, "features": [], "segments": []}
    return Published.read(json.dumps({**content, **more}))


def test_revisions_never_go_back_within_an_epoch_and_follow_a_new_one(caplog) -> None:
    state = advanced(State(), [published(5)], None)
    assert advanced(state, [published(4)], None) is state
    assert "refused revision (1, 4)" in caplog.text
    assert advanced(state, [published(5)], None) is state
    assert advanced(state, [published(6)], None).rulesets["p", "e"].revision == (1, 6)
    assert advanced(state, [published(1, epoch=2)], None).rulesets["p", "e"].revision == (2, 1)
    assert advanced(state, [published(9, epoch=0)], None) is state


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"project":1}', "[" * 100_000, '{"features":[{}]}'])
def test_a_malformed_ruleset_is_said_to_be_so(content: str) -> None:
    with pytest.raises(ValueError, match=r"malformed|Expecting"):
        Published.read(content)


def test_one_malformed_ruleset_leaves_the_others_current(plane, caplog) -> None:
    plane.source._rows["rul_broken"] = (10**6, "{}")
    plane.settled(plane.source.publish([flag("new")]))
    assert names(plane) == ["new"]
    assert "rul_broken is left as it was" in caplog.text


def test_a_sqlite_file_that_is_missing_or_empty_is_a_source_error(tmp_path: Path) -> None:
    source = SqliteSource(tmp_path / "none.sqlite3")
    for ask in (lambda: source.read({}), lambda: source.wait(1)):
        with pytest.raises(SourceError):
            ask()
    sqlite3.connect(tmp_path / "none.sqlite3").close()
    with pytest.raises(SourceError):
        source.read({})
    (tmp_path / "none.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(SourceError):
        source.read({})
    source.close()
