"""Claims about an installation on PostgreSQL with two roles, from outside: real processes, a durable database."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ensign_sdk import Client
from ensign_testkit.installing import Place, place
from ensign_testkit.postgres import APPLICATION, Cluster
from ensign_testkit.seeding import PASSWORD
from ensign_testkit.server import ENSIGN, Server, environment, run, serving
from ensign_testkit.visiting import Visitor
from ensign_testkit.waiting import until

FEATURES = "/api/client/features"
EVERYBODY = {"rollout": "100", "stickiness": "default", "groupId": "menu"}
LAUNCH = [
    {"type": "strategy.add", "flag": "menu", "strategy": {"name": "flexibleRollout", "parameters": EVERYBODY}},
    {"type": "flag.enable", "flag": "menu"},
]


@dataclass
class House:
    """A running installation: Ingrid set it up by the printed link, Bo was invited; both by HTTP alone."""

    place: Place
    server: Server
    ingrid: Visitor
    bo: Visitor
    token: dict[str, Any]

    def run(self, *arguments: str) -> Any:
        """A command beside the server, as the application's role."""
        return run(self.server.data_dir, *arguments, env=self.place.serving)

    def toggle(self, flag: str, *, on: bool, by: Visitor | None = None) -> str:
        """Switch a flag in development, where nothing is to be approved."""
        body = {"operations": [{"type": "flag.enable" if on else "flag.disable", "flag": flag}]}
        path = "/projects/shop/environments/development/changes"
        return str((by or self.bo).call("POST", path, body, status=201)["status"])

    def features(self, server: Server | None = None, token: str | None = None) -> dict[str, bool] | int:
        """What an SDK is told: flag -> on; the status when it is refused."""
        answer = (server or self.server).get(FEATURES, Authorization=token or self.token["token"])
        if answer.status != 200:
            return answer.status
        return {feature["name"]: feature["enabled"] for feature in answer.json()["features"]}


@pytest.fixture(scope="module")
def house(durable: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    at = place(durable)
    data = tmp_path_factory.mktemp("house") / "data"
    migrated = run(data, "migrate", env=at.migrating)
    assert migrated.returncode == 0, migrated.stderr
    with serving(data, env={**at.serving, "ENSIGN_API_RATE": "100000"}) as server:
        assert "warning:" not in "".join(server.lines)
        ingrid, bo = Visitor(server), Visitor(server)
        taken = ingrid.form(
            server.setup_link, organisation="Shop", name="Ingrid Solheim", email="ingrid@example.com",
            password=PASSWORD, preset="small-team",
        )  # fmt: skip
        assert taken.status == 303, taken.body.decode()
        ingrid.enrol(PASSWORD)
        ingrid.call("POST", "/projects", {"key": "shop", "name": "Shop", "preset": "small-team"}, status=201)
        invitation = {"email": "bo@example.com", "name": "Bo Lind", "roles": [{"role": "developer"}]}
        link = ingrid.call("POST", "/people", invitation, status=201)
        joining = re.search(r"/invite/[\w-]+", json.dumps(link))
        assert joining is not None
        assert bo.form(joining[0], name="Bo Lind", password=PASSWORD).status == 303
        bo = Visitor(server)
        assert bo.sign_in("bo@example.com", PASSWORD).status == 303
        for key in ("menu", "basket", "banner"):
            bo.call("POST", "/projects/shop/flags", {"key": key}, status=201)
        wish = {"name": "shop", "type": "backend", "projects": ["shop"], "environment": "development"}
        token = ingrid.call("POST", "/client-tokens", wish, status=201)
        house = House(at, server, ingrid, bo, token)
        for key in ("menu", "basket", "banner"):
            house.toggle(key, on=True)
        yield house


def test_a_change_in_production_waits_for_somebody_else_and_reaches_the_application(house: House) -> None:
    wish = {"name": "shop", "type": "backend", "projects": ["shop"], "environment": "production"}
    token = house.ingrid.call("POST", "/client-tokens", wish, status=201)["token"]
    path = "/projects/shop/environments/production/changes"
    request = house.bo.call("POST", path, {"operations": LAUNCH, "title": "Menu", "reason": "Tested"}, status=201)
    assert request["status"] == "in_review"
    decision = {"digest": request["digest"]}
    house.bo.call("POST", f"/changes/{request['id']}/approve", decision, status=403)
    house.bo.call("POST", f"/changes/{request['id']}/apply", status=409)
    assert house.features(token=token) == {}
    house.ingrid.call("POST", f"/changes/{request['id']}/approve", decision)
    if house.bo.call("GET", f"/changes/{request['id']}")["status"] == "approved":
        house.bo.call("POST", f"/changes/{request['id']}/apply")
    assert until(lambda: house.features(token=token) == {"menu": True}) < 1


def test_a_revoked_token_is_refused_within_a_second(house: House) -> None:
    wish = {"name": "short", "type": "backend", "projects": ["shop"], "environment": "development"}
    made = house.ingrid.call("POST", "/client-tokens", wish, status=201)
    until(lambda: isinstance(house.features(token=made["token"]), dict))
    house.ingrid.call("POST", f"/client-tokens/{made['id']}/revoke", {"reason": "leaked"})
    assert until(lambda: house.features(token=made["token"]) == 401) < 1


def test_the_log_is_verified_exported_and_anchored_as_the_application_role(house: House, tmp_path: Path) -> None:
    assert json.loads(house.run("ledger", "verify", "--json").stdout)["ok"] is True
    assert house.run("ledger", "anchor").returncode == 0
    anchors = str(house.server.data_dir / "anchors.txt")
    assert house.run("ledger", "verify", "--anchor", anchors).returncode == 0
    bundle = tmp_path / "evidence.zip"
    assert house.run("ledger", "export", "-o", str(bundle)).returncode == 0
    checked = subprocess.run([str(Path(sys.executable).with_name("ensign-verify")), str(bundle)], capture_output=True)
    assert checked.returncode == 0, checked.stdout


def test_two_servers_tell_each_other_within_a_second(house: House, tmp_path: Path) -> None:
    """They share the keys, and sessions: who signed in at one is known to the other."""
    keys = {"ENSIGN_KEYS_DIR": str(house.server.data_dir / "keys")}
    with serving(tmp_path / "second", env={**house.place.serving, **keys}) as second:
        assert "/setup/" not in "".join(second.lines)
        there = Visitor(second)
        there._cookies = dict(house.bo._cookies)
        for on, by, reader in ((False, house.bo, second), (True, there, house.server)):
            assert house.toggle("basket", on=on, by=by) == "applied"
            took = until(lambda on=on, reader=reader: house.features(reader)["basket"] is on)  # type: ignore[index]
            assert took < 1


def test_a_worker_beside_the_server_does_nothing_twice(house: House, tmp_path: Path) -> None:
    """One of them leads; an hourly anchor is delivered once, whoever of three does it."""
    keys = {"ENSIGN_KEYS_DIR": str(house.server.data_dir / "keys")}
    beside = [
        subprocess.Popen(
            [ENSIGN, "worker"], cwd=tmp_path,
            env=environment(tmp_path / f"worker-{n}", {**house.place.serving, **keys}),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for n in range(2)
    ]  # fmt: skip
    try:
        for worker in beside:
            assert worker.stdout is not None
            assert "The worker runs." in worker.stdout.readline()
        with house.place.cluster.admin(house.place.name) as connection:
            # The clock, the log's follower and the post: each of three numbers is held, and by one of all.
            query = (
                "SELECT count(*), count(DISTINCT (classid, objid)) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted"
            )
            until(lambda: connection.execute(query).fetchone() == (3, 3))
            drift = "SELECT count(*) FROM ledger_entry WHERE action = 'drift.checked'"
            assert connection.execute(drift).fetchone() == (1,)
    finally:
        for worker in beside:
            worker.terminate()
            assert worker.wait(20) == 0


def test_a_crash_of_the_database_leaves_delivery_serving_and_nothing_to_restart(house: House, tmp_path: Path) -> None:
    with Client(
        url=house.server.url, token=house.token["token"], app_name="shop", refresh_interval=0.2, cache_dir=tmp_path
    ) as client:
        assert client.wait_until_ready(10)
        before = house.features()
        house.place.cluster.stop(immediately=True)
        try:
            assert house.server.get("/readyz").status == 503
            page = house.bo.get("/")
            assert (page.status, page.headers["Retry-After"]) == (503, "5")
            assert "keep receiving their rulesets" in page.body.decode()
            assert house.bo.call("GET", "/projects", status=503)["code"] == "unavailable"
            for _ in range(20):
                assert house.features() == before
            assert client.is_enabled("menu")
        finally:
            house.place.cluster.start()
        until(lambda: house.server.get("/readyz").status == 200)
        assert house.toggle("banner", on=False) == "applied"
        until(lambda: not client.is_enabled("banner"))
        assert json.loads(house.run("ledger", "verify", "--json").stdout)["ok"] is True


def test_a_backup_restores_into_an_empty_database_and_the_sdk_follows(house: House, tmp_path: Path) -> None:
    """As after a disaster: what was changed since the backup is gone, and the new epoch says so to every SDK."""
    file, data = tmp_path / "ensign.tar", tmp_path / "restored"
    made = house.run("backup", str(file))
    assert made.returncode == 0, made.stderr
    house.toggle("menu", on=False)
    other = place(house.place.cluster)
    keys = {"ENSIGN_KEYS_DIR": str(house.server.data_dir / "keys")}
    again = run(house.server.data_dir, "restore", str(file), env=house.place.migrating)
    assert again.returncode == 7, again.stderr
    assert "not empty" in again.stderr
    lowly = run(data, "restore", str(file), env={**other.serving, **keys})
    assert lowly.returncode == 7, lowly.stderr
    assert "DATABASE_OWNER_URL" in lowly.stderr
    with Client(
        url=house.server.url, token=house.token["token"], app_name="shop", refresh_interval=0.2, cache_dir=tmp_path
    ) as client:
        until(lambda: client.ready and not client.is_enabled("menu"))
        kept = client.status().revision
        restored = run(data, "restore", str(file), "--json", env={**other.migrating, **keys})
        assert restored.returncode == 0, restored.stderr
        epoch = json.loads(restored.stdout)["epoch"]
        assert epoch > kept[0]
    with (
        serving(data, env={**other.serving, **keys}) as server,
        Client(
            url=server.url, token=house.token["token"], app_name="shop", refresh_interval=0.2, cache_dir=tmp_path
        ) as client,
    ):
        assert "warning:" not in "".join(server.lines)
        until(lambda: client.is_enabled("menu"))
        assert client.status().revision[0] == epoch
        assert run(data, "ledger", "verify", env={**other.serving, **keys}).returncode == 0
        visitor = Visitor(server)
        assert visitor.sign_in("bo@example.com", PASSWORD).status == 303
        assert house.toggle("menu", on=False, by=visitor) == "applied"
    house.toggle("menu", on=True)


def test_what_stands_in_the_way_is_one_line(durable: Cluster, tmp_path: Path) -> None:
    """Not migrated; a privilege missing; and the warning when one role does everything."""
    at, data = place(durable), tmp_path / "data"
    refused = run(data, "serve", "--port", "0", env=at.serving)
    assert refused.returncode == 7
    assert "may not apply them" in refused.stderr
    assert "DATABASE_OWNER_URL" in refused.stderr
    assert run(data, "migrate", env=at.migrating).returncode == 0
    with durable.admin(at.name) as connection:
        connection.execute(f"REVOKE SELECT ON django_migrations FROM {APPLICATION}".encode())
    refused = run(data, "serve", "--port", "0", env=at.serving)
    assert refused.returncode == 7, refused.stderr
    assert "permission denied" in refused.stderr
    assert "ensign migrate" in refused.stderr
    assert run(data, "migrate", env=at.migrating).returncode == 0
    with durable.admin(at.name) as connection:
        connection.execute(f"REVOKE INSERT ON ledger_entry FROM {APPLICATION}".encode())
    refused = run(data, "serve", "--port", "0", env=at.serving)
    assert refused.returncode == 7, refused.stderr
    assert "Traceback" not in refused.stderr
    assert "ledger_entry" in refused.stderr
    assert "ensign migrate" in refused.stderr
    assert run(data, "migrate", env=at.migrating).returncode == 0
    with serving(data, env=at.alone) as server:
        server.wait_for(r"warning: .*two roles")


def test_two_migrations_at_once_apply_everything_once(durable: Cluster, tmp_path: Path) -> None:
    at = place(durable)
    both = [
        subprocess.Popen(
            [ENSIGN, "migrate"], cwd=tmp_path, env=environment(tmp_path / "data", at.migrating),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0] == "Applied 0 migrations.\n"
    with durable.admin(at.name) as connection:
        assert connection.execute("SELECT size FROM ledger_head").fetchone() == (2,)
