"""Claims: alerts are judged and safeguards made, armed and ended from the terminal; a running server acts by itself."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign.control.kernel import clock
from ensign.control.monitoring.domain import signatures
from ensign_testkit.seeding import seed
from ensign_testkit.server import Server, environment, run
from ensign_testkit.waiting import until

#: There is no command that makes service accounts: administrators do so on a page or by API.
ACCOUNT = """
from ensign.cli import local
local.set_up()
from ensign_testkit.people import add_service
print(add_service("guard", "developer").id)
"""
WHERE = ("--project", "shop", "--environment", "development")


class Terminal:
    """`ensign` as somebody of the seed."""

    def __init__(self, data: Path, url: str, token: str) -> None:
        self.data, self.env = data, {"ENSIGN_URL": url, "ENSIGN_TOKEN": token}

    def plain(self, *words: str) -> str:
        """What a person reads."""
        done = run(self.data, *words, env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def __call__(self, *words: str, code: int = 0) -> Any:
        done = run(self.data, *words, "--json", env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout if code == 0 else done.stderr)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, Terminal, str]]:
    """Ingrid, Bo, and the service account that acts."""
    data = tmp_path_factory.mktemp("monitoring") / "data"
    server = Server(data)
    try:
        tokens = seed(data)["tokens"]
        here = str(Path(__file__).parents[2] / "testkit")
        env = {**environment(data, {}), "PYTHONPATH": here}
        done = subprocess.run(
            [sys.executable, "-c", ACCOUNT], env=env, capture_output=True, text=True, timeout=60, check=True
        )
        account = done.stdout.strip().splitlines()[-1]
        yield Terminal(data, server.url, tokens["ingrid"]), Terminal(data, server.url, tokens["bo"]), account
    finally:
        server.stop()


def flag(who: Terminal, key: str, folder: Path) -> None:
    """A flag that is on in development."""
    who("flags", "create", key, "--project", "shop")
    file = folder / f"{key}.json"
    file.write_text(json.dumps([{"type": "flag.enable", "flag": key}]))
    assert who("changes", "propose", str(file), *WHERE, "--reason", "r")["status"] == "applied"


def send(made: Any, value: float, *, id: str) -> Any:
    """A signed message, as another system's webhook sends it."""
    body = json.dumps({"value": value}).encode()
    timestamp = str(int(clock.now().timestamp()))
    given = signatures.signature(made["secret"], id=id, timestamp=timestamp, body=body)
    headers = {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": given}
    request = urllib.request.Request(made["hook"], data=body, headers={**headers, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_a_safeguard_from_making_to_its_end(world: tuple[Terminal, Terminal, str], tmp_path: Path) -> None:
    ingrid, bo, account = world
    flag(bo, "menu", tmp_path)
    assert bo("safeguards", "list", "--project", "shop") == []
    assert "Nothing is guarded yet." in bo.plain("safeguards", "list", "--project", "shop")
    made = bo(
        "safeguards", "make", "errors", *WHERE, "--flag", "menu", "--account", account, "--source", "webhook",
        "--path", "value", "--threshold", "0.05", "--checks", "1", "--reason", "SRE agreed",
    )  # fmt: skip
    assert made["secret"].startswith("whsec_")
    (listed,) = bo("safeguards", "list", "--project", "shop")
    assert (listed["key"], listed["status"], listed.get("secret", "")) == ("errors", "armed", "")
    wrong = ("safeguards", "make", "Bad Key", *WHERE, "--flag", "menu", "--account", account)
    assert bo(*wrong, "--query", "up", code=3)["fields"]["/key"]
    assert send(made, 0.01, id="m1") == {"taken": True, "fired": False}
    assert send(made, 0.21, id="m2") == {"taken": True, "fired": True}
    (fired,) = bo("safeguards", "list", "--project", "shop")
    assert (fired["status"], fired["outcome"], fired["watch"]["value"]) == ("fired", "done", "0.21")
    assert bo("safeguards", "arm", made["id"], "--project", "shop", "--reason", "fixed")["status"] == "armed"
    assert bo("safeguards", "arm", made["id"], "--project", "shop", code=6)["code"] == "not-fired"
    assert bo("safeguards", "end", made["id"], "--project", "shop")["status"] == "ended"
    assert bo("safeguards", "list", "--project", "shop") == []
    assert [one["key"] for one in bo("safeguards", "list", "--project", "shop", "--ended")] == ["errors"]

    # The worker of the same server followed the log: what acted is an alert, which a tool can read and not judge.
    def seen() -> list[Any]:
        return [one for one in ingrid("alerts", "list", "--kind", "safeguard-fired") if one["project"] == "shop"]

    until(lambda: bool(seen()), seconds=60)
    (alert,) = seen()
    shown = ingrid.plain("alerts", "show", alert["id"])
    assert "A safeguard acted (medium, open)" in shown
    assert f"Entries: {', '.join(map(str, alert['evidence']))}" in shown
    assert ingrid("alerts", "list", "--severity", "high", "--kind", "safeguard-fired") == []
    assert "Nothing waits for a verdict." in ingrid.plain("alerts", "list", "--status", "overdue")


def test_alerts_are_judged_by_a_person_exported_and_ruled(
    world: tuple[Terminal, Terminal, str], tmp_path: Path
) -> None:
    ingrid, _, _ = world

    def waiting() -> Any:
        return ingrid("alerts", "list")

    until(lambda: bool(waiting()), seconds=60)
    one = waiting()[0]["id"]
    ingrid("alerts", "show", "alr_missing", code=4)
    assert ingrid("alerts", "acknowledge", one)["status"] == "acknowledged"
    assert ingrid("alerts", "acknowledge", one, code=6)["code"] == "alert-not-open"
    file = tmp_path / "alerts.csv"
    assert ingrid.plain("alerts", "export", "-o", str(file), "--status", "acknowledged").startswith("Wrote ")
    rows = list(csv.DictReader(file.open(newline="")))
    assert [(row["alert"], row["verdict"]) for row in rows] == [(one, "")]
    assert ingrid("alerts", "rules")["mass_flags"] == 20
