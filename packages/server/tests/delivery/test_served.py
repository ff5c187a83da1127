"""Claims about streams of a real `ensign serve`: a change by the API arrives; a signal ends everything in order."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, run
from ensign_testkit.streams import EventStream


def test_a_change_arrives_and_open_streams_hold_up_no_stop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run(data, "migrate").returncode == 0
    bearer = {"Authorization": f"Bearer {seed(data)['tokens']['ingrid']}"}
    server = Server(data, env={"ENSIGN_CORS_ORIGINS": "https://shop.example"})
    try:
        wish = {"name": "SDK", "type": "backend", "projects": ["shop"], "environment": "development"}
        made = server.request("POST", "/api/v1/client-tokens", wish, headers=bearer)
        assert made.status == 201, made.body
        flag = server.request("POST", "/api/v1/projects/shop/flags", {"key": "menu"}, headers=bearer)
        assert flag.status == 201, flag.body
        token, deadline = made.json()["token"], time.monotonic() + 10
        while server.get("/api/client/delta", Authorization=token).status != 200:
            assert time.monotonic() < deadline, "a new token is known within a moment"
        with EventStream(server.port, token) as stream:
            assert stream.event().name == "unleash-connected"
            change = {"reason": "Try it.", "operations": [{"type": "flag.enable", "flag": "menu"}]}
            address = "/api/v1/projects/shop/environments/development/changes"
            done = server.request("POST", address, change, headers=bearer)
            assert done.status == 201, done.body
            updated = [event for event in stream.event().events if event["type"] == "feature-updated"]
            assert [event["feature"]["name"] for event in updated] == ["menu"]
            origins = [
                server.get("/api/frontend", Origin=origin).headers["access-control-allow-origin"]
                for origin in ("https://shop.example", "https://elsewhere.example")
            ]
            assert origins == ["https://shop.example", None]
            began = time.monotonic()
            assert server.stop(signal.SIGTERM) == 0
            assert time.monotonic() - began < 8, "the server does not wait for streams"
            assert stream.next() is None
    finally:
        server.stop()
    assert "Traceback" not in "".join(server.lines)
    assert "exceeded" not in "".join(server.lines), "no stream was cut off by the server's own patience"
