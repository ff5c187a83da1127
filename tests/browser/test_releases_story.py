"""The story of releases: a plan is typed, corrected and carried out; it is paused, resumed and rolled back; a request
gets a time, another one, and none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ensign_testkit import filled
from ensign_testkit.browsing import browsing, launch, press, shoot, sign_in, violations
from ensign_testkit.server import Server, environment, serving
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "test-results" / "releases"


@dataclass(frozen=True, kw_only=True)
class Site:
    server: Server
    browser: Browser
    made: dict[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("releases") / "data"
    data.mkdir()
    env = environment(data, {"PYTHONPATH": str(Path(filled.__file__).parents[1])})
    command = [sys.executable, "-m", "ensign_testkit.filled", str(data)]
    made = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert made.returncode == 0, made.stderr
    with sync_playwright() as playwright, serving(data, "--no-worker") as server:
        browser = launch(playwright)
        yield Site(server=server, browser=browser, made=json.loads(made.stdout))
        browser.close()


def seen(page: Page, name: str) -> None:
    """A screenshot, and axe: these are states that no other test brings about."""
    page.wait_for_selector("html[data-ready]")
    shoot(page, SHOTS, name)
    assert violations(page) == [], name


def steer(page: Page, button: str, why: str) -> None:
    page.get_by_text("Steer it").click()
    page.get_by_role("textbox", name="Why").first.fill(why)
    press(page, button)


def test_a_ramp_from_the_plan_to_the_way_back(site: Site) -> None:
    url = site.server.url
    with browsing(site.browser) as page:
        sign_in(page, url, email="dan.dev@example.com", password=filled.PASSWORD)
        page.wait_for_url(f"{url}/")
        page.goto(f"{url}/projects/shop/flags/slow-launch")
        page.get_by_role("link", name="Plan a ramp in Development").click()
        page.get_by_role("link", name="Careful").click()
        steps = page.get_by_label("Steps, one a line")
        expect(steps).to_have_value("5 % for 10 h\n25 % for 10 h\n100 %")
        steps.fill("20 % for an hour\n100 %")
        press(page, "Put it into my draft")
        expect(page.get_by_text("Line 1: write a share")).to_be_visible()
        expect(steps).to_have_value("20 % for an hour\n100 %")
        seen(page, "1-steps-refused")
        steps.fill("20 % for 1 h\n100 %")
        press(page, "Put it into my draft")
        expect(page.get_by_text("ramps up from 1 %: 20 % (1 h) → 100 %").first).to_be_visible()
        seen(page, "2-draft")
        page.get_by_label("Reason").fill("To see it rise.")
        press(page, "Apply")
        bar = page.get_by_role("list", name="Steps of the ramp")
        expect(bar.get_by_role("listitem").first).to_contain_text("20 %")
        expect(page.get_by_text("Running")).to_be_visible()
        seen(page, "3-running")
        steer(page, "Pause", "The error rate looks odd.")
        expect(page.get_by_text("The error rate looks odd.").first).to_be_visible()
        seen(page, "4-paused")
        steer(page, "Resume as mine", "It was the dashboard.")
        expect(page.get_by_text("Running")).to_be_visible()
        steer(page, "Roll back to 1 %", "We go back all the same.")
        expect(page.get_by_text("Rolled back", exact=True)).to_be_visible()
        seen(page, "5-rolled-back")
        page.goto(f"{url}/releases")
        expect(page.get_by_role("heading", name="Finished")).to_be_visible()
        seen(page, "6-releases")


def test_a_request_gets_a_time_another_one_and_none(site: Site) -> None:
    url = site.server.url
    with browsing(site.browser) as page:
        sign_in(page, url, email="dan.dev@example.com", password=filled.PASSWORD)
        page.wait_for_url(f"{url}/")
        page.goto(f"{url}/requests/{site.made['request']}")
        expect(page.get_by_text("until then it needs its approvals")).to_be_visible()
        field = page.get_by_label("Date and time (UTC)")
        wanted = datetime.now(UTC) + timedelta(days=3)
        field.fill(wanted.strftime("%Y-%m-%dT06:30"))
        press(page, "Set another time")
        expect(page.get_by_text(wanted.strftime("%Y-%m-%d 06:30 UTC")).first).to_be_visible()
        expect(page.get_by_text("set its time").first).to_be_visible()
        seen(page, "7-scheduled")
        press(page, "Cancel the schedule")
        expect(page.get_by_text("It has no time any more")).to_be_visible()
        expect(page.get_by_role("button", name="Schedule", exact=True)).to_be_visible()
        seen(page, "8-cancelled")
