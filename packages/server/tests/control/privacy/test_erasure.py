"""Claims: an erasure takes two people, a reason, a second factor and somebody who left long enough ago; afterwards
nothing readable names the person, the log and a bundle verify and say by which entry, and everybody else is untouched.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from ensign.control.access import findings, people, tokens
from ensign.control.access.grants import Wish, end, give
from ensign.control.access.queries import grants as held_by
from ensign.control.access.tokens import TokenWish
from ensign.control.audit import export, history, inspect, personal
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Document, Entry, Redaction
from ensign.control.audit.staging import stage
from ensign.control.changes import operations as door
from ensign.control.changes.models import Comment, Request
from ensign.control.flags.operations import create_flag
from ensign.control.identity import queries as identity
from ensign.control.identity.actions import PERSON_UPDATED
from ensign.control.identity.models import Account, Link, Person, Token
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa
from ensign.control.kernel.transactions import write_door
from ensign.control.privacy import erasure, keeping, queries
from ensign.control.scim.models import DirectoryUser
from ensign_ledger.note import parse_fingerprint
from ensign_ledger.verify import verify_bundle
from ensign_testkit.leaving import EMAIL, LEFT, NAME, NOW, World, at_session, readable
from ensign_testkit.people import SYSTEM, add_person, sign_in
from ensign_testkit.providers import add_identity


@pytest.fixture
def world(db: str) -> World:
    return World()


def test_afterwards_nothing_readable_names_the_person_and_the_log_verifies(world: World, tmp_path: Path) -> None:
    assert readable().count("zerlina") > 8
    entry = world.erase()
    assert "zerlina" not in readable()
    detail = json.loads(entry.body)["detail"]
    assert detail["person"] == world.zed.id
    report = inspect.verify()
    assert report.ok, report.findings
    assert report.redacted == {entry.seq: detail["documents"]}
    assert detail["documents"] == Document.objects.filter(content=None).count() == Redaction.objects.count() > 5
    made = export.export(out=tmp_path / "b", actor=world.ada, at=NOW)
    assert not [path for path in (tmp_path / "b").iterdir() if b"erlina" in path.read_bytes()]
    bundle = verify_bundle(tmp_path / "b", keys=[parse_fingerprint(made.fingerprint)])
    assert bundle.valid, bundle.as_json()
    (check,) = (check for check in bundle.checks if check.id == 12)
    assert f"{detail['documents']} redacted, authorised by entry {entry.seq}" in check.detail


def test_a_bundle_holds_no_states_of_people(world: World, tmp_path: Path) -> None:
    made = export.export(out=tmp_path / "b", actor=world.ada, at=NOW)
    documents = (tmp_path / "b" / "documents.jsonl").read_text()
    assert "switches it on" in documents
    assert "left us" not in documents
    assert "dan.dev@example.com" not in documents
    assert verify_bundle(tmp_path / "b", keys=[parse_fingerprint(made.fingerprint)]).valid


def test_the_row_is_a_tombstone_and_what_belongs_to_it_is_gone(world: World) -> None:
    world.erase()
    row = Person.objects.get(pk=world.zed.id)
    assert (row.email, row.name, row.status, row.state) == (None, None, "erased", {"status": "erased"})
    assert identity.name(world.zed.id) == f"former person ({world.zed.id})"
    assert not Account.objects.filter(person_id=world.zed.id).exists()
    assert not Link.objects.filter(person_id=world.zed.id).exists()
    assert {token.state["name"] for token in Token.objects.filter(subject=world.zed.id)} == {"(erased)"}
    assert world.zed.id not in {person.id for person in identity.people()}


def test_texts_of_others_keep_their_sense_without_the_name(world: World) -> None:
    world.erase()
    request = Request.objects.get(pk=world.request.id)
    assert request.state["title"] == "[erased] switches it on"
    assert request.state["reason"] == "Ask [erased] about it"
    assert request.author == world.zed.id
    assert Comment.objects.get().state["text"] == "Looks good, [erased]!"


def test_who_did_what_is_still_found_by_id(world: World) -> None:
    before = history.count(history.Filters(actor=world.zed.id))
    world.erase()
    assert history.count(history.Filters(actor=world.zed.id)) == before > 0
    page = sign_in(Client(), at_session(world.ada, NOW)).get(f"/log?actor={world.zed.id}")
    assert page.status_code == 200
    assert f"former person ({world.zed.id})" in page.content.decode()


def test_the_address_is_free_for_somebody_else(world: World) -> None:
    world.erase()
    again = people.invite(actor=at_session(world.ada, NOW), at=NOW, email=EMAIL, name=NAME)
    assert again.person.id != world.zed.id
    assert inspect.verify().ok


def test_four_eyes_go_on_by_id(world: World) -> None:
    """Of what an erased person wrote it is still known who may not approve it."""
    world.erase()
    ghost = Actor(kind="person", id=world.zed.id, via="session", mfa_at=NOW)
    with pytest.raises(Denied):
        door.review(
            actor=ghost, at=NOW, request_id=world.request.id, decision="approve", digest=world.request.digest, text=""
        )


def test_it_takes_two_people(world: World) -> None:
    id = world.ask()
    with pytest.raises(Denied, match="two people"):
        erasure.confirm(actor=at_session(world.ada, NOW), at=NOW, erasure_id=id)
    with pytest.raises(Denied):
        erasure.confirm(actor=at_session(world.dan, NOW), at=NOW, erasure_id=id)
    assert Person.objects.get(pk=world.zed.id).status == "disabled"


def test_who_asked_must_still_be_entitled_when_it_is_confirmed(world: World) -> None:
    id = world.ask()
    cis = add_person("Cis Admin", "admin")
    for grant in held_by(subject=world.ada.id):
        end(actor=cis, at=NOW, grant_id=grant.id)
    with pytest.raises(Denied, match="may no longer ask"):
        erasure.confirm(actor=at_session(world.bea, NOW), at=NOW, erasure_id=id)
    erasure.withdraw(actor=at_session(world.bea, NOW), at=NOW, erasure_id=id)
    assert queries.erasure(id).status == "withdrawn"


def test_it_waits_two_weeks_for_the_second_person(world: World) -> None:
    id = world.ask()
    late = NOW + timedelta(days=14)
    with pytest.raises(Conflict, match="waited too long"):
        erasure.confirm(actor=at_session(world.bea, late), at=late, erasure_id=id)
    world.ask(at=late)


@pytest.mark.parametrize("mfa_at", [None, NOW - timedelta(minutes=31)])
def test_both_need_a_recent_second_factor(world: World, mfa_at: datetime | None) -> None:
    weak = Actor(kind="person", id=world.ada.id, via="session", mfa_at=mfa_at)
    with pytest.raises(NeedsMfa):
        erasure.ask(actor=weak, at=NOW, person_id=world.zed.id, reason="asked")
    id = world.ask()
    with pytest.raises(NeedsMfa):
        erasure.confirm(
            actor=Actor(kind="person", id=world.bea.id, via="session", mfa_at=mfa_at), at=NOW, erasure_id=id
        )


def test_nobody_erases_themselves_nor_who_is_here(world: World) -> None:
    ada = at_session(world.ada, NOW)
    with pytest.raises(Denied, match="themselves"):
        erasure.ask(actor=ada, at=NOW, person_id=world.ada.id, reason="x")
    with pytest.raises(Conflict) as refused:
        erasure.ask(actor=ada, at=NOW, person_id=world.dan.id, reason="x", early=True)
    assert refused.value.code == "still-here"


def test_a_token_never_erases(world: World) -> None:
    made = tokens.create_personal(actor=world.ada, at=NOW, wish=TokenWish(name="robot")).token
    robot = Actor(kind="person", id=world.ada.id, via="token", token_id=made.id)
    with pytest.raises(Denied):
        erasure.ask(actor=robot, at=NOW, person_id=world.zed.id, reason="x")


@pytest.mark.parametrize("reason", ["", "  ", f"{NAME} wrote to us", f"see mail of {EMAIL.upper()}"])
def test_the_reason_is_given_and_names_nobody(world: World, reason: str) -> None:
    with pytest.raises(Invalid):
        world.ask(reason=reason)


def test_identities_are_kept_as_long_as_evidence_needs_them(world: World) -> None:
    soon = LEFT + timedelta(days=600)
    with pytest.raises(Conflict) as refused:
        world.ask(at=soon)
    assert refused.value.code == "still-kept"
    id = world.ask(at=soon, early=True)
    assert queries.erasure(id).early
    assert json.loads(Entry.objects.order_by("-seq")[0].body)["detail"]["early"] is True
    erasure.confirm(actor=at_session(world.bea, soon), at=soon, erasure_id=id)
    assert Person.objects.get(pk=world.zed.id).status == "erased"


def test_how_long_is_a_setting_and_each_change_an_entry(world: World) -> None:
    ada, soon = at_session(world.ada, NOW), LEFT + timedelta(days=200)
    assert queries.keep_months() == 24
    erasure.set_rules(actor=ada, at=NOW, keep_months=6, reason="our policy of March")
    assert json.loads(Entry.objects.order_by("-seq")[0].body)["detail"] == {"from": 24, "to": 6}
    world.ask(at=soon)
    for months in (-1, 121):
        with pytest.raises(Invalid):
            erasure.set_rules(actor=ada, at=NOW, keep_months=months, reason="x")
    with pytest.raises(Denied):
        erasure.set_rules(actor=at_session(world.dan, NOW), at=NOW, keep_months=1, reason="x")


def test_somebody_who_came_back_is_not_erased(world: World) -> None:
    id = world.ask()
    people.reactivate(actor=at_session(world.ada, NOW), at=NOW, person_id=world.zed.id)
    with pytest.raises(Conflict):
        erasure.confirm(actor=at_session(world.bea, NOW), at=NOW, erasure_id=id)
    assert Person.objects.get(pk=world.zed.id).email == EMAIL


def test_an_erased_person_neither_comes_back_nor_is_erased_twice(world: World) -> None:
    world.erase()
    ada = at_session(world.ada, NOW)
    for again in (people.reactivate, people.deactivate, people.invite_again, people.make_reset_link):
        with pytest.raises(Conflict):
            again(actor=ada, at=NOW, person_id=world.zed.id)
    with pytest.raises(Conflict):
        world.ask()
    with pytest.raises(Invalid):
        give(actor=ada, at=NOW, subject=world.zed.id, wish=Wish(role="auditor"))


def test_rules_that_name_the_person_are_listed_and_left_to_who_owns_them(world: World) -> None:
    create_flag(actor=world.dan, at=NOW, project="shop", key="beta", description=f"Owned by {NAME}")
    entry = world.erase()
    (done,) = queries.erasures(person=world.zed.id)
    assert [name.partition(":")[0] for name in done.remaining] == ["flag"]
    assert json.loads(entry.body)["detail"]["remaining"] == 1
    assert inspect.verify().ok


def test_other_names_that_a_provider_or_a_directory_gave_them_are_found_too(world: World) -> None:
    add_identity(world.provider, world.zed.id, subject="z.quux@old.example", at=LEFT)
    with write_door():
        state = {"user_name": "zq", "user_key": "zq", "formatted": "Zerlina Maria Quux", "status": "present"}
        staged = stage(DirectoryUser, id=world.zed.id, state=state)
        record(action=PERSON_UPDATED, actor=SYSTEM, at=LEFT, staged=[staged])
    create_flag(actor=world.dan, at=LEFT, project="shop", key="old", description="of z.quux@old.example")
    door.comment(actor=world.dan, at=LEFT, request_id=world.request.id, text="Zerlina Maria Quux knows")
    world.erase()
    assert {row.state["text"] for row in Comment.objects.all()} == {"Looks good, [erased]!", "[erased] knows"}
    assert queries.erasures(person=world.zed.id)[0].remaining != ()
    assert "maria" not in readable()
    assert inspect.verify().ok


def test_a_namesake_keeps_their_name(world: World) -> None:
    other = add_person("Zerlina Quux", "viewer", email="zq@example.com", at=LEFT)
    add_person("Zoe Other", "viewer", email="zoe@example.com", at=LEFT)
    world.erase()
    assert identity.person(other.id).name == "Zerlina Quux"
    assert queries.erasures(person=world.zed.id)[0].remaining == ()
    (entry,) = history.of_object(f"person:{other.id}")
    assert entry.changes[0].after is not None


def test_what_waits_and_what_is_overdue_are_findings(world: World) -> None:
    def codes(at: datetime) -> list[tuple[str, str]]:
        return [
            (one.code, one.subject)
            for one in findings.findings(at=at)
            if one.code in {"erasure-waits", "identity-overdue"}
        ]

    assert codes(LEFT + timedelta(days=300)) == []
    assert codes(NOW) == [("identity-overdue", world.zed.id)]
    id = world.ask()
    assert codes(NOW) == [("erasure-waits", world.zed.id)]
    erasure.confirm(actor=at_session(world.bea, NOW), at=NOW, erasure_id=id)
    assert codes(NOW) == []


def test_the_key_is_destroyed_and_made_no_more(world: World) -> None:
    personal.key_of(world.zed.id)
    world.erase()
    assert not personal.has_key(world.zed.id)
    assert world.zed.id in personal.erased()
    assert len(personal.forgotten(world.zed.id)) == Redaction.objects.count()


def test_a_crash_before_the_commit_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id, size = world.ask(), Entry.objects.count()
    personal.key_of(world.zed.id)

    def crash(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(erasure.redaction, "forget", crash)
    with pytest.raises(SystemExit):
        erasure.confirm(actor=at_session(world.bea, NOW), at=NOW, erasure_id=id)
    assert Entry.objects.count() == size
    assert Person.objects.get(pk=world.zed.id).email == EMAIL
    assert personal.has_key(world.zed.id)
    assert inspect.verify().ok


def test_a_crash_between_the_commit_and_the_key_is_made_good_by_the_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    personal.key_of(world.zed.id)

    def crash(*_: object, **__: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "forget_key", crash)
        world.erase()
    assert personal.has_key(world.zed.id)
    assert keeping.reconcile(at=NOW) == [world.zed.id]
    assert not personal.has_key(world.zed.id)
    assert keeping.reconcile(at=NOW) == []


def test_an_erasure_of_much_takes_several_entries(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "TOUCHES", 2)
    monkeypatch.setattr(erasure, "DIGESTS", 2)
    world.erase()
    assert Entry.objects.filter(action="person.erased").count() > 3
    report = inspect.verify()
    assert report.ok, report.findings
    assert len(report.redacted) > 3
    assert "zerlina" not in readable()
