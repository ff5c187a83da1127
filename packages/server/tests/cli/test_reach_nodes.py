"""Claim: with two servers on one PostgreSQL, instances are counted over both, also where a balancer sends the
confirmation to the one that does not hold the stream.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ensign_sdk import Client
from ensign_testkit.installing import place
from ensign_testkit.postgres import Cluster
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until

CHANGES = "/api/v1/projects/shop/environments/development/changes"


@pytest.fixture
def stack() -> Any:
    with ExitStack() as made:
        yield made


def test_instances_of_two_servers_are_one_number(durable: Cluster, tmp_path: Path, stack: ExitStack) -> None:
    at = place(durable)
    data = [tmp_path / name for name in ("one", "two")]
    assert run(data[0], "migrate", env=at.migrating).returncode == 0
    bearer = {"Authorization": f"Bearer {seed(data[0], **at.serving)['tokens']['ingrid']}"}
    keys = {"ENSIGN_KEYS_DIR": str(data[0] / "keys")}
    servers = [Server(folder, env={**at.serving, **keys}) for folder in data]
    for server in servers:
        stack.callback(server.stop)
    one, two = servers

    def call(method: str, path: str, body: Any = None, *, status: int = 201) -> Any:
        answer = one.request(method, path, body, headers=bearer)
        assert answer.status == status, answer.body
        return answer.json()

    wish = {"name": "SDK", "type": "backend", "projects": ["shop"], "environment": "development"}
    token = call("POST", "/api/v1/client-tokens", wish)["token"]
    call("POST", "/api/v1/projects/shop/flags", {"key": "menu"})
    call("POST", CHANGES, {"operations": [{"type": "flag.enable", "flag": "menu"}]})
    for server in servers:
        until(lambda server=server: server.get("/api/client/features", Authorization=token).status == 200)
    for server, count in ((one, 2), (two, 3)):
        for _ in range(count):
            client = Client(url=server.url, token=token, app_name="app", cache_dir=False, wait=20)
            stack.callback(client.close)
    ours = {"unleash_connection_id": "by-hand", "unleash_appname": "app", "unleash_sdk": "mine"}
    stream = stack.enter_context(EventStream(one.port, token, timeout=60, Ensign_Confirms="1", **ours))
    held = stream.event().fields["revision"]

    def connected() -> int:
        found = call("GET", "/api/v1/projects/shop/flags/menu/reach", status=200)["connected"]
        return sum(row["instances"] for row in found if row["environment"] == "development")

    until(lambda: connected() == 6)
    change = call("POST", CHANGES, {"operations": [{"type": "flag.disable", "flag": "menu"}]})["id"]

    def reach() -> dict[str, Any]:
        (found,) = call("GET", f"/api/v1/changes/{change}/reach", status=200)
        return dict(found)

    revision = stream.event().fields["revision"]
    until(lambda: (reach()["instances"], reach()["running"]) == (6, 5))
    assert not reach()["settled"]
    body = {"applied": [{"revision": revision, "agoMs": 0}], "before": held, "node": stream.headers["ensign-node"]}
    elsewhere = {name.replace("_", "-"): value for name, value in ours.items()}
    for _ in range(2):  # as when the answer was lost
        answer = two.request("POST", "/api/client/applied", body, headers={"Authorization": token, **elsewhere})
        assert answer.status == 202, answer.body
    until(lambda: reach()["settled"])
    assert (reach()["instances"], reach()["running"], reach()["sent"]) == (6, 6, 0)
    assert reach()["sentence"].startswith("Live on 6 of 6 instances after ")
    until(lambda: reach()["entry"])
    entry = call("GET", f"/api/v1/log/{reach()['entry']}", status=200)
    assert (entry["detail"]["instances"], entry["detail"]["running"]) == (6, 6)
    listed = call("GET", "/api/v1/log?action=delivery.reached", status=200)["items"]
    about = [item for item in listed if item["detail"]["number"] == entry["detail"]["number"]]
    assert len(about) == 1, "one entry, though two servers have a worker each"
