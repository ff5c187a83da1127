"""Claims: official SDKs, unchanged, work against a real `ensign serve`: same answers as our engine before and after a
change made through the API, exact counts, a revoked token refused with 401, one of the wrong type with 403.

All of a group run at once, each in a process of its own behind a gateway that writes down what it asked for.
docs/reference/clients.md is written from what these tests record.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from ensign_testkit import installing_clients as installing
from ensign_testkit.contracts import CLIENTS, pinned
from ensign_testkit.trials import Client, Trial, World, scenario, tried, try_all

PINNED = pinned()


def python(mode: str) -> Client:
    command = (sys.executable, str(CLIENTS / "python_client.py"))
    return Client(
        "unleashclient", "Python", mode, command, f"unleash-python-sdk:{PINNED['unleashclient']}", measures=True
    )


def node(mode: str, *, ending: str = "/api") -> Client:
    command = ("node", str(CLIENTS / "node_client.mjs"), str(installing.VAR / "node"))
    version = PINNED["unleash-client"]
    return Client("unleash-client", "Node", mode, command, f"unleash-node-sdk:{version}", ending=ending, measures=True)


def browser(package: str, page: str, mode: str, *, said: str, counted: int | None = 2) -> Client:
    page = str(CLIENTS / "browser" / page)
    command = (sys.executable, str(CLIENTS / "browser_client.py"), str(installing.VAR / "node"), page)
    return Client(package, "browser", mode, command, said, frontend=True, counted=counted)


NEXT = Client(
    "@unleash/nextjs", "Node", "server side",
    ("node", str(CLIENTS / "next_client.mjs"), str(installing.VAR / "node")),
    f"unleash-nextjs-sdk:{PINNED['@unleash/nextjs']}", keeps=False,
    lacks={"pattern": "it does not know REGEX"},
)  # fmt: skip
JS = f"unleash-js-sdk:{PINNED['unleash-proxy-client']}"
QUICK = [
    python("polling"), python("streaming"), node("polling"), node("delta"), node("streaming"), NEXT,
    browser("unleash-proxy-client", "js.mjs", "GET", said=JS),
    browser("unleash-proxy-client", "js.mjs", "POST", said=JS),
    browser("@unleash/proxy-client-react", "react.mjs", "hooks", said=JS, counted=None),
]  # fmt: skip


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Trial]]:
    installing.node_modules()
    folder = tmp_path_factory.mktemp("matrix")
    world = World(folder, scenario(CLIENTS / "scenario.json"))
    try:
        yield try_all(QUICK, world, folder)
    finally:
        world.server.stop()


@pytest.mark.parametrize("client", QUICK, ids=lambda client: client.name)
def test_the_client_agrees_follows_reports_and_is_refused(client: Client, quick, contract) -> None:
    contract(client.package, PINNED[client.package], client.mode, tried=tried(client), language=client.language)
    if (failure := quick[client.name].failure) is not None:
        raise failure
