"""Claims: an inbox is one's own and leads where one acts; a link in a message leads there after signing in; a secret is
shown once, and what was typed stays but for secrets; people and programs do the same through the same operations."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from ensign.control.integrations import follower, mailing, preferences, registry
from ensign.control.integrations.domain.table import Topic
from ensign.control.integrations.models import Notice
from ensign_testkit.changing import Story, launch, requested
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.posting import Post

PASSWORD = "correct horse battery staple"  # a test's own


@pytest.fixture
def told(cast: Story) -> str:
    """A request that waits for review and was told; its id."""
    request = requested(cast, launch()).request
    follower.follow(at=cast.at)
    return request.id


def test_the_inbox_shows_leads_on_and_counts_down(cast: Story, told: str) -> None:
    client = sign_in(Client(), cast.approver)
    page = client.get("/inbox").content.decode()
    assert "asks for review of" in page
    assert '<span class="nav-count">' in page
    notice = Notice.objects.get(person=cast.approver.id)
    gone = client.get(f"/inbox/{notice.pk}")
    assert (gone.status_code, gone["Location"]) == (302, f"/requests/{told}")
    notice.refresh_from_db()
    assert notice.read_at is not None
    assert "Nothing unread" in client.get("/inbox").content.decode()
    assert "asks for review of" in client.get("/inbox?show=all").content.decode()
    client.post("/inbox/read", {"notice": str(notice.pk), "act": "unread"})
    notice.refresh_from_db()
    assert notice.read_at is None
    client.post("/inbox/read")
    notice.refresh_from_db()
    assert notice.read_at is not None


def test_nobody_opens_the_notice_of_somebody_else(cast: Story, told: str) -> None:
    notice = Notice.objects.get(person=cast.approver.id)
    client = sign_in(Client(), cast.viewer)
    assert client.get(f"/inbox/{notice.pk}").status_code == 404
    client.post("/inbox/read", {"notice": str(notice.pk)})
    notice.refresh_from_db()
    assert notice.read_at is None


def test_a_link_of_a_message_leads_through_signing_in_to_its_page(cast: Story, told: str) -> None:
    add_person("Rita Reviewer", "approver", email="rita@example.com", at=cast.at, password=PASSWORD)
    client = Client()
    led = client.get(f"/requests/{told}")
    assert led.status_code == 302
    assert led["Location"].startswith("/login?next=")
    assert told in led["Location"]
    form = {"email": "rita@example.com", "password": PASSWORD, "next": f"/requests/{told}"}
    done = client.post(led["Location"], form)
    assert done["Location"].partition("?")[0] in {f"/requests/{told}", "/login/second-factor"}


def test_what_was_settled_meanwhile_does_not_ask_for_anything(cast: Story, told: str) -> None:
    from ensign.control.changes import operations as door  # here: only this claim ends a request

    door.withdraw(actor=cast.dev, at=cast.at, request_id=told)
    page = sign_in(Client(), cast.approver).get("/inbox").content.decode()
    assert "Withdrawn" in page
    assert "Needs you" not in page


def test_how_one_is_told_is_chosen_on_a_page(cast: Story) -> None:
    client = sign_in(Client(), cast.viewer)
    assert "No e-mails are sent here" in client.get("/account/notifications").content.decode()
    client.post("/account/notifications", {"review": "never", "talk": "now"})
    assert preferences.of(cast.viewer.id)[Topic.REVIEW] == "never"
    assert preferences.of(cast.viewer.id)[Topic.TALK] == "now"
    assert client.post("/account/notifications", {"review": "weekly"}).status_code == 422


def test_a_webhook_is_made_on_a_page_and_its_secret_shown_once(cast: Story, near: None) -> None:
    client = sign_in(Client(), cast.admin)
    form = {"kind": "webhook", "name": "Hook", "url": "https://1.1.1.1/hook?key=t0psecret", "topics": ["review"]}
    made = client.post("/projects/shop/integrations/new", form)
    page = made.content.decode()
    assert "whsec_" in page
    assert "no-store" in made["Cache-Control"]
    (view,) = registry.integrations(project="shop")
    later = client.get(f"/integrations/{view.id}").content.decode()
    assert "whsec_" not in later
    assert "t0psecret" not in later
    assert "1.1.1.1" in later
    again = client.post(f"/integrations/{view.id}/act", {"act": "rotate"})
    assert "whsec_" in again.content.decode()
    assert client.post(f"/integrations/{view.id}/act", {"act": "test"}).status_code == 303


def test_bad_input_keeps_what_was_typed_but_no_secret(cast: Story) -> None:
    client = sign_in(Client(), cast.admin)
    form = {"kind": "slack", "name": "Our channel", "url": "https://127.0.0.1/services/T/B/secret"}
    made = client.post("/projects/shop/integrations/new", form)
    page = made.content.decode()
    assert made.status_code == 422
    assert "Our channel" in page
    assert "not a public address" in page
    assert "T/B/secret" not in page


def test_integrations_are_for_who_manages_them(cast: Story) -> None:
    for actor in (cast.dev, cast.viewer):
        client = sign_in(Client(), actor)
        assert client.get("/settings/integrations").status_code == 403
        assert client.get("/projects/shop/integrations").status_code == 403
    assert sign_in(Client(), cast.admin).get("/settings/integrations").status_code == 200


def test_a_test_e_mail_goes_to_who_asks(cast: Story, post: Post) -> None:
    client = sign_in(Client(), cast.admin)
    client.post("/settings/integrations/mail")
    assert post.recipients == ["ada.admin@example.com"]
    assert mailing.configured()


def test_the_same_by_api(cast: Story, told: str) -> None:
    client = sign_in(Client(), cast.approver)
    items = client.get("/api/v1/notices?unread=true").json()["items"]
    assert [item["topic"] for item in items] == ["review"]
    assert items[0]["url"].endswith(f"/requests/{told}")
    done = client.post("/api/v1/notices/mark", json.dumps({}), content_type="application/json").json()
    assert done == {"changed": 1, "unread": 0}
    admin = sign_in(Client(), cast.admin)
    body = {"kind": "webhook", "name": "Hook", "project": "shop", "url": "https://1.1.1.1/x", "topics": ["weather"]}
    wrong = admin.post("/api/v1/integrations", json.dumps(body), content_type="application/json")
    assert wrong.status_code == 422
    made = admin.post(
        "/api/v1/integrations", json.dumps({**body, "topics": ["review"]}), content_type="application/json"
    )
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert "no-store" in made["Cache-Control"]
    read = admin.get(f"/api/v1/integrations/{made.json()['id']}").json()
    assert "secret" not in read
    assert "url" not in read
