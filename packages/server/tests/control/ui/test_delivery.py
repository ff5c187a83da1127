"""What reaches the browser: vendored files as recorded, hashed names that resolve, htmx's redirects."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.test import Client, RequestFactory, override_settings
from ensign.control.ui import conf, errors
from ensign.control.ui.middleware import HtmxMiddleware, is_partial

VENDOR = conf.PACKAGE_ROOT / "static" / "vendor"
ASSETS = Path(__file__).parents[3] / "assets"


def test_vendored_files_are_the_recorded_ones_and_no_others() -> None:
    lines = [line.split("  ") for line in (VENDOR / "SHA256SUMS").read_text().splitlines()]
    recorded = {name: digest for digest, name in lines}
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.iterdir()
        if file.name != "SHA256SUMS"
    }
    assert found == recorded
    assert not [name for name in found if b"sourceMappingURL" in (VENDOR / name).read_bytes()]


def test_the_lock_pins_every_package_by_digest_and_names_no_address() -> None:
    lock = json.loads((ASSETS / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name


def test_every_icon_that_a_template_or_the_code_names_is_in_the_sprite() -> None:
    known = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "icons.svg").read_text()))
    root = conf.PACKAGE_ROOT / "control" / "ui"
    named = set()
    for file in root.rglob("*.html"):
        named |= set(re.findall(r'{% icon "([^"]+)"', file.read_text()))
        named |= set(re.findall(r'icon_name="([^"]+)"', file.read_text()))
    for file in root.glob("*.py"):
        named |= set(re.findall(r'icon="([^"]+)"', file.read_text()))
        named |= set(re.findall(r'_room\("[^"]+", "([^"]+)"', file.read_text()))
    assert len(named) > 30
    assert named <= known, sorted(named - known)


def test_static_files_collect_under_hashed_names_and_modules_import_the_hashed_ones(tmp_path: Path) -> None:
    storages = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": conf.STATICFILES_STORAGE},
    }
    with override_settings(
        STATIC_ROOT=tmp_path, STORAGES=storages, STATICFILES_DIRS=list(conf.STATICFILES_DIRS), DEBUG=False
    ):
        call_command("collectstatic", interactive=False, verbosity=0)
    manifest = json.loads((tmp_path / "staticfiles.json").read_text())["paths"]
    entry = (tmp_path / manifest["ui/js/app.js"]).read_text()
    for name in re.findall(r'from "\./([^"]+)"', entry):
        assert (tmp_path / "ui" / "js" / name).is_file()
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), name
    assert "mfa/js/webauthn-json.js" in manifest


def _answer(response: HttpResponse, **headers: str) -> HttpResponse:
    request = RequestFactory().post("/x", headers=headers)
    answered = HtmxMiddleware(lambda _request: response)(request)
    assert isinstance(answered, HttpResponse)
    return answered


def test_a_redirect_after_an_htmx_post_becomes_a_navigation_and_keeps_cookies() -> None:
    redirect = HttpResponseRedirect("/there")
    redirect.set_cookie("sessionid", "s")
    answer = _answer(redirect, hx_request="true")
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/there")
    assert answer.cookies["sessionid"].value == "s"
    assert "Location" not in answer


def test_a_plain_redirect_stays_one_and_every_answer_varies_with_htmx() -> None:
    answer = _answer(HttpResponseRedirect("/there"))
    assert (answer.status_code, answer["Location"]) == (302, "/there")
    assert "HX-Request" in answer["Vary"]


@pytest.mark.parametrize(
    ("headers", "partial"),
    [
        ({}, False),
        ({"HX-Request": "true", "HX-Request-Type": "partial"}, True),
        ({"HX-Request": "true", "HX-Request-Type": "full"}, False),
    ],
)
def test_a_fragment_answers_only_what_asks_for_one(headers: dict[str, str], partial: bool) -> None:
    assert is_partial(RequestFactory().get("/x", headers=headers)) is partial


@pytest.mark.usefixtures("site")
def test_the_policy_allows_our_own_files_and_nothing_inline() -> None:
    policy = Client().get("/ui/styleguide/").headers["Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert re.fullmatch(r"'self' 'nonce-[A-Za-z0-9+/=]+'", parts["script-src"])
    assert parts["style-src"] == "'self'"
    assert parts["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("status", errors.WRONGS)
def test_an_error_page_says_cause_and_remedy(status: int) -> None:
    page = Client().get(f"/ui/styleguide/errors/{status}")
    assert page.status_code == status
    wrong = errors.WRONGS[status]
    for words in (wrong.title, wrong.cause[:30], wrong.remedy[:20]):
        assert words in page.content.decode()


@pytest.mark.usefixtures("site")
def test_the_page_for_a_failure_needs_neither_request_nor_database() -> None:
    page = errors.server_error(HttpRequest())
    assert page.status_code == 500
    assert "Nothing was half saved" in page.content.decode()


@override_settings(ALLOWED_HOSTS=["ensign.example"])
@pytest.mark.parametrize("path", ["/", "/login", "/api/v1/projects", "/nothing/here"])
def test_the_page_that_refuses_a_host_carries_the_policy_and_lets_its_styles_in(path: str) -> None:
    """Django refuses it in a middleware of its own, before any view."""
    answer = Client(headers={"host": "elsewhere.example"}).get(path)
    assert answer.status_code == 400
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "elsewhere" not in answer.content.decode()
