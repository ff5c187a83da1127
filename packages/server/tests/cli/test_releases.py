"""Claims: times, ramps and templates are steered from the terminal, and a server applies what is due by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ensign.cli.remote_releases import read_steps
from ensign.control.kernel.errors import Invalid
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run


class Terminal:
    """The command line as bo, against a server with its worker."""

    def __init__(self, data: Path) -> None:
        self.data, self.server = data, Server(data)
        token = seed(data)["tokens"]["bo"]
        self.env = {"ENSIGN_URL": self.server.url, "ENSIGN_TOKEN": token}

    def __call__(self, *words: str, code: int = 0) -> Any:
        done = run(self.data, *words, "--json", env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout if code == 0 else done.stderr)


@pytest.fixture(scope="module")
def ensign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("releases") / "data")
    yield terminal
    terminal.server.stop()


WHERE = ("--project", "shop", "--environment", "development")


def launched(ensign: Terminal, flag: str, tmp_path: Path) -> None:
    ensign("flags", "create", flag, "--project", "shop")
    steps = [
        {"type": "strategy.add", "flag": flag, "strategy": {"name": "flexibleRollout", "parameters": {"rollout": "1"}}},
        {"type": "flag.enable", "flag": flag},
    ]
    file = tmp_path / "launch.json"
    file.write_text(json.dumps(steps))
    assert ensign("changes", "propose", str(file), *WHERE, "--reason", "r")["status"] == "applied"


def test_a_ramp_and_its_template(ensign: Terminal, tmp_path: Path) -> None:
    launched(ensign, "menu-two", tmp_path)
    made = ensign("releases", "templates", "make", "Careful", "--project", "shop", "--steps", "5:1h,25:90m,100")
    assert [step["hold"] for step in made["steps"]] == [60, 90, 0]
    request = ensign("releases", "ramp", "menu-two", *WHERE, "--template", "Careful", "--reason", "r")
    assert request["status"] == "applied"
    ensign("releases", "templates", "change", made["id"], "--steps", "50:1m,100")
    (ramp,) = ensign("releases", "list", "--project", "shop", "--status", "running")
    assert (ramp["request"], ramp["percent"], len(ramp["steps"])) == (request["id"], 5, 3)
    assert [event["title"] for event in ensign("releases", "calendar", "--project", "shop")] == [
        "menu-two to 25 %",
        "menu-two to 100 %",
    ]
    assert ensign("releases", "pause", ramp["id"], "--reason", "odd")["paused_because"] == "odd"
    assert ensign("releases", "calendar", "--project", "shop") == []
    assert ensign("releases", "resume", ramp["id"])["status"] == "running"
    assert ensign("releases", "roll-back", ramp["id"])["percent"] == 1
    assert ensign("releases", "stop", ramp["id"], code=6)["code"] == "wrong-state"
    assert ensign("releases", "show", ramp["id"])["status"] == "rolled_back"
    assert ensign("releases", "templates", "archive", made["id"])["archived"] is True
    assert ensign("releases", "templates", "list", "--project", "shop") == []


def test_a_scheduled_change_applies_by_itself(ensign: Terminal, tmp_path: Path) -> None:
    ensign("flags", "create", "menu-three", "--project", "shop")
    file = tmp_path / "on.json"
    file.write_text(json.dumps([{"type": "flag.enable", "flag": "menu-three"}]))
    draft = ensign("changes", "propose", str(file), *WHERE, "--reason", "r", "--draft")
    assert ensign("changes", "submit", draft["id"])["status"] == "approved"
    first = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    assert ensign("changes", "schedule", draft["id"], "--at", first)["status"] == "scheduled"
    assert ensign("changes", "apply", draft["id"], code=6)["code"] == "not-due"
    assert ensign("changes", "unschedule", draft["id"])["status"] == "approved"
    due = datetime.now(UTC) + timedelta(seconds=4)
    ensign("changes", "schedule", draft["id"], "--at", due.isoformat())
    deadline = time.monotonic() + 60
    while (found := ensign("changes", "show", draft["id"]))["status"] == "scheduled":
        assert time.monotonic() < deadline, "it never applied"
    assert found["status"] == "applied"
    assert datetime.fromisoformat(found["applied_at"]) >= due
    assert found["applied_by"] == "sys_scheduler"


@pytest.mark.parametrize("text", ["", "5", "5:1h,x", "5:1w,100"])
def test_steps_that_cannot_be_read_are_refused_here_or_there(text: str) -> None:
    if text == "5":
        assert read_steps(text) == [{"percent": 5, "hold": 0}]
        return
    with pytest.raises(Invalid):
        read_steps(text)


def test_a_list_that_goes_into_a_pipe_has_every_member_whole_and_on_one_line(ensign: Terminal, tmp_path: Path) -> None:
    launched(ensign, "menu-four", tmp_path)
    ensign("releases", "ramp", "menu-four", *WHERE, "--steps", "5:1h,100", "--reason", "r")
    (ramp,) = ensign("releases", "list", "--project", "shop", "--status", "running")
    text = run(ensign.data, "releases", "list", "--project", "shop", "--status", "running", env=ensign.env).stdout
    title, line = text.splitlines()
    assert title.split()[-4:] == ["per", "cent", "next", "step"]
    assert line.split()[0] == ramp["id"]
    assert line.split()[-2:] == [str(ramp["percent"]), ramp["next_at"]]
    missing = ensign(
        "releases", "ramp", "menu-four", "--project", "shop", "--environment", "nowhere", "--steps", "5:1h,100", code=4
    )
    assert missing["message"] == "There is no environment “nowhere” in the project “shop”."
    ensign("releases", "stop", ramp["id"])
