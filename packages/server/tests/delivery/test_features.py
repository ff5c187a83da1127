"""Claims about `GET /api/client/features` (wire contracts, 3.1)."""

from __future__ import annotations

import json

import pytest
from ensign_testkit.delivery import flag

PATH = "/api/client/features"
NEW = {"Unleash_Client_Spec": "5.2.0"}


def names(answer) -> list[str]:
    return [feature["name"] for feature in answer.json["features"]]


def test_the_answer_has_the_shape_that_strict_sdks_demand(plane) -> None:
    answer = plane.get(PATH, **NEW)
    body = answer.json
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert body["version"] == 2
    assert names(answer) == ["basket", "colour", "menu", "old"]
    assert body["segments"] == [{"id": 7, "name": "testers", "constraints": body["segments"][0]["constraints"]}]
    assert body["query"] == {
        "project": ["shop"], "environment": "production", "inlineSegmentConstraints": False
    }  # fmt: skip
    assert body["meta"]["revisionId"] == 1
    assert body["meta"]["epoch"] == 1
    assert body["meta"]["etag"] == answer.headers["etag"]
    assert "fetch-mode" not in answer.headers


@pytest.mark.parametrize("path", ["//api//client/features/", "/api/client/features/", "/api/client//features"])
def test_doubled_and_trailing_slashes_do_not_matter(plane, path: str) -> None:
    assert plane.get(path).status == 200


def test_a_client_without_segments_gets_their_constraints_inlined(plane) -> None:
    for spec in ({}, {"Unleash_Client_Spec": "4.1.9"}, {"Unleash_Client_Spec": "4.2.0-beta.1"}):
        body = plane.get(PATH, **spec).json
        menu = next(feature for feature in body["features"] if feature["name"] == "menu")
        assert "segments" not in body
        assert "segments" not in menu["strategies"][0]
        assert [c["contextName"] for c in menu["strategies"][0]["constraints"]] == ["email"]
        assert body["query"]["inlineSegmentConstraints"] is True


def test_a_missing_segment_inlined_lets_nobody_through(plane) -> None:
    raw = flag("menu", strategies=[{"name": "default", "parameters": {}, "constraints": [], "segments": [99]}])
    plane.settled(plane.source.publish([raw]))
    strategy = plane.get(PATH).json["features"][0]["strategies"][0]
    assert strategy["constraints"][0]["operator"] == "IN"
    assert strategy["constraints"][0]["values"] == []


@pytest.mark.parametrize("spec", ["v5.2.0", "5.2", "latest", "05.2.0", "1.2.3.4"])
def test_a_specification_version_that_is_no_semver_is_refused(plane, spec: str) -> None:
    answer = plane.get(PATH, Unleash_Client_Spec=spec)
    assert (answer.status, answer.json["name"]) == (400, "BadDataError")


def test_strange_intervals_and_unknown_parameters_do_not_matter(plane) -> None:
    assert plane.get(f"{PATH}?foo=bar&environment=development", unleash_interval="undefined").status == 200


def test_the_tag_gives_304_until_something_changes(plane) -> None:
    etag = plane.get(PATH, **NEW).headers["etag"]
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = plane.get(PATH, If_None_Match=sent, **NEW)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    assert plane.get(PATH, If_None_Match=etag).status == 200, "inlined is another document"
    assert plane.get(f"{PATH}?namePrefix=b", If_None_Match=etag, **NEW).status == 200
    plane.settled(plane.source.publish([flag("basket")]))
    answer = plane.get(PATH, If_None_Match=etag, **NEW)
    assert (answer.status, names(answer)) == (200, ["basket"])


def test_a_change_in_a_project_that_the_token_does_not_see_changes_nothing(plane) -> None:
    etag = plane.get(PATH).headers["etag"]
    plane.settled(plane.source.publish([flag("other", project="bank")], project="bank"), project="bank")
    assert plane.get(PATH, If_None_Match=etag).status == 304


def test_a_token_sees_its_projects_and_environment_whatever_the_query_says(plane) -> None:
    assert names(plane.get(f"{PATH}?project=bank&environment=development")) == ["basket", "colour", "menu", "old"]
    everything = "*:production.all-secret"
    assert names(plane.get(PATH, token=everything)) == ["basket", "colour", "loan", "menu", "old"]
    assert names(plane.get(f"{PATH}?project=bank", token=everything)) == ["loan"]
    assert names(plane.get(f"{PATH}?project=nowhere", token=everything)) == []
    development = plane.source.token("shop:development.secret", environment="development")
    plane.app.feed.wait_until(lambda: len(plane.app.feed.state.tokens) == 5, 10)
    assert [f["enabled"] for f in plane.get(PATH, token=development).json["features"]] == [False]


def test_filters_by_prefix_and_tag(plane) -> None:
    assert names(plane.get(f"{PATH}?namePrefix=ba")) == ["basket"]
    assert names(plane.get(f"{PATH}?tag=team:web")) == ["menu"]
    assert names(plane.get(f"{PATH}?tag=tier:gold:plated&tag=team:none")) == ["menu"]
    assert plane.get(f"{PATH}?tag=team:web").json["query"]["tag"] == [["team", "web"]]


@pytest.mark.parametrize("query", ["tag=web", "tag=:x", "project=", "project=a%2Fb", f"project={'x' * 101}"])
def test_filters_that_nobody_means_are_refused(plane, query: str) -> None:
    assert plane.get(f"{PATH}?{query}").status == 400


def test_compressed_when_accepted(plane) -> None:
    plane.settled(plane.source.publish([flag(f"flag-{n}") for n in range(50)]))
    plain = plane.get(PATH)
    packed = plane.get(PATH, Accept_Encoding="deflate, gzip;q=0.5")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json == plain.json
    assert len(packed.body) < len(plain.body) / 5
    assert "content-encoding" not in plane.get(PATH, Accept_Encoding="gzip;q=0").headers


def test_one_flag_by_name(plane) -> None:
    assert plane.get(f"{PATH}/basket").json["name"] == "basket"
    answer = plane.get(f"{PATH}/loan")
    assert (answer.status, answer.json["name"]) == (404, "NotFoundError")


def test_post_answers_as_get_and_head_has_no_body(plane) -> None:
    assert plane.post(PATH, {}).status == 200
    head = plane.ask("HEAD", PATH)
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(plane.get(PATH).body)


@pytest.mark.parametrize("path", ["/api/client", "/api/client/x", "/edge/x"])
def test_what_is_not_offered_is_404_so_that_sdks_fall_back(plane, path: str) -> None:
    answer = plane.get(path)
    assert (answer.status, answer.json["name"]) == (404, "NotFoundError")


def test_a_wrong_method_is_405_and_says_what_is_allowed(plane) -> None:
    answer = plane.ask("DELETE", PATH)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


def test_health_and_readiness(plane) -> None:
    for path in ("/health", "/ready"):
        assert plane.get(path, token=None).json == {"health": "GOOD"}


def test_names_of_any_script_survive(plane) -> None:
    plane.settled(plane.source.publish([flag("Überraschung/日本 🎈")]))
    body = plane.get(PATH).body
    assert json.loads(body)["features"][0]["name"] == "Überraschung/日本 🎈"
