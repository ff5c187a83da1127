"""Claims about every page that there is: axe finds nothing, nothing scrolls sideways, the console stays silent, it
reads without JavaScript; and a page that is new fails here until it has a row."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver, reverse
from ensign_testkit import filled
from ensign_testkit.browsing import browsing, launch, press, shoot, sideways, sign_in, violations
from ensign_testkit.server import Server, environment, serving
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "test-results" / "pages"

SHOP = {"project": "shop"}
CHECKOUT = {**SHOP, "flag": "new-checkout"}
PRODUCTION = {**SHOP, "environment": "production"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A page to look at. ``kwargs`` may name a member of ``filled.Filled`` as ``=member``."""

    view: str
    kwargs: tuple[tuple[str, str], ...] = ()
    query: str = ""
    signed_in: bool = True
    name: str = ""


def _row(view: str, kwargs: dict[str, str] | None = None, **more: Any) -> Row:
    return Row(view=view, kwargs=tuple((kwargs or {}).items()), **more)


PAGES = (
    _row("identity:sign-in", signed_in=False),
    _row("identity:join", {"token": "=invitation"}, signed_in=False),
    _row("identity:reset", {"token": "=reset"}, signed_in=False),
    _row("access:setup", {"token": "unknown"}, signed_in=False, name="setup-link-unknown"),
    _row("identity:emergency", signed_in=False),
    _row("identity:account"),
    _row("identity:password"),
    _row("identity:confirm"),
    _row("identity:sessions"),
    _row("identity:security"),
    _row("identity:authenticator"),
    _row("identity:passkey-new"),
    _row("identity:approval-keys"),
    _row("access:people"),
    _row("access:people", query="?q=nobody+at+all", name="people-none"),
    _row("access:invite"),
    _row("access:person", {"person_id": "=person"}),
    _row("access:person", {"person_id": "=invited"}, name="person-invited"),
    _row("access:groups"),
    _row("access:group-new"),
    _row("access:group", {"group_id": "=group"}),
    _row("access:service-accounts"),
    _row("access:service-account-new"),
    _row("access:service-account", {"service_account_id": "=service"}),
    _row("access:service-token", {"service_account_id": "=service"}),
    _row("access:grants"),
    _row("access:grant-new"),
    _row("access:grant-reschedule", {"grant_id": "=narrowed"}),
    _row("access:roles"),
    _row("access:role", {"key": "developer"}, name="role-built-in"),
    _row("access:role", {"key": "=role"}),
    _row("access:role-new", query="?from=developer"),
    _row("access:role-edit", {"key": "=role"}),
    _row("access:who-can"),
    _row("access:who-can", query="?permission=change:approve&project=shop&environment=production", name="who-can-here"),
    _row("access:what-can"),
    _row("access:changes"),
    _row("access:requests"),
    _row("access:request-new"),
    _row("access:request", {"request_id": "=asked"}),
    _row("access:exceptions"),
    _row("access:exception-new"),
    _row("access:exception", {"exception_id": "=exception"}),
    _row("access:findings"),
    _row("access:logins"),
    _row("access:own-logins"),
    _row("access:person-sessions", {"person_id": "=person"}),
    _row("access:sign-in-rules"),
    _row("access:sign-in-history"),
    _row("access:providers"),
    _row("access:provider-new"),
    _row("access:provider", {"provider_id": "=provider"}),
    _row("access:emergency"),
    _row("access:provider-new", query="?kind=saml", name="provider-new-saml"),
    _row("access:tokens"),
    _row("access:token-new"),
    _row("access:token-rotate", {"token_id": "=service_token"}),
    _row("federation:rules", {"service_account_id": "=service"}),
    _row("federation:new", {"service_account_id": "=service"}),
    _row("federation:rule", {"rule_id": "=rule"}),
    _row("projects:tokens"),
    _row("projects:tokens", query="?state=revoked&kind=edge", name="tokens-none"),
    _row("projects:list"),
    _row("projects:new"),
    _row("projects:defaults"),
    _row("projects:detail", SHOP),
    _row("projects:detail", {"project": "payments-nordics"}, name="project-long-name"),
    _row("projects:token-new", SHOP),
    _row("projects:token-rotate", {**SHOP, "token": "=client_token"}),
    _row("segments:list", SHOP),
    _row("segments:list", {"project": "empty"}, name="segments-none"),
    _row("segments:new", SHOP),
    _row("segments:detail", {**SHOP, "segment": "nordics"}),
    _row("segments:edit", {**PRODUCTION, "segment": "nordics"}),
    _row("flags:across"),
    _row("flags:list", SHOP),
    _row("flags:list", {"project": "empty"}, name="flags-none"),
    _row("flags:new", SHOP),
    _row("flags:detail", CHECKOUT),
    _row("flags:detail", {**SHOP, "flag": filled.LONG}, name="flag-long-key"),
    _row("flags:update", CHECKOUT),
    _row("flags:strategy-new", {**CHECKOUT, **PRODUCTION}),
    _row("flags:strategy", {**CHECKOUT, **PRODUCTION, "strategy": "=strategy"}),
    _row("playground:index"),
    _row("playground:index", query="?project=shop&environment=production&flag=new-checkout", name="playground-flag"),
    _row("changes:queue"),
    _row("changes:queue", query="?show=all", name="requests-all"),
    _row("changes:list", SHOP),
    _row("changes:detail", {"id": "=request"}),
    _row("changes:detail", {"id": "=applied"}, name="request-applied"),
    _row("changes:detail", {"id": "=rejected"}, name="request-rejected"),
    _row("changes:queue", query="?show=open&flag=none", name="requests-filtered"),
    _row("changes:queue", query="?show=requested", name="requests-asked"),
    _row("changes:check", {"id": "=request"}),
    _row("changes:try", {"id": "=request"}),
    _row("changes:revert", {"id": "=applied"}),
    _row("changes:edit", {"id": "=request"}),
    _row("changes:draft", PRODUCTION),
    _row("changes:draft", {**SHOP, "environment": "staging"}, name="draft-none"),
    _row("changes:policies", SHOP),
    _row("changes:policy", PRODUCTION),
    _row("changes:policy", PRODUCTION, query="?preset=regulated", name="policy-preset"),
    _row("changes:policy_plan", SHOP),
    _row("changes:policy_timeline", PRODUCTION),
    _row("incidents:kills"),
    _row("incidents:list"),
    _row("incidents:declare"),
    _row("incidents:incident", {"id": "=incident"}),
    _row("incidents:times"),
    _row("incidents:emergencies"),
    _row("incidents:emergency", {"id": "=emergency"}),
    _row("incidents:triggers"),
    _row("incidents:trigger-new"),
    _row("incidents:drills"),
    _row("monitoring:alerts"),
    _row("monitoring:alerts", query="?kind=drift&project=shop", name="alerts-none"),
    _row("monitoring:alert", {"id": "=alert"}),
    _row("monitoring:alert", {"id": "=judged"}, name="alert-judged"),
    _row("monitoring:rules"),
    _row("monitoring:prometheus"),
    _row("monitoring:safeguards", SHOP),
    _row("monitoring:safeguards", {"project": "empty"}, name="safeguards-none"),
    _row("monitoring:safeguard-new", SHOP),
    _row("monitoring:safeguard", {**SHOP, "id": "=safeguard"}),
    _row("monitoring:safeguard", {**SHOP, "id": "=fired"}, name="safeguard-fired"),
    _row("evidence:log"),
    _row("evidence:log", query="?q=changes&project=empty", name="log-none"),
    _row("evidence:entry", {"seq": "40"}),
    _row("evidence:entry", {"seq": "0"}, name="entry-first"),
    _row("evidence:proof", {"seq": "40"}),
    _row("evidence:export"),
    _row("scim:directory"),
    _row("scim:token-new"),
    _row("scim:token-rotate", {"token_id": "=directory_token"}),
    _row("scim:leavers"),
    _row("scim:leavers", query="?since=2020-01-01&until=2020-02-01", name="leavers-none"),
    _row("scim:movements"),
    _row("scim:movements", query="?since=2020-01-01&until=2020-02-01", name="movements-none"),
    _row("scim:departure", {"person_id": "=person"}),
    _row("privacy:map"),
    _row("privacy:person", {"person_id": "=person"}, name="privacy-of-who-is-here"),
    _row("privacy:person", {"person_id": "=left"}, name="privacy-erasure-asked"),
    _row("privacy:person", {"person_id": "=gone"}, name="privacy-erasure-waits"),
    _row("privacy:person", {"person_id": "=erased"}, name="privacy-erased"),
    _row("access:person", {"person_id": "=erased"}, name="person-erased"),
    _row("privacy:mine"),
    _row("integrations:inbox"),
    _row("integrations:inbox", query="?topic=guard&show=all", name="inbox-none"),
    _row("integrations:inbox", query="?topic=guard", name="inbox-nothing-unread"),
    _row("integrations:preferences"),
    _row("integrations:list"),
    _row("integrations:new"),
    _row("integrations:new", query="?kind=jira", name="integration-new-jira"),
    _row("integrations:project", SHOP),
    _row("integrations:project", {"project": "empty"}, name="integrations-none"),
    _row("integrations:project-new", SHOP, query="?kind=slack"),
    _row("integrations:detail", {"id": "=integration"}),
    _row("integrations:detail", {"id": "=tickets"}, name="integration-jira"),
    _row("home:index"),
    _row("settings:index"),
)

WRITES = frozenset({
    "identity:approval-key-question", "identity:approval-key-enrol", "identity:approval-key-revoke",
    "changes:approval-question",
    "identity:passkey", "identity:passkey-question", "identity:sign-out", "identity:session-end",
    "identity:sessions-end-others", "identity:passkey-new-question", "identity:recovery-codes",
    "privacy:rules", "privacy:held", "privacy:confirm", "privacy:withdraw",
    "identity:factor-remove", "access:invite-again", "access:reset-link", "access:remove-factors", "access:deactivate",
    "access:reactivate", "access:group-archive", "access:member-add", "access:member-remove", "access:service-disable",
    "access:service-enable", "access:grant-end", "access:role-archive",
    "access:token-revoke", "projects:update", "projects:environment-new",
    "projects:environment-move", "projects:token-revoke", "changes:decide", "changes:act", "changes:finish",
    "changes:discuss", "changes:reviewers", "changes:rebase", "changes:draft-check",
    "changes:policy_file", "progression:promote", "incidents:kill", "incidents:reason",
    "incidents:restore", "incidents:export", "incidents:act", "incidents:emergency-act", "incidents:trigger-revoke",
    "incidents:drill-plan", "incidents:drill-act", "incidents:hook", "incidents:hook-secret",
    "monitoring:export", "monitoring:judge", "monitoring:safeguard-act", "monitoring:hook", "evidence:export_ledger",
    "access:service-take-over",
    "projects:token-rules", "projects:tokens-export", "federation:try", "federation:end",
    "access:provider-map", "access:provider-unmap", "access:provider-enable", "access:provider-disable",
    "access:provider-enforce", "access:provider-release", "access:provider-identity-release", "sso:route",
    "access:provider-vouch", "sso:backchannel-logout",
    "access:emergency-holders", "access:emergency-draw", "access:emergency-close", "access:emergency-review",
    "identity:saml-acs", "identity:factor-rename", "access:person-sessions-end", "access:unblock",
    "access:end-everybody", "access:logins-export", "access:export", "access:request-approve",
    "access:request-refuse", "access:request-review", "access:request-withdraw", "access:exception-answer",
    "integrations:mark", "integrations:mail", "integrations:act",
    "scim:token-revoke", "scim:leavers-export", "scim:leavers-limit", "scim:movements-export",
})  # fmt: skip
"""Views that answer POST alone: a test asks each with GET and wants 405."""

NO_PAGES = {
    "scim:root": "answers the directory in JSON",
    "scim:root-slash": "answers the directory in JSON",
    "scim:endpoint": "answers the directory in JSON",
    "access:provider-try": "leads to the provider",
    "sso:login": "leads to the provider; the story of signing in looks at what comes back",
    "sso:callback": "answers what the provider says",
    "sso:renew": "leads to the provider",
    "sso:confirm": "leads to the provider",
    "identity:resume": "only where a form waits for the second factor; its story looks at it",
    "identity:second-factor": "only in the middle of signing in; the story looks at it",
    "identity:emergency-factor": "only once two holders gave their codes; its story looks at it",
    "identity:saml-metadata": "XML for the provider",
    "identity:saml-finish": "leads on from the provider",
    "identity:saml-logout": "leads back to the provider",
    "environments:list": "leads to the project's page",
    "integrations:notice": "leads to what the notice is about",
    "integrations:tickets": "a part of a request's page, which asks for it",
    "ui:commands": "JSON for the command menu",
    "reach:publication": "a part of the pages of flags, requests and kill switches, which asks again by itself",
}


def views() -> dict[str, list[str]]:
    """Every named view outside the API, with the names of what stands in its address."""

    def walk(patterns: list[Any], namespace: str, prefix: str) -> Iterator[tuple[str, list[str]]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if route.startswith(("api/", "^api/", "styleguide/")):
                continue
            if isinstance(pattern, URLResolver):
                inner = ":".join(part for part in (namespace, pattern.namespace) if part)
                yield from walk(pattern.url_patterns, inner, route)
            else:
                name = ":".join(part for part in (namespace, pattern.name or route) if part)
                yield name, list(pattern.pattern.converters)

    return dict(walk(get_resolver().url_patterns, "", ""))


def test_every_page_has_a_row() -> None:
    rows = {row.view for row in PAGES}
    assert views().keys() == rows | WRITES | NO_PAGES.keys()


@dataclass(frozen=True, kw_only=True)
class Site:
    """A served installation with one of everything, and Ada's cookies."""

    server: Server
    browser: Browser
    filled: dict[str, str]
    cookies: Any

    def address(self, row: Row) -> str:
        """Where a row's page is."""
        given = {name: self.filled[value[1:]] if value.startswith("=") else value for name, value in row.kwargs}
        return self.server.url + reverse(row.view, kwargs=given) + row.query


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Filled by a process of its own, then served by `ensign serve`."""
    data = tmp_path_factory.mktemp("filled") / "data"
    data.mkdir()
    testkit = str(Path(filled.__file__).parents[1])
    command = [sys.executable, "-m", "ensign_testkit.filled", str(data), "--many"]
    env = environment(data, {"PYTHONPATH": testkit})
    made = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert made.returncode == 0, made.stderr
    with sync_playwright() as playwright, serving(data, "--no-worker") as server:
        browser = launch(playwright)
        with browsing(browser) as page:
            sign_in(page, server.url, email="ada.admin@example.com", password=filled.PASSWORD)
            page.wait_for_url(f"{server.url}/")
            cookies = page.context.storage_state()
        yield Site(server=server, browser=browser, filled=json.loads(made.stdout), cookies=cookies)
        browser.close()


def _named(row: Row) -> str:
    return row.name or row.view.replace(":", "-")


@pytest.mark.parametrize("row", PAGES, ids=_named)
def test_a_page_is_accessible_and_fits(site: Site, row: Row) -> None:
    """Light at 1440, then dark at 390 (as on a phone), then 1024."""
    with browsing(site.browser, state=site.cookies if row.signed_in else None) as page:
        answer = page.goto(site.address(row))
        assert answer is not None
        assert answer.status == (404 if row.name == "setup-link-unknown" else 200)
        page.wait_for_selector("html[data-ready]")
        shoot(page, SHOTS, f"{_named(row)}-1440-light")
        assert page.locator("h1").count() == 1
        assert violations(page) == []
        assert sideways(page) == 0
        page.set_viewport_size({"width": 390, "height": 844})
        page.emulate_media(color_scheme="dark")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        shoot(page, SHOTS, f"{_named(row)}-390-dark")
        assert violations(page) == []
        assert sideways(page) == 0
        page.set_viewport_size({"width": 1024, "height": 768})
        assert sideways(page) == 0


def test_views_that_write_answer_post_alone(site: Site) -> None:
    with browsing(site.browser, state=site.cookies, watch=False) as page:
        for view, parameters in views().items():
            if view in WRITES:
                path = reverse(view, kwargs=dict.fromkeys(parameters, "1"))
                assert page.request.get(site.server.url + path).status == 405, view


def test_what_a_rule_says_to_a_token_is_told_accessibly(site: Site) -> None:
    """A made-up token of GitHub's issuer: no claim is missing from the answer, and nothing asks the issuer for it."""
    with browsing(site.browser, state=site.cookies) as page:
        page.goto(site.server.url + reverse("federation:rule", kwargs={"rule_id": site.filled["rule"]}))
        page.get_by_label("ID token of a job").fill("e30.e30.e30")
        press(page, "Try it")
        expect(page.get_by_text("It does not let the job in")).to_be_visible()
        shoot(page, SHOTS, "federation-verdict-1440-light")
        assert violations(page) == []
        assert sideways(page) == 0


def test_pages_read_without_javascript(site: Site) -> None:
    """Headings, tables and forms are in the HTML; nothing that needs a script is shown."""
    with browsing(site.browser, state=site.cookies, javascript=False) as page:
        for row in PAGES:
            if not row.signed_in:
                continue
            page.goto(site.address(row))
            assert page.locator("h1").is_visible(), row
            assert page.locator("main").inner_text().strip(), row
            assert page.locator(".needs-js:visible").count() == 0, row
            assert page.locator(".nav-link").count() == 0 or page.locator(".nav-link").first.is_visible(), row


def test_a_kill_switch_can_be_pressed_without_javascript(site: Site) -> None:
    """The confirmation stands in the page where no script can open it."""
    with browsing(site.browser, state=site.cookies, javascript=False) as page:
        page.goto(site.server.url + reverse("flags:detail", kwargs=CHECKOUT))
        expect(page.get_by_role("button", name="Switch off in Production", exact=True)).to_be_visible()


def _focused(page: Page) -> str:
    text = page.evaluate("(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent)")
    return " ".join(str(text).split())


def test_tab_walks_a_page_in_reading_order_with_focus_always_to_be_seen(site: Site) -> None:
    with browsing(site.browser, state=site.cookies) as page:
        page.goto(site.server.url + reverse("flags:list", kwargs=SHOP))
        page.wait_for_selector("html[data-ready]")
        seen = []
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break  # past the last stop, out into the browser's own bar
            seen.append(_focused(page))
            box = page.evaluate(
                "(() => { const b = document.activeElement.getBoundingClientRect();"
                " return [b.width, b.height, getComputedStyle(document.activeElement).outlineStyle]; })()"
            )
            assert box[0] > 0, seen[-1]
            assert box[1] > 0, seen[-1]
            assert box[2] != "none", f"no visible focus on {seen[-1]}"
        wanted = ["Skip to the content", "Home", "Flags", "Log", "New flag", "new-checkout"]
        places = [next(i for i, text in enumerate(seen) if text.startswith(word)) for word in wanted]
        assert places == sorted(places)


def test_a_dialog_keeps_the_focus_and_gives_it_back(site: Site) -> None:
    with browsing(site.browser, state=site.cookies) as page:
        page.goto(site.server.url + reverse("flags:detail", kwargs=CHECKOUT))
        page.wait_for_selector("html[data-ready]")
        opener = page.get_by_role("button", name="Kill switch in Production")
        opener.focus()
        page.keyboard.press("Enter")
        box = page.get_by_role("dialog")
        expect(box).to_be_visible()
        assert violations(page) == []
        seen = set()
        for key in ["Tab"] * 8 + ["Shift+Tab"] * 8:
            page.keyboard.press(key)
            inside = "document.activeElement.closest('dialog') !== null || document.activeElement === document.body"
            assert page.evaluate(inside), _focused(page)
            seen.add(_focused(page))
        assert {"Close", "Keep as it is", "Switch off in Production"} <= seen
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        expect(opener).to_be_focused()


def test_the_command_menu_finds_a_flag_by_keyboard(site: Site) -> None:
    with browsing(site.browser, state=site.cookies) as page:
        page.goto(site.server.url + "/")
        page.wait_for_selector("html[data-ready]")
        page.keyboard.press("Control+k")
        page.keyboard.type("search-rank")
        expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("search-ranking-v3")
        page.keyboard.press("Enter")
        page.wait_for_url("**/flags/search-ranking-v3")


def test_switching_the_project_keeps_the_room(site: Site) -> None:
    with browsing(site.browser, state=site.cookies) as page:
        page.goto(site.server.url + reverse("segments:list", kwargs=SHOP))
        page.wait_for_selector("html[data-ready]")
        page.locator(".switcher summary").click()
        assert violations(page) == []
        page.get_by_role("link", name="Empty").click()
        page.wait_for_url("**/projects/empty/segments")


def test_no_word_of_the_persons_menu_is_broken(site: Site) -> None:
    with browsing(site.browser, state=site.cookies) as page:
        page.goto(site.server.url + "/")
        page.wait_for_selector("html[data-ready]")
        page.locator(".user summary").click()
        choices = page.locator("[data-theme-choice]")
        assert choices.count() == 3
        for box in (choice.bounding_box() for choice in choices.all()):
            assert box is not None
            assert box["height"] < 32, "two lines"
        shown = page.locator(".user .segmented").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert shown[0] <= shown[1]


def test_a_thousand_flags_are_listed_and_walked_by_keyboard(site: Site) -> None:
    with browsing(site.browser, state=site.cookies) as page:
        page.goto(site.server.url + reverse("flags:list", kwargs={"project": filled.MANY}))
        page.wait_for_selector("html[data-ready]")
        assert page.locator("tbody tr").count() == 1000
        assert sideways(page) == 0
        for _ in range(3):
            page.keyboard.press("j")
        expect(page.get_by_role("link", name="flag-0002-of-the-thousand")).to_be_focused()


@pytest.mark.parametrize("width", [1920, 1440, 1300, 1210, 1024])
def test_rows_of_the_flag_list_are_one_line_and_nothing_runs_out_of_its_cell(site: Site, width: int) -> None:
    """Whatever stands in them: stale, conditions, several strategies, requests that wait. Only a long key may wrap."""
    with browsing(site.browser, state=site.cookies, width=width) as page:
        page.goto(site.server.url + reverse("flags:list", kwargs=SHOP))
        page.wait_for_selector("html[data-ready]")
        expect(page.locator("tbody .pending").first).to_be_visible()
        rows = page.evaluate(
            """() => [...document.querySelectorAll("tbody tr")].map((row) => [
              row.querySelector("th a").textContent, row.getBoundingClientRect().height,
              [...row.children].map((cell) => cell.scrollWidth - cell.clientWidth)])"""
        )
        assert len(rows) > 3
        for key, height, over in rows:
            assert height <= (90 if key == filled.LONG else 37), (key, height)
            assert max(over) <= 0, (key, over)
