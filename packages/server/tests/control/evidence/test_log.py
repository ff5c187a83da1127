"""Claims: everybody reads exactly the part of the log that they may; odd filters find nothing and break nothing; an
entry's page tells what changed, for every object, and says what was redacted; proofs verify.
"""

from __future__ import annotations

import html
import inspect
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import decisions, domain, groups
from ensign.control.access.permissions import Permission
from ensign.control.audit import checkpoints, history
from ensign.control.audit.history import Change
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry, Touch
from ensign.control.audit.redaction import redact
from ensign.control.audit.registry import governed_models
from ensign.control.evidence import queries, told, words
from ensign.control.evidence.queries import log
from ensign.control.identity.actions import SIGN_IN_BLOCKED, SIGNED_IN
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Denied, NotFound
from ensign.control.kernel.transactions import write_door
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign_ledger import merkle
from ensign_ledger.checkpoint import parse_checkpoint
from ensign_ledger.note import signers_of
from ensign_testkit.changing import ruled
from ensign_testkit.changing import story as story_of_changes
from ensign_testkit.log_story import LogStory, api, log_story
from ensign_testkit.people import SYSTEM, add_person, add_service, give, sign_in

ANY = history.Filters()


def rows_shown(page: str) -> list[str]:
    """Addresses of the entries that a page of the log lists."""
    return re.findall(r'href="(/log/\d+)"', page)


@pytest.fixture
def story(db: str) -> LogStory:
    return log_story()


def seqs(page: queries.LogPage) -> list[int]:
    return [entry.seq for entry in page.entries]


def test_auditor_and_admin_read_all_of_it(story: LogStory) -> None:
    size = checkpoints.head().size
    for reader in (story.auditor, story.cast.admin):
        assert seqs(log(reader, ANY, at=story.cast.at, limit=1000)) == list(range(size - 1, -1, -1))


def test_others_read_the_projects_that_they_may_read(story: LogStory) -> None:
    page = log(story.elsewhere, ANY, at=story.cast.at, limit=1000)
    assert {entry.project for entry in page.entries} == {"books"}
    everything = history.entries(ANY, limit=1000)
    assert len(page.entries) == sum(entry.project == "books" for entry in everything)
    # Reads every project, yet not what concerns the organisation.
    developer = log(story.cast.dev, ANY, at=story.cast.at, limit=1000)
    assert {entry.project for entry in developer.entries} == {"books", "shop"}


def test_a_filter_does_not_widen_what_may_be_read(story: LogStory) -> None:
    page = log(story.elsewhere, history.Filters(project="shop"), at=story.cast.at)
    assert page.entries == ()
    with pytest.raises(NotFound):
        queries.entry(story.elsewhere, story.applied, at=story.cast.at)
    with pytest.raises(NotFound):
        queries.proof(story.elsewhere, story.applied, at=story.cast.at)
    found = api(story.client(story.elsewhere), "/log", project="shop")
    assert found == {"items": [], "next_cursor": None}


def test_who_may_read_nothing_is_refused_and_the_refusal_is_an_entry(story: LogStory) -> None:
    with pytest.raises(Denied):
        log(story.nobody, ANY, at=story.cast.at)
    client = story.client(story.nobody)
    for path in ("/log", f"/log/{story.applied}", f"/log/{story.applied}/proof", "/log/export", "/api/v1/log"):
        before = checkpoints.head().size
        assert client.get(path).status_code == 403
        (refusal,) = Entry.objects.filter(seq__gte=before)
        assert (refusal.action, refusal.actor) == ("access.denied", story.nobody.id)
        assert json.loads(refusal.body)["detail"]["permission"].startswith(("org:ledger:", "org:evidence:"))


def test_nobody_who_is_not_signed_in_reads_it(story: LogStory) -> None:
    answer = Client().get("/log")
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login")
    assert Client().get("/api/v1/log").status_code == 401


def test_filters_find_what_they_say(story: LogStory) -> None:
    client = story.client(story.auditor)
    refused = api(client, "/log", action="access.denied")["items"]
    assert [(item["actor"]["id"], item["detail"]["code"]) for item in refused] == [(story.cast.dev.id, "own_change")]
    requests = api(client, "/log", action="change_request.", limit=500)["items"]
    assert {item["action"].partition(".")[0] for item in requests} == {"change_request"}
    changes = api(client, "/log", changes_only=True, environment="production")["items"]
    assert changes[0]["seq"] == story.applied
    assert all(item["approval"]["approvers"] for item in changes)
    touched = changes[0]["changes"][1]["object"]
    assert {item["seq"] for item in api(client, "/log", object=touched)["items"]} == set(
        Touch.objects.filter(object=touched).values_list("seq", flat=True)
    )
    moment = changes[0]["at"]
    assert all(item["at"] < moment for item in api(client, "/log", until=moment)["items"])
    assert all(item["at"] >= moment for item in api(client, "/log", since=moment)["items"])


def test_pages_of_the_log_join_without_gap_or_overlap(story: LogStory) -> None:
    client, found, cursor = story.client(story.auditor), list[int](), ""
    while True:
        page = api(client, "/log", limit=7, **({"cursor": cursor} if cursor else {}))
        found += [item["seq"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert found == list(range(checkpoints.head().size - 1, -1, -1))


ODD = [
    "\x00",
    "9" * 10_000,
    "-1",
    "1e9",
    "%",
    "_",
    "'",
    '"><script>',
    "ÿ",
    "💥" * 300,
    "../..",
    "null",
    "[]",
    "=",
    "flag..",
    ".",
]


@pytest.mark.parametrize("value", ODD)
def test_odd_filters_never_break_the_log(story: LogStory, value: str) -> None:
    """In the page garbage is answered beside its field and finds nothing; the API names what it refuses."""
    page, interface = story.client(story.auditor), story.client(story.auditor)
    for name in ("q", "actor", "project", "environment", "since", "until", "object", "before"):
        answer = page.get("/log", {name: value})
        assert answer.status_code == 200, (name, answer.content[:500])
        text = answer.content.decode()
        assert (
            "<script>" not in text.replace("<script src", "").replace("<script nonce", "") or '"><script>' not in text
        )
        if name in {"q", "actor", "project", "since", "until"}:
            assert not rows_shown(text), name
    for name in ("actor", "action", "project", "environment", "object", "since", "until", "changes_only", "cursor"):
        answer = interface.get("/api/v1/log", {name: value, "limit": 1})
        assert answer.status_code in {200, 422}, (name, answer.content[:500])
    assert interface.get("/api/v1/log", {"limit": value}).status_code == 422
    for path in (f"/api/v1/log/{'9' * 30}", f"/api/v1/log/{'9' * 30}/proof", f"/log/{'9' * 30}", f"/log/{'9' * 5000}"):
        assert interface.get(path).status_code == 404


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "0999-06-01"])
def test_the_ends_of_the_calendar_are_days_like_others(story: LogStory, day: str) -> None:
    client = story.client(story.auditor)
    assert rows_shown(client.get("/log", {"until": "9999-12-31"}).content.decode())
    assert client.get("/log", {"since": day, "until": day}).status_code == 200
    early = client.get("/api/v1/log", {"until": f"{day}T00:00:00Z"})
    assert bool(json.loads(early.content)["items"]) == day.startswith("9")
    beyond = client.get("/api/v1/log", {"since": "9999-12-31T23:59:59-14:00"})
    assert beyond.status_code == 422


def test_a_link_may_name_anybody_that_the_form_does_not_offer(story: LogStory) -> None:
    """Pages of service accounts and of the log link to their entries; Ensign itself acts, too."""
    robot = add_service("deployer")
    page = story.client(story.auditor)
    for actor, name in ((SYSTEM.id, "Ensign (test)"), (robot.id, "deployer"), (story.cast.dev.id, "Dan Dev")):
        text = page.get("/log", {"actor": actor}).content.decode()
        assert re.search(rf'<option value="{actor}" selected[^>]*>{re.escape(name)}', text)


def test_who_may_not_see_people_is_offered_only_themselves(story: LogStory) -> None:
    text = story.client(story.elsewhere).get("/log").content.decode()
    assert "Dan Dev" not in text
    assert 'value="books"' in text
    assert 'value="shop"' not in text


def test_the_page_of_an_entry_answers_who_what_when_where_and_approved_by_whom(story: LogStory) -> None:
    text = html.unescape(story.client(story.auditor).get(f"/log/{story.applied}").content.decode())
    assert '<a href="/projects/shop/policies">the policy of production</a>, version' in text
    for said in (
        "Rollout of new-checkout in production goes from 10 % to 50 % of users",
        "Dan Dev", "Rev Reviewer", "Requested by", "Approved by", "Digest approved", "shop", "production",
        "The canary was fine.", "UTC", story.request, Entry.objects.get(pk=story.applied).leaf_hash,
    ):  # fmt: skip
        assert said in text, said


def test_every_entry_has_a_page_and_an_answer(story: LogStory) -> None:
    page, interface = story.client(story.auditor), story.client(story.auditor)
    for seq in range(checkpoints.head().size):
        assert page.get(f"/log/{seq}").status_code == 200
        body = api(interface, f"/log/{seq}")
        assert body["entry"] == Entry.objects.get(pk=seq).body
        assert body["leaf_hash"] == merkle.leaf_hash(body["entry"].encode()).hex()


def sample(kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    version, digest = (1, None) if before is None else (2, "b")
    return Change(
        object=f"{kind}:x",
        kind=kind,
        version=version,
        before_digest=digest,
        after_digest="a",
        before=before,
        after=after,
    )


def test_differences_are_told_for_every_kind_of_object(db: str) -> None:
    """Also for states that this version cannot read: then by their members."""
    for kind in governed_models():
        found = told.tell(sample(kind, {"name": "x", "count": 1}, {"name": "x", "count": 2}))
        assert [(row.what, row.before, row.after) for row in found.rows] == [("count", "1", "2")], kind
        assert told.noun(kind) in found.sentence
        assert told.tell(sample(kind, None, {"name": "x"})).sentence == f"The {told.noun(kind)} x was made."


def test_what_is_redacted_is_shown_as_redacted_and_no_difference_is_made_up(story: LogStory) -> None:
    entry = history.entry(story.applied)
    (change,) = (change for change in entry.changes if change.kind == "flag_config")
    assert change.before_digest is not None
    reason = json.loads(entry.body)["reason"]["commit"]
    done = redact(actor=SYSTEM, at=clock.now(), digests=[change.before_digest, reason], reason="it named a customer")
    client = story.client(story.auditor)
    text = html.unescape(client.get(f"/log/{story.applied}").content.decode())
    assert f"its state before was redacted, authorised by entry {done.seq}" in text
    assert f'<a href="/log/{done.seq}">' in text
    assert f"<dd>(redacted, authorised by entry {done.seq})</dd>" in text
    assert "What it became" in text
    assert "goes from 10 %" not in text
    (shown,) = (item for item in api(client, f"/log/{story.applied}")["changes"] if item["object"] == change.object)
    assert (shown["before"], shown["before_redacted_by"], shown["after_redacted_by"]) == (None, done.seq, None)
    assert api(client, f"/log/{story.applied}")["reason"] == f"(redacted, authorised by entry {done.seq})"


def test_a_proof_verifies_against_the_signed_checkpoint(story: LogStory) -> None:
    client = story.client(story.auditor)
    for seq in (0, story.applied, checkpoints.head().size - 1):
        found = api(client, f"/log/{seq}/proof")
        checkpoint, note = parse_checkpoint(found["checkpoint"].encode())
        assert signers_of(note, [item.key for item in checkpoints.log_keys()])
        body = api(client, f"/log/{seq}")["entry"].encode()
        proof = [bytes.fromhex(value) for value in found["hashes"]]
        given = {"size": checkpoint.size, "root": checkpoint.root, "proof": proof}
        assert merkle.verify_inclusion(leaf=merkle.leaf_hash(body), index=seq, **given)
        assert not merkle.verify_inclusion(leaf=merkle.leaf_hash(body + b" "), index=seq, **given)
        assert client.get(f"/log/{seq}/proof").status_code == 200


def test_a_row_says_who_approved_it_and_a_refusal_stands_out(story: LogStory) -> None:
    client = story.client(story.auditor)
    refusals = client.get("/log", {"q": "access.denied"}).content.decode()
    assert len(rows_shown(refusals)) == 1
    assert "Refused</span>" in refusals
    assert "Rev Reviewer" not in refusals[refusals.index('id="log-rows"') :]
    applied = client.get("/log", {"q": "changes"}).content.decode()
    assert f"/log/{story.applied}" in rows_shown(applied)
    assert "Rev Reviewer" in applied[applied.index('id="log-rows"') :]
    assert "Refused</span>" not in applied


def shown(page: str) -> str:
    """The words of the log's rows, without tags."""
    rows = page[page.index('id="log-rows"') :]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", rows)))


def test_a_row_says_in_words_what_changed_and_what_was_refused_and_why(story: LogStory) -> None:
    client = story.client(story.auditor)
    applied = shown(client.get("/log", {"q": "changes"}).content.decode())
    assert "applied the change new-checkout: rollout 10 % → 50 %" in applied
    refused = shown(client.get("/log", {"q": "access.denied"}).content.decode())
    assert f"was refused to {Permission.CHANGE_APPROVE.description}: they wrote or edited it themselves" in refused
    assert "change:approve" not in refused


def test_ways_to_sign_in_lists_and_numbers_are_told_in_words(db: str) -> None:
    with write_door():
        signed = record(action=SIGNED_IN, actor=SYSTEM, at=clock.now(), detail={"way": "totp"})
        blocked = record(
            action=SIGN_IN_BLOCKED,
            actor=SYSTEM,
            at=clock.now(),
            detail={"way": "password", "limits": ["account", "ip"]},
        )
    entries = [history.entry(one.seq) for one in (signed, blocked)]
    assert words.line(entries[0], {}) == " with an authenticator app"
    given = replace(entries[0], action="grant.given", detail={"role": "viewer", "subject": "usr_ben"})
    assert words.line(given, {"usr_ben": "Ben Books"}) == ": viewer of Ben Books"
    told_facts = {fact.label: fact.value for fact in words.facts(entries[1], {})}
    assert told_facts == {"How": "with a password", "Limits": "account, ip"}


def test_every_code_of_a_refusal_has_words() -> None:
    """Those of access are read from its sources."""
    sources = "".join(inspect.getsource(module) for module in (decisions, domain))
    codes = set(re.findall(r'_no\(\s*"([a-z-]+)"', sources))
    assert {"no-grant", "anonymous", "token-ended", "disabled"} <= codes
    assert {code.replace("-", "_") for code in codes} <= words.WHY.keys()
    for code in ("own_change", "not_involved", "approval_by_token", "mfa_required", "own_access"):
        assert code in words.WHY
    assert words.why("a_code_of_the_future") == "a code of the future"


def test_people_are_links_only_for_who_may_open_their_pages(story: LogStory) -> None:
    """Nobody is led to a page that refuses them, which would stand in the log, too."""
    person = add_person("Shona Shop", at=story.cast.at)
    give(person.id, "developer", project="shop")
    for reader, links in ((story.cast.admin, True), (person, False)):
        client = story.client(reader)
        for path in ("/", "/log", f"/log/{story.applied}"):
            page = client.get(path).content.decode()
            assert "Dan Dev" in page
            assert ('href="/people/usr_' in page) is links, (reader.id, path)
    assert client.get(f"/people/{story.cast.dev.id}").status_code == 403


def test_the_environment_is_chosen_from_those_that_there_are(story: LogStory) -> None:
    client = story.client(story.auditor)
    page = client.get("/log", {"environment": "staging"}).content.decode()
    select = page[page.index('name="environment"') :].partition("</select>")[0]
    assert re.findall(r'value="([a-z]*)"', select) == ["", "development", "staging", "production"]
    assert 'value="staging" selected' in select
    assert not rows_shown(client.get("/log", {"environment": "archived-one"}).content.decode())


def test_pages_say_groups_and_people_by_name(db: str) -> None:
    cast = story_of_changes()
    payments = groups.create(actor=cast.admin, at=cast.at, name="Payments")
    groups.add_member(actor=cast.admin, at=cast.at, group_id=payments.id, person_id=cast.second.id)
    ruled(cast, PolicyRules(approvals=1, requires_reason=True, further=Demand(each_group=(payments.id,))))
    reader = sign_in(Client(), cast.admin)
    seq = Entry.objects.filter(action="change_request.applied").latest("seq").seq
    told_, _, states = reader.get(f"/log/{seq}").content.decode().partition("JSON before and after")
    assert "Payments" in told_
    assert payments.id not in told_
    assert payments.id in states, "the state stays as it is in the log"
    assert payments.id not in reader.get("/log").content.decode()
