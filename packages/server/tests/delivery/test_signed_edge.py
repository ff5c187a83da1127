"""Claims about signatures below an edge: they reach SDKs as they were made, and what is altered above ends there."""

from __future__ import annotations

import json

import pytest
from ensign.delivery.app import DeliveryApp
from ensign_sdk import Client
from ensign_testkit import signing
from ensign_testkit.delivery import MemorySource, flag, serving
from ensign_testkit.edges import EDGE_TOKEN, edge
from ensign_testkit.waiting import until

KEY = signing.signer()
BACKEND = "shop:production.backend-secret"


@pytest.fixture
def source() -> MemorySource:
    made = MemorySource(KEY)
    made.token(BACKEND)
    made.token(EDGE_TOKEN, "edge")
    made.publish([flag("menu"), flag("basket")])
    return made


def test_an_sdk_below_two_edges_verifies_rules_and_changes(source: MemorySource) -> None:
    """The second edge verifies, too. A forged ruleset ends there, and the next good one is taken."""
    app, keys = DeliveryApp(source), [KEY.key.vkey]
    with serving(app) as server:
        first = edge(server.url)
        with serving(first) as middle:
            second = edge(middle.url, ruleset_keys=keys)
            with (
                serving(second) as below,
                Client(
                    url=below.url, token=BACKEND, app_name="web", cache_dir=False, public_key=keys, refresh_interval=0.1
                ) as client,
            ):
                until(lambda: client.is_enabled("menu"))
                assert client.status().verified
                source.publish([flag("menu", enabled=False), flag("basket")])
                until(lambda: not client.is_enabled("menu"))
                assert client.status().verified
                source.forge = lambda content: {**content, "features": [flag("menu"), flag("basket", enabled=False)]}
                source.publish([flag("menu", enabled=False), flag("basket")])
                until(lambda: second.feed.refused == 1)
                assert not client.is_enabled("menu")
                assert client.is_enabled("basket")
                source.forge = lambda content: content
                source.publish([flag("menu"), flag("basket")])
                until(lambda: client.is_enabled("menu"))
                assert client.status().refused is None


def test_proofs_pass_through_edges_within_their_reach(source: MemorySource) -> None:
    app = DeliveryApp(source)
    with serving(app) as server:
        first = edge(server.url)
        with serving(first) as middle:
            second = edge(middle.url)
            with serving(second):
                until(lambda: second.feed.current)
                proofs = {
                    project: json.dumps({"project": project, "environment": "production", "path": []})
                    for project in ("shop", "bank")
                }
                source.proofs |= {f"rul_{project}_production": proof for project, proof in proofs.items()}
                source.hint()
                until(lambda: second.feed.proofs)
                assert second.feed.proofs == {("shop", "production"): proofs["shop"].encode()}
