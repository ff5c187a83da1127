"""The story: somebody asks for a review, the reviewer's inbox says so, and a click leads to the request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ensign_testkit.browsing import browsing, launch, press, shoot, sign_in, violations
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import Server, serving
from ensign_testkit.waiting import until
from playwright.sync_api import Browser, expect, sync_playwright

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "test-results" / "inbox"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = launch(playwright)
        yield found
        found.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("inbox") / "data") as running:
        yield running


def test_from_the_inbox_to_the_request_and_back_by_a_link_after_signing_in(server: Server, browser: Browser) -> None:
    tokens = seed(server.data_dir)["tokens"]

    def call(method: str, path: str, body: object, who: str = "ingrid") -> dict[str, object]:
        answer = server.request(method, f"/api/v1{path}", body, headers={"Authorization": f"Bearer {tokens[who]}"})
        assert answer.status < 300, answer.body
        return dict(json.loads(answer.body))

    call("POST", "/projects/shop/flags", {"key": "new-checkout", "type": "release"})
    strategy = {"name": "flexibleRollout", "parameters": {"rollout": "10", "stickiness": "default", "groupId": "c"}}
    made = call(
        "POST",
        "/projects/shop/environments/production/changes",
        {
            "operations": [{"type": "strategy.add", "flag": "new-checkout", "strategy": strategy}],
            "title": "Begin with a tenth",
            "reason": "It is time.",
            "tickets": ["PAY-142"],
        },
    )
    until(lambda: call("GET", "/notices?unread=true&topic=review", None, "bo")["items"])
    with browsing(browser) as page:
        page.goto(f"{server.url}/requests/{made['id']}")  # as the link of an e-mail
        page.get_by_label("E-mail").fill("bo@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        press(page, re.compile("^Sign in$"))
        expect(page).to_have_url(f"{server.url}/requests/{made['id']}")
        expect(page.get_by_role("heading", name="Tickets")).to_be_visible()
        expect(page.get_by_text("PAY-142")).to_be_visible()
        shoot(page, SHOTS, "1-request")
        page.get_by_role("link", name=re.compile(r"Inbox \d")).click()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
        assert violations(page) == []
        shoot(page, SHOTS, "2-inbox")
        page.get_by_role("link", name="Reviews asked for").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{server.url}/requests/{made['id']}")
        page.goto(f"{server.url}/inbox?topic=review")
        expect(page.get_by_text("Nothing unread")).to_be_visible()
        shoot(page, SHOTS, "3-empty")


def test_the_inbox_says_who_it_is_for(server: Server, browser: Browser) -> None:
    """Ingrid wrote it, so her inbox does not ask her to review it."""
    with browsing(browser) as page:
        sign_in(page, server.url, email="ingrid@example.com", password=PASSWORD)
        page.wait_for_url(f"{server.url}/")
        page.goto(f"{server.url}/inbox?topic=review")
        expect(page.get_by_text("Nothing unread")).to_be_visible()
