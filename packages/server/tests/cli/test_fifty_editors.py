"""Claims: fifty people who edit one flag at one moment lose nothing and overwrite nobody; each is told the truth."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ensign.control.flags.validation import MAX_STRATEGIES
from ensign_testkit.installing import place
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import Server, run
from ensign_testkit.visiting import Visitor
from ensign_testkit.waiting import until

EDITORS = 50
FLAG = "menu"
RATES = {"ENSIGN_API_RATE": "1000000", "ENSIGN_API_WRITE_RATE": "1000000"}


class Crowd:
    """Fifty developers with a token each, and one who approves."""

    def __init__(self, data_dir: Path, env: dict[str, str]) -> None:
        self.server = Server(data_dir, env={**env, **RATES})
        seeded = seed(data_dir, crowd=EDITORS, **env)
        self.tokens = [seeded["tokens"][f"editor {number}"] for number in range(1, EDITORS + 1)]
        self.approver = Visitor(self.server)
        self.approver.sign_in("ingrid@example.com", PASSWORD)
        self.approver.enrol(PASSWORD)
        self.approver.call("POST", "/projects/shop/flags", {"key": FLAG}, status=201)
        self.sdk = {
            environment: self.approver.call(
                "POST", "/client-tokens", status=201,
                body={"name": "sdk", "type": "backend", "projects": ["shop"], "environment": environment},
            )["token"]
            for environment in ("development", "production")
        }  # fmt: skip

    def call(self, editor: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = self.server.request(
            method, f"/api/v1{path}", body, headers={"Authorization": f"Bearer {self.tokens[editor]}"}
        )
        return answer.status, answer.json()

    def together(self, act: Callable[[int], tuple[int, Any]]) -> list[tuple[int, Any]]:
        """Everybody does it at the same moment; what each was answered."""
        answers: list[tuple[int, Any]] = [(0, None)] * EDITORS
        start = threading.Barrier(EDITORS, timeout=60)

        def one(editor: int) -> None:
            start.wait()
            answers[editor] = act(editor)

        threads = [threading.Thread(target=one, args=(editor,)) for editor in range(EDITORS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)
        return answers

    def served(self, environment: str) -> dict[str, Any]:
        """The flag as an SDK is told of it; empty while it is told nothing."""
        answer = self.server.get("/api/client/features", Authorization=self.sdk[environment])
        features = answer.json()["features"] if answer.status == 200 else []
        return next((feature for feature in features if feature["name"] == FLAG), {})


def strategy(editor: int) -> dict[str, Any]:
    """What tells one editor's work from another's."""
    made = {
        "name": "flexibleRollout",
        "parameters": {"rollout": "10", "stickiness": "default", "groupId": f"by {editor}"},
    }
    return {"type": "strategy.add", "flag": FLAG, "strategy": made}


def groups(feature: dict[str, Any]) -> list[str]:
    return [one["parameters"]["groupId"] for one in feature.get("strategies", [])]


def variant(editor: int) -> dict[str, Any]:
    """The flag's one variant says who wrote it."""
    payload = {"type": "string", "value": str(editor)}
    return {"type": "variants.set", "flag": FLAG, "variants": [{"name": "n", "weight": 1000, "payload": payload}]}


def everybody_adds_to_development(crowd: Crowd) -> None:
    """No approval is asked for: every edit that is acknowledged is there once, and the flag's limit holds."""
    path = "/projects/shop/environments/development/changes"

    def add(editor: int) -> tuple[int, Any]:
        while True:
            status, answer = crowd.call(editor, "POST", path, {"operations": [strategy(editor)], "title": f"{editor}"})
            if answer.get("code") != "version-conflict":  # “Somebody else changed this at the same moment. Try again.”
                return status, answer

    answers = crowd.together(add)
    told = Counter(status for status, _ in answers)
    assert told == {201: MAX_STRATEGIES, 422: EDITORS - MAX_STRATEGIES}, [a for s, a in answers if s not in {201, 422}]
    acknowledged = {f"by {editor}" for editor, (status, _) in enumerate(answers) if status == 201}
    until(lambda: Counter(groups(crowd.served("development"))) == Counter(acknowledged))


def everybody_asks_for_production(crowd: Crowd) -> None:
    """Fifty approved requests for one flag: one applies, and forty-nine are told that it changed."""
    path = "/projects/shop/environments/production/changes"
    answers = crowd.together(
        lambda editor: crowd.call(
            editor, "POST", path, {"operations": [variant(editor)], "title": f"{editor}", "reason": "All at once."}
        )
    )
    assert Counter(status for status, _ in answers) == {201: EDITORS}, answers
    requests = [answer for _, answer in answers]
    for request in requests:
        crowd.approver.call("POST", f"/changes/{request['id']}/approve", {"digest": request["digest"]})
    applied = crowd.together(lambda editor: crowd.call(editor, "POST", f"/changes/{requests[editor]['id']}/apply"))
    assert Counter(status for status, _ in applied) == {200: 1, 409: EDITORS - 1}, applied
    assert {answer["code"] for status, answer in applied if status == 409} == {"conflicted"}
    winner = next(editor for editor, (status, _) in enumerate(applied) if status == 200)
    until(lambda: [v["payload"]["value"] for v in crowd.served("production").get("variants", [])] == [str(winner)])
    # Whoever lost brings their request up to date; the approval of what is no more does not count.
    loser = (winner + 1) % EDITORS
    address = f"/changes/{requests[loser]['id']}"
    assert crowd.call(loser, "POST", f"{address}/rebase", {})[1]["code"] == "clash"
    _, sides = crowd.call(loser, "POST", f"{address}/merge", {})
    mine = {line["key"]: "mine" for line in sides["lines"] if line["state"] == "clash"}
    status, rebased = crowd.call(loser, "POST", f"{address}/rebase", {"choices": mine})
    assert (status, rebased["status"]) == (200, "in_review"), rebased
    assert crowd.call(loser, "POST", f"/changes/{requests[loser]['id']}/apply")[0] == 409


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_fifty_people_edit_one_flag_at_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data, env = tmp_path / "data", {}
    if kind == "postgresql":
        at = place(request.getfixturevalue("durable"))
        done = run(data, "migrate", env=at.migrating)
        assert done.returncode == 0, done.stderr
        env = at.serving
    crowd = Crowd(data, env)
    try:
        everybody_adds_to_development(crowd)
        everybody_asks_for_production(crowd)
    finally:
        crowd.server.stop(signal.SIGTERM)
    done = run(data, "ledger", "verify", "--json", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True
