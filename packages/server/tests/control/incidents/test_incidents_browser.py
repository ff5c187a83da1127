"""Claim: an incident from its declaration to the review, in a browser: kill, emergency change, banner, independent
review; every page on the way is accessible in light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from ensign.control.identity import factors
from ensign.control.identity.models import Account
from ensign.control.incidents import incident_queries, queries
from ensign.control.kernel.actor import Actor
from ensign_testkit import changing
from ensign_testkit.browsing import Codes, browsing, look, press
from ensign_testkit.live import chromium, live
from ensign_testkit.people import add_person
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[5] / "test-results" / "incidents"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def address(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with live(monkeypatch) as url:
        yield url


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    with chromium(monkeypatch) as found:
        yield found


def person(name: str, role: str) -> tuple[Actor, Codes]:
    made = add_person(name, role, password=PASSWORD)
    secret = factors.new_totp_secret()
    TOTP.activate(Account.objects.get(person_id=made.id), secret)
    return made, Codes(secret)


def enter(page: Page, address: str, email: str, codes: Codes) -> None:
    """Sign in with password and code."""
    page.goto(f"{address}/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, re.compile("^Sign in$"))
    page.get_by_label("Code").fill(codes.next())
    press(page, "Continue")


def test_from_the_declaration_to_the_review(address: str, browser: Browser) -> None:
    cast = changing.story()
    changing.live(cast)
    ray, rays = person("Ray Responder", "responder")
    rita, ritas = person("Rita Rew", "approver")
    with browsing(browser) as page, browsing(browser) as other:
        enter(page, address, "ray.responder@example.com", rays)
        page.goto(f"{address}/incidents")
        look(page, SHOTS, "none")
        page.get_by_role("link", name="Declare an incident").first.click()
        page.get_by_label("What is wrong").fill("Checkout fails")
        page.get_by_label("SEV1").check()
        page.get_by_label("Shop (shop)").check()
        look(page, SHOTS, "declare")
        press(page, "Declare it")

        page.locator("summary", has_text="Switch a flag off").click()
        page.locator("#id_kill-place").select_option("shop/production")
        page.locator("#id_kill-flag").fill("no-such-flag")
        press(page, "Switch it off now")
        expect(page.locator("#id_kill-flag")).to_have_value("no-such-flag")
        expect(page.get_by_text("There is no flag “no-such-flag”")).to_be_visible()
        look(page, SHOTS, "kill-refused")
        page.locator("#id_kill-flag").fill(changing.FLAG)
        press(page, "Switch it off now")
        assert not changing.config().enabled
        expect(page.get_by_role("link", name=f"{changing.FLAG} switched off")).to_be_visible()

        page.locator("summary", has_text="Break the glass").click()
        page.locator("#id_break-glass-place").select_option("shop/production")
        page.locator("#id_break-glass-reason").fill("Nobody who approves is awake.")
        look(page, SHOTS, "incident")
        press(page, "Break the glass")
        opened = page.url
        expect(page.get_by_text("The glass is broken", exact=True)).to_be_visible()

        page.goto(f"{address}/kills")
        look(page, SHOTS, "kills")
        press(page, re.compile("Draft switching on again"))
        page.goto(opened)
        look(page, SHOTS, "open")
        press(page, re.compile("Apply without approval"))
        assert changing.config().enabled

        enter(other, address, "rita.rew@example.com", ritas)
        other.goto(f"{address}/flags")
        expect(other.get_by_text("Ray Responder may change shop · production without approval")).to_be_visible()
        other.goto(opened)
        expect(other.get_by_role("button", name="Record the review")).to_have_count(0)
        press(page, "End it now")
        other.reload()
        expect(other.get_by_text("The glass is broken", exact=True)).to_have_count(0)
        other.get_by_label("Process gap").check()
        other.get_by_label("What you looked at").fill("Read the entry, and asked who was on call.")
        press(other, "Record the review")
        expect(other.get_by_text("Say what is done about it, and by whom.")).to_be_visible()
        look(other, SHOTS, "review")
        other.get_by_label("What is done about it").fill("A rota of approvers, by Rita, this week.")
        press(other, "Record the review")
        look(other, SHOTS, "reviewed")

        page.goto(f"{address}/incidents")
        page.get_by_role("link", name="Checkout fails").click()
        page.locator("summary", has_text="It is over").click()
        press(page, "Resolve the incident")
        look(page, SHOTS, "resolved")
        page.goto(f"{address}/incidents/times")
        look(page, SHOTS, "times")
    found = incident_queries.incidents(projects=None)[0]
    emergency = incident_queries.emergencies(incident=found.id)[0]
    assert (found.state, emergency.person, emergency.reviewed_by, emergency.verdict) == (
        "resolved", ray.id, rita.id, "process_gap",
    )  # fmt: skip
    assert queries.kills()[0].incident == found.id


def test_a_trigger_is_made_shown_once_and_revoked(address: str, browser: Browser) -> None:
    cast = changing.story()
    changing.live(cast)
    _, codes = person("Ann Admin", "admin")
    with browsing(browser) as page:
        enter(page, address, "ann.admin@example.com", codes)
        page.goto(f"{address}/triggers")
        look(page, SHOTS, "triggers-none")
        page.goto(f"{address}/triggers/new")
        page.get_by_label("Name").fill("Alertmanager")
        page.get_by_label("Where").select_option("shop/production")
        page.get_by_label("Flag").fill(changing.FLAG)
        look(page, SHOTS, "trigger-new")
        press(page, "Make it")
        look(page, SHOTS, "trigger-made")
        expect(page.get_by_text(re.compile("^whsec_"))).to_be_visible()
        press_link = page.get_by_role("link", name="I have copied it")
        press_link.click()
        expect(page.get_by_text(re.compile("^whsec_"))).to_have_count(0)
        look(page, SHOTS, "triggers")
        press(page, re.compile("^Revoke"))
        expect(page.get_by_text("Revoked", exact=True)).to_be_visible()
        page.goto(f"{address}/drills")
        look(page, SHOTS, "drills-none")
