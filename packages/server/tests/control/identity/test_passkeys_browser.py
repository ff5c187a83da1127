"""Claims, in a real Chromium with a virtual authenticator: a passkey enrols, signs in alone and after a password, and
gives the step-up; nothing on the pages breaks the content security policy; a passkey of another relying party fails."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test.testcases import LiveServerThread, _StaticFilesHandler
from ensign.control.audit.models import Entry
from ensign.control.identity import operations
from ensign.control.identity import queries as identity
from ensign.control.kernel import clock
from ensign_testkit.people import add_person
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


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
def context(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrowserContext]:
    # Playwright's synchronous API keeps an event loop in this thread, in which Django would refuse the database; and
    # connections made while a loop runs are kept apart from the others, so they are closed while it still does.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
        yield browser.new_context()
        browser.close()
        connections.close_all()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: violations of the policy, errors of scripts."""
    return []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    """A page with a platform authenticator that verifies its user."""
    page = context.new_page()
    page.set_default_timeout(15_000)

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    return page


def arrive(page: Page, path: str) -> None:
    page.wait_for_url(lambda url: urlsplit(url).path == path)


def by_password(page: Page, address: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("E-mail address").fill("anna.berg@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def enrol(page: Page, address: str) -> None:
    page.goto(f"{address}/account/security/passkey")
    page.get_by_label("Name of the passkey").fill("laptop")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("rowheader", name="laptop")).to_be_visible()


def sign_out(page: Page, context: BrowserContext, address: str) -> None:
    context.clear_cookies()
    page.goto(f"{address}/login")


def last_action() -> tuple[str, str]:
    entry = Entry.objects.order_by("-seq")[0]
    return entry.action, entry.body


def test_a_passkey_enrols_signs_in_both_ways_and_confirms(
    address: str, page: Page, context: BrowserContext, complaints: list[str]
) -> None:
    add_person("Anna Berg", password=PASSWORD)
    by_password(page, address)
    arrive(page, "/")
    enrol(page, address)
    stored = Authenticator.objects.get().data
    assert stored["name"] == "laptop"
    assert settings.PUBLIC_URL.startswith("http://localhost")

    sign_out(page, context, address)
    page.goto(f"{address}/login?next=/account/security")
    page.get_by_role("button", name="Sign in with a passkey").click()
    arrive(page, "/account/security")
    action, body = last_action()
    assert action == "session.started"
    assert '"way":"passkey"' in body

    sign_out(page, context, address)
    by_password(page, address)
    arrive(page, "/login/second-factor")
    page.get_by_role("button", name="Use a passkey").click()
    arrive(page, "/")

    page.goto(f"{address}/account/confirm?next=/account/sessions")
    page.get_by_role("button", name="Use a passkey").click()
    arrive(page, "/account/sessions")
    assert last_action()[0] == "factor.proved"
    assert Authenticator.objects.get().data["sign_count"] > stored["sign_count"]
    assert not complaints


def test_a_passkey_made_for_another_host_does_not_enrol(
    address: str, page: Page, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person("Anna Berg", password=PASSWORD)
    by_password(page, address)
    monkeypatch.setattr(settings, "PUBLIC_URL", "https://flags.example.com")
    page.goto(f"{address}/account/security/passkey")
    page.get_by_label("Name of the passkey").fill("laptop")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.locator("[data-passkey-problem]")).to_contain_text("the address must be the one")
    assert not Authenticator.objects.exists()


def test_the_first_person_sets_up_in_the_browser(address: str, page: Page, complaints: list[str]) -> None:
    page.goto(f"{address}/setup/{operations.create_setup_link(at=clock.now())}")
    page.get_by_label("Organisation").fill("Shop Ltd")
    page.get_by_label("Your name").fill("Anna Berg")
    page.get_by_label("Your e-mail address").fill("anna.berg@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Set up Ensign").click()
    arrive(page, "/account/security")
    assert [person.name for person in identity.people()] == ["Anna Berg"]
    enrol(page, address)
    assert not complaints
