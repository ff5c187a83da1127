"""Trying real clients against a real ``ensign serve``: all of a group at once, through the phases of one scenario."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ensign_engine import Ruleset
from prometheus_client.parser import text_string_to_metric_families

from ensign_testkit.gateway import Gateway
from ensign_testkit.programs import Program
from ensign_testkit.seeding import seed
from ensign_testkit.server import Answer, Server, run

CLIENT_API = {name: f"/api/client/{name}" for name in ("features", "delta", "streaming")}
PLACE = "/api/v1/projects/shop"
Answers = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Client:
    """A client in one mode.

    * ``command``: the program's, to which what it is given is added;
    * ``counted``: how often one answer counts a flag; None where the SDK alone knows (React counts renderings);
    * ``keeps``: whether it has rules of its own to go on with when its token is refused;
    * ``measures``: whether it reports impact metrics: 3 ``sales``, a ``stock`` of 7 and one ``wait``;
    * ``lacks``: flags that this version cannot evaluate, with the reason;
    * ``said``: what its ``unleash-sdk`` header must be; empty where it sends none.
    """

    package: str
    language: str
    mode: str
    command: tuple[str, ...]
    said: str
    frontend: bool = False
    counted: int | None = 2
    keeps: bool = True
    measures: bool = False
    lacks: dict[str, str] = field(default_factory=dict)
    ending: str = "/api"

    @property
    def name(self) -> str:
        """For people and for the application's name."""
        return f"{self.package.rpartition('/')[2]} {self.mode}"


class World:
    """A server with the scenario's flags, changed through the API, and tokens for its clients."""

    def __init__(self, folder: Path, scenario: dict[str, Any]) -> None:
        self.data = folder / "data"
        self.scenario = scenario
        assert run(self.data, "migrate").returncode == 0
        self._bearer = {"Authorization": f"Bearer {seed(self.data)['tokens']['ingrid']}"}
        self.server = Server(self.data)
        #: Where clients ask: here, or at whatever stands in front of it.
        self.port = self.server.port
        for segment in scenario["segments"]:
            self.post(f"{PLACE}/segments", {"key": segment, "name": segment})
        for flag in scenario["flags"]:
            self.post(f"{PLACE}/flags", {"key": flag})
        self._reference = self.token("backend")[1]

    def post(self, path: str, body: object) -> Any:
        """A POST to the API that must succeed."""
        answer = self.server.request("POST", path, body, headers=self._bearer)
        assert answer.status in {200, 201}, (path, answer.body)
        return answer.json()

    def change(self, operations: list[dict[str, Any]]) -> None:
        """One change in ``development``, where the policy asks for no approval; returns when it is served to all."""
        body = {"reason": "The contract tests' scenario.", "operations": operations}
        before = self._served().headers["ETag"]
        self.post(f"{PLACE}/environments/development/changes", body)
        # Streams get it first; what is fetched is to be the same before answers are compared.
        deadline = time.monotonic() + 20
        while self._served().headers["ETag"] == before:
            assert time.monotonic() < deadline, "a change is served within a moment"
            time.sleep(0.05)

    def _served(self) -> Answer:
        spec = {"Unleash-Client-Spec": "5.2.0"}
        return self.server.get("/api/client/features", Authorization=self._reference, **spec)

    def token(self, kind: str) -> tuple[str, str]:
        """(id, text) of a new token, once the delivery plane knows it."""
        wish = {"name": "Contract", "type": kind, "projects": ["shop"], "environment": "development"}
        made = self.post("/api/v1/client-tokens", wish)
        path = "/api/frontend" if kind == "frontend" else "/api/client/features"
        deadline = time.monotonic() + 20
        while self.server.get(path, Authorization=made["token"]).status != 200:
            assert time.monotonic() < deadline, "a new token is known within a moment"
            time.sleep(0.05)
        return made["id"], made["token"]

    def expected(self) -> Answers:
        """What ensign_engine answers from the rules that are served now."""
        engine = Ruleset.parse(self._served().json())

        def answer(name: str, context: dict[str, Any]) -> list[Any]:
            chosen = engine.get_variant(name, context)
            payload = None if chosen.payload is None else dict(chosen.payload)
            return [engine.is_enabled(name, context), chosen.name, payload]

        return [[answer(name, context) for context in self.scenario["contexts"]] for name in self.scenario["flags"]]

    def counts(self, app: str) -> tuple[int, int]:
        """How often ``app`` was answered yes and no for the counted flag, as stored."""
        with sqlite3.connect(f"file:{self.data / 'ensign.sqlite3'}?mode=ro", uri=True, timeout=20) as database:
            yes, no = database.execute(
                "SELECT coalesce(sum(yes), 0), coalesce(sum(no), 0) FROM publishing_usage_hour"
                " WHERE app_name = ? AND flag = ? AND variant = ''",
                (app, self.scenario["counted"]),
            ).fetchone()
        return int(yes), int(no)

    def measured(self, app: str, names: set[str]) -> dict[str, float]:
        """Samples of an application's impact metrics, by name."""
        families = text_string_to_metric_families(self.server.get("/metrics/impact").body.decode())
        samples = [sample for family in families for sample in family.samples]
        return {one.name: one.value for one in samples if one.name in names and one.labels["appName"] == app}


class Trial:
    """One client on its way through the phases; ``failure`` ends it."""

    def __init__(self, client: Client, world: World, folder: Path, stack: ExitStack) -> None:
        self.client, self.world, self._folder, self._stack = client, world, folder, stack
        self.failure: BaseException | None = None
        self.app = f"contract {client.name}"
        self._id = ""
        self._yes = self._asked = 0
        self.gateway: Gateway
        self.program: Program

    def start(self) -> None:
        """It gets its rules and says that it is ready."""
        self._id, token = self.world.token("frontend" if self.client.frontend else "backend")
        self.gateway, self.program = self._run(token, "main")

    def answer_first(self) -> None:
        """Its answers are the engine's, and it says what it is."""
        self._compare()
        if self.client.said:
            assert self.client.said in {one.headers.get("unleash-sdk") for one in self.gateway.asked}

    def see_the_change(self) -> None:
        """A change reaches it, and its answers are the engine's again; it needed no address of another mode."""
        self.program.until("watch", False)
        self._compare()
        if not self.client.frontend:
            mode = self.client.mode if self.client.mode in CLIENT_API else "features"
            others = {path for name, path in CLIENT_API.items() if name != mode}
            assert self.gateway.paths() & others == set()

    def report(self) -> None:
        """Its counts are stored, and exact."""
        times = self.client.counted
        wanted = None if times is None else (times * self._yes, times * (self._asked - self._yes))
        deadline = time.monotonic() + 60
        while (found := self.world.counts(self.app)) != wanted:
            if wanted is None and found[0] > 0:
                return
            assert time.monotonic() < deadline, f"counted {found}, expected {wanted}"
            time.sleep(0.25)

    def measure(self) -> None:
        """What it measured is shown to Prometheus: the counter's sum, the gauge's value, the histogram's count."""
        if not self.client.measures:
            return
        wanted = {"sales_total": 3.0, "stock": 7.0, "wait_count": 1.0}
        deadline = time.monotonic() + 30
        while (found := self.world.measured(self.app, set(wanted))) != wanted:
            assert time.monotonic() < deadline, f"measured {found}, expected {wanted}"
            time.sleep(0.25)

    def lose_the_token(self) -> None:
        """A revoked token is refused with 401; the client goes on with the rules that it has, where it keeps any."""
        since = len(self.gateway.asked)
        self.world.post(f"/api/v1/client-tokens/{self._id}/revoke", {"reason": "Contract test."})
        deadline = time.monotonic() + 20
        while not self.client.keeps and self.gateway.asked[-1].status != 401 and time.monotonic() < deadline:
            self.program.ask("watch")  # it fetches when it is asked, and a revocation counts within a second
        self.gateway.wait_for(lambda one: one.status == 401, since=since, seconds=60)
        if self.client.keeps:
            # A browser's toggles are those of the last person that it got them for: the first.
            self._compare(people=1 if self.client.frontend else None)
        assert self.program.end() == 0

    def use_the_wrong_token(self) -> None:
        """A token of the other type is refused with 403, and everything is off."""
        _, token = self.world.token("backend" if self.client.frontend else "frontend")
        gateway, program = self._run(token, "wrong")
        assert program.ask("watch") is False
        gateway.wait_for(lambda one: one.status == 403)
        program.kill()

    def _run(self, token: str, name: str) -> tuple[Gateway, Program]:
        scenario = self.world.scenario
        gateway = self._stack.enter_context(Gateway(self.world.port))
        folder = self._folder / self.client.name.replace(" ", "-") / name
        folder.mkdir(parents=True)
        given = {
            "url": gateway.url + ("/api/frontend" if self.client.frontend else self.client.ending), "token": token,
            "app": self.app, "mode": self.client.mode, "flags": scenario["flags"], "contexts": scenario["contexts"],
            "watch": scenario["watch"], "folder": str(folder),
        }  # fmt: skip
        program = Program(self.client.command, given, cwd=folder)
        self._stack.callback(program.kill)
        assert program.hear() == "ready"
        return gateway, program

    def _compare(self, *, people: int | None = None) -> None:
        wanted, given = self.world.expected(), self.program.ask("answers")
        names = self.world.scenario["flags"]
        assert set(self.client.lacks) <= set(names)
        compared = [row for row, name in enumerate(names) if name not in self.client.lacks]
        assert {names[row]: given[row][:people] for row in compared} == {
            names[row]: wanted[row][:people] for row in compared
        }
        counted = wanted[names.index(self.world.scenario["counted"])]
        self._yes += sum(on for on, _, _ in counted)
        self._asked += len(counted)


def try_all(clients: Sequence[Client], world: World, folder: Path) -> dict[str, Trial]:
    """By name, every client through every phase, all at once; what fails stands in its trial, and the others go on."""
    with ExitStack() as stack, ThreadPoolExecutor(len(clients)) as pool:
        world.change(world.scenario["before"])
        trials = {client.name: Trial(client, world, folder, stack) for client in clients}

        def phase(step: Callable[[Trial], None]) -> None:
            def attempt(trial: Trial) -> None:
                if trial.failure is None:
                    try:
                        step(trial)
                    except BaseException as problem:
                        trial.failure = problem

            list(pool.map(attempt, trials.values()))

        phase(Trial.start)
        phase(Trial.answer_first)
        world.change(world.scenario["after"])
        phase(Trial.see_the_change)
        phase(Trial.use_the_wrong_token)  # meanwhile the counts are sent
        phase(Trial.report)
        phase(Trial.measure)
        phase(Trial.lose_the_token)
        return trials


def tried(client: Client) -> str:
    """What the table says: all of it, and what this version cannot do."""
    counts = "counts, impact metrics" if client.measures else "counts"
    without = sorted(set(client.lacks.values()))
    return "; ".join([f"answers, a change, {counts}, revoked token, wrong token", *without])


def scenario(path: Path) -> dict[str, Any]:
    """The scenario out of its file."""
    read: dict[str, Any] = json.loads(path.read_text())
    return read
