"""Claims about `ensign edge` and about several servers on one database, with real processes."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ensign_testkit.cables import cable
from ensign_testkit.installing import place
from ensign_testkit.nats_server import NatsServer
from ensign_testkit.postgres import Cluster
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until

FEATURES, CHANGES = "/api/client/features", "/api/v1/projects/shop/environments/development/changes"


class House:
    """An installation with a project, a flag and tokens for SDK and edge; `env` names its database."""

    def __init__(self, data: Path, env: dict[str, str]) -> None:
        self.data, self.env = data, env
        self.bearer = {"Authorization": f"Bearer {seed(data, **env)['tokens']['ingrid']}"}
        self.server = Server(data, env=env)
        self.sdk = self.token("backend")["token"]
        self.browser = self.token("frontend")["token"]
        self.edge_token = self.token("edge")
        flag = self.server.request("POST", "/api/v1/projects/shop/flags", {"key": "menu"}, headers=self.bearer)
        assert flag.status == 201, flag.body
        for on in (True, False):  # a flag that was never switched is in no ruleset
            self.toggle(on=on)

    def token(self, kind: str) -> dict[str, Any]:
        wish = {"name": kind, "type": kind, "projects": ["shop"], "environment": "development"}
        made = self.server.request("POST", "/api/v1/client-tokens", wish, headers=self.bearer)
        assert made.status == 201, made.body
        found: dict[str, Any] = made.json()
        return found

    def toggle(self, *, on: bool, server: Server | None = None) -> None:
        change = {
            "reason": "Try it.",
            "operations": [{"type": "flag.enable" if on else "flag.disable", "flag": "menu"}],
        }
        done = (server or self.server).request("POST", CHANGES, change, headers=self.bearer)
        assert done.status == 201, done.body

    def edge(self, data: Path, above: Server, *, more: tuple[str, ...] = (), prefix: tuple[str, ...] = ()) -> Server:
        env = {"ENSIGN_EDGE_TOKENS": self.edge_token["token"]}
        return Server(data, "--upstream", above.url, *more, env=env, command="edge", prefix=prefix)


def menu(server: Server, token: str) -> bool | int:
    """Whether the flag is on for an SDK; the status when it is refused."""
    answer = server.get(FEATURES, Authorization=token)
    if answer.status != 200:
        return answer.status
    return {feature["name"]: feature["enabled"] for feature in answer.json()["features"]}.get("menu", 404)


def ready(edge: Server) -> dict[str, Any]:
    found: dict[str, Any] = edge.get("/readyz").json()
    return found


@contextmanager
def ending(*servers: Server) -> Iterator[None]:
    try:
        yield
    finally:
        for server in servers:
            server.stop(signal.SIGKILL)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    data = tmp_path / "server"
    assert run(data, "migrate").returncode == 0
    made = House(data, {})
    yield made
    made.server.stop()


def test_an_edge_serves_on_through_all_that_happens_above_it(house: House, tmp_path: Path) -> None:
    edge = house.edge(tmp_path / "edge", house.server)
    with ending(edge):
        until(lambda: menu(edge, house.sdk) is False)
        assert edge.get("/healthz").body == b"ok\n"
        assert "ensign_rulesets_current 1.0" in edge.get("/metrics").body.decode()
        house.server.stop(signal.SIGKILL)
        until(lambda: not ready(edge)["upstream"])
        assert menu(edge, house.sdk) is False
        assert edge.get("/readyz").status == 200
        edge.stop(signal.SIGKILL)
        edge = house.edge(tmp_path / "edge", house.server)
        with ending(edge):
            assert menu(edge, house.sdk) is False, "it starts from its last good copy"
            assert menu(edge, "shop:development.unknown") == 503
            with EventStream(edge.port, house.sdk, timeout=60) as stream:
                stream.event()
                house.server = Server(house.data, port=house.server.port)
                house.toggle(on=True)
                assert [event["type"] for event in stream.event().events] == ["feature-updated"]
            until(lambda: ready(edge)["upstream"])
            assert menu(edge, "shop:development.unknown") == 401
            path = f"/api/v1/client-tokens/{house.edge_token['id']}/revoke"
            assert house.server.request("POST", path, {}, headers=house.bearer).status == 200
            until(lambda: "refuses the edge tokens" in ready(edge)["reason"])
            assert menu(edge, house.sdk) is True
            printed = "".join(edge.lines)
            assert "refuses the edge tokens" in printed
            assert house.edge_token["token"] not in printed
            assert "Traceback" not in printed
            assert edge.stop(signal.SIGTERM) == 0


def test_a_tree_of_edges_evaluates_counts_and_logs_no_context(house: House, tmp_path: Path) -> None:
    middle = house.edge(tmp_path / "middle", house.server)
    leaf = house.edge(tmp_path / "leaf", middle)
    with ending(middle, leaf):
        house.toggle(on=True)
        until(lambda: menu(leaf, house.sdk) is True)
        query = "/api/frontend?userId=somebody-4711&properties%5Bemail%5D=anna%40example.com"
        toggles = leaf.get(query, Authorization=house.browser).json()["toggles"]
        assert [toggle["name"] for toggle in toggles] == ["menu"]
        report = {"appName": "web", "instanceId": "i", "bucket": {"toggles": {"menu": {"yes": 5, "no": 1}}}}
        headers = {"Authorization": house.sdk}
        assert leaf.request("POST", "/api/client/metrics", report, headers=headers).status == 202
        assert leaf.stop(signal.SIGTERM) == 0
        assert middle.stop(signal.SIGTERM) == 0
        assert house.server.stop(signal.SIGTERM) == 0
        printed = "".join(leaf.lines + middle.lines + house.server.lines)
        assert "somebody-4711" not in printed
        assert "anna" not in printed
    with closing(sqlite3.connect(house.data / "ensign.sqlite3")) as database:
        found = database.execute("SELECT flag, app_name, yes, no FROM publishing_usage_hour").fetchall()
    assert found == [("menu", "web", 5, 1)]


def test_a_disk_that_takes_nothing_is_said_once(house: House, tmp_path: Path) -> None:
    edge = house.edge(tmp_path / "edge", house.server, prefix=("prlimit", "--fsize=64"))
    with ending(edge):
        until(lambda: menu(edge, house.sdk) is False)
        for on in (True, False, True):
            house.toggle(on=on)
            until(lambda on=on: menu(edge, house.sdk) is on)
        assert edge.stop(signal.SIGTERM) == 0
    assert "".join(edge.lines).count("cannot keep the last good state on disk") == 1
    assert list((tmp_path / "edge").iterdir()) == []


@pytest.mark.parametrize(
    ("env", "arguments", "said"),
    [
        ({}, ("--upstream", "http://127.0.0.1:1"), "ENSIGN_EDGE_TOKENS must hold"),
        ({"ENSIGN_EDGE_TOKENS": "x"}, ("--upstream", "ftp://x"), "an address like https://"),
        ({"ENSIGN_EDGE_TOKENS": "x"}, ("--upstream", "https://anna:pw@x"), "a plain address"),
        ({"ENSIGN_EDGE_TOKENS_FILE": "/nowhere"}, ("--upstream", "http://x"), "No such file"),
        ({}, (), "--upstream, --nats or both"),
        ({"ENSIGN_NATS_BUCKET": "B"}, (), "ENSIGN_NATS must be set"),
        ({}, ("--nats", "http://x"), "like nats://"),
        ({"ENSIGN_EDGE_TOKENS": "x", "ENSIGN_MAX_STREAMS": "many"}, ("--upstream", "http://x"), "ENSIGN_MAX_STREAMS"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, env: dict[str, str], arguments: Any, said: str) -> None:
    done = run(tmp_path / "edge", "edge", "--port", "0", *arguments, env=env)
    assert done.returncode == 7
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_servers_and_edges_go_on_while_their_database_is_stopped_and_started(durable: Cluster, tmp_path: Path) -> None:
    at = place(durable)
    data = tmp_path / "one"
    assert run(data, "migrate", env=at.migrating).returncode == 0
    house = House(data, at.serving)
    other = Server(tmp_path / "two", env={**at.serving, "ENSIGN_KEYS_DIR": str(data / "keys")})
    edge = house.edge(tmp_path / "edge", other)
    with ending(house.server, other, edge):
        until(lambda: menu(edge, house.sdk) is False)
        with EventStream(other.port, house.sdk) as stream, EventStream(edge.port, house.sdk) as below:
            stream.event()
            below.event()
            house.toggle(on=True)
            ids = {one.event().fields["id"] for one in (stream, below)}
            assert len(ids) == 1, "whoever moves between nodes keeps its place"
        durable.stop(immediately=True)
        until(lambda: "lost its own source" in ready(edge)["reason"])
        assert [menu(server, house.sdk) for server in (house.server, other, edge)] == [True] * 3
        assert menu(edge, "shop:development.unknown") == 503
        durable.start()
        until(lambda: ready(edge)["upstream"])
        until(lambda: house.server.get("/readyz").status == 200)
        house.toggle(on=False)
        until(lambda: menu(edge, house.sdk) is False)
        house.server.stop(signal.SIGKILL)
        house.toggle(on=True, server=other)
        until(lambda: menu(edge, house.sdk) is True)


def test_of_two_servers_one_works_by_the_clock_and_the_other_when_it_is_gone(durable: Cluster, tmp_path: Path) -> None:
    at = place(durable)
    data = tmp_path / "one"
    assert run(data, "migrate", env=at.migrating).returncode == 0
    env = {**at.serving, "ENSIGN_KEYS_DIR": str(data / "keys")}
    servers = [Server(data, env=env), Server(tmp_path / "two", env=env)]
    with ending(*servers):
        until(lambda: any(map(works, servers)))
        (leader,) = [server for server in servers if works(server)]
        (other,) = [server for server in servers if server is not leader]
        until(lambda: done(leader, "custody") >= 1)
        assert not works(other)
        leader.stop(signal.SIGKILL)
        until(lambda: works(other))
        # The clock, whoever follows the log and whoever sends have a lock each, and nobody holds one twice.
        with durable.admin(at.name) as connection:
            until(lambda: held(connection) == (3, 3))


def held(connection: Any) -> Any:
    """How many advisory locks are held here, and how many different ones."""
    return connection.execute(
        "SELECT COUNT(*), COUNT(DISTINCT (classid, objid)) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    ).fetchone()


def works(server: Server) -> bool:
    return done(server, "custody") > 0


def done(server: Server, task: str) -> float:
    """How often a server's worker has done a task well."""
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith("ensign_worker_runs_total") and f'task="{task}"' in line and 'outcome="done"' in line:
            return float(line.rsplit(" ", 1)[1])
    return 0.0


@pytest.mark.slow
def test_an_edge_whose_cable_is_pulled_serves_on_and_follows_again_when_it_is_back(
    house: House, tmp_path: Path
) -> None:
    house.server.stop()
    house.server = Server(house.data, "--host", "0.0.0.0", env=house.env)
    way = cable(house.server.port)
    env = {"ENSIGN_EDGE_TOKENS": house.edge_token["token"]}
    edge = Server(tmp_path / "edge", "--upstream", way.url, env=env, command="edge", prefix=way.prefix)
    with ending(edge):
        until(lambda: way.ask(edge.port, FEATURES, house.sdk) == 200)
        way.pull()
        edge.wait_for("rulesets may not be up to date", seconds=60)
        assert way.ask(edge.port, FEATURES, house.sdk) == 200
        assert way.ask(edge.port, FEATURES, "shop:development.unknown") == 503
        house.toggle(on=True)
        made = house.token("backend")["token"]
        way.plug()
        until(lambda: way.ask(edge.port, FEATURES, made) == 200, 60)
        assert way.ask(edge.port, FEATURES, "shop:development.unknown") == 401
    way.close()


def test_tokens_of_edges_are_made_listed_and_revoked_on_the_terminal(house: House, tmp_path: Path) -> None:
    env = {"ENSIGN_URL": house.server.url, "ENSIGN_TOKEN": house.bearer["Authorization"].removeprefix("Bearer ")}

    def ensign(*arguments: str) -> Any:
        done = run(tmp_path / "here", "projects", *arguments, "--json", env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    made = ensign("client-token", "shop", "development", "--name", "the edge", "--type", "edge", "--all-projects")
    assert (made["type"], made["projects"]) == ("edge", ["*"])
    (row,) = [row for row in ensign("client-tokens", "shop") if row["id"] == made["id"]]
    assert (row["type"], row["status"]) == ("edge", "active")
    assert ensign("revoke-client-token", made["id"], "--reason", "moved")["status"] == "revoked"


def test_an_edge_on_nats_takes_rules_from_there_and_sends_counts_to_its_upstream(tmp_path: Path) -> None:
    broker = NatsServer()
    data = tmp_path / "server"
    assert run(data, "migrate").returncode == 0
    house = House(data, {"ENSIGN_NATS": broker.url})
    edge = house.edge(tmp_path / "edge", house.server, more=("--nats", broker.url))
    with ending(house.server, edge):
        until(lambda: menu(edge, house.sdk) is False)
        with EventStream(edge.port, house.sdk) as stream:
            stream.event()
            house.toggle(on=True)
            assert [event["type"] for event in stream.event().events] == ["feature-updated"]
        report = {"appName": "web", "instanceId": "i", "bucket": {"toggles": {"menu": {"yes": 3, "no": 0}}}}
        headers = {"Authorization": house.sdk}
        assert edge.request("POST", "/api/client/metrics", report, headers=headers).status == 202
        assert edge.stop(signal.SIGTERM) == 0
        assert house.server.stop(signal.SIGTERM) == 0
        assert "Traceback" not in "".join(edge.lines + house.server.lines)
    with closing(sqlite3.connect(data / "ensign.sqlite3")) as database:
        assert database.execute("SELECT flag, yes FROM publishing_usage_hour").fetchall() == [("menu", 3)]
    broker.close()
