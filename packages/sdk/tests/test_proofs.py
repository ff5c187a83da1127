"""Claims about proofs: fetched after the rules and never in their way, verified to the end, missed out loud."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from ensign_ledger.ruleset import Statement
from ensign_ledger.testing import SimulatedLog
from ensign_sdk import Client
from ensign_sdk._internal import prover
from ensign_testkit import adversary as enemy
from ensign_testkit import signing
from ensign_testkit.delivery import flag

KEY = signing.signer()
SPREAD = prover.FIRST


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask within hundredths of a second, and lose patience within tenths."""
    monkeypatch.setattr(prover, "FIRST", (0.01, 0.02))
    monkeypatch.setattr(prover, "AGAIN", (0.01, 0.02))
    monkeypatch.setattr(prover, "PATIENCE", 0.3)


def content(number: int = 5, **more: Any) -> dict[str, Any]:
    place = {"project": "shop", "environment": "production", "epoch": 1, "number": number}
    return {**place, "features": [flag("menu")], "segments": [], **more}


def rules(given: dict[str, Any]) -> bytes:
    meta = {"signatures": [signing.note(given, KEY)]}
    return json.dumps({"features": given["features"], "segments": [], "meta": meta}).encode()


class Server:
    """Answers rules and proofs; both may be exchanged."""

    def __init__(self, hostile: enemy.Adversary) -> None:
        self.rules = content()
        self.proofs: list[Any] = []
        self.asked = 0
        hostile.behaviour = self.answer
        self.url = hostile.url
        self.hostile = hostile

    def answer(self, client: Any, seen: enemy.Seen) -> None:
        if seen.path.endswith("/client/proof"):
            self.asked += 1
            enemy.reply(200, json.dumps({"proofs": self.proofs}).encode())(client, seen)
        else:
            enemy.reply(200, rules(self.rules))(client, seen)

    def reported(self) -> set[str]:
        return {code for post in self.hostile.posted("/metrics") for code in post.get("refusedRulesets", {})}


@pytest.fixture
def server(hostile) -> Server:
    return Server(hostile)


def said(given: dict[str, Any]) -> Statement:
    return signing.statement(given)


def logged(*statements: Statement, before: int = 3, after: int = 2) -> tuple[SimulatedLog, list[int]]:
    """A log with entries of others around those that publish the statements."""
    log = SimulatedLog(origin=signing.ORIGIN, seed=KEY.seed)
    for _ in range(before):
        log.append("session.started")
    found = [signing.published(log, one) for one in statements]
    for _ in range(after):
        log.append("session.started")
    return log, found


def test_rules_are_used_before_their_proof_and_proven_once_it_comes(server, connect, until) -> None:
    client = connect(server.url, public_key=KEY.key.vkey)
    assert client.wait_until_ready(10)
    assert client.is_enabled("menu")
    until(lambda: server.asked)
    assert client.status().proven is None
    log, (index,) = logged(said(server.rules))
    server.proofs = [signing.proof(log, said(server.rules), index=index)]
    until(lambda: client.status().proven == (1, 5))
    assert client.status().tree == (6, log.frontier(6).root().hex())
    asked = server.asked
    until(lambda: len([seen for seen in server.hostile.seen if seen.path.endswith("features")]) > 5)
    assert server.asked == asked, "what is proven is not asked for again"


def test_the_next_revision_is_proven_anew(server, connect, until) -> None:
    second = content(6, features=[flag("menu", enabled=False)])
    log, (one, two) = logged(said(server.rules), said(second))
    server.proofs = [signing.proof(log, said(server.rules), index=one)]
    client = connect(server.url, public_key=KEY.key.vkey)
    until(lambda: client.status().proven == (1, 5))
    server.rules = second
    until(lambda: not client.is_enabled("menu"))
    assert client.status().proven == (1, 5), "up to there"
    server.proofs = [signing.proof(log, said(second), index=two)]
    until(lambda: client.status().proven == (1, 6))


def test_a_proof_that_does_not_come_is_missed_in_the_log_and_reported_and_rules_go_on(
    server, connect, until, caplog
) -> None:
    with caplog.at_level(logging.ERROR, "ensign_sdk"):
        client = connect(server.url, public_key=KEY.key.vkey)
        until(lambda: "proof" in server.reported())
        until(lambda: server.asked > 3)
    assert client.is_enabled("menu")
    assert sum("no proof that the log holds" in record.message for record in caplog.records) == 1


OTHER = SimulatedLog(origin="other.example/ensign", seed=b"\x02" * 32)


def wrong(kind: str) -> Any:
    """A proof that proves nothing."""
    statement = said(content())
    log, (index,) = logged(statement)
    good = signing.proof(log, statement, index=index)
    match kind:
        case "another entry":
            return signing.proof(log, statement, index=index - 1)
        case "another revision's entry":
            log, (index,) = logged(said(content(4)))
            return signing.proof(log, statement, index=index)
        case "another ruleset's entry":
            log, (index,) = logged(said(content(features=[flag("evil")])))
            return signing.proof(log, statement, index=index)
        case "another project's entry":
            log, (index,) = logged(signing.statement(content(), project="bank"))
            return signing.proof(log, statement, index=index)
        case "an entry of no rulesets":
            log, (index,) = logged(statement)
            return signing.proof(log, statement, index=0)
        case "a path cut short":
            return {**good, "path": good["path"][:-1]}
        case "a path of something else":
            return {**good, "path": ["00" * 32 for _ in good["path"]]}
        case "another place in the tree":
            return {**good, "index": good["index"] + 1}
        case "a place that is no number":
            return {**good, "index": "3"}
        case "a forged checkpoint":
            return {**good, "checkpoint": SimulatedLog(origin=log.origin, seed=b"\x02" * 32).checkpoint(0).decode()}
        case "another log's checkpoint":
            return {**good, "checkpoint": OTHER.checkpoint(0).decode()}
        case "an altered entry":
            return {**good, "entry": good["entry"].replace("usr_ada", "usr_eve")}
        case "the ruleset's own signature as checkpoint":
            return {**good, "checkpoint": signing.note(content(), KEY)}
        case "members missing":
            return {key: good[key] for key in ("project", "environment", "epoch", "number")}
        case _:
            return {**good, "checkpoint": 7, "entry": None, "path": {}}


KINDS = (
    "another entry", "another revision's entry", "another ruleset's entry", "another project's entry",
    "an entry of no rulesets", "a path cut short", "a path of something else", "another place in the tree",
    "a place that is no number", "a forged checkpoint", "another log's checkpoint", "an altered entry",
    "the ruleset's own signature as checkpoint", "members missing", "nonsense",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_proofs_prove_nothing(server, connect, until, kind) -> None:
    server.proofs = [wrong(kind)]
    client = connect(server.url, public_key=KEY.key.vkey)
    until(lambda: "proof" in server.reported())
    assert client.status().proven is None
    assert client.is_enabled("menu"), "signed rules go on: a proof is evidence, not a lock"


@pytest.mark.parametrize("answer", [[7], [None], 7, None, [[]], [{}]])
def test_answers_that_are_no_proofs(server, connect, until, answer) -> None:
    server.proofs = answer
    client = connect(server.url, public_key=KEY.key.vkey)
    until(lambda: "proof" in server.reported())
    assert client.status().proven is None


def test_a_split_view_is_noticed(server, connect, until) -> None:
    """Two trees of one size with different roots cannot both be the log, whoever signed them."""
    log, (index,) = logged(said(server.rules))
    server.proofs = [signing.proof(log, said(server.rules), index=index)]
    client: Client = connect(server.url, public_key=KEY.key.vkey)
    until(lambda: client.status().proven == (1, 5))
    server.rules = content(6)
    hidden, _ = logged(before=4, after=0)
    index = signing.published(hidden, said(server.rules))
    hidden.append("session.ended")
    assert len(hidden.entries) == len(log.entries)
    server.proofs = [signing.proof(hidden, said(server.rules), index=index)]
    until(lambda: "proof" in server.reported())
    assert client.status().proven == (1, 5)


def test_instances_that_got_rules_together_do_not_ask_together() -> None:
    """The first question is spread over half a minute; tests alone are quicker."""
    low, high = SPREAD
    assert high - low >= 30
