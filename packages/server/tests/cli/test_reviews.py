"""Claims: a change is checked, discussed, edited, carried over and undone from the terminal, with exit codes for CI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run, serving

FLAG = "new-cart"


class Terminal:
    """`ensign` as somebody with a token."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.env = {"ENSIGN_URL": server.url, "ENSIGN_TOKEN": token, "ENSIGN_PROJECT": "shop"}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = run(self.server.data_dir, *arguments, env=self.env)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return str(done.stdout + done.stderr)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("reviews") / "data", env={"ENSIGN_API_RATE": "1000000"}) as running:
        yield running


@pytest.fixture(scope="module")
def seeded(server: Server) -> dict[str, Any]:
    made: dict[str, Any] = seed(server.data_dir)
    return made


@pytest.fixture(scope="module")
def bo(server: Server, seeded: dict[str, Any]) -> Terminal:
    terminal = Terminal(server, seeded["tokens"]["bo"])
    terminal("flags", "create", FLAG)
    return terminal


def written(folder: Path, name: str, value: Any) -> str:
    file = folder / name
    file.write_text(json.dumps(value))
    return str(file)


def test_a_check_ends_with_6_when_it_would_be_refused_and_names_the_control(bo: Terminal, tmp_path: Path) -> None:
    good = written(tmp_path, "good.json", [{"type": "flag.enable", "flag": FLAG}])
    told = bo("changes", "check", good, "-e", "production", code=6)
    assert "A reason is missing." in told
    assert "[CM-01]" in told
    told = bo("changes", "check", good, "-e", "production", "-r", "The launch")
    assert "May approve: Ingrid" in told
    assert "It can be submitted, and applies once what it waits for is there." in told
    bad = written(tmp_path, "bad.json", [{"type": "flag.enable", "flag": "nothing"}])
    assert "no flag nothing" in bo("changes", "check", bad, "-e", "production", code=6)
    bo("changes", "check", good, code=3)


def test_a_request_is_discussed_edited_and_tried(
    bo: Terminal, server: Server, seeded: dict[str, Any], tmp_path: Path
) -> None:
    ingrid = Terminal(server, seeded["tokens"]["ingrid"])
    id_ = bo.json("flags", "rollout", FLAG, "25", "-e", "production", "-r", "First step")["id"]
    line = bo.json("changes", "diff", id_)[0]["path"]
    said = ingrid.json("changes", "comment", id_, "Which ticket?", "--line", line)["id"]
    assert "Replied" in bo("changes", "reply", id_, said, "PAY-142")
    assert "Resolved" in bo("changes", "resolve", id_, said)
    assert f"on {line}; resolved" in bo("changes", "threads", id_)
    candidates = bo("changes", "reviewers", id_)
    assert "may approve" in candidates
    asked = bo("changes", "reviewers", id_, "--ask", seeded["ids"]["ingrid"])
    assert seeded["ids"]["ingrid"] in asked
    assert "round 2" in bo("changes", "edit", id_, "--reason", "PAY-142: first step")
    bo("changes", "edit", id_, code=3)
    assert "Round 1" in bo("changes", "rounds", id_)
    contexts = written(tmp_path, "contexts.json", [{"userId": "7"}])
    assert f"context 1, {FLAG}: off → " in bo("changes", "try", id_, contexts)
    assert "Nothing moved" in bo("changes", "rebase", id_, code=6)


def test_a_clash_is_decided_with_take_and_an_undoing_keeps_what_came_later(bo: Terminal, tmp_path: Path) -> None:
    bo("flags", "rollout", FLAG, "10", "-e", "development")
    shown = bo.json("flags", "show", FLAG)["environments"]["development"]["strategies"][0]

    def widened(percent: str) -> list[Any]:
        parameters = {**shown["parameters"], "rollout": percent}
        return [{"type": "strategy.update", "flag": FLAG, "strategy": {**shown, "parameters": parameters}}]

    place = ("-e", "development")
    mine = bo.json("changes", "propose", *place, written(tmp_path, "mine.json", widened("50")), "--draft")["id"]
    theirs = bo.json("changes", "propose", *place, written(tmp_path, "theirs.json", widened("25")))
    assert theirs["status"] == "applied"
    told = bo("changes", "rebase", mine, code=6)
    assert "CLASH" in told
    assert "base 10 | theirs 25 | mine 50" in told
    assert "No line nonsense clashes" in bo("changes", "rebase", mine, "--take", "nonsense=mine", code=3)
    assert "is draft" in bo("changes", "rebase", mine, "--take", "mine")
    bo("changes", "submit", mine)
    assert "applied" in bo("changes", "apply", mine)
    assert "CLASH" in bo("changes", "revert", theirs["id"], "-r", "Too many", code=6)
    undone = bo.json("changes", "revert", theirs["id"], "-r", "Too many", "--take", "mine")
    assert undone["diff"][0]["after"] == "10 %"
