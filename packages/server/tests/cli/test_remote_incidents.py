"""Claims about `ensign incidents`, `triggers` and `drills`, against a real server."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import urllib3
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("incidents") / "data", env={"ENSIGN_API_RATE": "1000000"}) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    found: dict[str, str] = seed(server.data_dir)["tokens"]
    return found


class Terminal:
    """`ensign` as somebody with a token."""

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._env = {"ENSIGN_URL": server.url, "ENSIGN_TOKEN": token, "ENSIGN_PROJECT": "shop"}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = run(self._server.data_dir, *arguments, env=self._env)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return str(done.stdout if code == 0 else done.stderr)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture(scope="module")
def bo(server: Server, tokens: dict[str, str]) -> Terminal:
    return Terminal(server, tokens["bo"])


def test_an_incident_from_its_declaration_to_its_times(bo: Terminal, tmp_path: Path) -> None:
    bo("flags", "create", "slow-cart")
    bo("flags", "rollout", "slow-cart", "25", "-e", "development")
    bo("flags", "on", "slow-cart", "-e", "development")
    one = bo.json("incidents", "declare", "The cart is slow", "-p", "shop", "-e", "development", "-s", "sev3")
    assert (one["state"], one["severity"]) == ("open", "sev3")
    assert one["id"] in bo("incidents", "list", "--state", "open")
    assert "is off in development" in bo("incidents", "kill", one["id"], "slow-cart", "-e", "development")
    assert "Found the query." in bo("incidents", "log", one["id"], "Found the query.")
    assert bo.json("incidents", "mitigate", one["id"])["state"] == "mitigated"
    assert bo.json("incidents", "resolve", one["id"], "--text", "Rolled back.")["resolved_at"]
    assert bo("incidents", "resolve", one["id"], code=6).startswith("error: ")
    shown = bo.json("incidents", "show", one["id"])
    assert len(shown["kills"]) == 1
    assert [line["text"] for line in shown["lines"]] == ["Found the query.", "Rolled back."]
    assert "MTTR" in bo("incidents", "times")
    assert "Nobody ever broke the glass." in bo("incidents", "emergencies")
    file = tmp_path / "times.csv"
    said = bo("incidents", "export", "times", "-o", str(file))
    assert sha256(file.read_bytes()).hexdigest() in said
    assert {row["measure"] for row in csv.DictReader(file.open())} == {"MTTD", "MTTM", "MTTR", "break-glass"}
    assert "exists already" in bo("incidents", "export", "times", "-o", str(file), code=3)


def test_a_trigger_is_made_called_and_revoked(server: Server, bo: Terminal) -> None:
    bo("flags", "create", "loud-banner")
    bo("flags", "rollout", "loud-banner", "25", "-e", "development")
    bo("flags", "on", "loud-banner", "-e", "development")
    made = bo.json("triggers", "make", "pager", "--flag", "loud-banner", "-e", "development", "--secret-only")
    assert made["id"] in bo("triggers", "list")

    def call(secret: str) -> tuple[int, Any]:
        answer = urllib3.request(
            "POST", f"{server.url}/hooks/kill/{made['id']}", body=b"{}", headers={"Authorization": f"Bearer {secret}"}
        )
        return answer.status, answer.json()

    assert call("ensign_kt_wrong")[0] == 401
    assert call(made["secret"])[1]["already"] is False
    assert call(made["secret"])[1]["already"] is True
    assert "does nothing any more" in bo("triggers", "revoke", made["id"])
    assert call(made["secret"])[0] == 401


def test_a_drill_is_planned_run_and_ended(bo: Terminal) -> None:
    bo("flags", "create", "drill-flag")
    bo("flags", "rollout", "drill-flag", "25", "-e", "development")
    bo("flags", "on", "drill-flag", "-e", "development")
    plan = bo.json("drills", "plan", "drill-flag", "-e", "development", "--every", "30")
    assert plan["id"] in bo("drills", "plans")
    assert "is off in development" in bo("drills", "run", plan["id"])
    assert "drill-flag" in bo("drills", "list")
    assert bo("drills", "run", plan["id"], code=6).startswith("error: ")
    assert "has ended" in bo("drills", "end", plan["id"])
