"""Claims: an address switches one flag off, for whoever holds its secret, once for each request, and nothing else."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from ensign.control.access import findings, people
from ensign.control.audit.minutes import LOUD
from ensign.control.audit.models import Document, Entry
from ensign.control.incidents import hook_views, queries, triggering, triggers
from ensign.control.incidents.models import Trigger, TriggerSecret, TriggerSeen
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign_testkit.changing import FLAG, Story, approve, config, last_entry, live, requested, rows_equal_the_log, story
from ensign_testkit.people import add_person
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some


@pytest.fixture(autouse=True)
def _no_limit_from_before() -> None:
    hook_views._limiter.cache_clear()


def made(cast: Story, mode: str = "signed", **more: Any) -> triggers.NewTrigger:
    said = {"name": "alertmanager", "project": "shop", "environment": "production", "flag": FLAG, **more}
    return triggers.make(actor=cast.dev, at=cast.at, mode=mode, **said)


def signed(new: triggers.NewTrigger, *, id: str = "msg_1", at: datetime | None = None, body: bytes = b"{}") -> Any:
    stamp = int((at or clock.now()).timestamp())
    signature = triggering.signature(new.secret, id=id, timestamp=stamp, body=body)
    return {"webhook-id": id, "webhook-timestamp": str(stamp), "webhook-signature": signature}


def post(new: triggers.NewTrigger, headers: Any, body: bytes = b"{}", *, path: str = "") -> Any:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    return client.post(
        f"/hooks/kill/{new.trigger.id}{path}", data=body, content_type="application/json", headers=headers
    )


def on_again(cast: Story) -> None:
    from ensign.control.changes import operations as door  # deferred: one test alone needs it
    from ensign.control.changes.domain.flag_operations import FlagEnable  # deferred: one test alone needs it

    done = requested(cast, (FlagEnable(flag=FLAG),))
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)


def test_a_signed_request_switches_off_and_says_so_in_the_log(db: str) -> None:
    cast = story()
    live(cast)
    new = made(cast)
    answer = post(new, signed(new))
    assert (answer.status_code, answer.json()["already"], answer.json()["off"]) == (200, False, True)
    assert not config().enabled
    entry = last_entry("change_request.applied")
    assert entry["approval"]["mode"] == "standard"
    assert entry["actor"] == {"kind": "system", "id": "sys_kill_trigger", "via": "token", "token": new.trigger.id}
    assert entry["detail"]["trigger"] == new.trigger.id
    assert entry["detail"]["made_by"] == cast.dev.id
    kill = queries.kills()[0]
    assert (kill.trigger, kill.reason_status) == (new.trigger.id, "open")
    assert rows_equal_the_log()
    again = post(new, signed(new, id="msg_2"))
    assert (again.status_code, again.json()["already"]) == (200, True)
    assert len(queries.kills()) == 1


def test_the_same_request_is_acted_on_once_even_when_the_flag_is_on_again(db: str) -> None:
    cast = story()
    live(cast)
    new = made(cast)
    headers = signed(new)
    assert post(new, headers).status_code == 200
    on_again(cast)
    replayed = post(new, headers)
    assert replayed.json() == {
        "flag": FLAG, "environment": "production", "off": False, "already": True, "replayed": True
    }  # fmt: skip
    assert config().enabled
    triggers.summarise(at=clock.now() + timedelta(minutes=11))
    assert not TriggerSeen.objects.exists()


def test_only_post_acts(db: str) -> None:
    cast = story()
    live(cast)
    new = made(cast, "secret")
    client = Client()
    for method in ("get", "head", "put", "delete", "options"):
        answer = getattr(client, method)(f"/hooks/kill/{new.trigger.id}/{new.secret}")
        assert answer.status_code == 405
    assert config().enabled
    assert post(new, {}, path=f"/{new.secret}").json()["already"] is False
    assert not config().enabled


def test_a_secret_alone_goes_in_a_header_too(db: str) -> None:
    cast = story()
    live(cast)
    new = made(cast, "secret")
    assert post(new, {"Authorization": f"Bearer {new.secret}"}).status_code == 200
    assert not config().enabled


def test_refusals_tell_nothing_and_are_summed_up(db: str) -> None:
    cast = story()
    live(cast)
    new, plain = made(cast), made(cast, "secret")
    late = signed(new, at=clock.now() - timedelta(minutes=6))
    early = signed(new, at=clock.now() + timedelta(minutes=6))
    other = signed(made(cast, name="other"))
    tries = [
        post(new, {}), post(new, late), post(new, early), post(new, other),
        post(new, signed(new, body=b"[]")), post(new, {"Authorization": f"Bearer {plain.secret}"}),
        post(plain, {"Authorization": "Bearer x"}), post(plain, signed(new)), post(plain, {}, path="/x"),
        post(replace(new, trigger=replace(new.trigger, id="ktr_00000000000000000000000000")), signed(new)),
    ]  # fmt: skip
    assert {answer.status_code for answer in tries} == {401}
    assert len({answer.content for answer in tries}) == 1
    assert config().enabled
    refused = Entry.objects.filter(action="kill_trigger.refused").order_by("seq")
    codes = [json.loads(body)["detail"]["code"] for body in refused.values_list("body", flat=True)]
    assert codes == [
        *["unsigned", "stale", "stale", "bad_signature", "bad_signature", "unsigned"],
        *["no_token", "no_token", "no_token", "unknown"],
    ]  # fmt: skip
    for _ in range(25):
        post(new, {})
    assert Entry.objects.filter(action="kill_trigger.refused").count() == LOUD
    triggers.summarise(at=clock.now() + timedelta(minutes=2))
    assert last_entry("kill_trigger.refusals")["detail"]["count"] == 15
    triggers.summarise(at=clock.now() + timedelta(minutes=4))
    assert Entry.objects.filter(action="kill_trigger.refusals").count() == 1


def test_more_than_sixty_calls_a_minute_from_one_address_are_turned_away(db: str) -> None:
    cast = story()
    live(cast)
    new = made(cast)
    statuses = [post(new, {}).status_code for _ in range(hook_views.RATE + 1)]
    assert statuses[-1] == 429
    assert statuses.count(401) == hook_views.RATE


def test_what_ended_or_was_revoked_does_nothing_and_its_key_is_gone(db: str) -> None:
    cast = story()
    live(cast)
    new, short = made(cast), made(cast, name="short", days=1)
    ended = triggers.revoke(actor=cast.admin, at=cast.at, trigger_id=new.trigger.id)
    assert ended.status == "revoked"
    assert TriggerSecret.objects.filter(pk=new.trigger.id).count() == 0
    assert post(new, signed(new)).status_code == 401
    with pytest.raises(triggering.BadRequest, match="ended"):
        triggers.fire(
            trigger_id=short.trigger.id, headers=signed(short, at=cast.later(days=2)), body=b"{}", token="",
            at=cast.later(days=2), now=clock.now,
        )  # fmt: skip
    with pytest.raises(Conflict):
        triggers.revoke(actor=cast.admin, at=cast.at, trigger_id=new.trigger.id)
    assert config().enabled


def test_off_that_would_switch_a_dependant_on_is_refused_here_too(db: str) -> None:
    from ensign.control.changes import operations as door  # deferred: one test alone needs it
    from ensign.control.changes.domain.content_operations import DependencySet  # deferred: one test alone needs it
    from ensign.control.changes.domain.flag_operations import FlagEnable  # deferred: one test alone needs it
    from ensign.control.flags.domain import Dependency  # deferred: one test alone needs it

    cast = story()
    live(cast)
    fallback = requested(
        cast,
        (DependencySet(flag="old-banner", dependency=Dependency(flag=FLAG, enabled=False)),
         FlagEnable(flag="old-banner")),
    )  # fmt: skip
    approve(cast, fallback)
    door.apply(actor=cast.dev, at=cast.at, request_id=fallback.request.id)
    new = made(cast)
    answer = post(new, signed(new))
    assert (answer.status_code, answer.json()["code"]) == (409, "switches-on")
    assert config().enabled


def test_who_may_make_one_and_within_what_bounds(db: str) -> None:
    cast = story()
    for actor in (cast.viewer, cast.approver, add_person("Rae", "requester", at=cast.at)):
        with pytest.raises(Denied):
            made(replace(cast, dev=actor))
    for wrong in ({"days": 0}, {"days": 366}, {"mode": "none"}):
        with pytest.raises(Invalid):
            made(cast, **wrong)
    new = made(cast)
    stored = " ".join(Document.objects.values_list("content", flat=True)) + str(Entry.objects.last().body)  # type: ignore[union-attr]  # there are entries
    stored += Trigger.objects.get(pk=new.trigger.id).content + TriggerSecret.objects.get(pk=new.trigger.id).sealed
    assert new.secret.removeprefix("whsec_")[5:] not in stored
    plain = made(cast, "secret")
    assert plain.secret not in Trigger.objects.get(pk=plain.trigger.id).content


def test_one_made_by_somebody_who_left_goes_on_and_is_a_finding(db: str) -> None:
    cast = story()
    live(cast)
    new = made(cast)
    people.deactivate(actor=cast.admin, at=cast.at, person_id=cast.dev.id)
    found = [one.subject for one in findings.findings(at=cast.later(minutes=1)) if one.code == "trigger-of-leaver"]
    assert found == [new.trigger.id]
    assert post(new, signed(new)).status_code == 200
    assert not config().enabled


KEY = triggering.new_key()
NOW = datetime.fromisoformat("2026-03-02T09:00:00+00:00")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=some.binary(max_size=50), other=some.binary(max_size=50), id=some.text("abc_", min_size=1, max_size=8),
    off=some.integers(-900, 900), more=some.sampled_from(["", "v1,AAAA ", "v2,x "]),
)  # fmt: skip
def test_a_signature_is_good_for_its_body_and_time_alone(
    body: bytes, other: bytes, id: str, off: int, more: str
) -> None:
    stamp = int(NOW.timestamp()) + off
    signature = triggering.signature(KEY, id=id, timestamp=stamp, body=body)
    headers = {"webhook-id": id, "webhook-timestamp": str(stamp), "webhook-signature": more + signature}

    def good(headers: dict[str, str], body: bytes, key: str = KEY) -> bool:
        try:
            return triggering.check_signed(headers, body, key=key, at=NOW) == id
        except triggering.BadRequest:
            return False

    assert good(headers, body) == (abs(off) <= 300)
    assert not good(headers, body + b"x")
    assert other == body or not good(headers, other)
    assert not good({**headers, "webhook-id": id + "x"}, body)
    assert not good({**headers, "webhook-timestamp": str(stamp + 1)}, body)
    assert not good(headers, body, triggering.new_key())


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's reference libraries."""
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    made_ = triggering.signature(key, id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body)
    assert made_ == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_calls_at_the_same_moment_are_one_kill_and_one_already(db: str) -> None:
    """Both see the flag on; one waits for the other's commit and then finds it off."""
    cast = story()
    live(cast)
    new = made(cast, "secret")
    answers: list[tuple[int, bool]] = []

    def call() -> None:
        try:
            answer = post(new, {"Authorization": f"Bearer {new.secret}"})
            answers.append((answer.status_code, answer.json()["already"]))
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [(200, False), (200, True), (200, True), (200, True)]
    assert len(queries.kills()) == 1
