"""A form that is sent shows that it is under way, and is sent once however often its button is pressed; a download
may be repeated. In Chromium against a real server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ensign_testkit.browsing import browsing, launch, sign_in
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import serving
from playwright.sync_api import Page, Request, expect, sync_playwright

pytestmark = pytest.mark.browser


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """Bo, signed in."""
    with sync_playwright() as playwright, serving(tmp_path / "data") as server:
        browser = launch(playwright)
        seed(server.data_dir)
        with browsing(browser) as opened:
            sign_in(opened, server.url, email="bo@example.com", password=PASSWORD)
            expect(opened.locator(".user summary")).to_be_visible()
            opened.goto(f"{server.url}/projects/shop/flags/new")
            yield opened
        browser.close()


def test_a_form_under_way_shows_it_and_a_second_press_sends_nothing(page: Page) -> None:
    page.get_by_role("textbox", name="Key").fill("sent-once")
    # Whoever listens last keeps the page here, so that it can be looked at while the form is under way.
    page.evaluate(
        """() => { window.sent = 0; window.addEventListener("submit", (event) => {
            if (!event.defaultPrevented) window.sent += 1;
            event.preventDefault();
        }); }"""
    )
    button = page.get_by_role("button", name="Make the flag")
    button.click()
    expect(page.locator("html.is-busy")).to_have_count(1)
    button.click()
    button.press("Enter")
    expect(page.locator("#live")).to_have_text("Still at it.")
    assert page.evaluate("window.sent") == 1
    # As when the page comes back from the browser's memory.
    page.evaluate("window.dispatchEvent(new Event('pageshow'))")
    expect(page.locator("html.is-busy")).to_have_count(0)
    button.click()
    assert page.evaluate("window.sent") == 2


def test_a_download_may_be_repeated_and_its_line_goes_away(page: Page) -> None:
    sent: list[Request] = []
    page.goto(page.url.replace("/flags/new", "/transfer"))
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    for _ in range(2):
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename.endswith(".json")
    assert len(sent) == 2
    expect(page.locator("html.is-busy")).to_have_count(0)
