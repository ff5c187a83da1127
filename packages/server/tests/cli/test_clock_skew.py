"""Claims: nodes whose clocks differ judge alike within two minutes, and refuse in plain words beyond; the log's times
never go back."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.installing import place
from ensign_testkit.postgres import Cluster
from ensign_testkit.seeding import PASSWORD, seed
from ensign_testkit.server import Server, run
from ensign_testkit.visiting import Visitor
from ensign_testkit.waiting import until

FLAG = "menu"


def ahead(seconds: int) -> tuple[str, ...]:
    """The command under which a node's clock is so many seconds ahead; what it waits by stays as it is."""
    return ("env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", f"+{seconds}s")


class TwoNodes:
    """One database, a node with the right time and one that is ahead."""

    def __init__(self, data_dir: Path, cluster: Cluster, *, seconds: int) -> None:
        at = place(cluster)
        done = run(data_dir, "migrate", env=at.migrating)
        assert done.returncode == 0, done.stderr
        self.data_dir, self.env = data_dir, at.serving
        self.right = Server(data_dir, env=self.env)
        self.fast = Server(data_dir, env=self.env, prefix=ahead(seconds))
        seeded = seed(data_dir, **self.env)
        self.bo = {"Authorization": "Bearer " + seeded["tokens"]["bo"]}
        self.approver = Visitor(self.right)
        self.approver.sign_in("ingrid@example.com", PASSWORD)
        self.approver.enrol(PASSWORD)
        self.approver.server = self.fast  # the session goes on at the other node, second factor included

    def call(self, server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = server.request(method, f"/api/v1{path}", body, headers=self.bo)
        return answer.status, answer.json()

    def requested(self) -> Any:
        """A request for production, written at the node with the right time."""
        self.call(self.right, "POST", "/projects/shop/flags", {"key": FLAG})
        body = {"operations": [{"type": "flag.enable", "flag": FLAG}], "title": "On", "reason": "It is time."}
        status, made = self.call(self.right, "POST", "/projects/shop/environments/production/changes", body)
        assert status == 201, made
        return made

    def stop(self) -> None:
        for server in (self.fast, self.right):
            server.stop(signal.SIGTERM)

    def verify(self) -> None:
        done = run(self.data_dir, "ledger", "verify", "--json", env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["ok"] is True


@pytest.mark.timeout(300)
def test_a_node_that_is_a_minute_ahead_approves_for_one_that_is_not(tmp_path: Path, durable: Cluster) -> None:
    nodes = TwoNodes(tmp_path / "data", durable, seconds=60)
    try:
        made = nodes.requested()
        approved = nodes.approver.call("POST", f"/changes/{made['id']}/approve", {"digest": made["digest"]})
        assert approved["status"] == "approved"
        status, applied = nodes.call(nodes.right, "POST", f"/changes/{made['id']}/apply")
        assert (status, applied["status"]) == (200, "applied"), applied
        assert applied["applied_at"] >= made["submitted_at"]
    finally:
        nodes.stop()
    nodes.verify()


@pytest.mark.timeout(300)
def test_an_approval_from_far_ahead_waits_and_the_node_says_that_its_clock_is_wrong(
    tmp_path: Path, durable: Cluster
) -> None:
    nodes = TwoNodes(tmp_path / "data", durable, seconds=1_200)
    try:
        made = nodes.requested()
        nodes.approver.call("POST", f"/changes/{made['id']}/approve", {"digest": made["digest"]})
        status, refused = nodes.call(nodes.right, "POST", f"/changes/{made['id']}/apply")
        assert (status, refused["code"]) == (409, "not-approved"), refused
        assert "clock is ahead" in refused["detail"]
        until(lambda: any("clock differs by" in line for line in nodes.fast.lines))
        assert not any("clock differs by" in line for line in nodes.right.lines)
    finally:
        nodes.stop()
    nodes.verify()
