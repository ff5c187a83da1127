"""The whole way, with a real `ensign serve`: published, signed, pushed, verified, and proven within a minute."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest
from ensign_sdk import Client
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run


@pytest.mark.slow  # the worker signs every half a minute
def test_a_change_is_verified_at_once_and_proven_within_a_minute(tmp_path: Path, until) -> None:
    data = tmp_path / "data"
    assert run(data, "migrate").returncode == 0
    bearer = {"Authorization": f"Bearer {seed(data)['tokens']['ingrid']}"}
    key = _public_key(data)
    server = Server(data, env={"ENSIGN_RULESET_KEYS": key})
    try:
        wish = {"name": "SDK", "type": "backend", "projects": ["shop"], "environment": "development"}
        token = server.request("POST", "/api/v1/client-tokens", wish, headers=bearer).json()["token"]
        assert server.request("POST", "/api/v1/projects/shop/flags", {"key": "menu"}, headers=bearer).status == 201
        until(lambda: server.get("/api/client/features", Authorization=token).status == 200)
        with Client(url=server.url, token=token, app_name="e2e", public_key=key, cache_dir=False, wait=10) as client:
            change = {"reason": "Try it.", "operations": [{"type": "flag.enable", "flag": "menu"}]}
            address = "/api/v1/projects/shop/environments/development/changes"
            assert server.request("POST", address, change, headers=bearer).status == 201
            published = time.monotonic()
            until(lambda: client.is_enabled("menu"))
            assert (client.status().verified, client.status().refused) == (True, None)

            def proofs() -> list[object]:
                return list(server.get("/api/client/proof", Authorization=token).json()["proofs"])

            until(proofs, 60 - (time.monotonic() - published))
            until(lambda: client.status().proven == client.status().revision, 120)
    finally:
        server.stop()
    assert "Traceback" not in "".join(server.lines)
    assert run(data, "ledger", "verify").returncode == 0


def _public_key(data: Path) -> str:
    """As it stands in the log's first entry."""
    (file,) = [path for path in data.iterdir() if path.suffix in {".db", ".sqlite", ".sqlite3"}]
    with sqlite3.connect(file) as connection:
        (body,) = connection.execute("SELECT body FROM ledger_entry WHERE action = 'log.created'").fetchone()
    key: str = json.loads(body)["detail"]["key"]
    return key
