"""Claims: whoever changes a flag sees it become live on every instance, on the page that is open, without a reload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign_sdk import Client
from ensign_testkit.browsing import browsing, launch, shoot, sideways, sign_in, violations
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import Server, run, serving
from ensign_testkit.waiting import until
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "test-results" / "reach"
LIVE = re.compile(r"Live on 3 of 3 instances after [\d.]+ (ms|s)\.")


class House:
    """A server, somebody who may change things on it, and a page of hers."""

    def __init__(self, server: Server, person: str, page: Page) -> None:
        self.server, self.page = server, page
        self._bearer = {"Authorization": f"Bearer {person}"}

    def call(self, method: str, path: str, body: Any = None, *, status: int = 201) -> Any:
        answer = self.server.request(method, f"/api/v1{path}", body, headers=self._bearer)
        assert answer.status == status, answer.body
        return answer.json()

    def toggle(self, *, on: bool) -> str:
        steps = [{"type": "flag.enable" if on else "flag.disable", "flag": "menu"}]
        made = self.call("POST", "/projects/shop/environments/development/changes", {"operations": steps})
        return str(made["id"])

    def connected(self) -> int:
        found = self.call("GET", "/projects/shop/flags/menu/reach", status=200)["connected"]
        return sum(one["instances"] for one in found if one["environment"] == "development")

    def open(self, path: str) -> None:
        self.page.goto(self.server.url + path)
        self.page.wait_for_selector("html[data-ready]")
        self.page.evaluate("window.sameDocument = true")

    def checked(self, name: str) -> None:
        """It is the document that was opened, it is accessible, and it fits."""
        assert self.page.evaluate("window.sameDocument === true")
        shoot(self.page, SHOTS, f"{name}-light")
        assert violations(self.page) == []
        assert sideways(self.page) == 0
        self.page.emulate_media(color_scheme="dark")
        shoot(self.page, SHOTS, f"{name}-dark")
        assert violations(self.page) == []
        self.page.emulate_media(color_scheme="light")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    data = tmp_path / "data"
    assert run(data, "migrate").returncode == 0
    person = seed(data)["tokens"]["ingrid"]
    with sync_playwright() as playwright, serving(data) as server:
        browser = launch(playwright)
        with browsing(browser) as page:
            sign_in(page, server.url, email="ingrid@example.com", password=PASSWORD)
            page.wait_for_url(f"{server.url}/")
            made = House(server, person, page)
            made.call("POST", "/projects/shop/flags", {"key": "menu"})
            yield made
        browser.close()


def test_a_change_is_seen_to_become_live_on_every_instance(house: House) -> None:
    page, flag = house.page, "/projects/shop/flags/menu"
    column = page.locator("#in-development")
    house.open(flag)
    expect(column).to_contain_text("No application is connected here.")
    house.checked("nobody")
    page.get_by_role("link", name="Make a token for an application").first.click()
    expect(page.get_by_label("Environment")).to_have_value("development")

    wish = {"name": "SDK", "type": "backend", "projects": ["shop"], "environment": "development"}
    token = house.call("POST", "/client-tokens", wish)["token"]
    clients = [
        Client(url=house.server.url, token=token, app_name=f"app-{name}", cache_dir=False, wait=20)
        for name in ("a", "a", "b")
    ]
    try:
        until(lambda: house.connected() == 3)
        house.open(flag)
        expect(column).to_contain_text("3 instances connected (3 streaming, 0 polling).")
        house.checked("connected")

        change = house.toggle(on=True)
        house.open(flag)
        expect(column).to_contain_text(LIVE)
        column.locator(".reach summary").click()
        expect(column.get_by_role("row", name=re.compile("app-a"))).to_contain_text("2 of 2")
        house.checked("live")
        house.open(f"/requests/{change}")
        expect(page.locator("#h-reach + .reach")).to_contain_text(LIVE)
        house.checked("change")

        # The kill switch: pressed here, seen to be live there, and in the log.
        house.open(flag)
        page.get_by_role("button", name="Kill switch in Development").click()
        with page.expect_navigation():
            page.get_by_role("dialog").get_by_role("button", name="Switch off in Development").click()
        page.wait_for_selector("html[data-ready]")
        page.evaluate("window.sameDocument = true")
        assert page.url.startswith(f"{house.server.url}/kills")
        expect(page.locator("tbody tr .reach")).to_contain_text(LIVE)
        assert not any(client.is_enabled("menu") for client in clients)
        house.checked("killed")
    finally:
        for client in clients:
            client.close()
