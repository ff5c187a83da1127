"""Claims: what an entry redacts is gone from the database, the log verifies as before and says which entry it was;
what a row still holds, or was never there, is not redacted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection
from ensign.control.audit import export, history, inspect
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Document, Entry, Redaction
from ensign.control.audit.redaction import REDACTED, redact
from ensign.control.audit.registry import action
from ensign.control.audit.staging import stage
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.kernel.transactions import write_door
from ensign_ledger.note import parse_fingerprint
from ensign_ledger.verify import verify_bundle

RENAMED = action("test.renamed", "renamed")
SECRET = "Rumpelstiltskin"
ACTOR = system("test")


@dataclass(frozen=True)
class Renamed:
    """A person whose former name is to be forgotten; the digests of that state and of the reason that repeats it."""

    seq: int
    state: str
    reason: str
    current: str


@pytest.fixture
def renamed(db: str) -> Renamed:
    state = {"email": "r@example.com", "name": SECRET, "status": "active"}
    with write_door():
        record(action=RENAMED, actor=ACTOR, at=clock.now(), staged=[stage(Person, id="usr_r", state=state)])
    person = Person.objects.get()
    with write_door():
        row = stage(Person, id="usr_r", state={**state, "name": "Erased"}, current=person)
        made = record(action=RENAMED, actor=ACTOR, at=clock.now(), staged=[row], reason=f"no longer {SECRET}")
    body = json.loads(Entry.objects.get(pk=made.seq).body)
    touch = body["touch"][0]
    return Renamed(made.seq, touch["before"], body["reason"]["commit"], touch["after"])


def test_redacted_documents_are_gone_and_say_by_which_entry(renamed: Renamed, tmp_path: Path) -> None:
    done = redact(actor=ACTOR, at=clock.now(), digests=[renamed.state, renamed.reason], reason="asked to be forgotten")
    assert not Document.objects.filter(content__contains=SECRET).exists()
    assert dict(Redaction.objects.values_list("digest", "seq")) == {renamed.state: done.seq, renamed.reason: done.seq}
    shown = history.entry(renamed.seq)
    (change,) = shown.changes
    assert (change.before, change.before_redacted_by, change.after_redacted_by) == (None, done.seq, None)
    assert change.after is not None
    assert not change.comparable
    assert shown.reason == f"(redacted, authorised by entry {done.seq})"
    assert inspect.verify().ok
    made = export.export(out=tmp_path / "b", actor=ACTOR, at=clock.now())
    assert not [path.name for path in (tmp_path / "b").iterdir() if SECRET.encode() in path.read_bytes()]
    report = verify_bundle(tmp_path / "b", keys=[parse_fingerprint(made.fingerprint)])
    assert report.valid, report.as_json()
    (check,) = (check for check in report.checks if check.id == 12)
    assert f"2 redacted, authorised by entry {done.seq}" in check.detail


def test_on_sqlite_nothing_of_it_is_left_in_the_files(renamed: Renamed) -> None:
    redact(actor=ACTOR, at=clock.now(), digests=[renamed.state, renamed.reason], reason="asked to be forgotten")
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        held = [file for file in path.parent.glob(f"{path.name}*") if SECRET.encode() in file.read_bytes()]
        assert held == []
    else:  # dead rows go with VACUUM; what can be read is what counts
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM ledger_document WHERE content LIKE %s", [f"%{SECRET}%"])
            assert cursor.fetchone()[0] == 0


def test_a_state_that_a_row_still_holds_is_not_redacted(renamed: Renamed) -> None:
    with pytest.raises(Conflict, match="person:usr_r still holds"):
        redact(actor=ACTOR, at=clock.now(), digests=[renamed.state, renamed.current], reason="x")
    assert not Redaction.objects.exists()
    assert not Document.objects.filter(content__isnull=True).exists()


def test_redacting_twice_or_what_never_was_is_refused(renamed: Renamed) -> None:
    redact(actor=ACTOR, at=clock.now(), digests=[renamed.state], reason="asked to be forgotten")
    for digests in ([renamed.state], ["0" * 64]):
        with pytest.raises(NotFound):
            redact(actor=ACTOR, at=clock.now(), digests=digests, reason="again")
    assert Entry.objects.filter(action=REDACTED.code).count() == 1


@pytest.mark.parametrize("digests", [[], ["x"], ["A" * 64], [f"{n:064x}" for n in range(501)]])
def test_what_is_no_digest_is_refused(db: str, digests: list[str]) -> None:
    with pytest.raises(Invalid):
        redact(actor=ACTOR, at=clock.now(), digests=digests, reason="x")


def test_a_redaction_needs_a_reason_and_keeps_it_as_a_commitment(renamed: Renamed) -> None:
    with pytest.raises(Invalid):
        redact(actor=ACTOR, at=clock.now(), digests=[renamed.state], reason=" ")
    done = redact(actor=ACTOR, at=clock.now(), digests=[renamed.state], reason=f"{SECRET} asked")
    body = Entry.objects.get(pk=done.seq).body
    assert SECRET not in body
    assert re.fullmatch(r"[0-9a-f]{64}", json.loads(body)["reason"]["commit"])
