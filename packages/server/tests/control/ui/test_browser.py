"""The style guide in a real browser: nothing that axe finds, nothing that the policy blocks, all by keyboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
WIDTHS = (1440, 1024, 390)
SHOTS = os.environ.get("ENSIGN_SHOTS", "")
"""A folder for screenshots, for the eye."""


@contextmanager
def opened(
    browser: Browser, address: str, *, width: int = 1440, scheme: Scheme = "light", javascript: bool = True
) -> Iterator[Page]:
    """A page whose console must stay silent: a CSP violation or a script error fails the test."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        java_script_enabled=javascript,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    if javascript:
        page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    browser: Browser, server: str, width: int, scheme: Scheme
) -> None:
    with opened(browser, f"{server}/ui/styleguide/?message=1", width=width, scheme=scheme) as page:
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{scheme}-{width}.png", full_page=True)
        found = Axe().run(page).response["violations"]
        told = [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]
        assert told == []
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_error_pages_are_accessible(browser: Browser, server: str, status: int, scheme: Scheme) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1024, "height": 700})
    page = context.new_page()
    page.goto(f"{server}/ui/styleguide/errors/{status}")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"error-{status}-{scheme}.png")
    assert Axe().run(page).response["violations"] == []
    context.close()


@pytest.mark.parametrize(("theme", "scheme"), [("dark", "light"), ("light", "dark")])
def test_a_chosen_theme_beats_the_system_and_is_kept(browser: Browser, server: str, theme: str, scheme: Scheme) -> None:
    with opened(browser, f"{server}/ui/styleguide/", scheme=scheme) as page:
        page.locator(".user summary").click()
        page.locator(f"[data-theme-choice={theme}]").click()
        page.reload(wait_until="commit")
        page.wait_for_selector("html[data-ready]")
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert ink == ("rgb(232, 236, 243)" if theme == "dark" else "rgb(21, 29, 46)")


def test_the_command_menu_finds_rooms_and_flags_and_is_accessible(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        page.keyboard.press("Control+k")
        expect(page.get_by_role("combobox", name="Search or go to")).to_be_focused()
        expect(page.locator("#palette-list [role=option]")).to_have_count(9)
        page.keyboard.type("old-log")
        expect(page.locator("#palette-list [role=option]")).to_have_count(1)
        expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("old-login")
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / "palette.png")
        assert Axe().run(page, context=None).response["violations"] == []
        page.keyboard.press("Enter")
        page.wait_for_url("**#tables")


def test_keys_walk_rows_search_and_go_to_rooms(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        page.keyboard.press("j")
        page.keyboard.press("j")
        expect(page.locator("a.key", has_text="search-ranking-v3")).to_be_focused()
        page.keyboard.press("k")
        expect(page.locator("a.key", has_text="new-checkout")).to_be_focused()
        page.keyboard.press("/")
        expect(page.locator("#q")).to_be_focused()
        page.keyboard.type("g")
        expect(page.locator("#q")).to_have_value("g")
        page.locator("h1").click()
        page.keyboard.press("g")
        page.keyboard.press("l")
        page.wait_for_url("**#timeline")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        assert Axe().run(page).response["violations"] == []
        page.keyboard.press("Escape")
        expect(page.locator("#shortcuts")).to_be_hidden()


def test_the_first_tab_stop_skips_to_the_content_and_the_order_is_that_of_the_page(
    browser: Browser, server: str
) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        seen = []
        for _ in range(16):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')"))
            shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert shown != "none", f"no visible focus on {seen[-1]!r}"
        assert seen[0] == "Skip to the content"
        assert seen[4:9] == ["Home", "Flags", "Requests3 waiting", "Segments", "Log"]
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_typing_a_filter_swaps_the_list_keeps_the_address_and_tells_screen_readers(
    browser: Browser, server: str
) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        page.locator("#q").fill("login")
        expect(page.locator("#flags tbody tr")).to_have_count(1)
        page.wait_for_url("**q=login**")
        expect(page.locator("#live")).to_have_text("1 of 1 flag")
        expect(page.locator("#q")).to_have_value("login")
        page.locator("#q").fill("nothing like it")
        expect(page.get_by_role("heading", name="No flag matches these filters")).to_be_visible()
        page.reload()
        expect(page.locator("#q")).to_have_value("nothing like it")
        page.go_back()
        expect(page.locator("#flags tbody tr")).to_have_count(1)


def test_injected_markup_without_the_nonce_can_send_nothing(browser: Browser, server: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server}/ui/styleguide/")
    page.wait_for_selector("html[data-ready]")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate(
        "() => { const d = document.createElement('button'); d.id = 'evil';"
        " d.setAttribute('hx-get', '/stolen'); document.querySelector('main').append(d); htmx.process(d); d.click(); }"
    )
    expect(page.locator("#evil")).not_to_have_attribute("hx-get", "/stolen")
    assert not [url for url in sent if "stolen" in url]
    context.close()


def test_slider_and_number_hold_one_value(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        number, slider = page.locator("#id_rollout"), page.get_by_label("Rollout, slider")
        number.fill("37")
        expect(slider).to_have_value("37")
        slider.focus()
        page.keyboard.press("ArrowRight")
        expect(number).to_have_value("38")
        page.locator("#forms [data-stop='100']").first.click()
        expect(number).to_have_value("100")
        page.evaluate("document.querySelector('form[data-guard]').reset()")


def test_a_guarded_form_asks_before_it_loses_what_was_typed(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        page.locator("#id_key").first.fill("new")
        asked: list[str] = []

        def answer(dialog: object) -> None:
            asked.append(dialog.type)  # type: ignore[attr-defined]  # Playwright's Dialog
            dialog.accept()  # type: ignore[attr-defined]

        page.on("dialog", answer)
        page.reload()
        assert asked == ["beforeunload"]


def test_a_confirmation_opens_traps_and_returns_focus(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        opener = page.get_by_role("button", name="Switch off in production").first
        opener.click()
        box = page.get_by_role("dialog", name="Switch off new-checkout?")
        expect(box).to_be_visible()
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / "confirm.png")
        assert Axe().run(page).response["violations"] == []
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        expect(opener).to_be_focused()


def test_copying_takes_the_exact_time(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/") as page:
        first = page.locator(".timeline time").first
        exact = first.get_attribute("title")
        page.evaluate(
            "() => { const r = document.createRange(); r.selectNodeContents(document.querySelector('.timeline li'));"
            " getSelection().removeAllRanges(); getSelection().addRange(r); }"
        )
        page.keyboard.press("Control+c")
        taken = page.evaluate("navigator.clipboard.readText()")
        assert exact in taken
        assert "ago" not in taken
        expect(first).to_contain_text("ago")
        page.locator("[data-copy='new-checkout']").click()
        expect(page.locator("#live")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "new-checkout"


def test_the_page_reads_and_filters_without_javascript(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/", javascript=False) as page:
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / "no-javascript.png", full_page=True)
        expect(page.get_by_role("button", name="Search or go to")).to_have_count(0)
        page.locator("#q").fill("login")
        page.get_by_role("search").get_by_role("button", name="Apply").click()
        assert "q=login" in page.url
        assert page.locator("#flags tbody tr").count() == 1


def test_on_a_phone_the_rooms_open_from_the_menu(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/ui/styleguide/", width=390) as page:
        expect(page.locator("#sidebar")).to_be_hidden()
        page.get_by_role("button", name="Menu", exact=True).click()
        expect(page.locator("#sidebar")).to_be_visible()
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / "phone-menu.png")
        assert Axe().run(page).response["violations"] == []
        page.keyboard.press("Escape")
        expect(page.locator("#sidebar")).to_be_hidden()


def test_a_page_weighs_under_150_kilobytes_gzipped(browser: Browser, server: str) -> None:
    import gzip

    context = browser.new_context()
    page = context.new_page()
    bodies: list[bytes] = []
    page.on("response", lambda response: bodies.append(response.body()) if response.status == 200 else None)
    page.goto(f"{server}/ui/styleguide/", wait_until="networkidle")
    total = sum(len(gzip.compress(body, 9)) for body in bodies)
    context.close()
    assert len(bodies) > 10
    assert total < 150_000, f"{total} bytes"
