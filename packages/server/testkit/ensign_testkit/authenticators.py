"""A real Chromium with a virtual authenticator (CDP, WebAuthn), in front of this process's own server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test.testcases import LiveServerThread, _StaticFilesHandler
from playwright.sync_api import CDPSession, ConsoleMessage, Page, sync_playwright

from ensign_testkit.browsing import PATIENCE_MS, launch


@contextmanager
def serving_here() -> Iterator[str]:
    """The product on http://localhost and a free port, over this test's database; gives the address."""
    thread = LiveServerThread("localhost", _StaticFilesHandler)
    thread.server_class = ThreadedWSGIServer
    thread.daemon = True
    thread.start()
    assert thread.is_ready.wait(20)
    if thread.error is not None:
        raise thread.error
    try:
        yield f"http://localhost:{thread.port}"
    finally:
        thread.terminate()
        connections.close_all()


@dataclass
class Device:
    """A page, and the platform authenticator of its device, which verifies its user unless told otherwise."""

    page: Page
    devtools: CDPSession
    authenticator: str
    complaints: list[str] = field(default_factory=list)

    def recognises_its_user(self, yes: bool) -> None:
        """Whether fingerprint, face or code will be right."""
        self.devtools.send("WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": yes})


@contextmanager
def device() -> Iterator[Device]:
    """A browser of its own. ``complaints`` are violations of the content policy and errors of scripts."""
    options: dict[str, Any] = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        added = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        made = Device(page, devtools, added["authenticatorId"])

        def note(message: ConsoleMessage) -> None:
            if message.type == "error" and "status of 4" not in message.text:
                made.complaints.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        yield made
        browser.close()
        # Connections made while Playwright's loop runs are kept apart, so they are closed while it still does.
        connections.close_all()
