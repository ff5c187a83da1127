"""Claims: whatever a server, a proxy or a disk hands to the SDK, it takes it over whole or goes on with what it has."""

from __future__ import annotations

import copy
import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ensign_sdk import Client
from ensign_testkit import adversary as enemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent


def _load() -> Any:
    found = importlib.util.spec_from_file_location("fuzzed", HERE / "fuzzed.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


fuzzed = _load()

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["", "7", "random", "IN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)

CONSTRAINT = {"contextName": "plan", "operator": "IN", "values": ["gold"], "value": "1", "inverted": False}
VARIANT = {"name": "v", "weight": 500, "stickiness": "default", "payload": {"type": "json", "value": "{}"},
           "overrides": [{"contextName": "userId", "values": ["7"]}]}  # fmt: skip
FLAG = {
    "name": "f", "type": "release", "enabled": True, "project": "p", "stale": False, "impressionData": True,
    "strategies": [
        {"name": "flexibleRollout", "parameters": {"rollout": "50", "stickiness": "default", "groupId": "g"},
         "constraints": [CONSTRAINT], "segments": [1], "variants": [VARIANT]},
        {"name": "remoteAddress", "parameters": {"IPs": "10.0.0.0/8"}},
    ],
    "variants": [VARIANT, {**VARIANT, "name": "w"}],
    "dependencies": [{"feature": "g", "enabled": True, "variants": ["v"]}],
}  # fmt: skip
DOCUMENT = {
    "version": 2,
    "features": [FLAG, {"name": "g", "enabled": True, "strategies": [{"name": "default"}]}],
    "segments": [{"id": 1, "name": "s", "constraints": [CONSTRAINT]}],
}
DELTA = {
    "events": [
        {"type": "hydration", "eventId": 1, **DOCUMENT},
        {"type": "feature-updated", "eventId": 2, "feature": FLAG},
        {"type": "segment-updated", "eventId": 3, "segment": DOCUMENT["segments"][0]},
        {"type": "segment-removed", "eventId": 4, "segmentId": 1},
        {"type": "feature-removed", "eventId": 5, "featureName": "f"},
    ]
}


def places(value: Any) -> list[list[Any]]:
    """The paths of everything in a document."""
    found: list[list[Any]] = []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        found += [[key], *([key, *rest] for rest in places(item))]
    return found


@st.composite
def spoilt(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    """`document` with up to three of its parts replaced by something else, or left out."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(made) or [[]]))
        if not path:
            break
        holder: Any = made
        for step in path[:-1]:
            holder = holder[step]
        if draw(st.booleans()):
            holder[path[-1]] = draw(_json)
        else:
            del holder[path[-1]]
    return json.dumps(made).encode()


@settings(max_examples=300, deadline=None)
@given(data=spoilt(DOCUMENT))
def test_a_document_with_anything_in_it_is_taken_whole_or_not_at_all(data: bytes) -> None:
    fuzzed.document(data)


@settings(max_examples=300, deadline=None)
@given(data=spoilt(DELTA))
def test_a_delta_with_anything_in_it_is_taken_whole_or_not_at_all(data: bytes) -> None:
    fuzzed.delta(data)


@pytest.mark.parametrize("reader", fuzzed.READERS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=300) | st.sampled_from(fuzzed.SEEDS) | _json.map(lambda value: json.dumps(value).encode())
)
def test_no_bytes_upset_what_reads_them(reader: str, data: bytes) -> None:
    fuzzed.READERS[reader](data)


@pytest.mark.slow
def test_fuzzing_guided_by_coverage_finds_nothing(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    for number, seed in enumerate([*fuzzed.SEEDS, json.dumps(DOCUMENT).encode(), json.dumps(DELTA).encode()]):
        (seeds / str(number)).write_bytes(seed)
    command = [sys.executable, str(HERE / "fuzzed.py"), "-max_total_time=40", "-max_len=4000", "-rss_limit_mb=2000"]
    done = subprocess.run(
        [*command, str(seeds)], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done" in done.stderr


@pytest.mark.parametrize("depth", [500, 900, 5_000])
def test_deep_nesting_anywhere_costs_nothing_but_the_document(depth: int, hostile, connect, until) -> None:
    nested = "[" * depth + "]" * depth
    for part in (f'"features":{nested}', f'"features":[{{"name":"deep","enabled":true,"strategies":[],"x":{nested}}}]'):
        hostile.behaviour = enemy.rules("menu")
        client = connect(hostile.url, app_name=f"deep{depth}{len(part)}")
        until(lambda client=client: client.is_enabled("menu"))
        hostile.behaviour = enemy.reply(200, ("{" + part + "}").encode())
        seen = len(hostile.seen)
        until(lambda before=seen: len(hostile.seen) > before + 1)
        assert client.is_enabled("menu") or client.is_enabled("deep")
        client.close()
    cyclic: dict[str, Any] = {"features": []}
    cyclic["features"].append(cyclic)
    with pytest.raises(ValueError, match="holds itself"):
        Client.offline(cyclic)


def test_clocks_that_jump_change_no_answer_and_no_count(hostile, connect, until, monkeypatch, quick) -> None:
    hostile.behaviour = enemy.rules("menu")
    client = connect(hostile.url, metrics_interval=600)
    client.wait_until_ready(10)
    real = time.time
    for jump in (-(10**9), 10**9, 0):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        seen = len(hostile.seen)
        until(lambda before=seen: len(hostile.seen) > before + 2)
        assert client.is_enabled("menu")
        assert client.status().error is None
    client._reporter._since = "2999-01-01T00:00:00.000Z"  # as if the clock had been set back since
    client.close()
    (report,) = hostile.posted("/metrics")
    assert report["bucket"]["start"] <= report["bucket"]["stop"]
    assert report["bucket"]["toggles"]["menu"]["yes"] == 3


FULL = """
import logging, resource, sys, time
from ensign_sdk import Client
logging.basicConfig(stream=sys.stdout, format="%(message)s")
resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))  # the disk takes no more than that
client = Client(url=sys.argv[1], token="a:b.c", app_name="x", cache_dir=sys.argv[2], refresh_interval=0.05,
                streaming=False, metrics_interval=0)
assert client.wait_until_ready(10)
end = time.monotonic() + 20
while not client.is_enabled("flag-99") and time.monotonic() < end:
    time.sleep(0.01)
print("answer", client.is_enabled("flag-99"))
client.close()
"""


def test_a_full_disk_costs_one_log_line_and_leaves_the_old_cache(hostile, connect, tmp_path: Path, until) -> None:
    hostile.behaviour = enemy.rules("menu")
    folder = tmp_path / "full"
    first = connect(hostile.url, token="a:b.c", app_name="x", cache_dir=folder)
    first.wait_until_ready(10)
    until(lambda: len(list(folder.glob("*.rules"))) == 1)
    first.close()
    hostile.behaviour = enemy.rules(*(f"flag-{number}" for number in range(100)))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", FULL, hostile.url, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "answer True" in done.stdout
    assert done.stdout.count("cannot keep its rules on disk") == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, "no half file, nothing left behind"


def test_a_disk_that_refuses_or_vanishes_stops_nothing(hostile, connect, tmp_path: Path, until, caplog) -> None:
    caplog.set_level(logging.WARNING, "ensign_sdk")
    hostile.behaviour = enemy.rules("menu")
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    client = connect(hostile.url, cache_dir=blocked / "below")
    until(lambda: client.is_enabled("menu") and "cannot keep" in caplog.text)
    os.unlink(blocked)
    hostile.behaviour = enemy.rules("menu", "new")
    until(lambda: client.is_enabled("new"))
