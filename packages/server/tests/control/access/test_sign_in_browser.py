"""Claims, in a real Chromium: rules are decided in the page, the step-up keeps what was typed, and axe finds nothing on
the pages about signing in, light or dark, wide or narrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test import Client
from django.test.testcases import LiveServerThread, _StaticFilesHandler
from ensign.control.access import sign_in_rules
from ensign.control.identity import enforcing, factors
from ensign.control.identity.models import Account, Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign_testkit.browsing import Codes, Scheme, browsing, launch, press, shoot, sideways, sign_in, violations
from ensign_testkit.people import add_person
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"


@pytest.fixture
def address(db: str) -> Iterator[str]:
    """The product on http://localhost and a free port, over this test's database."""
    thread = LiveServerThread("localhost", _StaticFilesHandler)
    thread.server_class = ThreadedWSGIServer
    thread.daemon = True
    thread.start()
    assert thread.is_ready.wait(20)
    if thread.error is not None:
        raise thread.error
    yield f"http://localhost:{thread.port}"
    thread.terminate()
    connections.close_all()


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # as in test_passkeys_browser
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
        connections.close_all()


@pytest.fixture
def admin(db: str) -> Actor:
    return add_person("Ada Lind", "admin", "auditor", password=PASSWORD)


def _story(admin: Actor) -> Person:
    """Rules decided twice, somebody signed in, somebody held up."""
    anna = add_person("Anna Berg", "developer", password=PASSWORD)
    at = clock.now()
    for changes in ({"factor": "powerful", "grace_days": 30}, {"networks": ("127.0.0.0/8", "::1/128")}):
        wanted = replace(enforcing.current(), **changes)  # type: ignore[arg-type]  # members of Rules by name
        sign_in_rules.change(
            actor=admin, at=at, wanted=wanted, address="127.0.0.1", way="password", reason="Asked for by the auditor."
        )
    Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0").post(
        "/login", {"email": "anna.berg@example.com", "password": PASSWORD}
    )
    for _ in range(5):
        Client().post("/login", {"email": "anna.berg@example.com", "password": "wrong"})
    return Person.objects.get(pk=anna.id)


def _enter(page: Page, address: str) -> None:
    sign_in(page, address, email="ada.lind@example.com", password=PASSWORD)
    page.wait_for_selector("html[data-ready]")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light")])
def test_axe_finds_nothing_on_the_pages_about_signing_in(
    address: str, browser: Browser, admin: Actor, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    anna = _story(admin)
    pages = {
        "rules": "/settings/sign-in",
        "history": "/settings/sign-in/history",
        "sign-ins": "/access/sign-ins",
        "own": "/account/sign-ins",
        "sessions": "/account/sessions",
        "security": "/account/security",
        "person": f"/people/{anna.pk}/sessions",
        "people": "/people",
        "confirm": "/account/confirm",
        "settings": "/settings",
    }
    with browsing(browser, width=width, scheme=scheme) as page:
        _enter(page, address)
        for name, path in pages.items():
            page.goto(f"{address}{path}")
            page.wait_for_selector("h1")
            shoot(page, tmp_path, f"{name}-{width}-{scheme}")
            assert violations(page) == [], name
            assert sideways(page) <= 0, name


def test_rules_are_decided_and_the_step_up_keeps_what_was_typed(
    address: str, browser: Browser, admin: Actor, tmp_path: Path
) -> None:
    secret = factors.new_totp_secret()
    codes = Codes(secret)
    at = clock.now()
    factors.enrol_totp(actor=admin, at=at, secret=secret, code=codes.next(), password=PASSWORD)
    assert Account.objects.get(person_id=admin.id)
    with browsing(browser) as page:
        _enter(page, address)
        page.get_by_label("Code", exact=False).fill(codes.next())
        press(page, "Continue")
        page.goto(f"{address}/settings/sign-in")
        page.get_by_label("Sessions end when unused for (minutes)").fill("45")
        page.get_by_label("Reason", exact=False).first.fill("Shared desks.")
        _forget_factor(page)
        press(page, "Decide on these rules")
        expect(page.get_by_role("heading", level=1)).to_have_text("Confirm it is you")
        page.get_by_label("Code", exact=False).fill(codes.next())
        press(page, "Confirm")
        expect(page.get_by_role("heading", level=1)).to_have_text("Go on with what you were doing")
        expect(page.get_by_text("Shared desks.")).to_be_visible()
        shoot(page, tmp_path, "go-on")
        assert violations(page) == []
        assert enforcing.current().idle_minutes == 60
        press(page, "Send it now")
        expect(page.get_by_text("The sign-in rules are decided")).to_be_visible()
    assert enforcing.current().idle_minutes == 45
    assert sign_in_rules.timeline()[0].reason == "Shared desks."


def _forget_factor(page: Page) -> None:
    """As if the session had proved its factor an hour ago."""
    key = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sessionid")
    session = SessionStore(key)
    session["ensign_mfa_at"] = clock.text(clock.now() - timedelta(hours=1))
    session.save()
