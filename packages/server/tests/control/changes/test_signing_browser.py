"""Claims, in a real Chromium with a virtual authenticator: a reviewer is led to make an approval key and signs what the
page shows; a device that does not recognise its user signs nothing, a page that is out of date neither; and the bundle
verifies offline by Chromium's own signature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from ensign.control.audit.export import export
from ensign.control.changes import operations as door
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.models import Request
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign_ledger.report import Outcome
from ensign_ledger.verify import verify_bundle
from ensign_testkit.authenticators import Device, device, serving_here
from ensign_testkit.browsing import look
from ensign_testkit.changing import Story, last_entry, launch, requested, story
from ensign_testkit.people import SYSTEM
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"
SHOTS = Path(__file__).parents[5] / "test-results" / "signing"


@pytest.fixture
def address(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # Playwright's synchronous API keeps an event loop in this thread, in which Django would refuse the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with serving_here() as found:
        monkeypatch.setattr(settings, "PUBLIC_URL", found)
        yield found


@pytest.fixture
def cast(db: str) -> Story:
    """The story, in whose production approvals are signed; the reviewer can sign in."""
    cast = story()
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=PolicyRules(approvals=1, further=Demand(signed=True))),),
        title="Sign approvals", reason="The auditors ask for it.",
    )  # fmt: skip
    door.review(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    account = Account.objects.get(person_id=cast.approver.id)
    account.set_password(PASSWORD)
    account.save()
    return cast


@pytest.fixture
def reviewer(address: str, cast: Story) -> Iterator[Device]:
    """The reviewer at their device, signed in, with a passkey that is no approval key yet."""
    with device() as made:
        page = made.page
        page.goto(f"{address}/login")
        page.get_by_label("E-mail address").fill("rev.reviewer@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url(f"{address}/")
        page.goto(f"{address}/account/security/passkey")
        page.get_by_label("Name of the passkey").fill("laptop")
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Make the passkey").click()
        expect(page.get_by_role("rowheader", name="laptop")).to_be_visible()
        yield made
        assert not made.complaints


def record() -> None:
    """Keep what Chromium signed: ``packages/ledger/tests/make_passkey_vectors.py`` makes vectors of it."""
    entries = [last_entry(action) for action in ("approval_key.enrolled", "change_request.approved")]
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / "recorded.json").write_text(json.dumps(entries, indent=1))


def make_key(page: Page) -> None:
    page.get_by_role("button", name="Make it an approval key").click()


def test_a_reviewer_makes_a_key_signs_and_the_bundle_verifies_offline(
    address: str, cast: Story, reviewer: Device, tmp_path: Path
) -> None:
    page, done = reviewer.page, requested(cast, launch(10))
    page.goto(f"{address}/requests/{done.request.id}")
    expect(page.get_by_text("You have no approval key yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    look(page, SHOTS, "1-no-key")
    page.get_by_role("link", name="Make an approval key").click()
    look(page, SHOTS, "2-keys")
    make_key(page)
    page.wait_for_url(f"{address}/requests/{done.request.id}")
    page.get_by_role("textbox", name="Comment", exact=True).fill("Looks right.")
    look(page, SHOTS, "3-sign")
    page.get_by_role("button", name="Approve and sign this change in Production").click()
    expect(page.get_by_text("signed this with a passkey (ES256)")).to_be_visible()
    expect(page.get_by_text("The key had been made less than a day before")).to_be_visible()
    expect(page.get_by_text("Looks right.")).to_be_visible()
    page.get_by_text("What was signed").click()
    look(page, SHOTS, "4-signed")
    door.apply(actor=cast.dev, at=clock.now(), request_id=done.request.id)
    page.reload()
    expect(page.get_by_text("signed this with a passkey (ES256)")).to_be_visible()
    page.goto(f"{address}/account/approval-keys")
    page.get_by_role("button", name="Revoke laptop").click()
    expect(page.get_by_text("Revoked. What it signed")).to_be_visible()
    look(page, SHOTS, "5-revoked")

    record()
    made = export(out=tmp_path / "bundle", actor=SYSTEM, at=clock.now())
    report = verify_bundle(tmp_path / "bundle", keys=[made.fingerprint])
    assert report.valid, report.as_json()
    assert report.outcome(17) is Outcome.VALID
    signed = next(one for one in report.checks if one.id == 17)
    assert signed.detail.startswith("1 signatures by 1 keys")


def test_a_device_that_does_not_recognise_its_user_signs_nothing(address: str, cast: Story, reviewer: Device) -> None:
    page, done = reviewer.page, requested(cast, launch(10))
    page.goto(f"{address}/account/approval-keys?next=/requests/{done.request.id}")
    reviewer.recognises_its_user(False)
    make_key(page)
    expect(page.locator("[data-passkey-problem]")).to_contain_text("cancelled, or the time for it ran out")
    reviewer.recognises_its_user(True)
    make_key(page)
    page.wait_for_url(f"{address}/requests/{done.request.id}")
    reviewer.recognises_its_user(False)
    page.get_by_role("button", name="Approve and sign").click()
    expect(page.locator("[data-passkey-problem]")).to_contain_text("cancelled, or the time for it ran out")
    assert not Request.objects.get(pk=done.request.id).state["approvals"]


def test_a_page_that_is_out_of_date_gets_nothing_signed(address: str, cast: Story, reviewer: Device) -> None:
    page, done = reviewer.page, requested(cast, launch(10))
    page.goto(f"{address}/account/approval-keys?next=/requests/{done.request.id}")
    make_key(page)
    page.wait_for_url(f"{address}/requests/{done.request.id}")
    door.edit(actor=cast.dev, at=clock.now(), request_id=done.request.id, title="Another title")
    page.get_by_role("button", name="Approve and sign").click()
    expect(page.locator("[data-passkey-problem]")).to_contain_text("changed since you looked at it")
    assert not Request.objects.get(pk=done.request.id).state["approvals"]


def test_the_page_of_somebody_without_a_passkey_teaches_what_to_do_and_leads_back(address: str, cast: Story) -> None:
    done = requested(cast, launch(10))
    account = Account.objects.get(person_id=cast.second.id)
    account.set_password(PASSWORD)
    account.save()
    with device() as made:
        page = made.page
        back = quote(f"/account/approval-keys?next=/requests/{done.request.id}")
        page.goto(f"{address}/login?next={back}")
        page.get_by_label("E-mail address").fill("sec.second@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="No passkey yet")).to_be_visible()
        look(page, SHOTS, "6-empty")
        page.get_by_role("link", name="Enrol a passkey").click()
        page.get_by_label("Name of the passkey").fill("laptop")
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Make the passkey").click()
        make_key(page)
        page.wait_for_url(f"{address}/requests/{done.request.id}")
        expect(page.get_by_role("button", name="Approve and sign this change in Production")).to_be_visible()
        assert not made.complaints
