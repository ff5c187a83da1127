"""Claims about the front-end API (wire contracts, section 4): evaluation, result-derived tags, cross-origin rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from ensign.delivery.app import DeliveryApp
from ensign_testkit.delivery import constraint, flag, serving, strategy

PATH = "/api/frontend"
TOKEN = "shop:production.frontend-secret"


def on(plane, context: dict[str, Any] | None = None, **properties: str) -> list[str]:
    """The names that are on, asked both ways; the two must agree."""
    given = {**(context or {}), "properties": properties}
    posted = plane.post(PATH, {"context": given}, token=TOKEN).json["toggles"]
    query = "&".join(
        [f"{name}={quote(value)}" for name, value in (context or {}).items()]
        + [f"properties%5B{quote(name)}%5D={quote(value)}" for name, value in properties.items()]
    )
    got = plane.get(f"{PATH}?{query}", token=TOKEN).json["toggles"]
    names = [toggle["name"] for toggle in posted]
    assert [toggle["name"] for toggle in got] == names
    return names


def test_only_flags_that_are_on_are_listed_with_everything_that_sdks_read(plane) -> None:
    answer = plane.get(f"{PATH}?userId=7", token=TOKEN)
    assert answer.headers["cache-control"] == "no-cache"
    basket, colour = answer.json["toggles"]
    assert basket == {
        "name": "basket", "enabled": True, "impressionData": False,
        "variant": {"name": "disabled", "enabled": False, "feature_enabled": True, "featureEnabled": True},
    }  # fmt: skip
    assert colour["variant"]["name"] in {"blue", "red"}
    assert colour["variant"]["enabled"]
    assert ("payload" in colour["variant"]) == (colour["variant"]["name"] == "red")


def test_the_context_decides(plane) -> None:
    assert on(plane) == ["basket", "colour"]
    assert on(plane, email="ada@example.com") == ["basket", "colour", "menu"]
    assert on(plane, email="ada@elsewhere.com") == ["basket", "colour"]
    assert "menu" in on(plane, {"email": "a@example.com"}), "an unknown name at the top is a property"


def test_every_form_of_context_is_understood(plane) -> None:
    rules = [
        flag(name, strategies=[strategy(constraints=[constraint(field, "IN", *values)])])
        for name, field, values in (
            ("user", "userId", ("7",)), ("number", "age", ("7", "7.5")), ("yes", "member", ("true",)),
            ("address", "remoteAddress", ("127.0.0.1",)), ("session", "sessionId", ("s",)),
        )
    ]  # fmt: skip
    plane.settled(plane.source.publish(rules))

    def names(body: object) -> list[str]:
        return [toggle["name"] for toggle in plane.post(PATH, body, token=TOKEN).json["toggles"]]

    assert names({}) == ["address"], "the address that the request came from stands in"
    assert names({"context": None}) == ["address"]
    assert names({"context": {"userId": "7"}, "toggles": ["ignored"]}) == ["address", "user"]
    assert names({"userId": "7"}) == ["address", "user"], "a bare context"
    assert names({"context": {"userId": 7, "age": 7.5, "member": True}}) == ["address", "number", "user", "yes"]
    assert names({"context": {"properties": {"userId": "7", "age": 7}}}) == ["address", "number", "user"]
    assert names({"context": {"age": 1, "properties": {"age": 7}}}) == ["address", "number"]
    assert names({"context": {"age": [7], "member": {}, "properties": 3, "sessionId": "s"}}) == ["address", "session"]
    assert names({"context": {"remoteAddress": "10.0.0.1"}}) == []


def test_the_tag_depends_on_the_result(plane) -> None:
    first = plane.get(f"{PATH}?userId=7", token=TOKEN)
    etag = first.headers["etag"]
    again = plane.get(f"{PATH}?userId=7", token=TOKEN, If_None_Match=f"W/{etag}")
    assert (again.status, again.body) == (304, b"")
    other = plane.get(f"{PATH}?userId=7&email=a@example.com", token=TOKEN, If_None_Match=etag)
    assert other.status == 200, "another context with another result"
    assert other.headers["etag"] != etag
    plane.settled(plane.source.publish([flag("basket")]))
    assert plane.get(f"{PATH}?userId=7", token=TOKEN, If_None_Match=etag).status == 200


def test_parents_outside_the_tokens_projects_count_but_are_not_listed(plane) -> None:
    child = flag("child", dependencies=[{"feature": "loan", "enabled": True}])
    plane.settled(plane.source.publish([child]))
    assert on(plane) == ["child"]
    off = plane.source.publish([flag("loan", project="bank", enabled=False)], project="bank")
    plane.settled(off, project="bank")
    assert on(plane) == []
    everything = plane.get(PATH, token="*:production.all-frontend").json["toggles"]
    assert everything == []


def test_a_context_larger_than_64_kib_is_refused_with_a_clear_text(plane) -> None:
    inside = {"context": {"properties": {"x": "y" * 60_000}}}
    assert plane.post(PATH, inside, token=TOKEN).status == 200
    for body in ({"context": {"properties": {"x": "y" * 66_000}}}, {"x": "y" * 200_000}):
        answer = plane.post(PATH, body, token=TOKEN)
        assert answer.status == 413
        assert "KiB" in answer.json["message"]
    assert plane.get(f"{PATH}?{'x=1&' * 1001}", token=TOKEN).status == 400


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1]", b'"x"', b'{"context": 7}', b"NaN", b"[" * 60_000, b""])
def test_what_is_no_context_is_400(plane, body: bytes) -> None:
    answer = plane.ask("POST", PATH, body=body, token=TOKEN)
    assert answer.status == (200 if body == b"" else 400)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_old_address_still_answers(plane) -> None:
    assert plane.get("/api/proxy?userId=7", token=TOKEN).json == plane.get(f"{PATH}?userId=7", token=TOKEN).json


def test_large_answers_are_compressed(plane) -> None:
    plane.settled(plane.source.publish([flag(f"flag-{n}") for n in range(100)]))
    packed = plane.get(PATH, token=TOKEN, Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json == plane.get(PATH, token=TOKEN).json


def test_preflight_needs_no_token(plane) -> None:
    answer = plane.ask(
        "OPTIONS", PATH, token=None, Origin="https://shop.example",
        Access_Control_Request_Headers="authorization,unleash-appname,x-own",
    )  # fmt: skip
    assert (answer.status, answer.body) == (204, b"")
    headers = answer.headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "authorization,unleash-appname,x-own"
    assert headers["access-control-allow-methods"] == "GET, HEAD, PUT, PATCH, POST, DELETE"
    assert headers["access-control-max-age"] == "86400"
    assert "Origin" in headers["vary"]


@pytest.mark.parametrize("path", [PATH, f"{PATH}/client/metrics", f"{PATH}/nowhere"])
def test_every_answer_carries_the_cross_origin_headers_also_errors(plane, path: str) -> None:
    answer = plane.get(path, token=None, Origin="https://shop.example")
    assert answer.status >= 400
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "ETag"
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_a_list_of_origins_is_reflected_and_others_get_nothing(plane) -> None:
    app = DeliveryApp(plane.source, cors_origins=("https://Shop.example/", "https://b.example"))
    with serving(app) as plane.server:
        for method, token in (("GET", TOKEN), ("OPTIONS", None)):
            allowed = plane.ask(method, PATH, token=token, Origin="https://shop.example")
            assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
            other = plane.ask(method, PATH, token=token, Origin="https://evil.example")
            assert not [name for name in other.headers if name.startswith("access-control")]
            assert "Origin" in other.headers["vary"]


@pytest.mark.parametrize("base", ["/api/frontend", "/api/proxy"])
def test_all_flags_can_be_asked_for_as_an_edge_has_it(plane, base: str) -> None:
    answer = plane.get(f"{base}/all?userId=7", token=TOKEN)
    toggles = {toggle["name"]: toggle for toggle in answer.json["toggles"]}
    assert sorted(toggles) == ["basket", "colour", "menu", "old"]
    assert toggles["old"]["enabled"] is toggles["old"]["variant"]["enabled"] is False
    assert toggles["old"]["variant"]["feature_enabled"] is False
    assert toggles["basket"] == plane.get(f"{base}?userId=7", token=TOKEN).json["toggles"][0]
    again = plane.get(f"{base}/all?userId=7", token=TOKEN, If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    posted = plane.post(f"{base}/all", {"context": {"userId": "7"}}, token=TOKEN)
    assert posted.json == answer.json
    assert plane.get(f"{base}/all").status == 403, "a backend token"


def test_one_flag_can_be_asked_for_as_the_php_client_for_proxies_does(plane) -> None:
    one = plane.get("/api/frontend/features/menu?properties[email]=a@example.com", token=TOKEN)
    assert (one.json["name"], one.json["enabled"]) == ("menu", True)
    assert one.headers["access-control-allow-origin"] == "*"
    off = plane.post("/api/frontend/features/menu", {"context": {}}, token=TOKEN)
    assert (off.json["name"], off.json["enabled"]) == ("menu", False)
    for missing in ("loan", "unheard-of", "menu/x"):
        assert plane.get(f"/api/frontend/features/{missing}", token=TOKEN).status == 404


@pytest.mark.parametrize("part", ["client/features", "health", "internal-backstage/prometheus"])
def test_what_unleashs_front_end_api_does_not_implement_is_405_here_too(plane, part: str) -> None:
    answer = plane.get(f"/api/frontend/{part}", token=TOKEN)
    assert (answer.status, answer.json["name"]) == (405, "NotImplementedError")
