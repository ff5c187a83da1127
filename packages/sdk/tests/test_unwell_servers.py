"""Claims: whatever the server does, the last good rules go on answering, and the client comes back by itself."""

from __future__ import annotations

import gzip
import json
import logging
import time

import pytest
from ensign_sdk import Client
from ensign_sdk._internal import backoff
from ensign_testkit import adversary as enemy

FAULTS = {
    "500": enemy.reply(500, b"oops"),
    "503 with Retry-After": enemy.reply(503, Retry_After="0"),
    "429": enemy.reply(429, Retry_After="0"),
    "401": enemy.reply(401, b"{}"),
    "403": enemy.reply(403, b"{}"),
    "404": enemy.reply(404),
    "a redirect": enemy.reply(302, Location="http://127.0.0.1:1/steal-the-token"),
    "truncated": enemy.truncated,
    "half a chunked answer": enemy.half_chunked,
    "silence": enemy.hang,
    "dribble": enemy.dribble,
    "no HTTP": enemy.noise,
    "a dropped connection": enemy.drop,
    "no JSON": enemy.reply(200, b"<html>a proxy's page</html>"),
    "JSON of another kind": enemy.reply(200, b'{"version":2,"features":{"menu":true}}'),
    "an empty answer": enemy.reply(200, b""),
    "a list": enemy.reply(200, b"[]"),
    "deep nesting": enemy.reply(200, b"[" * 100_000),
    "damaged gzip": enemy.reply(200, gzip.compress(b'{"version":2,"features":[]}')[:-6], Content_Encoding="gzip"),
    "an older revision": enemy.rules("other", Ensign_Revision="1.4", Ensign_Scope="s"),
    "an older epoch": enemy.rules("other", Ensign_Revision="0.999", Ensign_Scope="s"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_last_good_rules_survive(fault, hostile, connect, until, quick, monkeypatch, caplog) -> None:
    caplog.set_level(logging.INFO, "ensign_sdk")
    hostile.behaviour = enemy.rules("menu", Ensign_Revision="1.5", Ensign_Scope="s")
    client = connect(hostile.url, timeout=0.3)
    assert client.wait_until_ready(10)
    hostile.behaviour = FAULTS[fault]
    until(lambda: client.status().error is not None)
    seen = len(hostile.seen)
    until(lambda: len(hostile.seen) > seen + 2)
    assert client.is_enabled("menu")
    assert not client.is_enabled("other")
    assert "Traceback" not in caplog.text
    assert "sdk-secret" not in caplog.text
    hostile.behaviour = enemy.rules("menu", "new", Ensign_Revision="1.6", Ensign_Scope="s")
    until(lambda: client.is_enabled("new") and client.status().error is None)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_said_once_and_not_insisted_on(status, hostile, connect, caplog) -> None:
    hostile.behaviour = enemy.reply(status)
    client = connect(hostile.url)
    assert hostile.wait_until(lambda: any(seen.method == "GET" for seen in hostile.seen))
    assert not client.wait_until_ready(0.5)
    assert sum(seen.method == "GET" for seen in hostile.seen) == 1
    lines = [record for record in caplog.records if "refuses the token" in record.message]
    assert len(lines) == 1
    assert backoff.refused() > 250


def test_a_new_scope_or_epoch_may_count_differently(hostile, connect, until) -> None:
    hostile.behaviour = enemy.rules("a", Ensign_Revision="1.50", Ensign_Scope="s")
    client = connect(hostile.url)
    until(lambda: client.is_enabled("a"))
    hostile.behaviour = enemy.rules("b", Ensign_Revision="1.3", Ensign_Scope="another")
    until(lambda: client.is_enabled("b"))
    hostile.behaviour = enemy.rules("c", Ensign_Revision="2.1", Ensign_Scope="another")
    until(lambda: client.is_enabled("c"))


def test_no_evaluation_waits_for_the_network(hostile, connect) -> None:
    hostile.behaviour = enemy.hang
    client = connect(hostile.url, timeout=5)
    hostile.wait_until(lambda: bool(hostile.seen))
    began = time.monotonic()
    for _ in range(1_000):
        assert client.is_enabled("menu", default=True)
    assert time.monotonic() - began < 4  # the server hangs for longer


def test_closing_takes_no_longer_than_allowed(hostile, connect) -> None:
    hostile.behaviour = hostile.posts = enemy.hang
    client = connect(hostile.url, timeout=30)
    hostile.wait_until(lambda: len(hostile.seen) >= 2)
    client.is_enabled("menu")
    began = time.monotonic()
    client.close(timeout=0.3)
    assert time.monotonic() - began < 15  # half of what a hanging request may take


def test_counts_that_could_not_be_sent_are_sent_later_and_once(hostile, connect, until, quick) -> None:
    hostile.behaviour = enemy.rules("menu")
    client = connect(hostile.url)
    client.wait_until_ready(10)
    until(lambda: hostile.posted("/register"))
    for fault in (enemy.reply(500), enemy.drop, enemy.reply(429, Retry_After="0"), enemy.noise):
        hostile.posts = fault
        seen = len(hostile.seen)
        for _ in range(10):
            client.is_enabled("menu")
            client.is_enabled("menu")
        client.get_variant("menu")
        client._workers[1].wake()
        until(lambda before=seen: any(s.path.endswith("metrics") for s in hostile.seen[before:]))
    hostile.seen.clear()
    hostile.posts = enemy.reply(202)
    client.close()
    sent = [toggle for body in hostile.posted("/metrics") for toggle in [body["bucket"]["toggles"]["menu"]]]
    assert sum(toggle["yes"] for toggle in sent) == 84
    assert sum(toggle["variants"].get("disabled", 0) for toggle in sent) == 4


def test_waiting_ends_when_there_are_rules_and_the_server_was_tried(hostile, connect) -> None:
    hostile.behaviour = enemy.reply(500)
    client = connect(hostile.url, bootstrap={"features": [{"name": "brought", "enabled": True, "strategies": []}]})
    began = time.monotonic()
    assert client.wait_until_ready(10)
    assert time.monotonic() - began < 9  # sooner than the wait's own end
    assert client.is_enabled("brought")
    assert client.status().source == "bootstrap"


def test_the_wait_after_failures_grows_and_is_bounded() -> None:
    waits = [backoff.after_failures(n) for n in range(1, 40)]
    assert waits[0] <= 1
    assert all(wait <= backoff.CEILING for wait in waits)
    assert min(waits[12:]) >= backoff.CEILING / 2
    assert backoff.after_failures(1, least=30) == 30


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), (None, 0), ("soon", 0), ("-3", 0), ("999999999", 3600), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)
def test_retry_after_is_honoured_within_reason(header, seconds) -> None:
    assert backoff.asked(header) == seconds


def test_a_date_in_retry_after() -> None:
    from email.utils import formatdate

    assert 25 < backoff.asked(formatdate(time.time() + 30, usegmt=True)) <= 30


def test_the_documents_of_a_plain_unleash_server_are_understood(hostile, connect) -> None:
    document = {"version": 2, "features": [], "meta": {"revisionId": 3, "etag": '"x"'}, "query": {}}
    hostile.behaviour = enemy.reply(200, json.dumps(document).encode(), ETag='"x"')
    with connect(hostile.url) as client:
        assert client.wait_until_ready(10)
        assert client.status().revision is None


def test_the_end_of_the_process_sends_the_last_counts_within_bounds(hostile) -> None:
    import subprocess
    import sys

    code = (
        "from ensign_sdk import Client\n"
        f"c = Client(url={hostile.url!r}, token='a:b.c', app_name='x', cache_dir=False)\n"
        "c.wait_until_ready(10)\n"
        "for _ in range(5): c.is_enabled('menu')\n"
    )
    hostile.behaviour = enemy.rules("menu")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert hostile.posted("/metrics")[0]["bucket"]["toggles"]["menu"]["yes"] == 5
    hostile.posts = enemy.hang
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert time.monotonic() - began < 10
    assert Client is not None
