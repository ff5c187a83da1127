"""Claims as in test_matrix.py, of the clients that have to be built first, or whose languages few machines have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ensign_testkit import installing_clients as installing
from ensign_testkit.contracts import CLIENTS, pinned
from ensign_testkit.trials import Client, Trial, World, scenario, tried, try_all

pytestmark = pytest.mark.slow
PINNED = pinned()
GO, RUST, JAVA = "github.com/Unleash/unleash-go-sdk/v5", "unleash-api-client", "unleash-client-java"
REGEX = {"pattern": "it does not know REGEX"}
OLD = "it knows the rules of 2021: IN and NOT_IN alone (others raise), no strategy variants or parents, another draw"


def clients() -> list[Client]:
    """Built when they are asked for."""
    java, go, rust = installing.java(), installing.go(), installing.rust()
    ruby = ("ruby", str(CLIENTS / "ruby_client.rb"))
    return [
        Client(JAVA, "Java", "polling", java, f"unleash-java-sdk:{PINNED[JAVA]}", measures=True),
        Client(JAVA, "Java", "streaming", java, f"unleash-java-sdk:{PINNED[JAVA]}", measures=True),
        Client(GO, "Go", "polling", go, f"unleash-go-sdk:{PINNED[GO]}", lacks=REGEX),
        Client(RUST, "Rust", "polling", rust, f"unleash-rust-sdk:{PINNED[RUST]}"),
        Client(
            "ruby-unleash", "Ruby", "polling", ruby, "", counted=1,
            lacks=dict.fromkeys(["recent", "pattern", "tall", "ends", "inner", "child", "inverted", "colours"], OLD),
        ),
    ]  # fmt: skip


NAMES = [f"{JAVA} polling", f"{JAVA} streaming", "v5 polling", f"{RUST} polling", "ruby-unleash polling"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Trial]]:
    wanted = clients()
    folder = tmp_path_factory.mktemp("matrix")
    world = World(folder, scenario(CLIENTS / "scenario.json"))
    try:
        yield try_all(wanted, world, folder)
    finally:
        world.server.stop()


@pytest.mark.timeout(2400)  # the first run compiles a few hundred crates
@pytest.mark.parametrize("name", NAMES)
def test_the_client_agrees_follows_reports_and_is_refused(name: str, built, contract) -> None:
    client = built[name].client
    contract(client.package, PINNED[client.package], client.mode, tried=tried(client), language=client.language)
    if (failure := built[name].failure) is not None:
        raise failure
