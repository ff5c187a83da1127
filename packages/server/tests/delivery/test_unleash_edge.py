"""Claims: Unleash's own Edge sits in front of Ensign: it asks about tokens, serves Ensign's rules, sends counts."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ensign_testkit import installing_clients as installing
from ensign_testkit.contracts import CLIENTS, pinned
from ensign_testkit.gateway import Gateway
from ensign_testkit.trials import Client, Trial, World, scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # the first run compiles half a thousand crates
PINNED = pinned()
TRIED = "Node, Python and a browser behind it: answers, a change, counts; without REGEX, which it garbles"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Without the flag whose operator REGEX this Edge passes on as an object, whereupon SDKs refuse all rules."""
    played = scenario(CLIENTS / "scenario.json")
    played["before"] = [operation for operation in played["before"] if operation.get("flag") != "pattern"]
    played["flags"].remove("pattern")
    made = World(tmp_path, played)
    try:
        yield made
    finally:
        made.server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/internal-backstage/health", timeout=2) as answer:
                assert answer.status == 200
                return
        except (OSError, urllib.error.URLError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def test_clients_behind_it_agree_follow_and_are_counted(world: World, tmp_path: Path, contract) -> None:
    contract(
        "unleash-edge",
        PINNED["unleash-edge"],
        "in front",
        tried=TRIED,
        language="proxy",
    )
    command = installing.unleash_edge()
    node = ("node", str(CLIENTS / "node_client.mjs"), str(installing.node_modules()))
    page = str(CLIENTS / "browser" / "js.mjs")
    browser = (sys.executable, str(CLIENTS / "browser_client.py"), str(installing.node_modules()), page)
    python = (sys.executable, str(CLIENTS / "python_client.py"))
    _, token = world.token("backend")
    port, log = free_port(), tmp_path / "edge.log"
    with ExitStack() as stack:
        upstream = stack.enter_context(Gateway(world.server.port))
        often = ["--metrics-interval-seconds", "1"]
        options = [
            *often,
            "--upstream-url",
            upstream.url,
            "--tokens",
            token,
            "--features-refresh-interval-seconds",
            "1",
        ]
        process = subprocess.Popen(
            [command, "--interface", "127.0.0.1", "--port", str(port), "edge", *options], cwd=tmp_path,
            stdout=log.open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        stack.callback(process.wait, 10)
        stack.callback(process.kill)
        wait_until_healthy(port, process, log)
        world.change(world.scenario["before"])
        world.port = port
        trials = [
            Trial(client, world, tmp_path / "clients", stack)
            for client in (
                Client("unleash-client", "Node", "polling", node, ""),
                Client("unleashclient", "Python", "polling", python, ""),
                Client("unleash-proxy-client", "browser", "GET", browser, "", frontend=True),
            )
        ]
        for trial in trials:
            trial.start()
            trial.program.until("watch", True)  # it asks once a second for what is new
            trial.answer_first()
        world.change(world.scenario["after"])
        for trial in trials:
            trial.see_the_change()
        for trial in trials:
            trial.report()
        asked = {(one.method, one.path.partition("?")[0], one.status) for one in upstream.asked}
        assert ("POST", "/edge/validate", 200) in asked
        assert ("POST", "/api/client/metrics/bulk", 202) in asked
        assert {status for _, _, status in asked} <= {200, 202, 304}, asked
