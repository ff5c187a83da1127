"""Claims: a running server tells what happens by itself, in the inbox and by webhook, also what happened while it was
down or was killed; all of it is managed from the terminal."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign.control.integrations.domain import signing
from ensign.control.kernel import clock
from ensign_testkit.receiving import Receiver, receiving
from ensign_testkit.seeding import seed
from ensign_testkit.server import run, serving
from ensign_testkit.waiting import until

ENV = {"ENSIGN_OUTBOUND_ALLOW": "127.0.0.0/8", "ENSIGN_API_RATE": "1000000"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


class Terminal:
    """`ensign` as somebody."""

    def __init__(self, data_dir: Path, url: str, token: str) -> None:
        self.data_dir = data_dir
        self.env = {"ENSIGN_URL": url, "ENSIGN_TOKEN": token}

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        done = run(self.data_dir, *arguments, "--json", env=self.env)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout if code == 0 else done.stderr)


def propose(who: Terminal, folder: Path, number: int) -> str:
    """A request for production with a ticket; returns its id."""
    flag = f"flag-{number}"
    who("flags", "create", flag, "-p", "shop")
    file = folder / f"{flag}.json"
    strategy = {"name": "flexibleRollout", "parameters": {"rollout": "10", "stickiness": "default", "groupId": flag}}
    file.write_text(json.dumps([{"type": "strategy.add", "flag": flag, "strategy": strategy}]))
    made = who(
        "changes", "propose", str(file), "-p", "shop", "-e", "production", "-r", "It is time", "--ticket", "PAY-142"
    )
    assert made["tickets"] == ["PAY-142"]
    return str(made["id"])


def test_what_happens_reaches_inbox_and_webhook_also_after_the_server_was_killed(
    tmp_path: Path, receiver: Receiver
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, env=ENV) as server:
        tokens = seed(data_dir)["tokens"]
        ingrid, bo = (Terminal(data_dir, server.url, tokens[name]) for name in ("ingrid", "bo"))
        made = ingrid(
            "integrations",
            "make",
            "webhook",
            "Ours",
            "-p",
            "shop",
            "--url",
            f"{receiver.url}/hook",
            "--topic",
            "review",
        )
        jira = ingrid("integrations", "make", "jira", "Jira", "-p", "shop", "--base-url", "https://tickets.example.com")
        assert jira["secret"] is None
        assert bo("integrations", "list", "-p", "shop", code=5)["code"] == "no-grant"
        first = propose(ingrid, tmp_path, 1)
        until(lambda: any("submitted" in got.body.decode() for got in receiver.got))
        (notice,) = until_some(lambda: bo("inbox", "list", "--topic", "review"))
        assert notice["url"].endswith(f"/requests/{first}")
        assert bo("changes", "show", first)["tickets"] == ["PAY-142"]
        got = receiver.got[0]
        assert signing.verifies(
            got.headers["webhook-signature"], secret=made["secret"], id=got.headers["webhook-id"],
            timestamp=got.headers["webhook-timestamp"], body=got.body, at=clock.now(),
        )  # fmt: skip
        assert bo("inbox", "read", str(notice["id"]))["changed"] == 1
        ingrid("integrations", "test", made["id"])
        until(lambda: any(json.loads(got.body)["type"] == "test" for got in receiver.got))
        receiver.always(500)
        second = propose(ingrid, tmp_path, 2)
        server.stop(signal.SIGKILL)
    receiver.always(200)
    with serving(data_dir, env=ENV) as server:
        bo = Terminal(data_dir, server.url, tokens["bo"])
        ingrid = Terminal(data_dir, server.url, tokens["ingrid"])
        (late,) = until_some(lambda: bo("inbox", "list", "--topic", "review"))
        assert late["url"].endswith(f"/requests/{second}"), "nothing is told twice, nothing is lost"
        until(lambda: any(second in got.body.decode() for got in receiver.got), seconds=240)
        sent = ingrid("integrations", "deliveries", made["id"])
        assert len({row["id"] for row in sent}) == len(sent) == 3
        ingrid("integrations", "archive", made["id"])
        assert {row["kind"] for row in ingrid("integrations", "list", "-p", "shop")} == {"jira"}


def until_some(look: Any) -> list[dict[str, Any]]:
    """What ``look`` finds, once it finds something."""
    found: list[dict[str, Any]] = []

    def some() -> bool:
        found[:] = look()
        return bool(found)

    until(some)
    return found
