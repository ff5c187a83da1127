"""Claims: a bundle of a log with signed approvals verifies offline, from whichever entry on; and for each way of
passing off another approval, by somebody who even holds the log's key, check 17 fails and says why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ensign.control.audit import checkpoints
from ensign.control.audit.export import export
from ensign.control.audit.models import Document, Entry
from ensign.control.changes import operations as door
from ensign.control.changes import queries, signing_pages
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.models import Request
from ensign.control.identity.approval_keys import operations as keys
from ensign.control.identity.approval_keys import queries as key_queries
from ensign.control.projects.demands import Demand
from ensign.control.projects.domain import PolicyRules
from ensign.control.releases import queries as ramps
from ensign.control.releases import running
from ensign_ledger.bundle import write_bundle
from ensign_ledger.canonical import encode
from ensign_ledger.checkpoint import Checkpoint
from ensign_ledger.merkle import Frontier, leaf_hash
from ensign_ledger.report import Outcome, Report
from ensign_ledger.verify import verify_bundle
from ensign_testkit.changing import Story, launch, requested, story, widen
from ensign_testkit.passkeys import approve_signed, signer
from ensign_testkit.people import SYSTEM
from ensign_testkit.ramping import later, plan


def told(report: Report) -> str:
    return next(check.detail for check in report.checks if check.id == 17)


def apply_signed(cast: Story, passkey: Any, operations: Any) -> str:
    done = requested(cast, operations)
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    return done.request.id


@pytest.fixture
def cast(db: str) -> Story:
    """The story with two changes of production, whose approvals had to be signed and are."""
    cast = story()
    passkey = signer(cast.approver)
    rules = PolicyRules(approvals=1, further=Demand(signed=True))
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production", operations=(PolicySet(rules=rules),),
        title="Sign approvals", reason="The auditors ask for it.",
    )  # fmt: skip
    approve_signed(cast.approver, passkey, done.request, at=cast.at)
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    apply_signed(cast, passkey, launch(10))
    apply_signed(cast, passkey, widen(50))
    return cast


def exported(cast: Story, out: Path, **limits: int) -> Report:
    made = export(out=out, actor=SYSTEM, at=cast.at, **limits)
    return verify_bundle(out, keys=[made.fingerprint])


def test_a_whole_log_verifies_with_what_was_shown(cast: Story, tmp_path: Path) -> None:
    report = exported(cast, tmp_path / "bundle")
    assert report.valid, report.as_json()
    assert told(report).startswith("3 signatures by 1 keys")
    assert report.outcome(19) is Outcome.VALID, report.as_json()


def test_the_verifier_in_the_bundle_says_the_same(cast: Story, tmp_path: Path) -> None:
    exported(cast, tmp_path / "bundle")
    ran = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "bundle" / "verify.py", "--json"], capture_output=True, check=True
    )
    found = next(check for check in json.loads(ran.stdout)["checks"] if check["id"] == 17)
    assert found["outcome"] == "VALID"
    assert found["detail"].startswith("3 signatures by 1 keys")


def test_a_range_after_the_enrolment_carries_it_with_its_proof(cast: Story, tmp_path: Path) -> None:
    start = Entry.objects.filter(action="change_request.approved").order_by("-seq").values_list("seq", flat=True)[1]
    report = exported(cast, tmp_path / "bundle", start=start)
    assert report.outcome(17) is Outcome.VALID, report.as_json()
    assert told(report).startswith("2 signatures by 1 keys, 1 of the keys enrolled before this range")
    assert (tmp_path / "bundle" / "earlier.jsonl").read_text().count("\n") == 1


def test_the_steps_of_a_plan_that_was_approved_with_a_signature_verify(cast: Story, tmp_path: Path) -> None:
    done = requested(cast, (plan(60, 80, 100),))
    approve_signed(cast.approver, signer(cast.approver, seed=4), done.request, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    [ramp] = ramps.ramps(request=done.request.id)
    for minutes in (60, 120):
        running.tick(at=later(ramp, minutes))
    step = json.loads(Entry.objects.filter(action="change_request.applied").latest("seq").body)["approval"]
    assert (step["mode"], step["plan"]["percent"]) == ("plan", 100)
    assert "signed" not in step
    assert "signature" not in step["approvers"][0]
    last = queries.to_row(Request.objects.get(pk=step["request"])).request
    assert last.approvals
    assert signing_pages.signed(last) == []
    report = exported(cast, tmp_path / "bundle")
    assert report.valid, report.as_json()
    assert told(report).startswith("4 signatures by 2 keys")


def test_a_key_revoked_before_the_range_travels_with_its_end(cast: Story, tmp_path: Path) -> None:
    keys.revoke(actor=cast.approver, at=cast.at, key_id=key_queries.of_person(cast.approver.id)[0].id)
    done = requested(cast, widen(60))
    other = signer(cast.second, seed=2)
    approve_signed(cast.second, other, done.request, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert exported(cast, tmp_path / "all").valid
    start = Entry.objects.filter(action="change_request.approved").order_by("-seq").values_list("seq", flat=True)[0]
    assert "1 signatures by 1 keys" in told(exported(cast, tmp_path / "late", start=start))


def test_a_range_without_signatures_carries_nothing(cast: Story, tmp_path: Path) -> None:
    exported(cast, tmp_path / "first")
    start = Entry.objects.order_by("-seq").values_list("seq", flat=True)[0]
    report = exported(cast, tmp_path / "bundle", start=start)
    assert report.valid
    assert not (tmp_path / "bundle" / "earlier.jsonl").exists()


def approver_of(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = entry["approval"]["approvers"][0]
    return found


def without_signature(entry: dict[str, Any]) -> None:
    del approver_of(entry)["signature"]


def another_approver(entry: dict[str, Any]) -> None:
    approver_of(entry)["id"] = "usr_somebody"


def another_nonce(entry: dict[str, Any]) -> None:
    approver_of(entry)["signature"]["nonce"] = "0" * 64


def another_round(entry: dict[str, Any]) -> None:
    approver_of(entry)["signature"]["round"] = 7


def another_digest(entry: dict[str, Any]) -> None:
    entry["approval"]["digest"] = approver_of(entry)["digest"] = "0" * 64


def another_policy(entry: dict[str, Any]) -> None:
    entry["approval"]["policy"] = "pol_forged@1"


def another_request(entry: dict[str, Any]) -> None:
    entry["approval"]["request"] = "crq_forged"


def a_longer_question(entry: dict[str, Any]) -> None:
    approver_of(entry)["signature"]["expires"] = "2099-01-01T00:00:00.000000Z"


def cut_short(entry: dict[str, Any]) -> None:
    signature = approver_of(entry)["signature"]
    signature["authenticator_data"] = signature["authenticator_data"][:44]


def rubbish(entry: dict[str, Any]) -> None:
    approver_of(entry)["signature"]["signature"] = "AAAA"


FORGED: dict[Callable[[dict[str, Any]], None], str] = {
    without_signature: "0 of 1 approvals that had to be signed are",
    another_approver: "its key",
    another_nonce: "another challenge",
    another_round: "another challenge",
    another_digest: "another challenge",
    another_policy: "another challenge",
    another_request: "another challenge",
    a_longer_question: "another challenge",
    cut_short: "cut short",
    rubbish: "the signature is not of this key",
}


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_whoever_holds_the_logs_key_forges_no_signed_approval(
    cast: Story, tmp_path: Path, forge: Callable[[dict[str, Any]], None]
) -> None:
    entries = [json.loads(body) for body in Entry.objects.order_by("seq").values_list("body", flat=True)]
    forge(next(entry for entry in reversed(entries) if entry["action"] == "change_request.applied"))
    report = resigned([encode(entry) for entry in entries], tmp_path / "bundle")
    assert report.outcome(17) is Outcome.INVALID, report.as_json()
    assert FORGED[forge] in told(report)
    assert not report.valid
    assert {check.id for check in report.checks if check.outcome is Outcome.INVALID} == {17}


@pytest.mark.parametrize("member", ["signed", "required"])
def test_whoever_holds_the_logs_key_does_not_hide_that_the_policy_asked_for_it(
    cast: Story, tmp_path: Path, member: str
) -> None:
    entries = [json.loads(body) for body in Entry.objects.order_by("seq").values_list("body", flat=True)]
    entry = next(entry for entry in reversed(entries) if entry["action"] == "change_request.applied")
    entry["approval"][member] = 0
    if member == "signed":
        without_signature(entry)
    else:
        entry["approval"] |= {"approvers": [], "signed": 0, "protected": False}
    documents = [
        content.encode()
        for content in Document.objects.exclude(content=None).values_list("content", flat=True)
        if '"compensating_control"' in content
    ]
    report = resigned([encode(entry) for entry in entries], tmp_path / "bundle", documents=documents)
    assert {check.id for check in report.checks if check.outcome is Outcome.INVALID} == {19}, report.as_json()
    assert not report.valid


def resigned(entries: list[bytes], out: Path, *, documents: Sequence[bytes] = ()) -> Report:
    """The entries as the history that the log's own key signs."""
    origin = checkpoints.head().origin
    signer, tree = checkpoints.signer(origin), Frontier()
    for data in entries:
        tree.append(leaf_hash(data))
    write_bundle(
        out=out,
        entries=entries,
        frontier=Frontier(),
        start=signer.sign_checkpoint(Checkpoint(origin, 0, Frontier().root())),
        end=signer.sign_checkpoint(Checkpoint(origin, tree.size, tree.root())),
        consistency=[],
        keys=checkpoints.log_keys(),
        signer=signer,
        documents=documents,
        claim="some" if documents else "none",
    )
    return verify_bundle(out, keys=[signer.key.fingerprint])
