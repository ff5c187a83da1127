"""The product on http://localhost, in this process, over the test's own database; and browsers for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test.testcases import LiveServerThread, _StaticFilesHandler
from playwright.sync_api import Browser, sync_playwright

from ensign_testkit.browsing import launch


@contextmanager
def live(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address, which the settings know as the public one."""
    thread = LiveServerThread("localhost", _StaticFilesHandler)
    thread.server_class = ThreadedWSGIServer
    thread.daemon = True
    thread.start()
    assert thread.is_ready.wait(20)
    if thread.error is not None:
        raise thread.error
    patch.setattr(settings, "PUBLIC_URL", f"http://localhost:{thread.port}")
    try:
        yield f"http://localhost:{thread.port}"
    finally:
        thread.terminate()
        connections.close_all()


@contextmanager
def chromium(patch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser. Playwright keeps an event loop in this thread, in which Django would refuse the database."""
    patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
        connections.close_all()
