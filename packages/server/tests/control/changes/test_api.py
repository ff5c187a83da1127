"""Claims: every write route against role, project, environment and approval; ETag; dry run; tokens never approve."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from ensign.control.access.tokens import TokenWish, create_personal
from ensign.control.audit.models import Entry
from ensign.control.changes.domain.base import Operation
from ensign.control.kernel.actor import Actor
from ensign_testkit.changing import FLAG, Story, approve, config, last_entry, launch, live, requested, story, widen
from ensign_testkit.people import add_person, sign_in

FULL = {"rollout": "101"}
PLACE = "/api/v1/projects/shop/environments/production"


class Caller:
    """A client of the API: a session, or a personal token."""

    def __init__(self, actor: Actor, *, cast: Story, token: bool = False) -> None:
        self.headers: dict[str, str] = {}
        self.client = Client()
        if token:
            made = create_personal(actor=actor, at=cast.at, wish=TokenWish(name="test"))
            self.headers["Authorization"] = f"Bearer {made.text}"
        else:
            sign_in(self.client, actor)

    def post(self, address: str, body: Any = None, *, method: str = "post", **headers: str) -> tuple[int, Any, Any]:
        answer = getattr(self.client, method)(
            address, data=json.dumps(body or {}), content_type="application/json", headers={**self.headers, **headers}
        )
        return answer.status_code, json.loads(answer.content or b"null"), answer

    def get(self, address: str) -> tuple[int, Any, Any]:
        answer = self.client.get(address, headers=self.headers)
        return answer.status_code, json.loads(answer.content), answer


def body(operations: tuple[Operation, ...], **more: Any) -> dict[str, Any]:
    return {"operations": [o.to_json() for o in operations], "title": "Widen", "reason": "Fine so far.", **more}


def test_the_story_by_api(db: str) -> None:
    cast = story()
    dev, approver = Caller(cast.dev, cast=cast, token=True), Caller(cast.approver, cast=cast)
    status, made, answer = dev.post(f"{PLACE}/changes", body(launch(10)))
    assert (status, made["status"], made["missing"]) == (201, "in_review", 1)
    assert answer["ETag"] == '"1"'
    status, approved, _ = approver.post(f"/api/v1/changes/{made['id']}/approve", {"digest": made["digest"]})
    assert (status, approved["status"]) == (200, "approved"), approved
    status, applied, _ = dev.post(f"/api/v1/changes/{made['id']}/apply")
    assert (status, applied["status"], applied["mode"]) == (200, "applied", "request"), applied
    assert config().enabled
    status, listed, _ = dev.get("/api/v1/changes?project=shop&status=applied")
    assert [item["id"] for item in listed["items"]] == [made["id"]]
    status, undo, _ = dev.post(f"/api/v1/changes/{made['id']}/revert", {"reason": "No."})
    assert (status, undo["status"], undo["reverts"]) == (201, "in_review", made["id"])


def test_a_dry_run_says_everything_and_writes_nothing(db: str) -> None:
    cast = story()
    live(cast, 10)
    before = Entry.objects.count()
    dev = Caller(cast.dev, cast=cast)
    status, seen, _ = dev.post(f"{PLACE}/changes?dry_run=true", body(widen(50)))
    assert status == 200
    assert seen["outcome"] == "review"
    assert seen["sentences"][0].startswith(f"Rollout of {FLAG} in production goes from 10 % to 50 %")
    assert [(row["before"], row["after"]) for row in seen["diff"]] == [("10 %", "50 %")]
    assert "one other person" in seen["verdict"]
    assert Entry.objects.count() == before


def test_a_token_is_told_why_it_cannot_approve_and_the_try_is_an_entry(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    robot = Caller(cast.approver, cast=cast, token=True)
    for act in ("approve", "reject", "request-changes"):
        status, problem, _ = robot.post(f"/api/v1/changes/{done.request.id}/{act}", {"digest": done.request.digest})
        assert (status, problem["code"]) == (403, "approval-by-token")
        assert "person in a session" in problem["detail"]
        assert last_entry("access.denied")["detail"]["code"] == "approval_by_token"


def test_if_match_of_another_version_writes_nothing(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    dev = Caller(cast.dev, cast=cast)
    address = f"/api/v1/changes/{done.request.id}"
    status, edited, answer = dev.post(address, {"title": "New"}, method="patch", **{"If-Match": '"1"'})
    assert (status, edited["title"], answer["ETag"]) == (200, "New", '"2"')
    status, problem, _ = dev.post(f"{address}/withdraw", **{"If-Match": '"1"'})
    assert (status, problem["code"]) == (412, "precondition-failed")


@pytest.mark.parametrize(
    ("operations", "pointer"),
    [
        ([{"type": "flag.enable", "flag": FLAG, "colour": "red"}], "colour"),
        ([{"type": "flag.explode", "flag": FLAG}], "type"),
        ([{"type": "flag.enable"}], "flag"),
        ([{"type": "strategy.add", "flag": FLAG, "strategy": {"name": "flexibleRollout", "params": {}}}], "params"),
        (
            [
                {
                    "type": "strategy.add",
                    "flag": FLAG,
                    "strategy": {"name": "flexibleRollout", "parameters": {"rollout": "101"}},
                }
            ],
            "rollout",
        ),
        ([{"type": "dependency.set", "flag": FLAG, "dependency": {"flag": FLAG}}], "dependencies"),
        ([], "operations"),
    ],
)
def test_bad_input_names_the_field(db: str, operations: Any, pointer: str) -> None:
    cast = story()
    status, problem, _ = Caller(cast.dev, cast=cast).post(f"{PLACE}/changes", {"operations": operations, "reason": "r"})
    assert status == 422, problem
    assert any(pointer in found["pointer"] for found in problem["errors"]), problem


def routes(cast: Story) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Every write route with a request for it: name -> (method, address, body). Their requests are fresh."""
    done = requested(cast, launch(), author=cast.other)
    ready = requested(cast, launch(20), author=cast.other)
    approve(cast, ready, by=cast.second)
    one, two = f"/api/v1/changes/{done.request.id}", f"/api/v1/changes/{ready.request.id}"
    seen = {"digest": done.request.digest, "comment": "Because."}
    return {
        "propose": ("post", f"{PLACE}/changes", body(launch(30))),
        "dry run": ("post", f"{PLACE}/changes?dry_run=true", body(launch(30))),
        "edit": ("patch", one, {"title": "Mine now"}),
        "submit": ("post", f"{one}/submit", {}),
        "comment": ("post", f"{one}/comments", {"comment": "Hm."}),
        "approve": ("post", f"{one}/approve", seen),
        "request-changes": ("post", f"{one}/request-changes", seen),
        "reject": ("post", f"{one}/reject", seen),
        "withdraw": ("post", f"{one}/withdraw", {}),
        "apply": ("post", f"{two}/apply", {}),
        "kill": ("post", "/api/v1/projects/shop/flags/old-banner/environments/production/kill", {}),
    }


ROUTES = (
    *("propose", "dry run", "edit", "submit", "comment", "withdraw", "apply", "kill"),
    *("approve", "request-changes", "reject"),
)

#: Role in the scope -> the routes that it opens on other people's requests (409 and 422 come after the permission).
OPEN = {
    "viewer": {"comment"},
    "auditor": {"comment"},
    "admin": {"comment", "kill"},
    "requester": {"comment", "propose", "dry run", "edit", "kill"},
    "developer": {"comment", "propose", "dry run", "edit", "kill"},
    "approver": {"comment", "approve", "request-changes", "reject", "kill"},
}


@pytest.mark.parametrize("role", sorted(OPEN))
@pytest.mark.parametrize("where", ["production", "development", "elsewhere"])
def test_every_write_route_against_role_project_and_environment(db: str, role: str, where: str) -> None:
    cast = story()
    scope = {
        "production": {"project": "shop", "environment": "production"},
        "development": {"project": "shop", "environment": "development"},
        "elsewhere": {"project": "other"},
    }[where]
    person = add_person("Somebody", role, at=cast.at, **scope)  # type: ignore[arg-type]  # texts
    for name in ROUTES:
        method, address, sent = routes(cast)[name]
        status, answer, _ = Caller(person, cast=cast).post(address, sent, method=method)
        opened = name in OPEN[role] and (where == "production" or (where == "development" and name == "comment"))
        if opened:
            assert status in {200, 201, 409, 422}, (name, status, answer)
        else:
            assert status in {403, 404}, (name, status, answer)
    assert not config().enabled


def test_other_peoples_drafts_are_not_there(db: str) -> None:
    cast = story()
    dev, other = Caller(cast.dev, cast=cast), Caller(cast.other, cast=cast)
    _, made, _ = dev.post(f"{PLACE}/changes", body(launch(), wish="draft"))
    assert dev.get(f"/api/v1/changes/{made['id']}")[0] == 200
    assert other.get(f"/api/v1/changes/{made['id']}")[0] == 404
    assert other.get("/api/v1/changes")[1]["items"] == []


def test_a_kill_by_api_tells_how_long_it_took(db: str) -> None:
    cast = story()
    live(cast)
    dev = Caller(cast.dev, cast=cast, token=True)
    address = f"/api/v1/projects/shop/flags/{FLAG}/environments/production/kill"
    status, killed, _ = dev.post(address)
    assert (status, killed["reason_status"]) == (201, "open"), killed
    assert 0 <= killed["took_ms"] < 5_000
    status, given, _ = dev.post(f"/api/v1/kills/{killed['id']}/reason", {"reason": "Errors."})
    assert (status, given["reason_status"]) == (200, "given")
    assert dev.get("/api/v1/kills?project=shop")[1]["items"][0]["id"] == killed["id"]


def test_a_check_says_everything_that_would_fail_and_writes_nothing(db: str) -> None:
    cast = story()
    live(cast, 10)
    other = requested(cast, widen(20), author=cast.other)
    dev = Caller(cast.dev, cast=cast, token=True)
    entries = Entry.objects.count()
    asked = {"operations": [o.to_json() for o in widen(50)]}
    status, report, _ = dev.post(f"{PLACE}/changes/check", asked)
    assert (status, report["blocked"]) == (200, True), report
    told = {finding["code"]: finding for finding in report["findings"]}
    assert told["no-reason"]["level"] == "blocks"
    assert (told["not-approved"]["level"], told["not-approved"]["rule"]) == ("waits", "CM-01")
    assert "Rev Reviewer, Sec Second" in told["not-approved"]["remedy"]
    assert told["same-objects"]["href"] == f"/requests/{other.request.id}"
    assert {one["name"] for one in report["approvers"]} == {"Rev Reviewer", "Sec Second"}
    assert report["estimates"][0]["sentence"].startswith(f"{FLAG}: about 10 % → 50 % of users; no application asked")
    assert Entry.objects.count() == entries
    status, report, _ = dev.post(f"{PLACE}/changes/check", {**asked, "reason": "The canary was fine."})
    assert (status, report["blocked"]) == (200, False), report
    status, report, _ = dev.post(f"{PLACE}/changes/check", {"operations": [{"type": "flag.enable", "flag": "nope"}]})
    assert (status, report["blocked"], report["findings"][0]["code"]) == (200, True, "operation-refused")
    status, report, _ = dev.post(f"{PLACE}/changes/check", {"operations": [{"type": "flag.enable", "flag": FLAG}]})
    assert "already on" in report["findings"][0]["message"]


def test_a_request_is_checked_discussed_and_rebased_by_api(db: str) -> None:
    cast = story()
    live(cast, 10)
    dev, viewer = Caller(cast.dev, cast=cast, token=True), Caller(cast.viewer, cast=cast)
    mine = requested(cast, widen(50))
    address = f"/api/v1/changes/{mine.request.id}"
    _, shown, _ = viewer.get(address)
    line = {"digest": shown["digest"], "path": shown["diff"][0]["path"]}
    status, said, _ = viewer.post(f"{address}/threads", {"comment": "Why half?", "line": line})
    assert status == 201, said
    status, _, _ = dev.post(f"{address}/threads", {"comment": "It was fine.", "reply_to": said["id"]})
    assert status == 201
    status, _, _ = dev.post(f"{address}/threads/{said['id']}/resolve")
    assert status == 200
    status, _, _ = dev.post(f"{address}/reviewers", {"reviewers": [cast.second.id]}, method="put")
    assert status == 200
    theirs = requested(cast, widen(25), author=cast.other)
    approve(cast, theirs)
    status, _, _ = Caller(cast.other, cast=cast).post(f"/api/v1/changes/{theirs.request.id}/apply")
    assert status == 200
    _, report, _ = dev.get(f"{address}/check")
    assert ("conflicted", "CM-04") in {(f["code"], f["rule"]) for f in report["findings"]}
    _, merge, _ = dev.post(f"{address}/merge")
    (clash,) = [one for one in merge["lines"] if one["state"] == "clash"]
    assert (merge["open"], clash["base"], clash["theirs"], clash["mine"]) == (1, "10", "25", "50")
    # There is no way to take what is there now for what one has seen, line by line unseen.
    assert dev.post(address, {"rebase": True}, method="patch")[0] == 422
    status, refused, _ = dev.post(f"{address}/rebase")
    assert (status, refused["code"], refused["errors"][0]["pointer"].endswith("rollout")) == (409, "clash", True)
    status, done, _ = dev.post(f"{address}/rebase", {"choices": {clash["key"]: "mine"}})
    assert (status, done["round"], done["status"]) == (200, 2, "in_review"), done
    _, comments, _ = viewer.get(f"{address}/threads")
    assert [(c["text"], c["outdated"], bool(c["resolved_by"])) for c in comments if c["path"]] == [
        ("Why half?", True, True)
    ]
    _, listed, _ = viewer.get(f"{address}/rounds")
    assert [(one["round"], one["diff"][0]["after"]) for one in listed] == [(1, "50 %"), (2, "50 %")]


def test_contexts_are_tried_before_and_after_by_the_engine(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(100))
    contexts = [{"userId": str(number)} for number in range(40)]
    status, tried, _ = Caller(cast.viewer, cast=cast).post(
        f"/api/v1/changes/{mine.request.id}/try", {"contexts": contexts}
    )
    assert status == 200, tried
    assert all(one["after"]["enabled"] for one in tried)
    on = sum(one["before"]["enabled"] for one in tried)
    assert 0 < on < 20
    assert sum(one["differs"] for one in tried) == 40 - on
    status, _, _ = Caller(cast.viewer, cast=cast).post(f"/api/v1/changes/{mine.request.id}/try", {"contexts": []})
    assert status == 422
