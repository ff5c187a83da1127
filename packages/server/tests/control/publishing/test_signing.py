"""Claims about signatures of rulesets: made in the transaction, over what SDKs get, and proven by the log."""

from __future__ import annotations

import json

import pytest
from django.db import DatabaseError, connection, transaction
from ensign.control.audit import checkpoints, inspect
from ensign.control.audit.boot import LOG_CREATED
from ensign.control.audit.ledger import record
from ensign.control.evidence import drift  # noqa: F401  # registers the checks
from ensign.control.flags.domain import FlagConfig
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door
from ensign.control.publishing import checks, proofs
from ensign.control.publishing.models import Proof, Ruleset
from ensign.control.publishing.operations import new_epoch
from ensign.control.publishing.snapshot import Snapshot
from ensign.control.segments.domain import Constraint, SegmentConfig
from ensign.control.segments.operations import create_segment
from ensign_ledger.ruleset import Statement, Untrusted, read_signed, ruleset_digest, verify_proof
from ensign_testkit.targets import put, put_segment, rollout, shop

SYSTEM = system("test")
ON = FlagConfig(enabled=True)


def keys():
    return [key.key for key in checkpoints.log_keys()]


def signed() -> tuple[Statement, dict]:
    """The statement of the one ruleset, and its state."""
    state = Ruleset.objects.get().state
    return read_signed(state["signature"], keys()), state


def published() -> None:
    """A flag with a segment, in development."""
    anna = shop("menu", "basket")
    create_segment(actor=anna, at=clock.now(), project="shop", key="nordic", name="Nordic")
    swedes = Constraint(context_name="country", operator="IN", values=("SE",))
    put_segment("nordic", SegmentConfig(constraints=(swedes,)))
    put({"menu": FlagConfig(enabled=True, strategies=(rollout(50, segments=("nordic",)),)), "basket": ON})


def test_what_is_signed_is_what_sdks_get(db: str) -> None:
    published()
    statement, state = signed()
    place = ("shop", "development", state["epoch"], state["number"])
    assert (statement.project, statement.environment, statement.epoch, statement.number) == place
    segments = {one["id"]: one for one in state["segments"]}
    assert segments, "a segment is used"
    assert statement.digest == ruleset_digest(state["features"], segments, salt=statement.salt)


def test_every_publication_is_signed_anew_also_by_a_new_epoch(db: str) -> None:
    shop("menu")
    put({"menu": ON})
    first = signed()[0]
    put({"menu": FlagConfig(enabled=False)})
    second = signed()[0]
    assert second.revision > first.revision
    assert second.digest != first.digest
    new_epoch(actor=system("restore"), at=clock.now(), reason="restored")
    third = signed()[0]
    assert third.epoch > second.epoch
    assert checks.problems() == []


def test_a_ruleset_from_before_signatures_is_served_and_signed_by_the_next_publication(db: str, monkeypatch) -> None:
    shop("menu")
    content = Snapshot.content
    with monkeypatch.context() as patched:
        patched.setattr(Snapshot, "content", lambda self, **given: content(self, **{**given, "signature": None}))
        put({"menu": ON})
    assert "signature" not in Ruleset.objects.get().state
    assert checks.problems() == []
    assert proofs.keep() == 0
    put({"menu": FlagConfig(enabled=False)})
    assert signed()[0].project == "shop"
    assert inspect.verify().ok


def test_drift_names_a_signature_that_is_not_of_these_rules(db: str, monkeypatch) -> None:
    shop("menu")
    digest = Snapshot.digest
    with monkeypatch.context() as patched:
        patched.setattr(Snapshot, "digest", lambda self, *, salt: digest(Snapshot(), salt=salt))
        put({"menu": ON})
    assert checks.problems() == ["The ruleset of shop/development is not what was signed."]


def test_a_proof_leads_from_the_statement_to_a_signed_checkpoint(db: str) -> None:
    published()
    assert proofs.keep() == 0, "no checkpoint covers it yet, and nobody waits"
    checkpoint, _ = checkpoints.sign()
    assert proofs.keep() == 1
    assert proofs.keep() == 0
    proof = json.loads(Proof.objects.get().document)
    proven = verify_proof(proof, signed()[0], keys())
    assert (proven.size, proven.root) == (checkpoint.size, checkpoint.root)


@pytest.mark.parametrize("between", [0, 1, 2, 3, 6, 13])
def test_proofs_hold_wherever_the_entry_lies_between_checkpoints(db: str, between: int) -> None:
    """The path is put together from a frontier on the left and leaves on the right; all shapes of trees agree."""
    shop("menu")
    for round in range(4):
        put({"menu": FlagConfig(enabled=round % 2 == 0)})
        statement = signed()[0]
        with write_door():
            for _ in range(between):
                record(action=LOG_CREATED, actor=SYSTEM, at=clock.now(), detail={"format": 1, "key": keys()[0].vkey})
        checkpoints.sign()
        assert proofs.keep() == 1
        verify_proof(json.loads(Proof.objects.get().document), statement, keys())


def test_the_proof_of_another_revision_proves_nothing(db: str) -> None:
    shop("menu")
    put({"menu": ON})
    checkpoints.sign()
    proofs.keep()
    proof = json.loads(Proof.objects.get().document)
    put({"menu": FlagConfig(enabled=False)})
    with pytest.raises(Untrusted, match="does not vouch"):
        verify_proof(proof, signed()[0], keys())


def test_a_signature_and_its_state_stand_or_fall_together(db: str) -> None:
    """A transaction that fails leaves neither; a row cannot be given another signature without an entry."""
    published()
    before = Ruleset.objects.get().content
    altered = before.replace('"signature":"Ensign', '"signature":"ensign')
    assert altered != before
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE publishing_ruleset SET content = %s", [altered])
    assert Ruleset.objects.get().content == before
