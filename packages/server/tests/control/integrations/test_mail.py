"""Claims: an e-mail says what happened and where to look, to who may see it at that moment, and no secret leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from ensign import environment
from ensign.control.access import people
from ensign.control.changes import operations as door
from ensign.control.integrations import digests, follower, mailing, preferences, sending
from ensign.control.integrations.domain.messages import Mail
from ensign.control.integrations.domain.preferences import DEFAULTS
from ensign.control.integrations.domain.table import Topic
from ensign.control.integrations.models import Delivery, Notice
from ensign.control.kernel.errors import Invalid
from ensign_testkit.certificates import Authority
from ensign_testkit.changing import Story, launch, requested
from ensign_testkit.posting import PASSWORD, USER, Post, posting
from ensign_testkit.telling import smtp

SAYS = Mail(subject="A test", text="A test", html="<p>A test</p>")


def send(cast: Story, **later: float) -> int:
    at = cast.later(**later)
    return sending.send_due(at=at, now=lambda: at)


def happen(cast: Story) -> None:
    requested(cast, launch())
    follower.follow(at=cast.at)


def test_reviewers_get_one_e_mail_in_two_forms_with_a_link_and_no_difference(cast: Story, post: Post) -> None:
    happen(cast)
    assert send(cast) == 2
    assert sorted(post.recipients) == ["rev.reviewer@example.com", "sec.second@example.com"]
    message = post.got[0]
    assert message["Subject"].strip().startswith("Dan Dev asks for review of")
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    plain = message.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    assert "https://ensign.halyard.example/requests/crq_" in text
    assert "https://ensign.halyard.example/account/notifications" in text
    assert "%" not in text, "what changes is looked at signed in"


def test_several_things_for_one_person_are_one_e_mail(cast: Story, post: Post) -> None:
    for _ in range(3):
        requested(cast, launch())
    follower.follow(at=cast.at)
    send(cast)
    assert len(post.got) == 2
    assert post.got[0]["Subject"] == "3 things in Ensign"
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}


def test_who_was_deactivated_meanwhile_gets_nothing(cast: Story, post: Post) -> None:
    happen(cast)
    people.deactivate(actor=cast.admin, at=cast.at, person_id=cast.second.id)
    send(cast)
    assert post.recipients == ["rev.reviewer@example.com"]
    assert Delivery.objects.get(target=cast.second.id).status == "dropped"


def test_who_chose_no_e_mail_gets_none_and_the_inbox_has_it_all_the_same(cast: Story, post: Post) -> None:
    preferences.choose(actor=cast.approver, wanted={"review": "never"})
    happen(cast)
    send(cast)
    assert post.recipients == ["sec.second@example.com"]
    assert Notice.objects.filter(person=cast.approver.id).count() == 1


def test_a_digest_waits_for_the_morning_and_is_one_e_mail(cast: Story, post: Post) -> None:
    request = requested(cast, launch()).request
    for text in ("One", "Two"):
        door.comment(actor=cast.second, at=cast.at, request_id=request.id, text=text)
    follower.follow(at=cast.at)
    Delivery.objects.exclude(target=cast.dev.id).delete()
    assert send(cast) == 0
    assert digests.release(at=cast.at) == 0
    tomorrow = cast.at.replace(hour=digests.HOUR, minute=0, second=1) + timedelta(days=1)
    assert digests.release(at=tomorrow) == 2
    sending.send_due(at=tomorrow, now=lambda: tomorrow)
    (message,) = post.got
    assert message["Subject"] == "2 things in Ensign"


def test_a_server_that_is_down_is_tried_again_and_one_that_refuses_for_good_is_not(cast: Story, post: Post) -> None:
    happen(cast)
    post.refuse = "451 try later"
    send(cast)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"due"}
    post.refuse = "550 no such user"
    send(cast, seconds=6)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"dead"}
    tries = "".join(Delivery.objects.values_list("tries", flat=True))
    assert "550" in tries
    assert "@" not in tries, "addresses do not stand in the log of tries"


def test_starttls_checks_the_certificate_and_the_password_goes_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with posting(context=authority.server("localhost"), password=True) as post:
        use: Callable[[], object] = lambda: mailing.send(SAYS, to="anna@example.com")  # noqa: E731  # said twice
        with smtp(post, SMTP_HOST="localhost", SMTP_TLS="starttls", SMTP_USER=USER, SMTP_PASSWORD=PASSWORD):
            with pytest.raises(OSError, match="SSLCertVerificationError"):
                use()
            assert post.got == []
            monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
            use()
            assert post.encrypted == [True]


def test_a_name_cannot_forge_a_header(post: Post) -> None:
    with pytest.raises(OSError, match="BadHeaderError"):
        mailing.send(Mail(subject="x\r\nBcc: all@example.com", text="x", html="x"), to="anna@example.com")
    assert post.got == []


def test_without_a_server_no_e_mail_waits(cast: Story) -> None:
    happen(cast)
    assert Notice.objects.count() == 2
    assert Delivery.objects.count() == 0


def test_what_happened_days_ago_is_not_mailed(cast: Story, post: Post) -> None:
    requested(cast, launch())
    follower.follow(at=cast.later(days=4))
    assert Notice.objects.count() == 2
    assert Delivery.objects.count() == 0


def test_preferences_are_checked_and_kept() -> None:
    assert set(DEFAULTS) == set(Topic)


def test_a_choice_that_there_is_not_is_refused_by_name(cast: Story) -> None:
    with pytest.raises(Invalid) as caught:
        preferences.choose(actor=cast.dev, wanted={"review": "sometimes", "weather": "now"})
    assert set(caught.value.fields) == {"review", "weather"}
    preferences.choose(actor=cast.dev, wanted={"talk": "now"})
    preferences.choose(actor=cast.dev, wanted={"mine": "never"})
    assert preferences.of(cast.dev.id) == {**DEFAULTS, Topic.TALK: "now", Topic.MINE: "never"}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"PORT": "25"}, "HOST"),
        ({"HOST": "mail", "FROM": "nobody"}, "FROM"),
        ({"HOST": "mail", "FROM": "a@b", "TLS": "perhaps"}, "TLS"),
        ({"HOST": "mail", "FROM": "a@b", "TLS": "none", "USER": "u", "PASSWORD": "p"}, "unencrypted"),
    ],
)
def test_settings_that_do_not_hold_together_stop_the_start(
    given: dict[str, str], wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"ENSIGN_SMTP_{name}", value)
    with pytest.raises(ValueError, match=wrong):
        environment.mail()


def test_a_delivery_says_what_came_of_each_try(cast: Story, post: Post) -> None:
    happen(cast)
    send(cast)
    (tried,) = json.loads(Delivery.objects.filter(target=cast.approver.id).get().tries)
    assert tried["problem"] == ""
    assert tried["ms"] >= 0
