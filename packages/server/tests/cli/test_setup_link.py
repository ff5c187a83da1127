"""Claims about the set-up link of a real server: it works once, ends by time, and then says what to do."""

from __future__ import annotations

import re
import sqlite3
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from ensign_testkit.server import Answer, Server, serving

FIRST = {
    "organisation": "Shop Ltd", "name": "Anna Berg", "email": "anna@example.com",
    "password": "quiet harbour tulip engine", "preset": "small-team",
}  # fmt: skip


def send(server: Server, path: str) -> Answer:
    """Fill in the form of the set-up page as a browser would, and send it."""
    page = server.get(path)
    cookies = SimpleCookie(page.headers["Set-Cookie"])
    found = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.body)
    assert found is not None
    body = urlencode({**FIRST, "csrfmiddlewaretoken": found[1].decode()}).encode()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items()),
        "Origin": server.url,
    }
    return server.request("POST", path, body, headers=headers)


def test_an_expired_link_says_how_to_get_a_fresh_one_which_works_once(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as server:
        old = server.setup_link
        assert server.get(old).status == 200
        [database] = data_dir.glob("*.sqlite3")
        with sqlite3.connect(database, timeout=10) as connection:
            connection.execute("UPDATE identity_link SET expires_at = datetime('now', '-1 day')")
        connection.close()
        expired = server.get(old)
        assert expired.status == 410
        assert "has expired" in expired.body.decode()
        assert "ensign serve" in expired.body.decode()
    with serving(data_dir) as server:
        fresh = server.setup_link
        assert fresh != old
        assert server.get(old).status == 410
        done = send(server, fresh)
        assert done.status == 303, done.body.decode()
        used = server.get(fresh)
        assert used.status == 410
        assert "has been used" in used.body.decode()
        secret = fresh.rsplit("/", 1)[1]
        assert sum(secret in line for line in server.lines) == 1, "only where it was shown to be used"
