"""Claim: with the provider enforced and gone, a holder gets in once two gave their codes, everybody sees it, a third
person reviews it; every page on the way is accessible in light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from ensign.control.access import emergency
from ensign.control.identity import factors
from ensign.control.identity.emergency import operations, queries
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign_testkit.browsing import Codes, browsing, look, press
from ensign_testkit.live import chromium, live
from ensign_testkit.people import add_person
from ensign_testkit.providers import add_provider
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[6] / "test-results" / "emergency"
PASSWORD = "correct horse battery staple"


@pytest.fixture
def address(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with live(monkeypatch) as url:
        yield url


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    with chromium(monkeypatch) as found:
        yield found


def enter(page: Page, address: str, email: str, codes: Codes) -> None:
    """Sign in with password and code, where a provider stands beside them."""
    page.goto(f"{address}/login")
    page.get_by_label("E-mail").fill(email)
    press(page, "Continue")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, re.compile("^Sign in$"))
    page.get_by_label("Code").fill(codes.next())
    press(page, "Continue")


def test_two_holders_get_in_and_a_third_person_reviews_it(address: str, browser: Browser) -> None:
    anna = add_person("Anna Berg", "admin", password=PASSWORD)
    bob = add_person("Bob Lund", "admin", email="bob@corp.example")
    rita = add_person("Rita Rew", "admin", password=PASSWORD)
    secrets = {one.id: factors.new_totp_secret() for one in (anna, bob, rita)}
    for id, secret in secrets.items():
        TOTP.activate(Account.objects.get(person_id=id), secret)
    emergency.name_holders(actor=anna, at=clock.now(), people=[anna.id, bob.id])
    codes = {one.id: Codes(secret) for one, secret in zip((anna, bob, rita), secrets.values(), strict=True)}
    add_provider("okta", domains=["corp.example"], enforced=True)
    bobs = operations.draw(actor=bob, at=clock.now())
    with browsing(browser) as page, browsing(browser) as other:
        enter(page, address, "anna.berg@example.com", codes[anna.id])
        page.goto(f"{address}/emergency-access")
        look(page, SHOTS, "named")
        press(page, "Draw my code")
        look(page, SHOTS, "code")
        annas = page.get_by_text(re.compile(r"^[A-Z2-7]{4}(-[A-Z2-7]{4}){7}$")).inner_text()
        page.goto(f"{address}/emergency-access")
        expect(page.get_by_text("Sealed", exact=True)).to_be_visible()

        other.goto(f"{address}/emergency")
        look(other, SHOTS, "emergency")
        other.get_by_label("Your code").fill(annas)
        other.get_by_label("Why").fill("INC-1: the provider is down")
        press(other, "Enter the code")
        expect(other.get_by_role("heading", name="One more holder")).to_be_visible()
        look(other, SHOTS, "waiting")
        other.goto(f"{address}/emergency")
        other.get_by_label("Your code").fill(bobs.lower().replace("-", ""))
        other.get_by_label("Why").fill("INC-1: the provider is down")
        press(other, "Enter the code")
        look(other, SHOTS, "factor")
        other.get_by_label("Code").fill(codes[bob.id].next())
        press(other, re.compile("^Sign in$"))
        expect(other.get_by_text("The emergency access is open")).to_be_visible()
        look(other, SHOTS, "banner")
        page.goto(f"{address}/people")
        expect(page.get_by_text("The emergency access is open")).to_be_visible()
        page.goto(f"{address}/emergency-access")
        look(page, SHOTS, "open")
        press(page, "Close it now")
        other.goto(f"{address}/account")
        expect(other).to_have_url(re.compile("/login"))

        other.context.clear_cookies()
        enter(other, address, "rita.rew@example.com", codes[rita.id])
        other.goto(f"{address}/emergency-access")
        look(other, SHOTS, "review")
        other.get_by_label("What it rests on").fill("Read every entry between the two.")
        press(other, "Record the review")
        look(other, SHOTS, "reviewed")
    seal = queries.current()
    assert seal is not None
    assert (seal.status, seal.reviewed_by) == ("reviewed", rita.id)
