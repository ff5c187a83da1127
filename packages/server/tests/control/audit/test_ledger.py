"""Claims: state and entry commit together; the ledger numbers without gaps; a denial becomes an entry."""

from __future__ import annotations

import json

import pytest
from django.db import IntegrityError, connection
from ensign.control.audit import boot, schema
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.models import Document, Entry, Head, Pending, Touch
from ensign.control.audit.registry import action
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity.models import Person
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import system
from ensign.control.kernel.errors import Conflict, Denied
from ensign.control.kernel.transactions import write_door

TESTED = action("test.done", "tested")
ACTOR = system("test")


def add_person(email: str = "a@example.com") -> Person:
    at = clock.now()
    id = ids.new_id("usr", at=at)
    with write_door():
        row = stage(Person, id=id, state={"email": email, "name": "A", "status": "active"})
        record(action=TESTED, actor=ACTOR, at=at, staged=[row], where=Where(project="p"), reason="because")
    return Person.objects.get(pk=id)


def test_a_new_log_starts_with_its_own_creation(db: str) -> None:
    assert [json.loads(e.body)["action"] for e in Entry.objects.order_by("seq")] == [
        "log.created",
        "schema.migrated",
    ]
    assert Head.objects.get().size == 2


def test_state_entry_touch_and_document_commit_together(db: str) -> None:
    person = add_person()
    entry = Entry.objects.get(pk=person.ledger_seq)
    touch = Touch.objects.get(object=person.object_name)
    body = json.loads(entry.body)
    assert (entry.action, entry.project, entry.actor) == ("test.done", "p", "sys_test")
    assert (touch.seq, touch.version, touch.before) == (entry.seq, 1, None)
    assert Document.objects.get(pk=touch.after).content == person.content
    assert json.loads(Document.objects.get(pk=body["reason"]["commit"]).content or "")["text"] == "because"
    assert "a@example.com" not in entry.body
    assert not Pending.objects.exists()


def test_the_next_version_follows_the_previous(db: str) -> None:
    person = add_person()
    with write_door():
        row = stage(Person, id=person.pk, state={**person.state, "name": "B"}, current=person)
        record(action=TESTED, actor=ACTOR, at=clock.now(), staged=[row])
    changed = Person.objects.get(pk=person.pk)
    assert (changed.version, changed.name) == (2, "B")


def test_two_writers_of_one_version_conflict(db: str) -> None:
    person = add_person()
    for expected in (None, Conflict):
        with write_door() if expected is None else pytest.raises((Conflict, IntegrityError)):
            if expected is None:
                row = stage(Person, id=person.pk, state={**person.state, "name": "B"}, current=person)
                record(action=TESTED, actor=ACTOR, at=clock.now(), staged=[row])
            else:
                with write_door():
                    row = stage(Person, id=person.pk, state={**person.state, "name": "C"}, current=person)
                    record(action=TESTED, actor=ACTOR, at=clock.now(), staged=[row])
    assert Person.objects.get(pk=person.pk).name == "B"


def test_an_entry_without_its_state_fails_at_commit(db: str) -> None:
    size = Head.objects.get().size
    row = stage(Person, id="usr_x", state={"email": "x@example.com", "name": "", "status": "active"})
    lost = Unwritten(row.model, row.id, row.version, row.before, row.after, row.content)
    with pytest.raises(IntegrityError), write_door():
        record(action=TESTED, actor=ACTOR, at=clock.now(), staged=[lost])
    assert Head.objects.get().size == size


class Unwritten(Staged):
    """A staged row that is never written: what a buggy caller would leave behind."""

    def write(self, *, seq: int) -> None:
        """Forget to."""


def test_state_without_entry_is_refused(db: str) -> None:
    person = add_person()
    with pytest.raises(IntegrityError):
        Person.objects.filter(pk=person.pk).update(content=person.content.replace("active", "disabled"))
    with pytest.raises(IntegrityError):
        Person.objects.create(id="usr_y", version=1, ledger_seq=0, content='{"email":"y@example.com"}')


def test_a_denial_inside_an_operation_rolls_back_and_becomes_an_entry(db: str) -> None:
    @operation
    def act(*, actor: object, at: object) -> None:
        record(action=TESTED, actor=ACTOR, at=clock.now())
        raise Denied("no", permission="flag:create", scope="shop/production")

    with pytest.raises(Denied):
        act(actor=ACTOR, at=clock.now())
    last = Entry.objects.order_by("-seq")[0]
    assert (last.action, last.project, last.environment) == ("access.denied", "shop", "production")
    assert not Entry.objects.filter(action="test.done").exists()


def test_the_triggers_are_all_there_and_a_missing_one_is_noticed(db: str) -> None:
    assert schema.problems() == []
    assert boot.pending_migrations() == []
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute('DROP TRIGGER "ensign_identity_person_update"')
        assert schema.problems() == ["trigger ensign_identity_person_update is missing"]
