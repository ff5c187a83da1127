"""Claims: OFREP answers as its clients need it: values of one type, true reasons, errors that they can read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.context import from_evaluation
from ensign_testkit.delivery import constraint, flag, serving, strategy

TOKEN = "shop:production.frontend-secret"
BACKEND = "shop:production.backend-secret"
PATH = "/ofrep/v1/evaluate/flags"
USER = {"context": {"targetingKey": "7"}}


def variant(name: str, kind: str = "", value: object = None, *, weight: int = 500, **more: Any) -> dict[str, Any]:
    payload = {"payload": {"type": kind, "value": value}} if kind else {}
    base = {"name": name, "weight": weight, "weightType": "variable", "stickiness": "userId", "overrides": []}
    return {**base, **payload, **more}


def rollout(percent: int, **more: Any) -> dict[str, Any]:
    parameters = {"rollout": str(percent), "stickiness": "userId", "groupId": "g"}
    return strategy("flexibleRollout", parameters=parameters, **more)


def one(plane, key: str, context: object = USER, **more: Any) -> Any:
    """The answer for one flag."""
    answer = plane.post(f"{PATH}/{key}", context, token=TOKEN, **more)
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json


def every(plane, context: object = USER, **more: Any) -> dict[str, Any]:
    """The bulk answer's items by key."""
    items = plane.post(PATH, context, token=TOKEN, **more).json["flags"]
    found = {item["key"]: item for item in items}
    assert len(found) == len(items)
    return found


def test_every_flag_is_listed_on_or_off_with_all_that_clients_read(plane) -> None:
    answer = plane.post(PATH, USER, token=TOKEN)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.json["metadata"] == {"flagSetId": "shop", "environment": "production"}
    all_projects = plane.post(PATH, USER, token="*:production.all-secret").json["metadata"]
    assert all_projects == {"environment": "production"}
    found = every(plane)
    assert sorted(found) == ["basket", "colour", "menu", "old"]
    assert found["basket"] == {"key": "basket", "reason": "STATIC", "value": True, "variant": "enabled"}
    assert found["old"] == {"key": "old", "reason": "DISABLED", "value": False, "variant": "disabled"}
    assert found["menu"] == {"key": "menu", "reason": "TARGETING_MATCH", "value": False, "variant": "disabled"}
    assert found["colour"]["value"] in {"blue", "x"}
    assert (found["colour"]["reason"], found["colour"]["metadata"]) == ("SPLIT", {"enabled": True})


def test_one_flag_is_answered_as_among_all(plane) -> None:
    for key, item in every(plane).items():
        assert one(plane, key) == item


def test_the_targeting_key_is_the_user_unless_a_user_is_given(plane) -> None:
    rules = [
        flag("user", strategies=[strategy("userWithId", parameters={"userIds": "7"})]),
        flag("key", strategies=[strategy(constraints=[constraint("targetingKey", "IN", "7")])]),
        flag("age", strategies=[strategy(constraints=[constraint("age", "IN", "7.5", "true")])]),
        flag("region", strategies=[strategy(constraints=[constraint("region", "IN", "eu")])]),
        flag("session", strategies=[strategy(constraints=[constraint("sessionId", "IN", "s")])]),
    ]
    plane.settled(plane.source.publish(rules))

    def on(**context: object) -> list[str]:
        return sorted(key for key, item in every(plane, {"context": context}).items() if item["value"])

    assert on(targetingKey="7") == ["key", "user"]
    assert on(targetingKey="7", userId="8") == ["key"]
    assert on(targetingKey="8", userId="7") == ["user"]
    assert on(targetingKey=7, userId=None) == ["key", "user"]
    assert on(age=7.5, sessionId="s") == ["age", "session"]
    assert on(age=True, region=["eu"]) == ["age"]
    assert on(age=None, region={"eu": 1}) == []
    assert on(properties={"region": "eu"}) == ["region"]


def test_an_empty_session_or_address_counts_as_missing() -> None:
    given = {"context": {"sessionId": "", "remoteAddress": "", "targetingKey": ""}}
    context = from_evaluation(given, address="192.0.2.1", size=100)
    assert context["sessionId"]
    assert context["remoteAddress"] == "192.0.2.1"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"context":null}', b'{"context":{}}', b'{"context":{"targetingKey":null}}']
)
def test_a_missing_context_is_none(plane, body: bytes) -> None:
    for path in (PATH, f"{PATH}/basket"):
        assert plane.ask("POST", path, body=body, token=TOKEN).status == 200


@pytest.mark.parametrize(
    ("kinds", "values"),
    [
        ([("string", "a"), ("csv", "a,b")], ['"a"', '"a,b"']),
        ([("", None), ("string", "x")], ['"v0"', '"x"']),
        ([("number", "1"), ("number", "-30")], ["1", "-30"]),
        ([("number", "1"), ("number", "1.5")], ["1.0", "1.5"]),
        ([("number", "1.0"), ("number", "1e3")], ["1.0", "1000.0"]),
        ([("number", "+5"), ("number", " 07 ")], ["5", "7"]),
        ([("json", '{"a": [1, 1.0]}'), ("json", "[]")], ['{"a": [1, 1.0]}', "[]"]),
        ([("number", "9007199254740993"), ("number", "0")], ["9007199254740993", "0"]),
        ([("json", "[0.10000000000000000001]"), ("json", '["\ud800"]')], ["[0.10000000000000000001]", r'["\ud800"]']),
        ([("json", '"é"'), ("string", "f")], [r'"\"é\""', '"f"']),
        ([("json", "2"), ("number", "3")], ['"2"', '"3"']),
        # No payload where values are no texts: the application's own default.
        ([("json", '{"a":1}'), ("", None)], ['{"a":1}', None]),
        ([("json", "[]"), ("json", "null")], ["[]", None]),
        # Several types: each as it was written.
        ([("json", '{"a": 1}'), ("string", "x")], [r'"{\"a\": 1}"', '"x"']),
        ([("number", "1"), ("json", "true"), ("", None)], ['"1"', '"true"', '"v2"']),
        ([("", None), ("", None)], ['"v0"', '"v1"']),
    ],
)  # fmt: skip
def test_a_flags_values_are_of_one_type(plane, kinds: list[Any], values: list[Any]) -> None:
    variants = [variant(f"v{n}", kind, value) for n, (kind, value) in enumerate(kinds)]
    plane.settled(plane.source.publish([flag("f", variants=variants)]))
    seen: dict[str, Any] = {}
    for user in range(40):
        raw = plane.post(f"{PATH}/f", {"context": {"targetingKey": str(user)}}, token=TOKEN).body.decode()
        found = json.loads(raw)
        assert (found["reason"], found["metadata"]) == ("SPLIT", {"enabled": True})
        head, tail = '{"key":"f","reason":"SPLIT"', f',"variant":"{found["variant"]}","metadata":{{"enabled":true}}}}'
        assert raw.startswith(head)
        assert raw.endswith(tail)
        seen[found["variant"]] = raw[len(head) : -len(tail)].removeprefix(',"value":') or None
    assert seen == {f"v{n}": value for n, value in enumerate(values)}


@pytest.mark.parametrize(
    "payload",
    [
        ("json", "{"), ("json", "NaN"), ("json", "[" * 99_999),
        ("number", "five"), ("number", "1e999"), ("number", "9" * 310), ("number", "1_000"), ("json", "true"),
    ],
)  # fmt: skip
def test_a_payload_that_cannot_be_read_is_that_flags_error_alone(plane, payload: tuple[str, str]) -> None:
    broken = flag("f", variants=[variant("v", *payload)])
    plane.settled(plane.source.publish([broken, flag("other")]))
    answer = plane.post(f"{PATH}/f", USER, token=TOKEN)
    assert answer.status == 400
    assert (answer.json["key"], answer.json["errorCode"]) == ("f", "PARSE_ERROR")
    assert "'v'" in answer.json["errorDetails"]
    assert payload[1] not in answer.json["errorDetails"]
    found = every(plane)
    assert found["f"] == answer.json
    assert found["other"]["value"] is True


def test_a_varied_flag_that_is_off_leaves_the_value_to_the_application(plane) -> None:
    variants = [variant("v", "json", '{"a":1}')]
    rules = [
        flag("off", enabled=False, variants=variants),
        flag("not for you", strategies=[strategy("userWithId", parameters={"userIds": "8"})], variants=variants),
        flag("weightless", variants=[variant("v", weight=0)]),
    ]
    plane.settled(plane.source.publish(rules))
    off = {"variant": "disabled", "metadata": {"enabled": False}}
    assert every(plane) == {
        "off": {"key": "off", "reason": "DISABLED", **off},
        "not for you": {"key": "not for you", "reason": "TARGETING_MATCH", **off},
        "weightless": {
            "key": "weightless", "reason": "STATIC", "variant": "disabled", "metadata": {"enabled": True},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("strategies", "user", "reason"),
    [
        ([], "7", "STATIC"),
        ([strategy()], "7", "STATIC"),
        ([rollout(100)], "7", "TARGETING_MATCH"),  # a full share of those who have a user id
        ([rollout(50)], "on", "SPLIT"),
        ([rollout(50)], "off", "TARGETING_MATCH"),
        ([rollout(0)], "7", "STATIC"),
        ([rollout(50), strategy()], "off", "TARGETING_MATCH"),
        ([strategy(constraints=[constraint("userId", "IN", "7")])], "7", "TARGETING_MATCH"),
        ([strategy(constraints=[constraint("userId", "IN", "7")])], "8", "TARGETING_MATCH"),
        ([strategy(constraints=[constraint("userId", "NOT_IN", "x")]), strategy()], "7", "TARGETING_MATCH"),
        ([rollout(50, constraints=[constraint("userId", "NOT_IN", "x")])], "on", "SPLIT"),
        ([rollout(50, constraints=[constraint("userId", "NOT_IN", "x")])], "off", "TARGETING_MATCH"),
        ([strategy("remoteAddress", parameters={"IPs": "10.0.0.1"})], "7", "TARGETING_MATCH"),
        ([strategy("gradualRolloutRandom", parameters={"percentage": "100"})], "7", "STATIC"),
        ([strategy("nobody knows")], "7", "STATIC"),
    ],
)
def test_the_reason_says_what_decided(plane, strategies: list[Any], user: str, reason: str) -> None:
    plane.settled(plane.source.publish([flag("f", strategies=strategies)]))
    if user in {"on", "off"}:
        users = (str(number) for number in range(200))
        user = next(u for u in users if one(plane, "f", {"context": {"targetingKey": u}})["reason"] == reason)
    assert one(plane, "f", {"context": {"targetingKey": user}})["reason"] == reason


def test_parents_are_conditions_and_whatever_picks_among_variants_is_a_split(plane) -> None:
    drawn = [variant("a"), variant("b", overrides=[{"contextName": "userId", "values": ["me"]}])]
    rules = [
        flag("parent"), flag("child", dependencies=[{"feature": "parent", "enabled": True}]),
        flag("orphan", dependencies=[{"feature": "nobody", "enabled": True}]),
        flag("drawn", variants=drawn), flag("single", variants=[variant("a"), variant("b", weight=0)]),
        flag("broken", strategies=None),
    ]  # fmt: skip
    plane.settled(plane.source.publish(rules))
    found = every(plane)
    reasons = {key: item["reason"] for key, item in found.items()}
    assert reasons == {
        "parent": "STATIC", "child": "TARGETING_MATCH", "orphan": "DISABLED", "drawn": "SPLIT", "single": "STATIC",
        "broken": "DISABLED",
    }  # fmt: skip
    mine = one(plane, "drawn", {"context": {"targetingKey": "me"}})
    assert (mine["value"], mine["reason"]) == ("b", "SPLIT")


def test_a_variant_that_is_only_given_by_name_is_no_answer_for_everybody(plane) -> None:
    named = variant("b", weight=0, overrides=[{"contextName": "userId", "values": ["me"]}])
    plane.settled(plane.source.publish([flag("f", variants=[variant("a"), named])]))
    for user, value in (("me", "b"), ("you", "a")):
        context = {"context": {"targetingKey": user}}
        assert (every(plane, context)["f"]["value"], one(plane, "f", context)["value"]) == (value, value)


@pytest.mark.parametrize("key", ["a/b", "a b", "a%20b", "ü", "a?b", "a//b/", "with.dots-and_more!", "flags"])
def test_all_that_follows_the_address_is_the_key(plane, key: str) -> None:
    plane.settled(plane.source.publish([flag(key)]))
    for safe in ("", "/"):
        found = plane.post(f"{PATH}/{quote(key, safe=safe)}", USER, token=TOKEN)
        assert (found.status, found.json["key"]) == (200, key)
    assert plane.post(f"//ofrep//v1/evaluate/flags/{quote(key, safe='')}", USER, token=TOKEN).status == 200


def test_unknown_flags_and_those_of_other_projects_are_not_found(plane) -> None:
    for key in ("nobody", "loan", "a/b"):
        answer = plane.post(f"{PATH}/{key}", USER, token=TOKEN)
        assert answer.status == 404
        assert answer.json == {
            "key": key, "errorCode": "FLAG_NOT_FOUND",
            "errorDetails": "There is no such flag, or this token does not reach it.",
        }  # fmt: skip


def test_tokens_of_both_types_count_in_each_of_three_places(plane) -> None:
    for token in (TOKEN, BACKEND, "*:production.all-secret"):
        for header in ({"Authorization": token}, {"Authorization": f"bearer {token}"}, {"X_API_Key": token}):
            for path in (PATH, f"{PATH}/basket"):
                assert plane.post(path, USER, token=None, **header).status == 200
    for header, status in (
        ({}, 401), ({"Authorization": "nobody"}, 401), ({"X_API_Key": "nobody"}, 401),
        ({"Authorization": "ensign_pat_x"}, 403), ({"X_API_Key": "user:x"}, 403),
        ({"Authorization": "nobody", "X_API_Key": TOKEN}, 401),  # the first counts
    ):  # fmt: skip
        answer = plane.post(f"{PATH}/basket", USER, token=None, **header)
        assert answer.status == status
        assert answer.json["key"] == "basket"
        assert answer.json["errorCode"] == "GENERAL"
        assert answer.json["errorDetails"]


def test_without_rules_nothing_is_said_about_tokens(plane) -> None:
    plane.source.down = True
    with serving(DeliveryApp(plane.source)) as plane.server:
        for path in (PATH, f"{PATH}/basket", "/ofrep/v1/stream?token=x"):
            answer = plane.ask("GET" if "stream" in path else "POST", path, body=b"", token="nobody")
            assert answer.status == 503
            assert answer.headers["retry-after"]
            assert answer.json["errorCode"] == "GENERAL"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "PARSE_ERROR"), (b"\xff", "PARSE_ERROR"), (b'{"context":{"a":NaN}}', "PARSE_ERROR"),
        (b"[" * 50_000, "PARSE_ERROR"), (b"[1]", "INVALID_CONTEXT"), (b"3", "INVALID_CONTEXT"),
        (b'{"context":[]}', "INVALID_CONTEXT"), (b'{"context":"x"}', "INVALID_CONTEXT"),
        (b'{"context":{"targetingKey":{}}}', "INVALID_CONTEXT"),
        (b'{"context":{"targetingKey":[1]}}', "INVALID_CONTEXT"),
    ],
)  # fmt: skip
def test_what_is_no_context_is_400_with_a_code(plane, body: bytes, code: str) -> None:
    for path in (PATH, f"{PATH}/basket", f"{PATH}/a/b"):
        answer = plane.ask("POST", path, body=body, token=TOKEN)
        assert answer.status == 400
        assert answer.json["errorCode"] == code
        assert answer.json["errorDetails"]
        assert answer.json.get("key") == (None if path == PATH else path[len(PATH) + 1 :])


def test_a_context_larger_than_64_kib_is_refused(plane) -> None:
    assert plane.post(PATH, {"context": {"x": "y" * 60_000}}, token=TOKEN).status == 200
    for body in ({"context": {"x": "y" * 66_000}}, {"x": "y" * 200_000}):
        for path in (PATH, f"{PATH}/basket"):
            answer = plane.post(path, body, token=TOKEN)
            assert answer.status == 413
            assert "KiB" in answer.json["errorDetails"]


def test_other_methods_are_told_which_one_to_use(plane) -> None:
    for path, allowed in ((PATH, "POST"), (f"{PATH}/basket", "POST"), ("/ofrep/v1/stream", "GET")):
        for method in ("GET", "HEAD", "PUT", "DELETE", "POST"):
            if method != allowed and not (allowed == "GET" and method == "HEAD"):
                answer = plane.ask(method, path, token=TOKEN)
                assert (answer.status, answer.headers["allow"]) == (405, allowed)
    for path in ("/ofrep/v1/configuration", "/ofrep", "/ofrep/v2/evaluate/flags"):
        assert plane.post(path, USER, token=TOKEN).status == 404


def test_the_tag_comes_from_the_result(plane) -> None:
    first = plane.post(PATH, USER, token=TOKEN)
    etag = first.headers["etag"]
    again = plane.post(PATH, USER, token=TOKEN, If_None_Match=f'"other", W/{etag}')
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    other = {"context": {"targetingKey": "7", "email": "a@example.com"}}
    assert plane.post(PATH, other, token=TOKEN, If_None_Match=etag).status == 200
    plane.settled(plane.source.publish([flag("basket", enabled=False)]))
    assert plane.post(PATH, USER, token=TOKEN, If_None_Match=etag).status == 200


def test_the_tag_survives_a_restart_and_other_nodes_have_the_same(plane) -> None:
    key, tags, noon = bytes(32), [], datetime(2026, 11, 25, 12, tzinfo=UTC)
    for _ in range(2):
        app = DeliveryApp(plane.source, stream_key=key, clock=lambda: noon)
        with serving(app) as plane.server:
            assert app.feed.wait_until(lambda app=app: app.feed.current, 10)
            tags.append(plane.post(PATH, USER, token=TOKEN).headers["etag"])
    assert tags[0] == tags[1]


def test_large_answers_are_compressed(plane) -> None:
    plane.settled(plane.source.publish([flag(f"flag-{n}") for n in range(100)]))
    packed = plane.post(PATH, USER, token=TOKEN, Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json == plane.post(PATH, USER, token=TOKEN).json


def test_parents_outside_the_tokens_projects_count_but_are_not_listed(plane) -> None:
    child = flag("child", dependencies=[{"feature": "loan", "enabled": True}])
    plane.settled(plane.source.publish([child]))
    assert {key: item["value"] for key, item in every(plane).items()} == {"child": True}
    plane.settled(plane.source.publish([flag("loan", project="bank", enabled=False)], project="bank"), project="bank")
    assert {key: item["value"] for key, item in every(plane).items()} == {"child": False}


def test_the_address_that_asked_stands_for_the_user_only_with_a_frontend_token(plane) -> None:
    local = flag("local", strategies=[strategy("remoteAddress", parameters={"IPs": "127.0.0.1"})])
    plane.settled(plane.source.publish([local]))
    assert one(plane, "local")["value"] is True
    assert plane.post(f"{PATH}/local", USER, token=BACKEND).json["value"] is False
    given = {"context": {"remoteAddress": "127.0.0.1"}}
    assert plane.post(f"{PATH}/local", given, token=BACKEND).json["value"] is True


def test_what_is_asked_singly_is_counted_and_what_is_asked_in_bulk_is_not(plane) -> None:
    for key in ("basket", "old", "colour", "nobody"):
        plane.post(f"{PATH}/{key}", USER, token=TOKEN)
    plane.post(PATH, USER, token=TOKEN)
    plane.app.usage.flush()
    counted: dict[tuple[str, str], tuple[int, int]] = {}
    for batch in plane.batches:
        for row in batch.counts:
            assert (row.key.project, row.key.environment, row.key.app_name) == ("shop", "production", "ofrep")
            counted[row.key.flag, row.key.variant] = (row.yes, row.no)
    chosen = {key for key in counted if key[1]}
    assert {key: counted[key] for key in counted.keys() - chosen} == {
        ("basket", ""): (1, 0), ("old", ""): (0, 1), ("colour", ""): (1, 0),
    }  # fmt: skip
    assert chosen in ({("colour", "blue")}, {("colour", "red")})


def test_pages_may_ask_from_elsewhere_and_read_what_they_need(plane) -> None:
    answer = plane.ask("OPTIONS", f"{PATH}/a/b", token=None, Origin="https://shop.example")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-headers"] == "authorization, content-type, if-none-match, x-api-key"
    assert answer.headers["access-control-allow-methods"] == "POST, GET, OPTIONS"
    for path, token in ((PATH, TOKEN), (PATH, None), (f"{PATH}/nobody", TOKEN), ("/ofrep/nowhere", TOKEN)):
        headers = plane.post(path, USER, token=token, Origin="https://shop.example").headers
        assert headers["access-control-allow-origin"] == "*"
        assert headers["access-control-expose-headers"] == "ETag, Retry-After"
    app = DeliveryApp(plane.source, cors_origins=("https://a.example",))
    with serving(app) as plane.server:
        for method in ("POST", "OPTIONS"):
            headers = plane.ask(method, PATH, token=TOKEN, Origin="https://evil.example").headers
            assert not [name for name in headers if name.startswith("access-control")]
            assert "Origin" in headers["vary"]


def test_answers_that_did_not_change_are_carried_over(plane) -> None:
    every(plane)
    state = plane.app.feed.state
    key = ("ofrep", "production", ("shop",))
    before = state.memo[key]
    raw = [dict(feature.raw) for feature in state.rulesets["shop", "production"].features if feature.name != "basket"]
    segments = [dict(segment) for segment in state.rulesets["shop", "production"].segments]
    plane.settled(plane.source.publish([*raw, flag("basket", enabled=False)], segments=segments))
    after = plane.app.feed.state.memo[key]
    assert after is not before
    assert after.flags["colour"] is before.flags["colour"]
    assert after.flags["basket"] is not before.flags["basket"]
    assert every(plane)["basket"]["value"] is False
