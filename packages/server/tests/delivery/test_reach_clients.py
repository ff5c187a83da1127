"""Claims: with real clients on a real `ensign serve`, the numbers are right: who runs a change, who was only sent it,
who lacks it, and after how long; and the log holds what came of it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit import installing_clients
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run
from ensign_testkit.waiting import until

CLIENTS = Path(__file__).parent / "clients"
CHANGES = "/api/v1/projects/shop/environments/development/changes"


@pytest.fixture(scope="module")
def modules() -> Path:
    """The Node clients."""
    return installing_clients.node_modules()


class Floor:
    """A server with clients on it."""

    def __init__(self, server: Server, person: str, token: str, tmp: Path, modules: Path, stack: ExitStack) -> None:
        self.server, self.token = server, token
        self._bearer = {"Authorization": f"Bearer {person}"}
        self._tmp, self._modules, self._stack = tmp, modules, stack
        self.clients: dict[str, subprocess.Popen[str]] = {}

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.server.request(method, path, body, headers=self._bearer)
        assert answer.status == status, answer.body
        return answer.json()

    def start(self, name: str, sdk: str, mode: str) -> None:
        """Start a client; `ready` waits for it."""
        given = {"url": self.server.url, "token": self.token, "app": name, "sdk": sdk, "mode": mode}
        if sdk == "node":
            command = ["node", str(CLIENTS / "staying.mjs"), json.dumps(given), str(self._modules)]
        else:
            command = [sys.executable, str(CLIENTS / "staying.py"), json.dumps(given), str(self._tmp / name)]
        with (self._tmp / f"{name}.err").open("w") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.clients[name] = process
        self._stack.callback(self._end, process)

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def ready(self) -> None:
        for name, process in self.clients.items():
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", (self._tmp / f"{name}.err").read_text()

    def toggle(self, *, on: bool) -> str:
        """Change the flag; returns the request's id."""
        steps = [{"type": "flag.enable" if on else "flag.disable", "flag": "menu"}]
        return str(self.call("POST", CHANGES, {"operations": steps}, status=201)["id"])

    def reach(self, change: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = self.call("GET", f"/api/v1/changes/{change}/reach")
        assert len(found) == 1
        return found[0]

    def terminal(self, *arguments: str) -> str:
        """What `ensign` prints, asked over the API."""
        env = {"ENSIGN_URL": self.server.url, "ENSIGN_TOKEN": self._bearer["Authorization"].removeprefix("Bearer ")}
        done = run(self.server.data_dir, *arguments, env=env)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def connected(self) -> dict[str, Any]:
        found = self.call("GET", "/api/v1/projects/shop/flags/menu/reach")["connected"]
        return next((one for one in found if one["environment"] == "development"), {"instances": 0, "groups": []})


@pytest.fixture
def floor(tmp_path: Path, modules: Path) -> Iterator[Floor]:
    data = tmp_path / "data"
    assert run(data, "migrate").returncode == 0
    people = seed(data)["tokens"]
    with ExitStack() as stack:
        server = Server(data)
        stack.callback(server.stop)
        made = Floor(server, people["ingrid"], "", tmp_path, modules, stack)
        wish = {"name": "SDK", "type": "backend", "projects": ["shop"], "environment": "development"}
        made.token = made.call("POST", "/api/v1/client-tokens", wish, status=201)["token"]
        for key in ("menu", "ready"):
            made.call("POST", "/api/v1/projects/shop/flags", {"key": key}, status=201)
        steps = [{"type": "flag.enable", "flag": "ready"}]
        made.call("POST", CHANGES, {"operations": steps}, status=201)
        until(lambda: server.get("/api/client/features", Authorization=made.token).status == 200)
        yield made
    assert "Traceback" not in "".join(server.lines)


def by_app(reach: dict[str, Any]) -> dict[str, tuple[str, int, int, int]]:
    """Application -> (mode, instances, running, sent)."""
    return {g["app"]: (g["mode"], g["instances"], g["running"], g["sent"]) for g in reach["groups"]}


def test_every_kind_of_client_is_counted_for_what_is_known_of_it(floor: Floor) -> None:
    for name in ("one", "two"):
        floor.start(name, "ensign", "streaming")
    floor.start("polls", "ensign", "polling")
    floor.start("python-polls", "unleash", "polling")
    floor.start("python-streams", "unleash", "streaming")
    floor.start("node-streams", "node", "streaming")
    floor.ready()
    until(lambda: floor.connected()["instances"] == 6)
    # Everybody is sent it, and whoever can show that they run it does so.
    change = floor.toggle(on=True)
    until(lambda: floor.reach(change)["settled"])
    reach = floor.reach(change)
    assert by_app(reach) == {
        "one": ("streaming", 1, 1, 0),
        "two": ("streaming", 1, 1, 0),
        "polls": ("polling", 1, 1, 0),
        "python-polls": ("polling", 1, 1, 0),
        "python-streams": ("streaming", 1, 0, 1),
        "node-streams": ("streaming", 1, 0, 1),
    }
    assert (reach["instances"], reach["running"], reach["sent"], reach["missing"], reach["gone"]) == (6, 4, 2, 0, 0)
    assert reach["sentence"].startswith("Live on 4 of 6 instances after ")
    assert reach["sentence"].endswith("; 2 were sent it and cannot confirm.")
    assert 0 < reach["p50_ms"] <= reach["p99_ms"] <= reach["ms"] < 60_000
    # One that takes nothing any more is missing, and said to be; what it rests on is its own word.
    floor.clients["two"].send_signal(signal.SIGSTOP)
    change = floor.toggle(on=False)
    until(lambda: floor.reach(change)["running"] == 3)
    reach = floor.reach(change)
    assert not reach["settled"]
    assert by_app(reach)["two"] == ("streaming", 1, 0, 1)
    assert by_app(reach)["one"] == ("streaming", 1, 1, 0)
    # It goes on, applies what waited, and says since when.
    floor.clients["two"].send_signal(signal.SIGCONT)
    until(lambda: floor.reach(change)["settled"])
    assert by_app(floor.reach(change))["two"] == ("streaming", 1, 1, 0)
    # What came of it is in the log, once.
    until(lambda: floor.reach(change)["entry"])
    told = floor.terminal("changes", "show", change)
    assert "development: Live on 4 of 6 instances after " in told
    assert "node-streams (unleash-node-sdk:" in told
    assert floor.terminal("flags", "reach", "menu", "--project", "shop") in told + "\n"
    entry = floor.call("GET", f"/api/v1/log/{floor.reach(change)['entry']}")
    assert entry["action"] == "delivery.reached"
    assert (entry["detail"]["instances"], entry["detail"]["running"], entry["detail"]["sent"]) == (6, 4, 2)


def test_what_ends_need_not_be_reached(floor: Floor) -> None:
    for name in ("stays", "goes"):
        floor.start(name, "ensign", "streaming")
    floor.ready()
    until(lambda: floor.connected()["instances"] == 2)
    floor.clients["goes"].send_signal(signal.SIGSTOP)
    change = floor.toggle(on=True)
    until(lambda: floor.reach(change)["running"] == 1)
    assert floor.reach(change)["sentence"] == "Live on 1 of 2 instances so far; 1 was sent it."
    floor.clients["goes"].kill()
    until(lambda: floor.reach(change)["settled"])
    reach = floor.reach(change)
    assert (reach["instances"], reach["running"], reach["gone"]) == (1, 1, 1)
    assert reach["sentence"].startswith("Live on 1 of 1 instance after ")
