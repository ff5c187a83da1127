"""Claims: a server that is killed at any moment under load loses nothing that it acknowledged, and leaves no halves."""

from __future__ import annotations

import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.derived import derived
from ensign_testkit.installing import place
from ensign_testkit.postgres import Cluster
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import Server, run
from ensign_testkit.visiting import Visitor

RATES = {"ENSIGN_API_RATE": "1000000", "ENSIGN_API_WRITE_RATE": "1000000"}
FLAGS = {"menu": "development", "basket": "development", "banner": "staging", "checkout": "production"}
"""Flag -> where it is changed, by a thread of its own. What goes to production is approved by somebody else first."""


def variants(flag: str, number: int) -> list[dict[str, Any]]:
    """The change: the flag's one variant says ``number``."""
    payload = {"type": "string", "value": str(number)}
    return [{"type": "variants.set", "flag": flag, "variants": [{"name": "n", "weight": 1000, "payload": payload}]}]


class Load:
    """Threads that change flags over HTTP, each its own, until the server is gone."""

    def __init__(self, data_dir: Path, env: Mapping[str, str]) -> None:
        self.data_dir, self.env = data_dir, {**env, **RATES}
        self.tried = dict.fromkeys(FLAGS, 0)
        self.acknowledged = dict.fromkeys(FLAGS, 0)
        self.unexpected: list[str] = []
        self.server = Server(data_dir, env=self.env)
        seeded = seed(data_dir, **env)
        self._bo = {"Authorization": "Bearer " + seeded["tokens"]["bo"]}
        self._approver = Visitor(self.server)
        self._approver.sign_in("ingrid@example.com", PASSWORD)
        self._approver.enrol(PASSWORD)
        for flag in FLAGS:
            self._call("POST", "/projects/shop/flags", {"key": flag}, status=201)
        self.tokens = {
            environment: self._approver.call(
                "POST", "/client-tokens", status=201,
                body={"name": "sdk", "type": "backend", "projects": ["shop"], "environment": environment},
            )["token"]
            for environment in sorted(set(FLAGS.values()))
        }  # fmt: skip

    def _call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.server.request(method, f"/api/v1{path}", body, headers=self._bo)
        assert answer.status == status, (method, path, answer.status, answer.body.decode())
        return answer.json()

    def _change(self, flag: str) -> None:
        number = self.tried[flag] = self.tried[flag] + 1
        path = f"/projects/shop/environments/{FLAGS[flag]}/changes"
        body = {"operations": variants(flag, number), "title": f"{flag} {number}", "reason": "load"}
        request = self._call("POST", path, body, status=201)
        if FLAGS[flag] == "production":
            assert request["status"] == "in_review"
            decision = {"digest": request["digest"]}
            request = self._approver.call("POST", f"/changes/{request['id']}/approve", decision)
            if request["status"] == "approved":
                request = self._call("POST", f"/changes/{request['id']}/apply")
        assert request["status"] == "applied", request
        self.acknowledged[flag] = number

    def _until_gone(self, flag: str) -> None:
        try:
            while True:
                self._change(flag)
        except (OSError, http.client.HTTPException):
            return
        except AssertionError as error:
            self.unexpected.append(str(error))

    def until_killed(self, seconds: float) -> None:
        """Load the server, and kill it so many seconds after it has acknowledged something."""
        before, deadline = sum(self.acknowledged.values()), time.monotonic() + 60
        threads = [threading.Thread(target=self._until_gone, args=(flag,)) for flag in FLAGS]
        for thread in threads:
            thread.start()
        while sum(self.acknowledged.values()) == before and not self.unexpected:
            assert time.monotonic() < deadline, "nothing was ever acknowledged"
            threads[0].join(0.02)
        threads[0].join(seconds)  # it ends only with the server
        self.server.stop(signal.SIGKILL)
        for thread in threads:
            thread.join(60)
        assert self.unexpected == []

    def restart(self) -> None:
        """Another server on the same installation, with the same sessions."""
        self.server = Server(self.data_dir, env=self.env)
        self._approver.server = self.server

    def verify(self) -> None:
        """While no server runs: the log and every row agree."""
        done = run(self.data_dir, "ledger", "verify", "--json", env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["ok"] is True

    def check(self) -> None:
        """What was acknowledged is there; requests, content and what SDKs are told say the same."""
        expected = derived(self.data_dir, self.env)
        served = {}
        for environment, token in self.tokens.items():
            answer = self.server.get("/api/client/features", Authorization=token).json()
            told = {"features": answer["features"], "segments": answer.get("segments", [])}
            assert told == expected[f"shop/{environment}"]
            served.update({f["name"]: int(f["variants"][0]["payload"]["value"]) for f in answer["features"]})
        applied = dict.fromkeys(FLAGS, 0)
        for request in self._requests():
            (operation,) = request["operations"]
            number = int(operation["variants"][0]["payload"]["value"])
            assert number <= self.tried[operation["flag"]]
            if request["status"] == "applied":
                applied[operation["flag"]] = max(applied[operation["flag"]], number)
        for flag in FLAGS:
            found = served.get(flag, 0)
            assert found == applied[flag], flag
            assert found in {self.acknowledged[flag], self.tried[flag]}, flag
            self.acknowledged[flag] = found  # seen, it may not be lost any more, whoever was told of it

    def _requests(self) -> list[dict[str, Any]]:
        found, cursor = [], ""
        while True:
            page = self._call("GET", f"/changes?project=shop&limit=100{cursor}")
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"


def killed_again_and_again(data_dir: Path, env: Mapping[str, str], *, times: int, seed: int) -> None:
    """The rounds; each goes on from what the one before left."""
    moments = random.Random(seed)
    load = Load(data_dir, env)
    try:
        for _ in range(times):
            load.until_killed(moments.uniform(0.2, 2.0))
            load.verify()
            load.restart()
            load.check()
        assert sum(load.acknowledged.values()) >= times
    finally:
        load.server.stop(signal.SIGKILL)


def prepared(kind: str, tmp_path: Path, durable: Callable[[], Cluster]) -> tuple[Path, dict[str, str]]:
    data = tmp_path / "data"
    if kind == "sqlite":
        return data, {}
    at = place(durable())
    done = run(data, "migrate", env=at.migrating)
    assert done.returncode == 0, done.stderr
    return data, at.serving


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data, env = prepared(kind, tmp_path, lambda: request.getfixturevalue("durable"))
    killed_again_and_again(data, env, times=1, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nor_after_many_deaths(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data, env = prepared(kind, tmp_path, lambda: request.getfixturevalue("durable"))
    killed_again_and_again(data, env, times=12, seed=2)
