"""Claims about rules that no API would take, in official Unleash SDKs: same answers as our engine, also when flags and
segments vanish between two looks, with the addresses taken away that a mode must not need, and counts exact.

test_matrix.py tries more clients with less.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from ensign_engine import Ruleset
from ensign_testkit import installing_clients as installing
from ensign_testkit.contracts import CLIENTS
from ensign_testkit.delivery import constraint, flag, serving, strategy
from ensign_testkit.edges import EDGE_TOKEN, edge
from ensign_testkit.programs import Program
from ensign_testkit.waiting import until

TOKEN = "shop:production.backend-secret"


def rollout(percent: int, **more: Any) -> dict[str, Any]:
    parameters = {"rollout": str(percent), "stickiness": "userId", "groupId": "group"}
    return strategy("flexibleRollout", parameters=parameters, **more)


def variant(name: str, weight: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "weight": weight, "weightType": "variable", "stickiness": "userId", "overrides": [], **more}


COLOURS = [variant("blue", 300), variant("red", 700, payload={"type": "json", "value": '{"a":1}'})]
SEGMENTS = [
    {"id": 1, "name": "nordic", "constraints": [constraint("country", "IN", "SE", "NO")]},
    {"id": 2, "name": "unused", "constraints": []},
]
FLAGS = [
    flag("watched"),
    flag("off", enabled=False),
    flag("half", strategies=[rollout(50)]),
    flag("nordic", strategies=[strategy(segments=[1])]),
    flag("listed", strategies=[strategy("userWithId", parameters={"userIds": "1, 5,9"})]),
    flag("new enough", strategies=[strategy(constraints=[constraint("version", "SEMVER_GT", value="1.9.0")])]),
    flag("pattern", strategies=[strategy(constraints=[constraint("email", "REGEX", value="^a.*@example\\.com$")])]),
    flag("inverted", strategies=[strategy(constraints=[constraint("country", "IN", "SE", inverted=True)])]),
    flag("colours", strategies=[rollout(80)], variants=COLOURS),
    flag("inner", strategies=[rollout(100, variants=COLOURS)]),
    flag("child", dependencies=[{"feature": "half", "enabled": True}]),
    flag("red only", dependencies=[{"feature": "colours", "enabled": True, "variants": ["red"]}]),
    flag("in two ways", strategies=[strategy(segments=[1]), rollout(30)]),
    flag("Ünïcode 日本"),
]
CONTEXTS: list[dict[str, Any]] = [
    {
        "userId": str(user),
        "properties": {
            "country": ("SE", "NO", "DE")[user % 3],
            "version": ("1.8.0", "1.10.0")[user % 2],
            "email": ("ada@example.com", "bob@example.com")[user % 2],
        },
    }
    for user in range(12)
]
NAMES = [str(described["name"]) for described in FLAGS] + ["unheard-of", "new"]
#: Flags changed, removed and new; one segment changed, one gone.
LATER_SEGMENTS = [{"id": 1, "name": "nordic", "constraints": [constraint("country", "IN", "DE")]}]
LATER = [
    flag("watched", enabled=False),
    flag("half", strategies=[rollout(20)]),
    flag("new", strategies=[strategy(segments=[1])]),
    *[one for one in FLAGS if one["name"] not in {"watched", "half", "listed", "pattern", "off"}],
]
#: The addresses that a client in this mode must not need.
OTHERS = {
    "polling": ["delta", "streaming"], "delta": ["features", "streaming"], "streaming": ["features", "delta"],
}  # fmt: skip


def expected(flags: list[dict[str, Any]], segments: list[dict[str, Any]]) -> list[Any]:
    """What our engine says, in the form that the clients print."""
    engine = Ruleset.parse({"version": 2, "features": flags, "segments": segments})

    def answer(name: str, context: dict[str, Any]) -> list[Any]:
        chosen = engine.get_variant(name, context)
        payload = None if chosen.payload is None else dict(chosen.payload)
        return [engine.is_enabled(name, context), chosen.name, payload]

    return [[answer(name, context) for context in CONTEXTS] for name in NAMES]


def by_name(answers: list[Any]) -> dict[str, Any]:
    """The answers with the flags' names, so that a difference can be read."""
    return dict(zip(NAMES, answers, strict=True))


def counted(plane, app: str, name: str) -> tuple[int, int]:
    """How often the server was told yes and no for a flag."""
    rows = [
        row for batch in list(plane.batches) for row in batch.counts
        if (row.key.app_name, row.key.flag, row.key.variant) == (app, name, "")
    ]  # fmt: skip
    return sum(row.yes for row in rows), sum(row.no for row in rows)


@pytest.fixture
def node(plane, request) -> Iterator[Any]:
    """What the client is pointed at: the server itself, or an edge below it."""
    if request.param == "server":
        yield plane
        return
    plane.source.token(EDGE_TOKEN, "edge")
    app = edge(plane.server.url)
    below = type(plane)(plane.source, app, [])
    with serving(app) as below.server:
        yield below


@pytest.mark.parametrize(
    ("client", "mode", "ending", "node"),
    [
        ("python", "polling", "/api", "server"), ("python", "polling", "/api/", "server"),
        ("python", "streaming", "/api", "server"), ("python", "streaming", "/api", "edge"),
        ("node", "polling", "/api", "server"), ("node", "polling", "//api", "server"),  # what people may make of it
        ("node", "delta", "/api", "server"), ("node", "streaming", "/api", "server"), ("node", "delta", "/api", "edge"),
    ],
    indirect=["node"],
)  # fmt: skip
def test_the_client_agrees_with_our_engine_follows_changes_and_reports(
    client: str, mode: str, ending: str, plane, node, tmp_path
) -> None:
    for other in OTHERS[mode]:
        del node.app._routes[f"/api/client/{other}"]
    node.settled(plane.source.publish(FLAGS, segments=SEGMENTS))
    given = {
        "url": node.server.url + ending, "token": TOKEN, "app": f"{client}-contract", "flags": NAMES,
        "contexts": CONTEXTS, "watch": "watched", "mode": mode, "folder": str(tmp_path),
    }  # fmt: skip
    command = [sys.executable, str(CLIENTS / "python_client.py")]
    if client == "node":
        command = ["node", str(CLIENTS / "node_client.mjs"), str(installing.node_modules())]
    program = Program(command, given)
    try:
        assert program.hear() == "ready"
        answers = program.ask("answers")
        assert by_name(answers) == by_name(expected(FLAGS, SEGMENTS))
        assert node.app.hub.count == (mode == "streaming")
        plane.source.publish([*FLAGS, flag("new", enabled=False)], segments=SEGMENTS)
        plane.source.publish(LATER, segments=LATER_SEGMENTS)
        program.until("watch", False)
        later = program.ask("answers")
        assert by_name(later) == by_name(expected(LATER, LATER_SEGMENTS))
        assert program.end() == 0
    finally:
        program.kill()
    halves = [turn[NAMES.index("half")][user][0] for turn in (answers, later) for user in range(len(CONTEXTS))]
    # Both is_enabled and get_variant count once each for a context.
    wanted = (2 * sum(halves), 2 * (len(halves) - sum(halves)))
    until(lambda: sum(counted(plane, f"{client}-contract", "half")) >= sum(wanted))
    assert counted(plane, f"{client}-contract", "half") == wanted
    sdks = {seen.sdk for batch in plane.batches for seen in batch.applications}
    assert any(sdk.startswith(f"unleash-{client}-sdk:") for sdk in sdks)
