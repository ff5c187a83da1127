"""The story of signing in through a provider: connected, tried, used, enforced and left, in Chromium, with a certified
OpenID provider. Every step leaves a screenshot in ``test-results/sign-in`` for the eye, and axe looks at it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.browsing import browsing, launch, shoot, violations
from ensign_testkit.openid import ANNA, CLIENT_ID, CLIENT_SECRET, OpenIdProvider, openid_provider
from ensign_testkit.server import Server, run, serving
from ensign_testkit.visiting import Visitor
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "test-results" / "sign-in"
PASSWORD = "correct horse battery staple"
PEOPLE = {
    "anna": ANNA,
    "ada": {"email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace", "amr": ["pwd", "mfa"]},
}


@dataclass
class Stage:
    """The server, the provider, a browser, and Ada's session outside it."""

    server: Server
    op: OpenIdProvider
    browser: Browser
    ada: Visitor
    taken: int = 0

    @property
    def url(self) -> str:
        """As people type it: the provider sends them back to this host."""
        return f"http://localhost:{self.server.port}"

    def shot(self, page: Page, name: str) -> None:
        """A numbered screenshot in both schemes; and axe."""
        self.taken += 1
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            shoot(page, SHOTS, f"{self.taken:02}-{name}-{scheme}")
            assert violations(page) == [], (name, scheme)
        page.emulate_media(color_scheme="light")

    def answer(self, page: Page, login: str) -> None:
        """Sign in on the provider's own page."""
        expect(page.get_by_role("heading", name="Example Identity")).to_be_visible()
        page.get_by_label("Login").fill(login)
        page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A set-up installation, and a provider that knows it."""
    shutil.rmtree(SHOTS, ignore_errors=True)
    network = {"ENSIGN_OUTBOUND_ALLOW": "127.0.0.0/8"}
    with serving(tmp_path / "data", env=network) as server, sync_playwright() as playwright:
        base = f"http://localhost:{server.port}/sso/op"
        logout = f"http://127.0.0.1:{server.port}/sso/op/backchannel-logout"
        with openid_provider(PEOPLE, redirects=[f"{base}/callback"], logout=logout) as op:
            ada = Visitor(server)
            given = {"organisation": "Acme", "name": "Ada Lovelace", "email": "ada@example.com", "preset": "small-team"}
            assert ada.form(server.setup_link, password=PASSWORD, **given).status == 303
            ada.enrol(PASSWORD)
            browser = launch(playwright)
            yield Stage(server=server, op=op, browser=browser, ada=ada)
            browser.close()


def connect(stage: Stage) -> str:
    """Ada connects the provider by API; the id."""
    settings = {"issuer": stage.op.issuer, "client_id": CLIENT_ID, "scopes": "openid profile email groups"}
    body: dict[str, Any] = {
        "key": "op",
        "name": "Example Identity",
        "settings": settings,
        "secret": CLIENT_SECRET,
        "domains": ["example.com"],
        "provisioning": True,
        "mfa_counts": True,
    }
    made = stage.ada.call("POST", "/identity-providers", body, status=201)
    stage.ada.call("POST", f"/identity-providers/{made['id']}/enable", {"reason": "The only administrator yet"})
    return str(made["id"])


def test_the_story_of_signing_in(stage: Stage, tmp_path: Path) -> None:
    provider = connect(stage)
    _somebody_new_signs_in_and_leaves(stage)
    _the_terminal_lists_them(stage, tmp_path / "data", provider)
    with browsing(stage.browser) as page:
        _an_administrator_tries_and_enforces(stage, page, provider)
        _the_password_opens_nothing_any_more(stage)
    done = run(tmp_path / "data", "sso", "release", "op", "--reason", "The provider is down")
    assert done.returncode == 0, done.stderr
    assert "password and passkey again" in done.stdout
    with browsing(stage.browser) as page:
        page.goto(f"{stage.url}/login")
        page.get_by_label("E-mail").fill("ada@example.com")
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Password").fill(PASSWORD)
        stage.shot(page, "password-and-provider")
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Second factor")).to_be_visible()


def _somebody_new_signs_in_and_leaves(stage: Stage) -> None:
    with browsing(stage.browser) as page:
        page.goto(f"{stage.url}/people?status=active")
        stage.shot(page, "sign-in")
        page.get_by_role("link", name="Sign in with Example Identity").click()
        stage.answer(page, "anna")
        page.wait_for_url(re.compile(r"localhost"))
        page.goto(f"{stage.url}/account")
        expect(page.get_by_role("definition").filter(has_text="anna.berg@example.com")).to_be_visible()
        page.goto(f"{stage.url}/account/confirm?next=/account")
        stage.shot(page, "confirm")
        other = page.context.new_page()
        other.goto(f"{stage.op.issuer}/session/end")
        other.get_by_role("button", name="Sign out").click()
        other.wait_for_load_state()
        page.goto(f"{stage.url}/account")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def _the_terminal_lists_them(stage: Stage, data: Path, provider: str) -> None:
    token = stage.ada.call("POST", "/tokens", {"name": "laptop", "days": 2}, status=201)["token"]
    env = {"ENSIGN_URL": stage.server.url, "ENSIGN_TOKEN": token}

    def terminal(*arguments: str) -> str:
        done = run(data, "access", "providers", *arguments, env=env)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    assert "Example Identity" in terminal("list")
    assert "/sso/op/callback" in terminal("get", provider)
    assert "anna" in terminal("people", provider)


def _an_administrator_tries_and_enforces(stage: Stage, page: Page, provider: str) -> None:
    page.goto(f"{stage.url}/login")
    page.get_by_role("link", name="Sign in with Example Identity").click()
    stage.answer(page, "ada")
    page.wait_for_url(re.compile(r"localhost"))
    _one_that_nobody_else_could_enable(stage, page)
    page.goto(f"{stage.url}/identity-providers")
    stage.shot(page, "providers")
    page.get_by_role("link", name="Example Identity").click()
    expect(page.get_by_role("link", name="Anna Berg")).to_be_visible()
    stage.shot(page, "provider")
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("heading", name="What Example Identity asserts")).to_be_visible()
    stage.shot(page, "tried")
    page.get_by_role("link", name="Back to the provider").click()
    page.get_by_label("Go on without sealed emergency access").check()
    page.get_by_role("button", name="Enforce Example Identity").click()
    expect(page.get_by_role("button", name="End the enforcement")).to_be_visible()
    stage.shot(page, "enforced")


def _one_that_nobody_else_could_enable(stage: Stage, page: Page) -> None:
    settings = {"issuer": stage.op.issuer, "client_id": CLIENT_ID}
    body = {"key": "other", "name": "Another", "settings": settings, "secret": "x", "domains": ["example.org"]}
    made = stage.ada.call("POST", "/identity-providers", body, status=201)
    page.goto(f"{stage.url}/identity-providers/{made['id']}")
    expect(page.get_by_role("heading", name="Enable it alone")).to_be_visible()
    stage.shot(page, "enable-alone")


def _the_password_opens_nothing_any_more(stage: Stage) -> None:
    assert stage.ada.get("/people").status == 302, "Ada's session by password has ended"
    answer = Visitor(stage.server)
    answer.get("/login")
    refused = answer._send(  # the form of the page before it asked for the address alone
        "POST", "/login", b"email=ada%40example.com&password=correct+horse+battery+staple",
        "application/x-www-form-urlencoded",
    )  # fmt: skip
    assert refused.status == 422
    assert b"through Example Identity alone" in refused.body
    with browsing(stage.browser) as page:
        page.goto(f"{stage.url}/login")
        page.get_by_label("E-mail").fill("somebody@example.com")
        page.get_by_role("button", name="Continue").click()
        stage.answer(page, "stranger")
        expect(page.get_by_role("heading", name="Not signed in")).to_be_visible()
        stage.shot(page, "not-signed-in")
