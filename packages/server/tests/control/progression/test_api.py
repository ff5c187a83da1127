"""Claims: the API and the pages of progression: reported, shown with where it ran and what is missing, promoted, and
kept as of then.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.access.tokens import TokenWish, create_for_service, create_personal
from ensign.control.changes import operations as door
from ensign.control.kernel.actor import Actor
from ensign_testkit.changing import FLAG, Story, launch
from ensign_testkit.people import sign_in
from ensign_testkit.progressing import RUN, approve_at, brings, reporter, shop_with_progression

RUNS = f"/api/v1/projects/shop/flags/{FLAG}/test-runs"
BODY = {"environment": "staging", "result": "passed", "url": RUN, "commit": "0123abc", "name": "end to end"}


def call(client: Client, method: str, address: str, body: Any = None) -> tuple[int, Any]:
    answer = (
        getattr(client, method)(address, data=json.dumps(body), content_type="application/json")
        if body
        else (getattr(client, method)(address))
    )
    return answer.status_code, json.loads(answer.content)


def machine(cast: Story, actor: Actor) -> Client:
    """A client with a service account's token."""
    made = create_for_service(
        actor=cast.admin, at=cast.at, service_account_id=actor.id, wish=TokenWish(name="ci", days=5)
    )
    return Client(headers={"Authorization": f"Bearer {made.text}"})


@pytest.fixture
def cast(db: str) -> Story:
    made = shop_with_progression(tests=True)
    brings(made, launch(100), at=made.at, environment="staging")
    return made


def test_ci_reports_a_run_and_a_request_shows_where_it_ran_and_what_is_missing(cast: Story) -> None:
    dev, ci = sign_in(Client(), cast.dev), machine(cast, reporter(cast))
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(10), reason="Go."
    )
    status, seen = call(dev, "get", f"/api/v1/changes/{done.request.id}/progression")
    assert status == 200
    (history,) = seen["history"]
    assert [(r["environment"], r["met"]) for r in history["ran"]] == [("development", None), ("staging", True)]
    assert history["problems"] == [f"{FLAG}: no test run of this configuration has passed."]
    status, run = call(ci, "post", RUNS, BODY)
    assert (status, run["source"], run["digest"]) == (201, "ci", history["digest"])
    assert call(ci, "post", RUNS, BODY)[0] == 200
    _, seen = call(dev, "get", f"/api/v1/changes/{done.request.id}/progression")
    assert (seen["history"][0]["problems"], seen["applied"]) == ([], [])
    page = dev.get(f"/requests/{done.request.id}").content.decode()
    assert "Where it ran before" in page
    assert RUN in page
    approve_at(cast, done, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    _, seen = call(dev, "get", f"/api/v1/changes/{done.request.id}/progression")
    assert seen["history"] == []
    assert seen["applied"][0]["runs"] == [run["id"]]
    page = dev.get(f"/requests/{done.request.id}").content.decode()
    assert "What let it pass" in page
    assert RUN in page


def test_a_persons_token_reports_what_is_marked_as_manual_and_a_viewers_nothing(cast: Story) -> None:
    for actor, expected in ((cast.dev, (201, "manual")), (cast.viewer, (403, None))):
        made = create_personal(actor=actor, at=cast.at, wish=TokenWish(name="test"))
        client = Client(headers={"Authorization": f"Bearer {made.text}"})
        status, run = call(client, "post", RUNS, BODY)
        assert (status, run.get("source")) == expected


def test_what_the_environment_did_not_run_is_refused_with_a_remedy(cast: Story) -> None:
    ci = machine(cast, reporter(cast))
    status, problem = call(ci, "post", RUNS, {**BODY, "digest": "0" * 64})
    assert (status, problem["code"]) == (409, "other-configuration")
    assert "Run the tests again" in problem["remedy"]
    for wrong in ("yesterday", "2026-11-25T20:00:00"):
        status, problem = call(ci, "post", RUNS, {**BODY, "started": wrong})
        assert (status, problem["errors"][0]["pointer"]) == (422, "/started")


def test_a_flags_progression_by_api_and_page(cast: Story) -> None:
    dev = sign_in(Client(), cast.dev)
    status, seen = call(dev, "get", f"/api/v1/projects/shop/flags/{FLAG}/progression")
    assert status == 200
    assert [(e["environment"], e["running"]) for e in seen["environments"]] == [
        ("development", False), ("staging", True), ("production", False),
    ]  # fmt: skip
    assert abs(datetime.fromisoformat(seen["environments"][1]["since"]) - cast.at) < timedelta(seconds=1)
    page = dev.get(f"/projects/shop/flags/{FLAG}/progression").content.decode()
    assert "No test run was reported yet" in page
    assert "Make the request" in page
    viewer = sign_in(Client(), cast.viewer)
    assert "Make the request" not in viewer.get(f"/projects/shop/flags/{FLAG}/progression").content.decode()


def test_promoting_by_api_and_by_page(cast: Story) -> None:
    dev = sign_in(Client(), cast.dev)
    address = "/api/v1/projects/shop/environments/production/promote"
    wish = {"flags": [FLAG], "source": "staging", "reason": "It ran well."}
    status, seen = call(dev, "post", f"{address}?dry_run=true", wish)
    assert (status, seen["id"], len(seen["sentences"])) == (200, None, 1)
    status, made = call(dev, "post", address, wish)
    assert (status, made["status"]) == (201, "in_review")
    form = {"source": "staging", "target": "production", "reason": "", "switch_on": "1"}
    answer = dev.post(f"/projects/shop/flags/{FLAG}/promote", form)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The policy of this environment asks for a reason." in page
    assert 'name="switch_on" value="1" checked' in page
    answer = dev.post(f"/projects/shop/flags/{FLAG}/promote", {**form, "reason": "It ran well."})
    assert answer.status_code == 302
    assert "Promote new-checkout from staging to production" in dev.get(answer["Location"]).content.decode()


def test_a_segment_is_declared_mapped_on_its_page(cast: Story) -> None:
    dev = sign_in(Client(), cast.dev)
    dev.post("/projects/shop/segments/new", {"key": "testers", "name": "Testers"})
    assert "Declare it environment-mapped" in dev.get("/projects/shop/segments/testers").content.decode()
    posted = {"operation": "segment.map", "segment": "testers", "mapped": "yes"}
    answer = dev.post("/projects/shop/environments/production/draft", posted)
    assert answer.status_code == 302, answer.content
    assert "is declared environment-mapped" in dev.get("/projects/shop/environments/production/draft").content.decode()
