"""Claim: whatever people type, and wherever, it stands in no entry of the log, in no line that the server prints and in
no number that it counts. A word that occurs nowhere else is typed into every field, header and address of a server.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ensign_testkit.server import Server, serving
from ensign_testkit.visiting import Visitor

MARK = "zqx"
PASSWORD = "Harbour-Quilt-57-Lantern-zqx"


def said(what: str) -> str:
    """A text as somebody might type it, with a name, an address and a number in it."""
    return f"{what}: Zqxanna Zqxberg <zqxanna@zqx.example>, +47 912 34 zqx 567, from 192.0.2.77 zqx"


class Story:
    """Ada sets the installation up, invites others, and types the mark wherever she can."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ada = Visitor(server)
        made = self.ada.form(
            server.setup_link, organisation="Zqx Ltd", name="Zqxada Zqxadmin", email="zqxada@zqx.example",
            password=PASSWORD, preset="small-team", control=said("control"),
        )  # fmt: skip
        assert made.status == 303, made.body.decode()
        self.ada.enrol(PASSWORD)
        self.me = self.ada.call("GET", "/whoami")["id"]
        self.bo = self.join("Zqxbo Zqxlind", "zqxbo@zqx.example", "admin")
        self.rev = self.join("Zqxrev Zqxviewer", "zqxrev@zqx.example", "viewer")
        given = {"subject": self.rev.call("GET", "/whoami")["id"], "role": "approver", "reason": said("grant")}
        asked = self.ada.call("POST", "/grants", given, status=202)  # it takes a second person
        self.bo.call("POST", f"/access/requests/{asked['id']}/approve", {"reason": said("yes")})

    def join(self, name: str, email: str, *roles: str) -> Visitor:
        """Invite somebody who joins and enrols a second factor."""
        wishes = [{"role": role} for role in roles]
        invited = self.ada.call(
            "POST", "/people", {"email": email, "name": name, "roles": wishes, "reason": said("reason")}, status=201
        )
        path = invited["url"].split("/", 3)[3]
        visitor = Visitor(self.server)
        assert visitor.form("/" + path, name=name, password=PASSWORD).status == 303
        visitor.enrol(PASSWORD)
        return visitor

    def people(self) -> None:
        """Groups, service accounts, grants, tokens, links; leaving and coming back."""
        call = self.ada.call
        gus = self.join("Zqxgus Zqxgone", "zqxgus@zqx.example", "viewer").call("GET", "/whoami")["id"]
        self.ada.form("/account", name="Zqxada Zqxnew")
        group = call("POST", "/groups", {"name": "Zqx team", "description": said("group")}, status=201)["id"]
        call("POST", f"/groups/{group}/members", {"person": gus, "reason": said("member")})
        call("DELETE", f"/groups/{group}/members/{gus}")
        account = {"name": "zqx-pipeline", "purpose": said("purpose"), "owner": self.me}
        service = call("POST", "/service-accounts", account, status=201)["id"]
        call("POST", f"/service-accounts/{service}/tokens", {"name": "zqx token"}, status=201)
        call("PUT", f"/groups/{group}", {"name": "Zqx crew", "description": said("group")})
        call("PUT", f"/service-accounts/{service}", {**account, "purpose": said("other")})
        call("POST", f"/service-accounts/{service}/disable", {"reason": said("disable")})
        call("POST", f"/service-accounts/{service}/enable", {"reason": said("enable")})
        grant = {"subject": gus, "role": "viewer", "project": "shop", "reason": said("grant")}
        given = call("POST", "/grants", grant, status=201)["id"]
        call("POST", f"/grants/{given}/end", {"reason": said("end")})
        token = call("POST", "/tokens", {"name": "Zqx laptop"}, status=201)["id"]
        call("POST", f"/tokens/{token}/revoke", {"reason": said("revoke")})
        call("POST", f"/groups/{group}/archive", {"reason": said("archive")})
        call("POST", f"/people/{gus}/password-link")
        call("POST", f"/people/{gus}/deactivate", {"reason": said("deactivate")})
        call("POST", f"/people/{gus}/reactivate", {"reason": said("reactivate")})
        call("POST", f"/people/{gus}/deactivate", {"reason": said("deactivate")})
        call("POST", f"/privacy/people/{gus}/export")
        call("PUT", "/privacy/rules", {"keep_months": 12, "reason": said("rule")})
        asked = {"person": gus, "reason": "They asked zqx", "early": True}
        first = call("POST", "/privacy/erasures", asked, status=201)["id"]
        call("POST", f"/privacy/erasures/{first}/withdraw")
        second = call("POST", "/privacy/erasures", asked, status=201)["id"]
        self.bo.call("POST", f"/privacy/erasures/{second}/confirm")

    def flags(self) -> None:
        """A project with rules, requests, comments, decisions, a kill switch."""
        call = self.ada.call
        project = {"key": "shop", "name": "Zqx shop", "description": said("project"), "preset": "small-team"}
        call("POST", "/projects", project, status=201)
        call("POST", "/projects/shop/segments", {"key": "seg", "name": "Zqx", "description": said("s")}, status=201)
        call("POST", "/projects/shop/flags", {"key": "cart", "description": said("flag"), "tags": ["team:zqx"]},
             status=201)  # fmt: skip
        rule = {"context_name": "userId", "operator": "IN", "values": ["zqxanna@zqx.example", "zqx 4711"]}
        strategy = {"name": "flexibleRollout", "title": "Zqx first", "parameters": {"rollout": "10"},
                    "constraints": [rule]}  # fmt: skip
        operations = [
            {"type": "strategy.add", "flag": "cart", "strategy": strategy},
            {"type": "flag.enable", "flag": "cart"},
        ]
        wish = {"operations": operations, "title": "Zqx title", "reason": said("why")}
        places = "/projects/shop/environments"
        self.dev = call("POST", f"{places}/development/changes", wish, status=201)
        asked = call("POST", f"{places}/production/changes", {**wish, "wish": "submit"}, status=201)
        request = asked
        call("POST", f"/changes/{request['id']}/comments", {"comment": said("comment")}, status=201)
        decision = {"digest": request["digest"], "comment": said("decision")}
        self.rev.call("POST", f"/changes/{request['id']}/approve", decision)
        call("POST", f"/changes/{request['id']}/apply")
        kill = call("POST", "/projects/shop/flags/cart/environments/production/kill", {}, status=201)
        call("POST", f"/kills/{kill['id']}/reason", {"reason": said("kill")})
        call("PATCH", "/projects/shop", {"name": "Zqx shop 2", "description": said("project")})
        call("PATCH", "/projects/shop/flags/cart", {"description": said("flag")})
        call("PATCH", "/projects/shop/segments/seg", {"name": "Zqx 2", "description": said("segment")})
        call("PATCH", "/projects/shop/environments/staging", {"name": "Zqx staging"})
        for act, text in (("reject", "decision"), ("request-changes", "decision"), ("withdraw", "")):
            asked = call("POST", f"{places}/production/changes", {**wish, "wish": "submit"}, status=201)
            decision = {"digest": asked["digest"], "comment": said(text)} if text else None
            (self.rev if text else self.ada).call("POST", f"/changes/{asked['id']}/{act}", decision)
        draft = call("POST", f"{places}/production/changes", {**wish, "wish": "draft"}, status=201)
        call("PATCH", f"/changes/{draft['id']}", {"title": "Zqx edited", "reason": said("edit")})
        period = {"since": "2020-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z", "format": "json"}
        call("POST", "/exports/changes", period)
        ends = {"name": "zqx web", "type": "frontend", "projects": ["shop"], "environment": "development"}
        self.client = call("POST", "/client-tokens", {**ends, "expires_at": None}, status=201)

    def wrong(self) -> None:
        """What is refused: mistyped passwords, unknown links and tokens, forms that break rules, words in headers."""
        stranger = Visitor(self.server)
        for _ in range(3):
            stranger.form("/login", email="zqxmallory@zqx.example", password="zqx zqx zqx")
        stranger.form("/login", email="zqxada@zqx.example", password="zqx wrong")
        for path in ("/invite/zqxzqxzqxzqx", "/reset/zqxzqxzqxzqx", "/setup/zqxzqxzqxzqx", "/zqx/zqxanna@zqx.example"):
            self.server.get(path)
        headers = {
            "User-Agent": "Zqx agent", "X-Request-ID": "zqx-zqx-zqx-zqx-zqx", "Referer": "http://zqx.example/zqx",
            "Authorization": "Bearer ensign_pat_zqxzqxzqxzqxzqx", "Idempotency-Key": "zqxkey",
        }  # fmt: skip
        self.server.get(f"/api/v1/whoami?q={quote(said('query'))}", **headers)
        self.server.request("POST", "/api/v1/people", {"email": said("bad"), "zqx": "zqx"}, headers=headers)
        for path in ("/people?q=zqxanna", "/log?actor=zqx&q=zqx", "/flags?q=zqx", "/commands?q=zqx"):
            self.ada.get(path)
        for path, body in (
            ("/people", {"email": said("bad")}),
            ("/grants", {"subject": "zqx", "role": "zqx", "reason": said("bad")}),
            ("/projects", {"key": said("bad"), "name": "zqx"}),
            ("/projects/shop/flags", {"key": said("bad")}),
            ("/projects/zqx/flags", {"key": "zqx"}),
            ("/projects/shop/environments/zqx/changes", {"operations": [{"type": "zqx"}]}),
            ("/privacy/erasures", {"person": "usr_zqx", "reason": said("bad")}),
            ("/exports/changes", {"since": "zqx", "until": "zqx", "project": "zqx", "format": "zqx"}),
        ):
            assert self.ada._send("POST", f"/api/v1{path}", body, "application/json").status >= 400, path

    def applications(self) -> None:
        """Contexts and reports of applications."""
        headers = {"Authorization": str(self.client["token"])}
        context: dict[str, Any] = {"userId": "zqxanna@zqx.example", "remoteAddress": "192.0.2.77", "zqx": "zqx"}
        self.server.get(f"/api/frontend?userId={quote('zqxanna@zqx.example')}&properties[zqx]=zqx", **headers)
        self.server.request("POST", "/api/frontend", {"context": context}, headers=headers)
        self.server.request("POST", "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "zqx", **context}},
                            headers=headers)  # fmt: skip
        metrics = {
            "appName": "Zqxanna's phone", "instanceId": "zqx-instance",
            "bucket": {"start": "2026-01-01T00:00:00Z", "stop": "2026-01-01T00:01:00Z",
                       "toggles": {"cart": {"yes": 1, "no": 0}}},
        }  # fmt: skip
        self.server.request("POST", "/api/frontend/client/metrics", metrics, headers=headers)
        self.server.get("/api/client/features", Authorization="*:production.zqxzqxzqxzqxzqxzqxzqxzqxzqx")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    data = tmp_path_factory.mktemp("markers") / "data"
    with serving(data, env={"ENSIGN_API_RATE": "1000000", "ENSIGN_LOG_LEVEL": "DEBUG"}) as server:
        story = Story(server)
        story.flags()
        story.people()
        story.wrong()
        story.applications()
        yield story


def bodies(data: Path) -> list[str]:
    [database] = data.glob("*.sqlite3")
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM ledger_entry ORDER BY seq")]


def test_no_entry_holds_what_somebody_typed(told: Story) -> None:
    found = bodies(told.server.data_dir)
    actions = {body.split('"action":"')[1].split('"')[0] for body in found}
    assert len(actions) > 50, sorted(actions)
    assert [body for body in found if MARK in body.lower()] == []


def test_what_was_typed_did_arrive(told: Story) -> None:
    """The story is no story if nothing of it was kept."""
    [database] = told.server.data_dir.glob("*.sqlite3")
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        count = connection.execute("SELECT count(*) FROM ledger_document WHERE content LIKE '%zqx%'").fetchone()[0]
    assert count > 40


def test_no_line_that_the_server_prints_holds_it(told: Story) -> None:
    lines = list(told.server.lines)
    assert len(lines) > 50
    assert [line for line in lines if MARK in line.lower()] == []


def test_no_number_that_it_counts_is_named_by_it(told: Story) -> None:
    for path in ("/metrics", "/metrics/impact"):
        answer = told.ada.get(path)
        assert MARK not in answer.body.decode().lower(), path
    assert told.ada.get("/metrics").status == 200


def test_the_log_of_it_all_verifies(told: Story) -> None:
    from ensign_testkit.server import run

    done = run(told.server.data_dir, "ledger", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "documents forgotten, authorised by 1 entry" in done.stdout
