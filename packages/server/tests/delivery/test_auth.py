"""Claims about tokens at the delivery plane (wire contracts, section 1): who gets in, and what the others are told."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

import pytest

FEATURES, BROWSER = "/api/client/features", "/api/frontend"
BACKEND, FRONTEND = "shop:production.backend-secret", "shop:production.frontend-secret"
UNAUTHENTICATED = {
    "message": "This endpoint requires an API token."
    " Please add an authorization header to your request with a valid token"
}
WRONG_TYPE = {"message": "invalid token: expected a different token type for this endpoint"}


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer   {}", "  {}  ", "BEARER {} "])
def test_the_token_comes_raw_or_as_bearer(plane, form: str) -> None:
    assert plane.get(FEATURES, token=form.format(BACKEND)).status == 200


@pytest.mark.parametrize(
    ("token", "client", "browser"),
    [
        (None, 401, 401),
        ("", 401, 401),
        ("Bearer ", 401, 401),
        ("shop:production.unknown", 401, 401),
        (BACKEND + "x", 401, 401),
        (BACKEND.upper(), 401, 401),
        (BACKEND, 200, 403),
        ("*:production.all-secret", 200, 403),
        (FRONTEND, 403, 200),
        ("user:something", 403, 403),
        ("ensign_pat_something", 403, 403),
        ("ensign_svc_something", 403, 403),
    ],
)
def test_each_kind_of_token_at_each_kind_of_address(plane, token, client: int, browser: int) -> None:
    for path, wanted in ((FEATURES, client), (BROWSER, browser)):
        answer = plane.get(path, token=token)
        assert answer.status == wanted
        if wanted != 200:
            assert answer.json == (UNAUTHENTICATED if wanted == 401 else WRONG_TYPE)


def test_every_address_of_the_two_apis_asks_for_its_token(plane) -> None:
    for base, token in (("/api/client", FRONTEND), ("/api/frontend", BACKEND)):
        for path in ("/register", "/metrics") if base == "/api/client" else ("/client/register", "/client/metrics"):
            assert plane.post(base + path, {"appName": "a"}, token=None).status == 401
            assert plane.post(base + path, {"appName": "a"}, token=token).status == 403
    assert plane.get("/api/client/features/basket", token=None).status == 401
    assert plane.post("/api/client/metrics/bulk", {}, token=None).status == 401


def test_a_revoked_token_is_refused_within_a_second(plane) -> None:
    assert plane.get(FEATURES).status == 200
    began = time.monotonic()
    plane.source.token(BACKEND, status="revoked")
    while plane.get(FEATURES).status != 401:
        assert time.monotonic() - began < 10
    assert plane.get(FEATURES, If_None_Match="*").status == 401


def test_expiry_is_checked_at_each_request(plane) -> None:
    soon = plane.source.token("a:b.soon", expires_at=text(datetime.now(UTC) + timedelta(seconds=0.6)))
    gone = plane.source.token("a:b.gone", expires_at=text(datetime.now(UTC) - timedelta(seconds=1)))
    plane.app.feed.wait_until(lambda: len(plane.app.feed.state.tokens) == 6, 10)
    assert plane.get(FEATURES, token=soon).status == 200
    assert plane.get(FEATURES, token=gone).status == 401
    deadline = time.monotonic() + 5
    while plane.get(FEATURES, token=soon).status != 401:
        assert time.monotonic() < deadline


def test_an_unknown_token_is_not_refused_while_the_source_is_silent(plane) -> None:
    plane.source.down = True
    plane.source.hint()
    assert plane.app.feed.wait_until(lambda: True, 0)
    deadline = time.monotonic() + 5
    while plane.app.feed.current:
        assert time.monotonic() < deadline
    answer = plane.get(FEATURES, token="shop:production.brand-new")
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert plane.get(FEATURES).status == 200
    assert plane.post("/edge/validate", {"tokens": [BACKEND]}, token=None).status == 503


def test_too_many_refusals_of_one_address_become_429_but_never_for_a_valid_token(plane) -> None:
    statuses = [plane.get(FEATURES, token="a:b.wrong").status for _ in range(62)]
    assert statuses[:60] == [401] * 60
    assert statuses[60:] == [429] * 2
    refused = plane.get(FEATURES, token="a:b.wrong").headers
    assert 1 <= int(refused["retry-after"]) == int(refused["ratelimit-reset"]) <= 60, "until the next minute"
    assert (refused["ratelimit-limit"], refused["ratelimit-remaining"]) == ("60", "0")
    assert plane.get(FEATURES).status == 200


def test_no_token_and_no_context_is_ever_logged(plane, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    for token in (BACKEND, FRONTEND, "a:b.a-wrong-one"):
        plane.get(f"{BROWSER}?userId=ada&properties%5Bemail%5D=ada%40example.com", token=token)
        plane.post(BROWSER, {"context": {"userId": "ada"}}, token=token)
        plane.get(FEATURES, token=token)
    for secret in ("backend-secret", "frontend-secret", "a-wrong-one", "ada"):
        assert secret not in caplog.text


def test_an_edge_learns_which_tokens_are_valid(plane) -> None:
    asked = [BACKEND, FRONTEND, "a:b.wrong", "*:production.all-secret", 7, None]
    answer = plane.post("/edge/validate", {"tokens": asked}, token=None)
    assert answer.json == {
        "tokens": [
            {"token": BACKEND, "type": "backend", "projects": ["shop"], "environment": "production"},
            {"token": FRONTEND, "type": "frontend", "projects": ["shop"], "environment": "production"},
            {"token": "*:production.all-secret", "type": "backend", "projects": ["*"], "environment": "production"},
        ]
    }
    for body in ({}, {"tokens": "x"}, [], {"tokens": ["x"] * 1001}):
        assert plane.post("/edge/validate", body, token=None).status == 400


def test_a_token_row_that_cannot_be_understood_lets_nobody_in(plane) -> None:
    broken = plane.source.token("a:b.broken", expires_at="next year")
    nowhere = plane.source.token("a:b.nowhere", projects=())
    plane.settled(plane.source.publish([]))
    for token in (broken, nowhere):
        assert plane.get(FEATURES, token=token).status == 401
