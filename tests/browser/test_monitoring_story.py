"""Claims: an alert is judged, and a safeguard made, called and armed again, by a person in a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ensign_testkit import filled
from ensign_testkit.browsing import browsing, launch, press, shoot, sign_in, violations
from ensign_testkit.server import Server, environment, serving
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "test-results" / "monitoring"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Page]]:
    """A served installation with one of everything, and a page of Ada's."""
    data = tmp_path_factory.mktemp("filled") / "data"
    data.mkdir()
    testkit = str(Path(filled.__file__).parents[1])
    command = [sys.executable, "-m", "ensign_testkit.filled", str(data)]
    env = environment(data, {"PYTHONPATH": testkit})
    made = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert made.returncode == 0, made.stderr
    with sync_playwright() as playwright, serving(data, "--no-worker") as server:
        browser = launch(playwright)
        with browsing(browser) as page:
            sign_in(page, server.url, email="ada.admin@example.com", password=filled.PASSWORD)
            page.wait_for_url(f"{server.url}/")
            yield server, page
        browser.close()


def test_somebody_judges_an_alert_and_what_was_typed_survives_a_mistake(house: tuple[Server, Page]) -> None:
    server, page = house
    page.goto(f"{server.url}/alerts?status=overdue")
    page.get_by_role("link", name="Somebody rarely seen changed production").click()
    expect(page.get_by_text("Overdue").first).to_be_visible()
    page.get_by_label("How do you know?").fill("Asked Dan: he came back from leave.")
    page.get_by_label("Unexpected").check()
    press(page, "Record the verdict")
    expect(page.get_by_text("Name the incident, the request or the task that deals with it.")).to_be_visible()
    expect(page.get_by_label("How do you know?")).to_have_value("Asked Dan: he came back from leave.")
    assert violations(page) == []
    shoot(page, SHOTS, "verdict-incomplete")
    page.get_by_label("Expected: nothing is wrong").check()
    press(page, "Record the verdict")
    expect(page.get_by_text("your verdict stands in the log")).to_be_visible()
    page.goto(f"{server.url}/alerts?status=overdue")
    expect(page.get_by_text("No alert matches")).to_be_visible()


def test_a_safeguard_is_made_called_by_alertmanager_and_armed_again(house: tuple[Server, Page]) -> None:
    server, page = house
    page.goto(f"{server.url}/projects/shop/safeguards/new")
    page.get_by_label("Flag", exact=True).select_option("new-checkout")
    page.get_by_label("Environment", exact=True).select_option("production")
    page.get_by_label("Key", exact=True).fill("checkout-pages")
    page.get_by_label("Acting as").select_option("guard")
    page.get_by_label("Where the number comes from").select_option("alertmanager")
    press(page, "Make and arm it")
    expect(page.get_by_text("Name at least one label that the alert must have")).to_be_visible()
    expect(page.get_by_label("Key", exact=True)).to_have_value("checkout-pages")
    page.get_by_label("Labels").fill("alertname=CheckoutErrors")
    press(page, "Make and arm it")
    expect(page.get_by_role("heading", name="It is armed")).to_be_visible()
    assert violations(page) == []
    shoot(page, SHOTS, "safeguard-made")
    hook, token = (one.strip() for one in page.locator("dl.facts dd code").all_inner_texts())
    page.get_by_role("link", name="I have stored it").click()

    message = {
        "version": "4", "status": "firing",
        "alerts": [{"status": "firing", "labels": {"alertname": "CheckoutErrors"}}],
    }  # fmt: skip
    path = "/hooks/" + hook.partition("/hooks/")[2]
    answer = server.request("POST", path, message, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, json.loads(answer.body)["outcome"]) == (202, "done")

    page.reload()
    expect(page.get_by_text("Has acted")).to_be_visible()
    assert violations(page) == []
    shoot(page, SHOTS, "safeguard-has-acted")
    page.get_by_label("What was found out").fill("A bad deployment; rolled back.")
    press(page, "Arm it again")
    expect(page.get_by_text("It watches again.")).to_be_visible()
    page.goto(f"{server.url}/kills")
    expect(page.get_by_text("The safeguard checkout-pages acted.")).to_be_visible()
