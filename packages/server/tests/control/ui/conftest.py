"""The style guide as a site of its own, with the settings that conf.py exports, and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from django.test.testcases import LiveServerThread
from django.urls import include, path
from ensign.control.ui import conf
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def _urlconf() -> ModuleType:
    module = ModuleType("styleguide_site")
    module.urlpatterns = [  # type: ignore[attr-defined]  # that is what a URLconf is
        path("ui/styleguide/", include("ensign.control.ui.styleguide_urls")),
        path("account/", include("allauth.urls")),
    ]
    return module


def _settings() -> dict[str, Any]:
    return {
        "DEBUG": True,
        "ROOT_URLCONF": _urlconf(),
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "DIRS": list(conf.TEMPLATE_DIRS),
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.messages.context_processors.messages",
                        *conf.CONTEXT_PROCESSORS,
                    ]
                },
            }
        ],
        "MIDDLEWARE": [
            *conf.OUTER_MIDDLEWARE,
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            *conf.MIDDLEWARE,
        ],
        "CONTENT_SECURITY_POLICY": conf.CONTENT_SECURITY_POLICY,
        "STATICFILES_DIRS": list(conf.STATICFILES_DIRS),
        "ALLOWED_HOSTS": ["testserver", "127.0.0.1", "localhost"],
    }


@pytest.fixture
def site() -> Iterator[None]:
    """The style guide's settings, for tests that ask through Django's client."""
    with override_settings(**_settings()):
        yield


@pytest.fixture
def page_request(site: None) -> HttpRequest:
    """A request by nobody, far enough along to render a page with it."""
    from django.contrib.auth.models import AnonymousUser  # models exist only once the plugin has set Django up

    request = RequestFactory().get("/account/")
    request.user = AnonymousUser()
    return request


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The style guide served on a free port of the loopback; its address."""
    with override_settings(**_settings()):
        thread = LiveServerThread("127.0.0.1", StaticFilesHandler, connections_override={})
        thread.daemon = True
        thread.start()
        assert thread.is_ready.wait(20)
        assert thread.error is None, thread.error
        yield f"http://127.0.0.1:{thread.port}"
        thread.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield running
        running.close()
