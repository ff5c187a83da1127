"""Claims: a streaming client says what it has applied and since when, once, to servers that want it; it never holds
anything up, and says nothing where it was told to report nothing.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from ensign_sdk._internal import confirmer as confirming
from ensign_sdk._internal.confirmer import MAX_PENDING, MAX_TRIES, Confirmer, Errands
from ensign_sdk._internal.transport import Reply
from ensign_testkit.delivery import flag

NODE = {"ensign-node": "ab12", "ensign-confirm-within": "0"}


class Post:
    """Where confirmations go; answers with the next of `replies`, then with 202."""

    def __init__(self, *replies: int | None, **headers: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self._replies = list(replies)
        self._headers = headers

    def __call__(self, path: str, document: dict[str, Any], _timeout: float) -> Reply | None:
        assert path == "/client/applied"
        self.sent.append(document)
        status = self._replies.pop(0) if self._replies else 202
        return None if status is None else Reply(status, self._headers, b"")


def confirmer(post: Post, **headers: str) -> Confirmer:
    made = Confirmer(post, timeout=1.0)
    made.opened({**NODE, **headers})
    return made


def said(plane: Any, number: int) -> tuple[int, int]:
    """(instances, running) of the newest report about a publication."""
    found = [r for batch in list(plane.batches) for r in batch.reach if r.revision[1] == number]
    return (sum(g.instances for g in found[-1].groups), sum(g.running for g in found[-1].groups)) if found else (0, 0)


def test_the_server_knows_when_a_change_runs_everywhere(plane, connect, until) -> None:
    clients = [connect(plane.url, streaming=True, metrics_interval=60) for _ in range(3)]
    assert all(client.wait_until_ready(10) for client in clients)
    until(lambda: all(client.status().mode == "streaming" for client in clients))
    number = plane.source.publish([flag("menu", enabled=False)])
    until(lambda: said(plane, number) == (3, 3))
    newest = [r for batch in plane.batches for r in batch.reach if r.revision[1] == number][-1]
    assert newest.final
    assert newest.slowest_ms is not None


def test_one_that_reports_nothing_confirms_nothing_and_is_known_not_to(plane, connect, until) -> None:
    sent: list[bytes] = []
    client = connect(plane.url, streaming=True, metrics_interval=0, what_is_sent=sent.append)
    assert client.wait_until_ready(10)
    number = plane.source.publish([flag("menu", enabled=False)])
    until(lambda: said(plane, number) == (1, 0))
    until(lambda: [r for batch in list(plane.batches) for r in batch.reach if r.revision[1] == number][-1].final)
    client.close()
    everything = b"".join(sent)
    assert b"/applied" not in everything
    assert b"Ensign-Confirms" not in everything


def test_waiting_takes_nothing_from_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    post = Post()
    made = confirmer(post, **{"ensign-confirm-within": "30"})
    monkeypatch.setattr(confirming.random, "uniform", lambda low, high: (low + high) / 2)
    now = [100.0]
    monkeypatch.setattr(confirming.time, "monotonic", lambda: now[0])
    woken = []
    made.wake = lambda: woken.append(now[0])
    made.applied((1, 6), (1, 7))
    assert made.step() == 15.0
    now[0] += 5
    made.applied((1, 7), (1, 8))
    assert made.step() == 10.0
    now[0] += 10
    assert made.step() > 60
    assert post.sent == [{
        "applied": [{"revision": "1.7", "agoMs": 15_000.0}, {"revision": "1.8", "agoMs": 10_000.0}],
        "before": "1.6", "node": "ab12",
    }]  # fmt: skip
    assert woken == [100.0, 105.0]
    assert made.step() > 60
    assert len(post.sent) == 1


@pytest.mark.parametrize("headers", [{}, {"ensign-confirm-within": "1"}])
def test_servers_that_do_not_say_which_they_are_hear_nothing(headers: dict[str, str]) -> None:
    post = Post()
    made = Confirmer(post, timeout=1.0)
    made.opened(headers)
    made.applied(None, (1, 1))
    made.applied(None, None)
    assert made.step() > 60
    assert made.flush(timeout=1) > 60
    assert post.sent == []


def test_a_server_that_does_not_know_it_is_not_asked_again_on_this_stream() -> None:
    post = Post(404)
    made = confirmer(post)
    made.applied(None, (1, 1))
    made.step()
    made.applied((1, 1), (1, 2))
    made.step()
    assert len(post.sent) == 1
    made.opened(NODE)
    made.applied((1, 2), (1, 3))
    made.step()
    assert len(post.sent) == 2


@pytest.mark.parametrize("fault", [None, 503, 429])
def test_what_was_not_taken_is_said_again_a_few_times(fault: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming.backoff, "CEILING", 0.0)
    post = Post(fault, fault, fault, fault, retry_after="0")
    made = confirmer(post)
    made.applied(None, (1, 1))
    for _ in range(2 * MAX_TRIES):
        made.step()
    assert len(post.sent) == MAX_TRIES
    made.applied((1, 1), (1, 2))
    made.step()
    assert post.sent[-1]["applied"][0]["revision"] == "1.2"


def test_a_flood_of_changes_is_said_in_one_piece_of_bounded_size() -> None:
    post = Post()
    made = confirmer(post, **{"ensign-confirm-within": "not a number"})
    for number in range(3 * MAX_PENDING):
        made.applied((1, number), (1, number + 1))
    made.flush(timeout=1)
    (sent,) = post.sent
    assert len(sent["applied"]) == MAX_PENDING
    assert sent["applied"][-1]["revision"] == f"1.{3 * MAX_PENDING}"
    assert len(json.dumps(sent)) < 16 * 1024


def test_confirming_and_reporting_take_turns() -> None:
    done: list[str] = []
    pauses = iter([0.0, 50.0, 50.0])

    def confirm() -> float:
        done.append("confirm")
        return next(pauses)

    def report() -> float:
        done.append("report")
        return 100.0

    errands = Errands(confirm, report)
    assert errands.step() == 0.0
    assert 40 < errands.step() <= 50.0
    assert done == ["confirm", "report", "confirm"]


def test_a_server_that_hangs_holds_up_no_change(hostile, connect, until) -> None:
    """The confirmation waits in a thread of its own; the stream goes on."""
    hung = threading.Event()
    events = [
        b'event: unleash-connected\nid: 1\nrevision: 1.1\ndata: {"events":[{"type":"hydration","eventId":1,'
        b'"features":[{"name":"menu","enabled":true,"strategies":[]}],"segments":[]}]}\n\n',
        b'event: unleash-updated\nid: 2\nrevision: 1.2\ndata: {"events":[{"type":"feature-updated","eventId":2,'
        b'"feature":{"name":"menu","enabled":false,"strategies":[]}}]}\n\n',
    ]

    def stream(client: Any, _seen: Any) -> None:
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nEnsign-Node: a\r\nEnsign-Confirm-Within: 0\r\n\r\n"
        )
        client.sendall(head + events[0])
        assert hung.wait(20)
        client.sendall(events[1])
        client.settimeout(20)
        client.recv(1)

    def hang(client: Any, seen: Any) -> None:
        if seen.path.endswith("/applied"):
            hung.set()
            time.sleep(1)
        client.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    hostile.behaviour, hostile.posts = stream, hang
    client = connect(hostile.url, streaming=True, metrics_interval=60, timeout=20)
    assert client.wait_until_ready(10)
    until(lambda: not client.is_enabled("menu", default=True))
