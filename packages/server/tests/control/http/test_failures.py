"""Claims: a page that fails as expected says why and what to do; a lacking second factor leads to its proof."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from ensign import urls
from ensign.control.audit.models import Entry
from ensign.control.kernel import errors
from ensign.control.kernel.actor import Actor
from ensign_testkit.changing import approve, launch, requested, story, without_mfa
from ensign_testkit.people import add_person, sign_in

FAILURES: dict[str, Callable[[], errors.EnsignError]] = {
    "denied": lambda: errors.Denied("No role allows it.", permission="org:read", remedy="Ask Ada."),
    "missing": lambda: errors.NotFound("There is no such thing.", remedy="Look elsewhere."),
    "conflict": lambda: errors.Conflict("Somebody was quicker.", remedy="Open it again."),
    "invalid": lambda: errors.Invalid("This does not fit.", fields={"name": "Too long."}, remedy="Shorten it."),
    "limited": lambda: errors.RateLimited("Too many failed tries.", retry_after=61, remedy="Wait."),
    "unavailable": lambda: errors.Unavailable("The disk is full.", remedy="Make room."),
    "mfa": lambda: errors.NeedsMfa("This needs a second factor.", permission="change:approve", remedy="Confirm."),
    "anonymous": lambda: errors.Unauthenticated("Nobody is signed in."),
}


def fail(request: HttpRequest, how: str) -> HttpResponse:
    """A view that fails as asked."""
    raise FAILURES[how]()


#: This module is the URL configuration of its tests: Ensign's pages and one that fails.
urlpatterns = [path("fail/<how>", fail), *urls.urlpatterns]


@pytest.fixture
def browser(db: str) -> Iterator[Client]:
    sys.modules.setdefault(__name__, sys.modules[fail.__module__])
    with override_settings(ROOT_URLCONF=__name__):
        yield sign_in(Client(), add_person("Vi Viewer", "viewer"))


def denials() -> int:
    return Entry.objects.filter(action="access.denied").count()


def target(answer: Any, header: str = "Location") -> str:
    """Where the step-up leads back to."""
    found = urlsplit(answer[header])
    assert (found.netloc, found.path) == ("", "/account/confirm")
    return parse_qs(found.query)["next"][0]


@pytest.mark.parametrize(
    ("how", "status", "cause"),
    [
        ("denied", 403, "No role allows it."),
        ("missing", 404, "There is no such thing."),
        ("conflict", 409, "Somebody was quicker."),
        ("invalid", 422, "Too long."),
        ("limited", 429, "Too many failed tries."),
        ("unavailable", 503, "The disk is full."),
    ],
)
def test_an_expected_failure_is_a_page_with_its_status_cause_and_remedy(
    browser: Client, how: str, status: int, cause: str
) -> None:
    answer = browser.get(f"/fail/{how}")
    words = answer.content.decode()
    assert answer.status_code == status
    assert cause in words
    assert FAILURES[how]().remedy in words
    assert answer["Content-Type"].startswith("text/html")
    assert answer.get("Retry-After") == ("61" if how == "limited" else None)
    assert denials() == (1 if how == "denied" else 0)


def test_a_state_that_does_not_allow_it_is_not_blamed_on_somebody_else(browser: Client) -> None:
    words = browser.get("/fail/conflict").content.decode()
    assert "This cannot be done as things are" in words
    assert "Somebody changed this before you" not in words


def test_who_is_not_signed_in_is_led_to_sign_in_and_back(browser: Client) -> None:
    answer = browser.get("/fail/anonymous?x=1")
    assert (answer.status_code, answer["Location"]) == (302, "/login?next=%2Ffail%2Fanonymous%3Fx%3D1")


def test_a_lacking_second_factor_leads_to_where_it_is_proved_and_is_one_entry(browser: Client) -> None:
    answer = browser.get("/fail/mfa?x=1&y=2")
    assert answer.status_code == 303
    assert target(answer) == "/fail/mfa?x=1&y=2"
    assert denials() == 1


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/people/usr_1?tab=roles", "/people/usr_1?tab=roles"),
        ("http://evil.example/people", "/"),
        ("http://testserver//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_a_write_it_leads_back_to_our_page_that_sent_it_and_nowhere_else(
    browser: Client, referer: str, back: str
) -> None:
    answer = browser.post("/fail/mfa", headers={"referer": referer} if referer else {})
    assert answer.status_code == 303
    assert target(answer) == back


def test_htmx_is_told_to_change_the_page(browser: Client) -> None:
    asked = {"hx-request": "true", "hx-current-url": "http://testserver/projects/shop/flags"}
    answer = browser.post("/fail/mfa", headers=asked)
    assert answer.status_code == 204
    assert target(answer, "HX-Redirect") == "/projects/shop/flags"


def test_taking_somebodys_factors_away_without_ones_own_asks_for_it_first(db: str) -> None:
    admin, other = add_person("Ada", "admin", mfa=False), add_person("Bo")
    page = f"/people/{other.id}"
    answer = sign_in(Client(), admin).post(
        f"{page}/remove-factors", {"reason": "lost"}, headers={"referer": f"http://testserver{page}"}
    )
    assert answer.status_code == 303
    assert target(answer) == page
    assert denials() == 1


def test_the_api_answers_with_a_problem_instead(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    lacking: Actor = without_mfa(cast.approver)
    with pytest.raises(errors.NeedsMfa):
        approve(cast, done, by=lacking)
    answer = sign_in(Client(), lacking).post(
        f"/api/v1/changes/{done.request.id}/approve",
        {"digest": done.request.digest},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "mfa-required")
    assert answer["Content-Type"] == "application/problem+json"
    assert denials() == 2


def test_an_address_that_takes_a_form_only_leads_to_the_page_above_when_it_is_opened(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    reader = sign_in(Client(headers={"Accept": "text/html"}), cast.viewer)
    for address, above in (
        (f"/requests/{done.request.id}/decide", f"/requests/{done.request.id}"),
        ("/projects/shop/environments/production/draft/finish", "/projects/shop/environments/production/draft"),
        ("/account/sessions/1/end", "/account/sessions"),
        ("/logout", "/"),
    ):
        answer = reader.get(address)
        assert (answer.status_code, answer["Location"]) == (302, above)
    assert Client(headers={"Accept": "text/html"}).get(f"/requests/{done.request.id}/decide").status_code == 302
    machine = sign_in(Client(headers={"Accept": "application/json"}), cast.viewer)
    assert machine.get(f"/requests/{done.request.id}/decide").status_code == 405
    assert reader.get("/sso/none/backchannel-logout").status_code == 405, "what machines post to stays as it is"
    assert reader.delete("/api/v1/whoami").status_code == 405
    assert reader.put(f"/requests/{done.request.id}/decide").status_code == 405
