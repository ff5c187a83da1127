"""Claims about signatures on the wire, and about a node that verifies what it reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.usage import UsageBatch
from ensign_engine import Ruleset
from ensign_ledger.ruleset import read_signed, ruleset_digest
from ensign_testkit import signing
from ensign_testkit.delivery import MemorySource, flag, serving, strategy
from ensign_testkit.streams import EventStream

KEY = signing.signer()
BACKEND = "shop:production.backend-secret"
EVERYTHING = "*:production.all-secret"
SIGNED = {"Ensign_Signed": "1"}
SEGMENT = {"id": 7, "name": "testers", "constraints": []}


class Plane:
    """An application over a source that signs, and requests to it."""

    def __init__(self, source: MemorySource, app: DeliveryApp, batches: list[UsageBatch], port: int) -> None:
        self.source, self.app, self.batches, self.port = source, app, batches, port

    def settled(self, revision: int) -> None:
        """Wait until the source was read up to this revision."""
        assert self.app.feed.wait_until(lambda: self.app.feed._number >= revision, 10)

    def get(self, path: str, token: str = BACKEND, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers in lower case and JSON."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Authorization": token, **sent})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, json.loads(body) if body else None


def filled(signer: Any = KEY) -> MemorySource:
    source = MemorySource(signer)
    source.token(BACKEND)
    source.token(EVERYTHING, projects=("*",))
    source.publish([flag("menu", strategies=[strategy(segments=[7])]), flag("basket")], segments=[SEGMENT])
    source.publish([flag("loan", project="bank")], project="bank")
    return source


@contextmanager
def running(source: MemorySource, **options: Any) -> Iterator[Plane]:
    batches: list[UsageBatch] = []
    app = DeliveryApp(source, batches.append, flush_interval=0.05, **options)
    with serving(app) as server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        yield Plane(source, app, batches, server.port)


@pytest.fixture
def plane() -> Iterator[Plane]:
    with running(filled()) as made:
        yield made


def verified(document: dict[str, Any], notes: list[str]) -> set[str]:
    """The projects whose digest is that of the document's flags."""
    segments = {one["id"]: one for one in document["segments"]}
    good = set()
    for note in notes:
        said = read_signed(note, [KEY.key])
        flags = [one for one in document["features"] if one["project"] == said.project]
        if ruleset_digest(flags, segments, salt=said.salt) == said.digest:
            good.add(said.project)
    return good


def test_who_does_not_ask_gets_what_it_always_got(plane: Plane) -> None:
    with running(filled(signer=None)) as unsigned:
        for path in ("/api/client/features", "/api/client/delta"):
            _, ours, theirs = plane.get(path)
            _, headers, expected = unsigned.get(path)
            assert theirs == expected
            assert (ours["etag"], ours["ensign-scope"]) == (headers["etag"], headers["ensign-scope"])


def test_who_asks_gets_the_signature_of_each_ruleset_in_scope(plane: Plane) -> None:
    _, _, features = plane.get("/api/client/features", EVERYTHING, **SIGNED)
    assert verified(features, features["meta"]["signatures"]) == {"bank", "shop"}
    _, _, delta = plane.get("/api/client/delta", EVERYTHING, **SIGNED)
    assert verified(delta["events"][0], delta["signatures"]) == {"bank", "shop"}
    _, _, one = plane.get("/api/client/features", **SIGNED)
    assert verified(one, one["meta"]["signatures"]) == {"shop"}


def test_answers_with_and_without_signatures_are_never_mixed_up(plane: Plane) -> None:
    _, plain, _ = plane.get("/api/client/features", Unleash_Client_Spec="5.1.9")
    _, signed, _ = plane.get("/api/client/features", Unleash_Client_Spec="5.1.9", **SIGNED)
    assert plain["etag"] != signed["etag"]
    assert plane.get("/api/client/features", If_None_Match=plain["etag"], **SIGNED)[0] == 200
    assert plane.get("/api/client/features", If_None_Match=signed["etag"], **SIGNED)[0] == 304


def test_a_delta_leads_to_what_its_signatures_cover(plane: Plane) -> None:
    _, headers, hydration = plane.get("/api/client/delta", **SIGNED)
    rules = Ruleset.empty().apply_delta(hydration)
    plane.settled(plane.source.publish([flag("menu", enabled=False), flag("new")]))
    _, _, delta = plane.get("/api/client/delta", If_None_Match=headers["etag"], **SIGNED)
    assert {event["type"] for event in delta["events"]} > {"feature-updated", "feature-removed"}
    assert verified(rules.apply_delta(delta).to_document(), delta["signatures"]) == {"shop"}


def test_streams_carry_signatures_with_every_event(plane: Plane) -> None:
    with EventStream(plane.port, BACKEND, headers={"Ensign-Signed": "1"}) as stream:
        first = json.loads(stream.event().fields["data"])
        rules = Ruleset.empty().apply_delta(first)
        assert verified(rules.to_document(), first["signatures"]) == {"shop"}
        plane.source.publish([flag("menu", enabled=False)])
        second = json.loads(stream.event().fields["data"])
        assert verified(rules.apply_delta(second).to_document(), second["signatures"]) == {"shop"}


@pytest.mark.parametrize("filter", ["namePrefix=me", "tag=team:web"])
@pytest.mark.parametrize("path", ["features", "delta", "streaming"])
def test_parts_of_rulesets_cannot_be_had_signed(plane: Plane, path: str, filter: str) -> None:
    status, _, body = plane.get(f"/api/client/{path}?{filter}", **SIGNED)
    assert status == 400
    assert "Ensign-Signed" in body["message"]


def test_proofs_are_handed_out_for_what_the_token_sees(plane: Plane) -> None:
    assert plane.get("/api/client/proof")[2] == {"proofs": []}
    for project in ("shop", "bank"):
        place = {"project": project, "environment": "production", "epoch": 1, "number": 1}
        plane.source.proofs[f"rul_{project}_production"] = json.dumps(place)
    plane.source.hint()
    assert plane.app.feed.wait_until(lambda: plane.app.feed._versions.get("proofs") == 2, 10)
    assert [one["project"] for one in plane.get("/api/client/proof")[2]["proofs"]] == ["shop"]
    assert len(plane.get("/api/client/proof", EVERYTHING)[2]["proofs"]) == 2
    assert plane.get("/api/client/proof", "nobody")[0] == 401


def test_what_an_sdk_refused_is_counted_by_reason_and_nothing_else_of_it_is_kept(plane: Plane) -> None:
    import urllib.request

    body = json.dumps(
        {
            "appName": "web",
            "refusedRulesets": {"altered": 2, "older": 10**9, "<script>": 1, "unsigned": "many"},
        }
    ).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{plane.port}/api/client/metrics", body, {"Authorization": BACKEND}
    )
    assert urllib.request.urlopen(request, timeout=10).status == 202
    found: dict[str, int] = {}
    deadline = 0
    while "sdk ruleset altered" not in found and deadline < 500:
        for batch in list(plane.batches):
            found.update(batch.refusals)
        deadline += 1
        plane.app.feed.wait_until(lambda: False, 0.02)
    assert found == {"sdk ruleset altered": 2, "sdk ruleset older": 1_000}


# What a node does that verifies.


def altered(content: dict[str, Any]) -> dict[str, Any]:
    """On for everybody, under the signature of what was published."""
    return {**content, "features": [{**one, "enabled": True, "strategies": []} for one in content["features"]]}


def unsigned(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "signature"}


def forged(content: dict[str, Any]) -> dict[str, Any]:
    return signing.signed(unsigned(content), signing.signer(2))


def elsewhere(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "signature": signing.note(content, KEY, environment="development")}


def renumbered(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "signature": signing.note(content, KEY, number=content["number"] + 1)}


def truncated(content: dict[str, Any]) -> dict[str, Any]:
    return {**content, "features": content["features"][:1]}


@pytest.mark.parametrize("attack", [altered, unsigned, forged, elsewhere, renumbered, truncated])
def test_a_verifying_node_refuses_keeps_the_last_good_one_says_so_once_and_counts(attack, caplog) -> None:
    source = filled()
    with running(source, ruleset_keys=[KEY.key.vkey]) as plane, caplog.at_level(logging.ERROR, "ensign.delivery"):
        before = plane.get("/api/client/features")[2]
        source.forge = attack
        plane.settled(source.publish([flag("menu", enabled=False), flag("basket")]))
        assert plane.get("/api/client/features")[2] == before
        delta = plane.get("/api/client/delta", If_None_Match='"1"')
        assert delta[0] == 304, "the stored delta is not passed on, either"
        assert plane.app.feed.refused == 1
        assert sum("is refused" in record.message for record in caplog.records) == 1
        source.forge = lambda content: content
        plane.settled(source.publish([flag("menu", enabled=False)], segments=[SEGMENT]))
        assert [one["name"] for one in plane.get("/api/client/features")[2]["features"]] == ["menu"]


def test_a_verifying_node_tells_what_changed_in_its_own_words() -> None:
    source = filled()
    with running(source, ruleset_keys=[KEY.key.vkey]) as plane, EventStream(plane.port, BACKEND) as stream:
        rules = Ruleset.empty().apply_delta(json.loads(stream.event().fields["data"]))
        number = source.number + 1
        source.down = True
        assert plane.app.feed.wait_until(lambda: not plane.app.feed.current, 10)
        source.publish([flag("menu", enabled=False), flag("new")])
        source._revisions[-1] = type(source._revisions[-1])(
            number,
            1,
            "shop",
            "production",
            json.dumps([{"type": "feature-updated", "feature": flag("evil")}]),
        )
        source.down = False
        event = json.loads(stream.event().fields["data"])
        assert sorted(one["type"] for one in event["events"]) == [
            "feature-removed", "feature-updated", "feature-updated", "segment-removed",
        ]  # fmt: skip
        after = rules.apply_delta(event)
        assert set(after.names()) == {"menu", "new"}, "not what the stored events say"
        assert not after.is_enabled("menu")


def test_after_a_refusal_nobody_is_told_half_of_it() -> None:
    source = filled()
    with running(source, ruleset_keys=[KEY.key.vkey]) as plane:
        source.forge = altered
        plane.settled(source.publish([flag("menu", enabled=False)]))
        source.forge = lambda content: content
        plane.settled(source.publish([flag("menu")]))
        for known in ("1", "2", "3"):
            (event,) = plane.get("/api/client/delta", If_None_Match=known)[2]["events"]
            assert event["type"] == "hydration"
        plane.settled(source.publish([flag("menu", enabled=False)]))
        (event,) = plane.get("/api/client/delta", If_None_Match="4")[2]["events"]
        assert event["type"] == "feature-updated", "and then steps again"


def test_several_steps_at_once_are_not_guessed_at() -> None:
    """A client in between may have seen what a joined step does not show: it gets everything."""
    source = filled()
    with running(source, ruleset_keys=[KEY.key.vkey]) as plane:
        source.down = True
        assert plane.app.feed.wait_until(lambda: not plane.app.feed.current, 10)
        source.publish([flag("menu", enabled=False)])
        source.publish([flag("menu")])
        source.down = False
        plane.settled(source.number)
        for known in ("1", "3"):
            (event,) = plane.get("/api/client/delta", If_None_Match=known)[2]["events"]
            assert event["type"] == "hydration"


def test_the_last_good_file_is_verified_too(tmp_path) -> None:
    source, file = filled(), tmp_path / "last-good"
    with running(source, last_good=file, ruleset_keys=[KEY.key.vkey]):
        pass
    source.down = True
    app = DeliveryApp(source, last_good=file, ruleset_keys=[KEY.key.vkey])
    app.feed._load()
    assert len(app.feed.state.rulesets) == 2
    other = DeliveryApp(source, last_good=file, ruleset_keys=[signing.signer(2).key.vkey])
    other.feed._load()
    assert len(other.feed.state.rulesets) == 0
    assert other.feed.refused == 2


@pytest.mark.parametrize("keys", [["nonsense"], [""], ["log.example/ensign+00000000+AAAA"]])
def test_a_key_that_cannot_be_read_ends_the_start(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="public key"):
        DeliveryApp(MemorySource(), ruleset_keys=keys)
