"""Claims: who calls a safeguard proves it, each message counts once, and a message is what its format says."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from ensign.control.audit.models import Entry
from ensign.control.kernel import clock
from ensign.control.monitoring import firing, guarding, hooks
from ensign.control.monitoring.domain import signatures, sources
from ensign.control.monitoring.domain.safeguards import Source
from ensign.control.monitoring.guarding import Made, SafeguardWish
from ensign.control.monitoring.models import Message
from ensign.control.monitoring.models import Safeguard as Row
from ensign_testkit.changing import FLAG, Story, config, last_entry, live, story
from ensign_testkit.people import add_service

RECORDED = Path(__file__).parent / "alertmanager.json"
LABELS = Source(kind="alertmanager", labels={"alertname": "CheckoutErrors", "severity": "page"})


def made(cast: Story, source: Source, **more: Any) -> Made:
    account = add_service("guard", "developer", owner=cast.dev.id).id
    return guarding.make(
        actor=cast.dev, at=cast.at, project="shop", environment="production", key="errors",
        wish=SafeguardWish(flag=FLAG, source=source, account=account, **more),
    )  # fmt: skip


def call(made: Made, body: Any, **headers: str) -> Any:
    return Client(enforce_csrf_checks=True).post(
        f"/hooks/safeguards/{made.safeguard.id}",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        content_type="application/json",
        headers=headers,
    )


def bearer(made: Made) -> dict[str, str]:
    return {"Authorization": f"Bearer {made.secret}"}


def signed(made: Made, body: bytes, *, id: str = "msg_1", late: float = 0, secret: str = "") -> dict[str, str]:
    timestamp = str(int((clock.now() - timedelta(seconds=late)).timestamp()))
    given = signatures.signature(secret or made.secret, id=id, timestamp=timestamp, body=body)
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,bm90aGluZw== {given}"}


def alertmanager(**labels: str) -> dict[str, Any]:
    """A message as Alertmanager 0.25 sends it, with the labels of its one alert changed."""
    message: dict[str, Any] = json.loads(RECORDED.read_text())
    message["alerts"][0]["labels"].update(labels)
    return message


def test_a_firing_alert_with_the_labels_switches_the_flag_off_once(db: str) -> None:
    cast = story()
    live(cast)
    guard = made(cast, LABELS)
    answer = call(guard, alertmanager(), **bearer(guard))
    assert (answer.status_code, answer.json()) == (202, {"taken": True, "fired": True, "outcome": "done"})
    assert not config().enabled
    assert last_entry("safeguard.fired")["detail"]["source"] == "alertmanager"
    count = Entry.objects.count()
    assert call(guard, alertmanager(), **bearer(guard)).json() == {"taken": True, "fired": False}
    assert Entry.objects.count() == count


def test_a_resolved_alert_or_another_does_nothing(db: str) -> None:
    cast = story()
    live(cast)
    guard = made(cast, LABELS)
    resolved = alertmanager()
    resolved["alerts"][0]["status"] = "resolved"
    for message in (resolved, alertmanager(severity="ticket"), alertmanager(alertname="Other")):
        assert call(guard, message, **bearer(guard)).json() == {"taken": True, "fired": False}
    assert config().enabled


def test_what_is_no_message_of_alertmanager_is_refused(db: str) -> None:
    cast = story()
    guard = made(cast, LABELS)
    for body in (b"{", {"version": "3", "alerts": []}, {"version": "4"}, []):
        assert call(guard, body, **bearer(guard)).status_code == 400


def test_strangers_learn_nothing(db: str) -> None:
    """A wrong secret, no secret, another scheme, an ended safeguard and one that never was are answered alike."""
    cast = story()
    live(cast)
    guard, hook = made(cast, LABELS), None
    answers = [
        call(guard, alertmanager()),
        call(guard, alertmanager(), Authorization="Bearer wrong"),
        call(guard, alertmanager(), Authorization=f"Basic {guard.secret}"),
        Client().post("/hooks/safeguards/sfg_unknown", data=b"{}", content_type="application/json"),
    ]
    guarding.end(actor=cast.dev, at=cast.at, safeguard_id=guard.safeguard.id)
    answers.append(call(guard, alertmanager(), **bearer(guard)))
    assert {(one.status_code, one.content) for one in answers} == {(401, answers[0].content)}
    assert hook is None
    assert config().enabled
    assert guard.secret not in json.dumps([row.state for row in Row.objects.all()])


def test_too_many_calls_are_refused(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "STRANGERS", 3)
    hooks._limiter.cache_clear()
    cast = story()
    guard = made(cast, LABELS)
    codes = [call(guard, {}, Authorization="Bearer no").status_code for _ in range(5)]
    hooks._limiter.cache_clear()
    assert codes == [401, 401, 401, 429, 429]


def test_a_signed_message_without_a_path_is_enough(db: str) -> None:
    cast = story()
    live(cast)
    guard = made(cast, Source(kind="webhook"))
    body = b'{"type":"error_budget.burnt"}'
    answer = call(guard, body, **signed(guard, body))
    assert answer.json() == {"taken": True, "fired": True, "outcome": "done"}
    assert not config().enabled


def test_a_number_in_a_signed_message_is_held_against_the_threshold(db: str) -> None:
    cast = story()
    live(cast)
    guard = made(cast, Source(kind="webhook", path="data.value"), threshold="100", checks=2)
    for n, (value, fired) in enumerate(((150, False), (10, False), (150, False), ("151.5", True))):
        body = json.dumps({"data": {"value": value}}).encode()
        answer = call(guard, body, **signed(guard, body, id=f"msg_{n}"))
        assert answer.json() == {"taken": True, "fired": fired}
    assert last_entry("safeguard.fired")["detail"]["value"] == "151.5"
    body = b'{"data": {}}'
    assert call(guard, body, **signed(guard, body, id="msg_9")).status_code == 422


def test_a_message_counts_once_and_only_in_its_time(db: str) -> None:
    cast = story()
    live(cast)
    guard = made(cast, Source(kind="webhook", path="v"), threshold="1", checks=2)
    body = b'{"v": 2}'
    headers = signed(guard, body)
    assert call(guard, body, **headers).json()["taken"] is True
    assert call(guard, body, **headers).json()["taken"] is False
    assert config().enabled  # two breaches would have been enough
    for late in (301, -310):
        assert call(guard, body, **signed(guard, body, id="old", late=late)).status_code == 401
    assert hooks.forget_messages(at=clock.now() + timedelta(minutes=9)) == 0
    assert hooks.forget_messages(at=clock.now() + timedelta(minutes=11)) == 1


def test_what_was_altered_or_signed_by_another_secret_is_not_believed(db: str) -> None:
    cast = story()
    live(cast)
    guard = made(cast, Source(kind="webhook"))
    body = b'{"a": 1}'
    good = signed(guard, body)
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    for headers, sent in (
        (good, b'{"a": 2}'),
        ({**good, "webhook-id": "msg_2"}, body),
        ({**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}, body),
        ({**good, "webhook-timestamp": "99999999999999"}, body),
        ({**good, "webhook-signature": ""}, body),
        ({**good, "webhook-signature": "v1," + "A" * 44}, body),
        (signed(guard, body, secret=other), body),
        ({}, body),
    ):
        assert call(guard, sent, **headers).status_code == 401
    assert not Message.objects.exists()
    assert config().enabled


def test_a_message_that_could_not_be_carried_out_may_come_again(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between taking the message and switching off: nothing was taken, and the sender repeats it."""
    cast = story()
    live(cast)
    guard = made(cast, Source(kind="webhook"))
    body = b"{}"
    headers = signed(guard, body)

    def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(firing, "fire", dies)
    with pytest.raises(RuntimeError, match="killed"):
        call(guard, body, **headers)
    assert not Message.objects.exists()
    monkeypatch.undo()
    assert call(guard, body, **headers).json()["fired"] is True


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of standard-webhooks' own test suite."""
    body = b'{"test": 2432232314}'
    found = signatures.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp="1614265330", body=body
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_reading_alertmanagers_message_is_strict() -> None:
    message = json.loads(RECORDED.read_text())
    assert sources.alertmanager(LABELS, message) is True
    assert sources.alertmanager(LABELS, {**message, "alerts": ["x", {"status": "firing", "labels": None}]}) is False
    assert sources.alertmanager(LABELS, {**message, "alerts": "x"}) is None
