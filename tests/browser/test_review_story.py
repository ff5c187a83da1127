"""The review, in Chromium against a real server: ask, comment on a line, send back, edit, resubmit, approve, apply;
then a conflict, both sides, and the way out of it. Every step leaves a screenshot in ``test-results/review``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.browsing import Codes, browsing, explain, launch, press, shoot, sideways, sign_in, violations
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import Server, serving
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = pytest.mark.browser

SHOTS = Path(__file__).parents[2] / "test-results" / "review"
FLAG = "new-checkout"
PLACE = "/projects/shop/environments/production"


@dataclass(kw_only=True)
class House:
    """A server, and two people at it: Bo writes, Ingrid reviews."""

    server: Server
    bo: Page
    ingrid: Page
    tokens: dict[str, str]
    taken: int = 0

    def call(self, who: str, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """The API by somebody's token."""
        bearer = {"Authorization": f"Bearer {self.tokens[who]}"}
        answer = self.server.request(method, f"/api/v1{path}", body, headers=bearer)
        assert answer.status == status, answer.body
        return answer.json()

    def open(self, page: Page, path: str) -> None:
        """Go to a path of the server."""
        page.goto(self.server.url + path)
        page.wait_for_selector("html[data-ready]")

    def shot(self, page: Page, name: str) -> None:
        """A screenshot of a state that no other test brings about; accessible in light and dark, and it fits."""
        self.taken += 1
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two
            shoot(page, SHOTS, f"{self.taken:02}-{name}-{scheme}")
            assert violations(page) == [], (name, scheme)
        assert sideways(page) == 0, name

    def strategy(self) -> dict[str, Any]:
        """The flag's first strategy in production."""
        found = self.call("bo", "GET", f"/projects/shop/flags/{FLAG}")
        strategy: dict[str, Any] = found["environments"]["production"]["strategies"][0]
        return strategy

    def propose(self, who: str, *operations: dict[str, Any]) -> str:
        """A request for production, by the API."""
        body = {"operations": operations, "title": "A change", "reason": "For the story."}
        return str(self.call(who, "POST", f"{PLACE}/changes", body, status=201)["id"])

    def approve_and_apply(self, id: str) -> None:
        """Ingrid lets it through."""
        self.open(self.ingrid, f"/requests/{id}")
        press(self.ingrid, "Approve this change in Production")
        press(self.ingrid, "Apply in Production")
        expect(self.ingrid.locator(".page-head .badge").last).to_contain_text("Applied")


def enter(page: Page, url: str, email: str) -> None:
    """Sign in and enrol an authenticator app, so that approving is possible."""
    sign_in(page, url, email=email, password=PASSWORD)
    expect(page.locator(".user summary")).to_be_visible()
    page.goto(f"{url}/account/security")
    page.get_by_role("link", name="Enrol an authenticator app").click()
    codes = Codes(page.locator(".copyable code").inner_text())
    page.get_by_role("textbox", name="Code that the app shows").fill(codes.next())
    page.get_by_label("Your password").fill(PASSWORD)
    press(page, "Enrol the app")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Served, with the flag on for 10 % in production."""
    with sync_playwright() as playwright, serving(tmp_path / "data") as server, ExitStack() as stack:
        browser = launch(playwright)
        made = seed(server.data_dir)
        bo, ingrid = (stack.enter_context(browsing(browser)) for _ in range(2))
        enter(bo, server.url, "bo@example.com")
        enter(ingrid, server.url, "ingrid@example.com")
        place = House(server=server, bo=bo, ingrid=ingrid, tokens=made["tokens"])
        place.call("bo", "POST", "/projects/shop/flags", {"key": FLAG}, status=201)
        canary = {"name": "flexibleRollout", "parameters": {"rollout": "10", "stickiness": "default", "groupId": FLAG}}
        on = {"type": "flag.enable", "flag": FLAG}
        place.approve_and_apply(place.propose("bo", {"type": "strategy.add", "flag": FLAG, "strategy": canary}, on))
        try:
            yield place
        except BaseException:  # whatever it was: it goes on its way
            explain([bo, ingrid], server.lines, SHOTS / "failed")
            raise
        finally:
            stack.close()
            browser.close()


def submit(house: House) -> str:
    """Bo edits the rollout, is told what is missing, asks Ingrid and submits; returns the path of the request."""
    bo = house.bo
    house.open(bo, f"/projects/shop/flags/{FLAG}/environments/production/strategies/{house.strategy()['id']}")
    bo.get_by_role("spinbutton", name="Rollout").fill("50")
    press(bo, re.compile("into the draft"))
    house.open(bo, f"{PLACE}/draft")
    report = bo.locator("#report")
    expect(report).to_contain_text("A reason is missing.")
    expect(report).to_contain_text("about 10 % → 50 %")
    bo.get_by_role("textbox", name="Title").fill("Half of them")
    bo.get_by_role("textbox", name="Reason").fill("The canary was fine.")
    expect(report).to_contain_text("It can be submitted")
    expect(report).not_to_contain_text("A reason is missing.")
    bo.get_by_label(re.compile("^Ingrid")).check()
    house.shot(bo, "draft-checked")
    press(bo, "Submit for review")
    return bo.url.removeprefix(house.server.url)


def comment_by_keyboard(house: House, request: str) -> None:
    """Ingrid finds it, walks to the line with j, opens the box with c, and sends it back."""
    ingrid = house.ingrid
    house.open(ingrid, "/requests?show=requested")
    expect(ingrid.get_by_role("link", name="Half of them")).to_be_visible()
    house.shot(ingrid, "requested-of-me")
    house.open(ingrid, request)
    ingrid.keyboard.press("j")
    ingrid.keyboard.press("c")
    ingrid.keyboard.type("Why half at once?")
    house.shot(ingrid, "comment-on-a-line")
    ingrid.get_by_role("button", name="Comment", exact=True).first.click()
    expect(ingrid.locator(".thread")).to_contain_text("Why half at once?")
    ingrid.get_by_role("textbox", name="Comment", exact=True).last.fill("A quarter first, please.")
    press(ingrid, "Ask for changes")
    expect(ingrid.locator(".page-head .badge").last).to_contain_text("Changes requested")


def edit_and_resubmit(house: House, request: str) -> None:
    """Bo reads, answers, edits and submits again; the comment is marked as about an earlier version."""
    bo = house.bo
    house.open(bo, request)
    bo.locator(".thread summary", has_text="Reply").click()
    bo.get_by_role("textbox", name="Reply").fill("Right, 25 it is.")
    bo.get_by_role("button", name="Reply", exact=True).click()
    expect(bo.locator(".thread")).to_contain_text("Right, 25 it is.")
    bo.get_by_role("link", name="Edit", exact=True).click()
    bo.get_by_role("spinbutton", name="Share of edit 1").fill("25")
    house.shot(bo, "edit-a-request")
    press(bo, "Save and submit again")
    expect(bo.locator(".thread")).to_contain_text("On an earlier version")
    expect(bo.get_by_role("heading", name="Rounds")).to_be_visible()
    house.shot(bo, "resubmitted")
    bo.locator(".thread").get_by_role("link", name="On an earlier version").click()
    expect(bo.get_by_text("This is what round 1 proposed.")).to_be_visible()
    expect(bo.locator(".diff-after")).to_have_text("50 %")
    house.shot(bo, "earlier-round")


def test_a_review_from_the_request_to_the_apply(house: House) -> None:
    request = submit(house)
    comment_by_keyboard(house, request)
    edit_and_resubmit(house, request)
    house.open(house.ingrid, request)
    press(house.ingrid, re.compile("^Resolve"))
    expect(house.ingrid.locator(".thread")).to_contain_text("Resolved")
    press(house.ingrid, "Approve this change in Production")
    expect(house.ingrid.get_by_text(re.compile("Counts until"))).to_be_visible()
    house.shot(house.ingrid, "approved")
    house.open(house.bo, request)
    press(house.bo, "Apply in Production")
    expect(house.bo.locator(".page-head .badge").last).to_contain_text("Applied")
    assert house.strategy()["parameters"]["rollout"] == "25"


def test_a_conflict_is_shown_on_both_sides_and_carried_over(house: House) -> None:
    strategy = house.strategy()

    def widened(percent: str, **more: Any) -> dict[str, Any]:
        value = {**strategy, **more, "parameters": {**strategy["parameters"], "rollout": percent}}
        return {"type": "strategy.update", "flag": FLAG, "strategy": value}

    mine = house.propose("bo", widened("50"))
    house.approve_and_apply(house.propose("bo", widened("30", title="Canary")))
    bo = house.bo
    house.open(bo, f"/requests/{mine}")
    expect(bo.get_by_text("Somebody else changed this meanwhile")).to_be_visible()
    clash = bo.locator("tr.is-clash")
    for words in ("10", "30", "50"):
        expect(clash).to_contain_text(words)
    house.shot(bo, "conflict")
    clash.get_by_role("radio", name="Mine").check()
    press(bo, re.compile("rebase"))
    expect(bo.get_by_text("Carried over. It is reviewed anew.")).to_be_visible()
    expect(bo.locator(".diff-before")).to_have_text("30 %")
    house.shot(bo, "carried-over")
    house.approve_and_apply(mine)
    made = house.strategy()
    assert (made["parameters"]["rollout"], made["title"]) == ("50", "Canary")
    house.open(bo, f"/requests/{mine}/try")
    bo.get_by_role("textbox", name="Contexts").fill("userId=7\nuserId=8")
    press(bo, "Evaluate")
    expect(bo.get_by_role("heading", name=re.compile("answers would differ"))).to_be_visible()
    house.shot(bo, "tried")
    house.open(bo, f"/requests/{mine}/revert")
    house.shot(bo, "undo")
