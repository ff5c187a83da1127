"""Claims: a message leaves at least once, signed as Standard Webhooks says, on a bounded schedule; what a receiver does
wrong is written down and harms nothing else; who does not answer for days is switched off, and its managers know."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ensign.control.audit.models import Document, Entry
from ensign.control.integrations import follower, operations, registry, sealed, sending
from ensign.control.integrations.domain import retries, signing
from ensign.control.integrations.models import Delivery, Notice, Secret
from ensign.control.integrations.operations import Wish
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.projects.operations import create_project
from ensign_testkit.certificates import Authority
from ensign_testkit.changing import Story, launch, requested, rows_equal_the_log
from ensign_testkit.receiving import Received, Receiver, receiving

SECONDS = timedelta(seconds=1)


@pytest.fixture
def receiver(near: None) -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def make(cast: Story, receiver: Receiver, kind: str = "webhook", **more: Any) -> operations.Made:
    project = more.pop("project", "shop")
    wish = Wish(name="Ours", url=f"{receiver.url}/hook?key=hidden", **more)
    return operations.make(actor=cast.admin, at=cast.at, kind=kind, project=project, wish=wish)


def happen(cast: Story) -> None:
    requested(cast, launch())
    follower.follow(at=cast.at)


def send(at: datetime) -> int:
    return sending.send_due(at=at, now=lambda: at)


def sent(target: str) -> Delivery:
    return Delivery.objects.filter(target=target).latest("made_at", "pk")


def test_a_webhook_is_signed_as_standard_webhooks_says(cast: Story, receiver: Receiver) -> None:
    made = make(cast, receiver)
    happen(cast)
    assert send(cast.at) == 1
    (got,) = receiver.got
    assert got.path == "/hook?key=hidden"
    assert got.headers["webhook-id"] == sent(made.integration.id).id
    assert got.headers["webhook-timestamp"] == str(int(cast.at.timestamp()))
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{wanted}"
    body = json.loads(got.body)
    assert body["type"] == "change_request.submitted"
    assert body["data"]["edition"] == 1
    assert (body["data"]["project"], body["data"]["environment"]) == ("shop", "production")
    assert body["data"]["actor"]["id"] == cast.dev.id
    assert "Dan" not in got.body.decode(), "webhooks name nobody"
    assert sent(made.integration.id).status == "sent"


def test_the_published_example_of_standard_webhooks_is_signed_alike() -> None:
    """The example of its specification, in its libraries' tests."""
    body = b'{"test": 2432232314}'
    made = signing.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=body
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_sign_and_a_day_later_only_the_new_one(cast: Story, receiver: Receiver) -> None:
    made = make(cast, receiver)
    other = operations.rotate(actor=cast.admin, at=cast.at, id=made.integration.id)
    assert other.secret != made.secret
    happen(cast)
    send(cast.at)
    headers = receiver.got[-1].headers
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (made.secret, other.secret):
        assert signing.verifies(
            headers["webhook-signature"], secret=secret, id=headers["webhook-id"],
            timestamp=headers["webhook-timestamp"], body=receiver.got[-1].body, at=cast.at,
        )  # fmt: skip
    later = cast.later(hours=25)
    view = registry.integration(made.integration.id)
    from ensign.control.integrations import outgoing  # here: only this claim asks for the secrets

    assert outgoing.secrets_of(view, at=later) == [other.secret]


@pytest.mark.parametrize(("status", "said"), [(500, "answered 500"), (302, "redirects are not followed")])
def test_an_answer_that_is_no_success_is_tried_again_on_the_documented_schedule(
    cast: Story, receiver: Receiver, status: int, said: str
) -> None:
    receiver.always(status, Location="http://169.254.169.254/")
    made = make(cast, receiver)
    happen(cast)
    at, times = cast.at, []
    for wait in retries.WAITS:
        assert send(at) == 1
        row = sent(made.integration.id)
        assert row.status == "due"
        assert row.next_at == at + wait
        assert send(at + wait - SECONDS) == 0
        times.append(row.next_at)
        at = row.next_at
    assert send(at) == 1
    row = sent(made.integration.id)
    assert row.status == "dead"
    assert len(receiver.got) == retries.TRIES == 10
    assert len({request.headers["webhook-id"] for request in receiver.got}) == 1
    assert said in json.loads(row.tries)[-1]["problem"]
    view = registry.integration(made.integration.id)
    assert (view.status, view.why) == ("disabled", "failing")
    follower.follow(at=at)
    assert Notice.objects.filter(person=cast.admin.id, topic="integration").count() == 1
    assert rows_equal_the_log()


def test_gone_switches_off_at_once(cast: Story, receiver: Receiver) -> None:
    receiver.always(410)
    made = make(cast, receiver)
    happen(cast)
    send(cast.at)
    assert registry.integration(made.integration.id).why == "gone"
    assert sent(made.integration.id).status == "dead"


def test_one_that_answers_again_meanwhile_is_not_switched_off(cast: Story, receiver: Receiver) -> None:
    made = make(cast, receiver)
    happen(cast)
    Delivery.objects.update(tried=retries.TRIES - 1)
    operations.try_out(actor=cast.admin, at=cast.at, id=made.integration.id)
    receiver.answer = lambda request: (200 if b'"test"' in request.body else 500, {}, b"")
    send(cast.at)
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["dead", "sent"]
    assert registry.integration(made.integration.id).status == "active"


def test_an_answer_without_end_counts_as_what_its_status_says(cast: Story, receiver: Receiver) -> None:
    receiver.always(200, b"x" * 2_000_000)
    made = make(cast, receiver)
    happen(cast)
    send(cast.at)
    assert sent(made.integration.id).status == "sent"


def test_a_silent_receiver_is_cut_off_and_others_get_theirs_meanwhile(
    cast: Story, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensign.control.integrations.outgoing.TIMEOUT", 0.5)
    slow = make(cast, receiver)
    receiver.hold.clear()
    with receiving() as other:
        quick = make(cast, other)
        happen(cast)
        send(cast.at)
        assert sent(quick.integration.id).status == "sent"
    assert sent(slow.integration.id).status == "due"
    assert "no answer within" in json.loads(sent(slow.integration.id).tries)[-1]["problem"]


def test_a_certificate_that_nobody_vouches_for_is_refused(cast: Story, near: None, tmp_path: Path) -> None:
    with receiving(context=Authority(tmp_path).server("127.0.0.1")) as receiver:
        made = make(cast, receiver)
        happen(cast)
        send(cast.at)
        assert receiver.got == []
    assert "certificate" in json.loads(sent(made.integration.id).tries)[-1]["problem"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/", "http://169.254.169.254/", "https://user:pass@example.com/", "ftp://x/", "http://[::1]/"],
)
def test_no_integration_reaches_inside(cast: Story, url: str) -> None:
    with pytest.raises(Invalid) as caught:
        operations.make(actor=cast.admin, at=cast.at, kind="webhook", project="shop", wish=Wish(name="In", url=url))
    assert "url" in caught.value.fields


def test_an_address_that_turned_inside_since_gets_nothing(
    cast: Story, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(cast, receiver)
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "")
    happen(cast)
    send(cast.at)
    assert receiver.got == []
    assert "not a public address" in json.loads(sent(made.integration.id).tries)[-1]["problem"]


def test_filters_by_topic_environment_and_project(cast: Story, receiver: Receiver) -> None:
    create_project(actor=cast.admin, at=cast.at, key="bank", name="Bank", preset="small-team")
    wanted = make(cast, receiver, topics=("review",), environments=("production",))
    make(cast, receiver, topics=("emergency",))
    make(cast, receiver, environments=("staging",))
    make(cast, receiver, project="bank")
    everywhere = make(cast, receiver, project=None)
    happen(cast)
    assert set(Delivery.objects.values_list("target", flat=True)) == {wanted.integration.id, everywhere.integration.id}


def test_what_is_switched_off_gets_nothing_and_can_be_sent_again_later(cast: Story, receiver: Receiver) -> None:
    made = make(cast, receiver)
    happen(cast)
    operations.disable(actor=cast.admin, at=cast.at, id=made.integration.id)
    send(cast.at)
    row = sent(made.integration.id)
    assert (row.status, receiver.got) == ("dropped", [])
    with pytest.raises(Conflict):
        operations.redeliver(actor=cast.admin, at=cast.at, delivery=row.pk)
    operations.enable(actor=cast.admin, at=cast.at, id=made.integration.id)
    operations.redeliver(actor=cast.admin, at=cast.at, delivery=row.pk)
    send(cast.at)
    assert receiver.got[0].headers["webhook-id"] == row.pk


def test_slack_and_teams_get_their_forms_with_a_button_that_only_links(cast: Story, receiver: Receiver) -> None:
    make(cast, receiver, kind="slack")
    make(cast, receiver, kind="teams")
    happen(cast)
    send(cast.at)
    bodies = sorted((json.loads(got.body) for got in receiver.got), key=lambda body: "blocks" in body)
    card, blocks = bodies
    assert [block["type"] for block in blocks["blocks"]] == ["section", "context", "actions"]
    (button,) = blocks["blocks"][-1]["elements"]
    assert set(button) == {"type", "text", "url"}, "no action_id, no value: nothing comes back from a chat"
    assert "/requests/crq_" in button["url"]
    content = card["attachments"][0]["content"]
    assert card["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [action["type"] for action in content["actions"]] == ["Action.OpenUrl"]
    assert all("webhook-signature" not in got.headers for got in receiver.got)


def test_secrets_are_sealed_shown_once_and_gone_with_the_integration(cast: Story, receiver: Receiver) -> None:
    made = make(cast, receiver)
    stored = "".join(Secret.objects.values_list("sealed", flat=True))
    log = "".join(Entry.objects.values_list("body", flat=True))
    documents = "".join(text or "" for text in Document.objects.values_list("content", flat=True))
    for text in (made.secret, "key=hidden"):
        assert text not in stored + log + documents
    operations.delete(actor=cast.admin, at=cast.at, id=made.integration.id)
    assert not Secret.objects.filter(pk__startswith=made.integration.id).exists()
    with pytest.raises(Conflict):
        operations.enable(actor=cast.admin, at=cast.at, id=made.integration.id)
    assert not sealed.has(made.integration.id, "url")


def test_only_who_manages_integrations_makes_them(cast: Story, receiver: Receiver) -> None:
    for actor in (cast.dev, cast.approver, cast.viewer):
        with pytest.raises(Denied):
            operations.make(
                actor=actor, at=cast.at, kind="webhook", project="shop", wish=Wish(name="x", url=receiver.url)
            )


def test_a_try_whose_process_died_is_made_again_after_the_lease(cast: Story, receiver: Receiver) -> None:
    make(cast, receiver)
    happen(cast)
    assert len(sending.claim(at=cast.at)) == 1  # and then it dies
    assert send(cast.at) == 0
    assert send(cast.at + retries.LEASE) == 1
    assert len(receiver.got) == 1


def test_the_body_is_what_was_signed_to_the_byte(cast: Story, receiver: Receiver) -> None:
    """A title in any script survives, and cannot forge a header."""
    seen: list[Received] = receiver.got
    made = make(cast, receiver)
    requested(cast, launch())
    from ensign.control.changes.models import Request  # here: only this claim looks at the row

    assert Request.objects.count() == 1
    follower.follow(at=cast.at)
    send(cast.at)
    headers = seen[0].headers
    assert signing.verifies(
        headers["webhook-signature"], secret=made.secret, id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"], body=seen[0].body, at=cast.at,
    )  # fmt: skip
    assert not signing.verifies(
        headers["webhook-signature"], secret=made.secret, id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"], body=seen[0].body + b" ", at=cast.at,
    )  # fmt: skip
    assert not signing.verifies(
        headers["webhook-signature"], secret=made.secret, id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"], body=seen[0].body, at=cast.later(minutes=6),
    )  # fmt: skip
