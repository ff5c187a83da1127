"""A real Chromium that fails on whatever a page says to its console, people who sign in with it, and their codes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
Scheme = Literal["light", "dark"]
WIDTHS = (1440, 1024, 390)
PATIENCE_MS = 30_000
"""How long a state is waited for. Far beyond what it takes: a busy machine must not fail a test."""
STEP = 30
"""Seconds for which a code counts (RFC 6238, section 4.1)."""

expect.set_options(timeout=PATIENCE_MS)


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


class Said:
    """What pages of a browser context said to the console; ``check`` fails on any of it."""

    def __init__(self, context: BrowserContext) -> None:
        self.lines: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.lines.append(str(error.error)))

    def _console(self, message: ConsoleMessage) -> None:
        # A refused form is answered with 422 and an error page with its own status, which Chromium reports, too.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.lines.append(f"{message.location.get('url', '')}: {message.text}")

    def check(self) -> None:
        """No script error, no violation of the security policy."""
        found, self.lines = self.lines, []
        assert found == []


@contextmanager
def browsing(
    browser: Browser,
    *,
    width: int = 1440,
    scheme: Scheme = "light",
    javascript: bool = True,
    state: Any = None,
    watch: bool = True,
) -> Iterator[Page]:
    """A page in a context of its own (its own cookies), whose console must stay silent."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        java_script_enabled=javascript,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
        storage_state=state,
    )
    context.set_default_timeout(PATIENCE_MS)
    said = Said(context)
    page = context.new_page()
    try:
        yield page
        if watch:
            said.check()
    finally:
        context.close()


def sign_in(page: Page, url: str, *, email: str, password: str) -> None:
    """Through the form, with a password alone."""
    page.goto(f"{url}/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def press(page: Page, name: str | re.Pattern[str]) -> None:
    """Press the button that sends a form, and wait for the page that answers it.

    Without that the next step may leave the page before the form has gone: a click does not wait for what it begins.
    """
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()
    page.wait_for_selector("html[data-ready]")


def explain(pages: Sequence[Page], log: Sequence[str], folder: Path, *, tail: int = 40) -> None:
    """What every page shows and what the server printed, into ``folder``; the ends of it onto the terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server.log").write_text("".join(log))
    print("".join(["--- the server printed last:\n", *log[-tail:]]))
    for number, page in enumerate(pages, start=1):
        text = page.locator("body").inner_text()
        (folder / f"page-{number}.txt").write_text(f"{page.url}\n{text}\n")
        page.screenshot(path=folder / f"page-{number}.png", full_page=True)
        print(f"--- page {number}, {page.url}, ends with:", *text.splitlines()[-tail:], sep="\n")


def violations(page: Page) -> list[str]:
    """What axe finds on the page, one line each."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['target']} {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def shoot(page: Page, folder: Path, name: str) -> None:
    """The whole page, for the eye. Drawing it also waits for what is moving, which axe would find half way."""
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def look(page: Page, folder: Path, name: str) -> None:
    """The page is accessible, light and dark; and a picture of each."""
    for scheme in get_args(Scheme):
        page.emulate_media(color_scheme=scheme)
        shoot(page, folder, f"{name}-{scheme}")
        assert violations(page) == []
    page.emulate_media(color_scheme="light")


class Codes:
    """An authenticator app: the codes of one secret (RFC 6238 with SHA-1, 6 digits). Each is given out once."""

    def __init__(self, secret: str) -> None:
        text = secret.replace(" ", "").upper()
        self._key = base64.b32decode(text + "=" * (-len(text) % 8))
        self._last = -1

    def next(self) -> str:
        """A code that was not given out before: that of now, else of the next step, which counts already."""
        now = int(time.time()) // STEP
        while now + 1 <= self._last:  # both were used: a third comes with the next step
            time.sleep(0.2)
            now = int(time.time()) // STEP
        self._last = max(now, self._last + 1)
        return self.at(self._last)

    def at(self, counter: int) -> str:
        """RFC 4226, section 5.3."""
        mac = hmac.new(self._key, struct.pack(">Q", counter), hashlib.sha1).digest()
        start = mac[-1] & 15
        number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"
