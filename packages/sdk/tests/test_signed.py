"""Claims about rules that are verified: what is refused, what goes on meanwhile, and who hears of it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.usage import UsageBatch
from ensign_sdk import Client
from ensign_sdk._internal.trust import place_of
from ensign_testkit import adversary as enemy
from ensign_testkit import signing
from ensign_testkit.delivery import MemorySource, RunningServer, flag, serving, strategy

KEY = signing.signer()
PUBLIC = KEY.key.vkey
TOKEN = "shop:production.sdk-secret"
EVERYTHING = "*:production.all-secret"
SEGMENT = {"id": 7, "name": "testers", "constraints": []}


class Signed:
    """A running delivery plane whose rulesets are signed."""

    def __init__(self) -> None:
        self.source = MemorySource(KEY)
        self.source.token(TOKEN)
        self.source.token(EVERYTHING, projects=("*",))
        self.source.publish([flag("menu", strategies=[strategy(segments=[7])]), flag("old")], segments=[SEGMENT])
        self.source.publish([flag("loan", project="bank")], project="bank")
        self.batches: list[UsageBatch] = []
        self.server: RunningServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    def refusals(self) -> dict[str, int]:
        """What SDKs reported."""
        found: dict[str, int] = {}
        for batch in list(self.batches):
            for reason, times in batch.refusals.items():
                found[reason] = found.get(reason, 0) + times
        return found


@pytest.fixture
def signed() -> Iterator[Signed]:
    made = Signed()
    app = DeliveryApp(made.source, made.batches.append, flush_interval=0.05)
    with serving(app) as made.server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        yield made


def ruleset(features: list[dict[str, Any]], *, number: int = 5, key: Any = KEY, **more: Any) -> dict[str, Any]:
    """A ruleset's content, signed."""
    place = {"project": "shop", "environment": "production", "epoch": 1, "number": number}
    return signing.signed({**place, "features": features, "segments": [], **more}, key)


def document(*contents: dict[str, Any], features: list[dict[str, Any]] | None = None) -> bytes:
    """What a server sends for these rulesets; `features` in place of theirs."""
    given = [one for content in contents for one in content["features"]]
    segments = [one for content in contents for one in content["segments"]]
    meta = {"signatures": [content["signature"] for content in contents if "signature" in content]}
    return json.dumps(
        {"version": 2, "features": given if features is None else features, "segments": segments, "meta": meta}
    ).encode()


@pytest.mark.parametrize("streaming", [False, True])
def test_signed_rules_are_taken_over_and_followed(signed, connect, until, streaming) -> None:
    client = connect(signed.url, public_key=PUBLIC, streaming=streaming)
    assert client.wait_until_ready(10)
    assert client.is_enabled("menu")
    assert (client.status().verified, client.status().refused) == (True, None)
    signed.source.publish([flag("menu", enabled=False), flag("new")])
    until(lambda: client.is_enabled("new"))
    assert not client.is_enabled("menu")
    assert client.status().revision == (1, signed.source.number)
    assert signed.refusals() == {}


def test_a_token_of_all_projects_is_verified_project_by_project(signed, connect, until) -> None:
    client = connect(signed.url, public_key=PUBLIC, token=EVERYTHING, streaming=True)
    assert client.wait_until_ready(10)
    assert client.is_enabled("loan")
    assert client.is_enabled("menu")
    signed.source.publish([flag("loan", project="bank", enabled=False)], project="bank")
    until(lambda: not client.is_enabled("loan"))
    assert client.is_enabled("menu")


@pytest.mark.parametrize("streaming", [False, True])
def test_an_altered_ruleset_is_refused_the_old_one_goes_on_and_everybody_hears_of_it(
    signed, connect, until, streaming, caplog
) -> None:
    client = connect(signed.url, public_key=PUBLIC, streaming=streaming)
    assert client.wait_until_ready(10)
    until(lambda: client.status().mode == ("streaming" if streaming else "polling"))
    with caplog.at_level(logging.ERROR, "ensign_sdk"):
        signed.source.forge = lambda content: {**content, "features": [flag("menu", enabled=False)]}
        signed.source.publish([flag("menu", enabled=False), flag("other")])
        until(lambda: client.status().refused)
        until(lambda: signed.refusals().get("sdk ruleset altered"))
        assert client.is_enabled("menu"), "the last good rules go on"
        assert client.status().verified
        assert "not what was signed" in client.status().refused
        lines = [record.message for record in caplog.records if "refuses rules" in record.message]
        assert len(lines) == 1, lines
    signed.source.forge = lambda content: content
    signed.source.publish([flag("menu", enabled=False)])
    until(lambda: not client.is_enabled("menu"), 30)
    assert client.status().refused is None


def swapped(content: dict[str, Any]) -> dict[str, Any]:
    """The segment of another ruleset under the same number."""
    return {**content, "segments": [{**SEGMENT, "constraints": [{"contextName": "userId"}]}]}


MENU = flag("menu")
SEGMENTED = flag("menu", strategies=[strategy(segments=[7])])
GOOD = ruleset([MENU, flag("old")])
ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "altered flag": (lambda: document(GOOD, features=[flag("menu", enabled=False), flag("old")]), "altered"),
    "removed flag": (lambda: document(GOOD, features=[MENU]), "altered"),
    "added flag": (lambda: document(GOOD, features=[*GOOD["features"], flag("evil")]), "altered"),
    "flag of an unsigned project": (
        lambda: document(GOOD, features=[*GOOD["features"], flag("evil", project="x")]), "unsigned",
    ),
    "flag without a project": (
        lambda: document(GOOD, features=[*GOOD["features"], {"name": "evil", "enabled": True}]), "unsigned",
    ),
    "all flags removed": (lambda: document(GOOD, features=[]), "altered"),
    "swapped segment": (lambda: document(swapped(ruleset([SEGMENTED], segments=[SEGMENT]))), "altered"),
    "removed segment": (
        lambda: document({**ruleset([SEGMENTED], segments=[SEGMENT]), "segments": []}), "altered",
    ),
    "unsigned": (lambda: document({**GOOD, "signature": None} | {"signature": ""}), "altered"),
    "no signatures": (lambda: json.dumps({"version": 2, "features": [MENU]}).encode(), "unsigned"),
    "signatures of the wrong type": (
        lambda: json.dumps({"features": [MENU], "meta": {"signatures": [7]}}).encode(), "altered",
    ),
    "another key": (lambda: document(ruleset([MENU], key=signing.signer(2))), "altered"),
    "another log's key": (
        lambda: document(ruleset([MENU], key=signing.signer(2, origin="other/log"))), "altered",
    ),
    "another environment": (lambda: document(ruleset([MENU], environment="development")), "foreign"),
    "another project alone": (
        lambda: document(ruleset([flag("loan", project="bank")], project="bank")), "missing",
    ),
    "signed twice": (lambda: document(GOOD, {**ruleset([MENU], number=6), "features": []}), "altered"),
    "a checkpoint as signature": (
        lambda: document({**GOOD, "signature": KEY.sign_note("log.example/ensign\n5\nAAAA\n").decode()}), "altered",
    ),
    "a signature cut short": (lambda: document({**GOOD, "signature": GOOD["signature"][:-9]}), "altered"),
    "a float for a whole number": (
        lambda: document(
            ruleset([flag("menu", variants=[{"name": "a", "weight": 1000}])]),
            features=[flag("menu", variants=[{"name": "a", "weight": 1000.0}])],
        ), "altered",
    ),
    "a lone surrogate": (
        lambda: document(GOOD, features=[flag("menu", description="\ud800"), flag("old")]), "altered",
    ),
    "strategies of the wrong type": (lambda: document(GOOD, features=[flag("menu", strategies=7)]), "altered"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_at_the_first_contact_leave_no_rules_at_all(hostile, connect, until, attack) -> None:
    body, code = ATTACKS[attack]
    hostile.behaviour = enemy.reply(200, body())
    client = connect(hostile.url, public_key=PUBLIC)
    until(lambda: client.status().refused)
    assert not client.ready
    assert not client.is_enabled("menu")
    assert client.status().verified is False
    until(lambda: any(code in post.get("refusedRulesets", {}) for post in hostile.posted("/client/metrics")))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_later_change_nothing(hostile, connect, until, attack) -> None:
    body, _ = ATTACKS[attack]
    hostile.behaviour = enemy.reply(200, document(ruleset([MENU, flag("first")], number=4)), Ensign_Scope="s")
    client = connect(hostile.url, public_key=PUBLIC)
    assert client.wait_until_ready(10)
    hostile.behaviour = enemy.reply(200, body(), Ensign_Scope="s", Ensign_Revision="9.9")
    until(lambda: client.status().refused)
    assert client.is_enabled("menu")
    assert client.is_enabled("first")
    assert (client.status().revision, client.status().verified) == ((1, 4), True)
    hostile.behaviour = enemy.reply(200, document(GOOD), Ensign_Scope="s", Ensign_Revision="1.5")
    until(lambda: client.is_enabled("old"))
    assert client.status().refused is None


def test_order_is_no_meaning(hostile, connect) -> None:
    """Rulesets are sets: a document whose flags stand in another order says the same, and is taken."""
    hostile.behaviour = enemy.reply(200, document(GOOD, features=GOOD["features"][::-1]))
    client = connect(hostile.url, public_key=PUBLIC)
    assert client.wait_until_ready(10)
    assert client.is_enabled("menu")


@pytest.mark.parametrize(("now", "then"), [((1, 5), (1, 4)), ((2, 5), (1, 9)), ((2, 1_000_005), (2, 1_000_004))])
def test_a_replayed_older_revision_is_refused_whatever_the_headers_say(hostile, connect, until, now, then) -> None:
    hostile.behaviour = enemy.reply(200, document(ruleset([MENU], epoch=now[0], number=now[1])))
    client = connect(hostile.url, public_key=PUBLIC)
    assert client.wait_until_ready(10)
    old = document(ruleset([flag("menu", enabled=False)], epoch=then[0], number=then[1]))
    hostile.behaviour = enemy.reply(200, old, Ensign_Revision="99.99", Ensign_Scope="other")
    until(lambda: "after" in (client.status().refused or ""))
    assert client.is_enabled("menu")


def test_two_rulesets_under_one_revision_are_refused(hostile, connect, until) -> None:
    hostile.behaviour = enemy.reply(200, document(ruleset([MENU])))
    client = connect(hostile.url, public_key=PUBLIC)
    assert client.wait_until_ready(10)
    hostile.behaviour = enemy.reply(200, document(ruleset([flag("menu", enabled=False)])))
    until(lambda: "two rulesets" in (client.status().refused or ""))
    assert client.is_enabled("menu")


def test_a_new_epoch_is_followed(hostile, connect, until) -> None:
    hostile.behaviour = enemy.reply(200, document(ruleset([MENU], number=500)))
    client = connect(hostile.url, public_key=PUBLIC)
    assert client.wait_until_ready(10)
    hostile.behaviour = enemy.reply(200, document(ruleset([flag("menu", enabled=False)], epoch=2, number=7)))
    until(lambda: not client.is_enabled("menu"))


def test_a_project_that_was_there_must_stay(hostile, connect, until) -> None:
    bank = ruleset([flag("loan", project="bank")], project="bank")
    hostile.behaviour = enemy.reply(200, document(GOOD, bank))
    client = connect(hostile.url, public_key=PUBLIC, token="*:production.x")
    assert client.wait_until_ready(10)
    hostile.behaviour = enemy.reply(200, document(ruleset([MENU], number=6)))
    until(lambda: "bank is left out" in (client.status().refused or ""))
    assert client.is_enabled("loan")


def test_where_nothing_is_published_yet_nothing_is_missed(hostile, connect, until) -> None:
    hostile.behaviour = enemy.reply(200, document(features=[]))
    client = connect(hostile.url, public_key=PUBLIC)
    assert client.wait_until_ready(10)
    assert (len(client.evaluate_all()), client.status().verified, client.status().refused) == (0, False, None)
    hostile.behaviour = enemy.reply(200, document(GOOD))
    until(lambda: client.is_enabled("menu"))
    hostile.behaviour = enemy.reply(200, document(features=[]))
    until(lambda: "not signed" in (client.status().refused or ""))
    assert client.is_enabled("menu"), "but never again"


def test_projects_that_are_named_must_be_there_from_the_start(hostile, connect, until) -> None:
    hostile.behaviour = enemy.reply(200, document(GOOD))
    client = connect(hostile.url, public_key=PUBLIC, token="[]:production.x", projects=["bank", "shop"])
    until(lambda: "bank is left out" in (client.status().refused or ""))
    assert not client.ready


def test_one_of_several_keys_is_enough(hostile, connect) -> None:
    hostile.behaviour = enemy.reply(200, document(ruleset([MENU], key=signing.signer(2))))
    client = connect(hostile.url, public_key=[PUBLIC, signing.signer(2).key.vkey])
    assert client.wait_until_ready(10)


def test_the_cache_and_the_bootstrap_are_verified(signed, connect, tmp_path) -> None:
    connect(signed.url, public_key=PUBLIC).wait_until_ready(10)
    streaming = connect(signed.url, public_key=PUBLIC, app_name="streams", streaming=True)
    assert streaming.wait_until_ready(10)
    streaming.close()
    for app in ("tested", "streams"):
        again = connect(signed.url, public_key=PUBLIC, app_name=app, start=False)
        assert (again.status().source, again.status().verified) == ("cache", True), app
        other = connect(signed.url, public_key=signing.signer(3).key.vkey, app_name=app, start=False)
        assert not other.ready
    (tmp_path / "good.json").write_bytes(document(GOOD))
    good = connect(signed.url, public_key=PUBLIC, app_name="b", start=False, bootstrap=tmp_path / "good.json")
    assert (good.status().source, good.is_enabled("menu")) == ("bootstrap", True)
    bad = connect(
        signed.url, public_key=PUBLIC, app_name="c", start=False, bootstrap=document(GOOD, features=[flag("evil")])
    )
    assert (bad.ready, bad.status().verified) == (False, False)


def test_offline_rules_must_be_signed_when_there_is_a_key() -> None:
    client = Client.offline(document(GOOD), public_key=PUBLIC)
    assert client.is_enabled("menu")
    assert client.status().verified
    with pytest.raises(ValueError, match="cannot be trusted"):
        Client.offline(document(GOOD, features=[flag("menu")]), public_key=PUBLIC)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"public_key": "nonsense"}, "public_key cannot be read"),
        ({"public_key": []}, "public_key is empty"),
        ({"public_key": 7}, "public_key is empty"),
        ({"public_key": [PUBLIC, 7]}, "public_key cannot be read"),
        ({"projects": ["shop"]}, "give public_key"),
        ({"public_key": PUBLIC, "projects": "shop"}, "list of project keys"),
    ],
)
def test_arguments_that_cannot_be_meant(options, says) -> None:
    with pytest.raises(ValueError, match=says):
        Client(url="http://localhost", token=TOKEN, app_name="x", start=False, cache_dir=False, **options)


def test_a_token_says_what_to_expect() -> None:
    assert place_of("shop:production.abc") == (("shop",), "production")
    assert place_of("*:eu.production.abc") == (None, "eu.production")
    assert place_of("[]:production.abc") == (None, "production")
    assert place_of("secret") == (None, None)


def test_a_report_that_is_not_accepted_is_sent_again(hostile, connect, until) -> None:
    hostile.behaviour = enemy.reply(200, document(GOOD, features=[]))
    hostile.posts = enemy.reply(503)
    client = connect(hostile.url, public_key=PUBLIC)
    until(lambda: client.status().refused)
    until(lambda: len([seen for seen in hostile.seen if seen.method == "POST"]) > 1)
    hostile.posts = enemy.reply(202)
    until(lambda: any("altered" in post.get("refusedRulesets", {}) for post in hostile.posted("/metrics")), 20)


def test_a_forked_child_reports_its_own_refusals_alone() -> None:
    """What the parent refused is the parent's to report."""
    from ensign_engine import Counters
    from ensign_sdk._internal.metrics import Reporter
    from ensign_sdk.config import trusting

    trust = trusting(PUBLIC, token=TOKEN)
    assert trust is not None
    client = Client(url="http://localhost", token=TOKEN, app_name="x", start=False, cache_dir=False, public_key=PUBLIC)
    assert client._config is not None
    reporter = Reporter(client._config._replace(trust=trust), Counters(), connection_id="", headers={})
    trust.refuse("altered", "for a test")
    reporter.forget()
    assert not trust.reports


def test_who_verifies_nothing_asks_for_nothing_and_loads_nothing(hostile, connect) -> None:
    client = connect(hostile.url)
    assert client.wait_until_ready(10)
    assert all("ensign-signed" not in seen.headers for seen in hostile.seen)
    assert (client.status().verified, client.status().refused) == (None, None)
    code = "import sys, ensign_sdk; print([name for name in sys.modules if name.startswith('ensign_ledger')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
