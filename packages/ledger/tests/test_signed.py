"""Claims: check 17 accepts approvals signed as they must be, from whichever entry on, and names what is wrong with
every other; the log's own key does not help whoever wants to pass off an approval that nobody signed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ensign_ledger.bundle import BundleError
from ensign_ledger.canonical import encode
from ensign_ledger.cose import EDDSA, ES256, RS256
from ensign_ledger.earlier import EarlierError, earlier_line, parse_earlier
from ensign_ledger.merkle import inclusion_proof
from ensign_ledger.passkey import VERIFIED
from ensign_ledger.report import Outcome, Report
from ensign_ledger.testing_passkeys import SimulatedPasskey
from ensign_ledger.testing_signed import SignedLog, signed_log
from ensign_ledger.verify import verify_bundle


def judged(log: SignedLog, folder: Path, **bundle: Any) -> Report:
    log.bundle(folder / "bundle", **bundle)
    return verify_bundle(folder / "bundle", keys=[log.signer.key.fingerprint])


def said(report: Report) -> str:
    return next(check.detail for check in report.checks if check.id == 17)


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
def test_signed_approvals_verify_with_each_algorithm(algorithm: int, tmp_path: Path) -> None:
    report = judged(signed_log(SimulatedPasskey(algorithm)), tmp_path)
    assert report.valid, report.as_json()
    assert report.outcome(17) is Outcome.VALID
    assert said(report) == "1 signatures by 1 keys, 1 by a key enrolled less than a day before (first: entry 2)"


def test_a_log_without_signatures_is_valid_and_says_so(tmp_path: Path) -> None:
    log = SignedLog()
    report = judged(log, tmp_path)
    assert report.valid
    assert said(report) == "0 signatures by 0 keys"


def test_two_keys_of_two_people_verify_each(tmp_path: Path) -> None:
    log = SignedLog()
    log.enrol()
    other = SimulatedPasskey(EDDSA, seed=2)
    log.enrol("apk_cy", owner="usr_cy", passkey=other)
    first = log.approve()
    second = log.approve(approver="usr_cy", key="apk_cy", passkey=other)
    log.apply(("usr_bo", first, log.moment(3)), ("usr_cy", second, log.moment(4)), signed=2)
    report = judged(log, tmp_path)
    assert report.valid, report.as_json()
    assert said(report).startswith("2 signatures by 2 keys")


Tamper = Callable[[SignedLog], None]


def enrolled(log: SignedLog) -> SignedLog:
    log.enrol()
    return log


def lie(**lies: Any) -> Tamper:
    return lambda log: enrolled(log).approve(lies=lies) and None


def not_enrolled(log: SignedLog) -> None:
    log.approve()


def of_another_person(log: SignedLog) -> None:
    log.enrol(owner="usr_cy")
    log.approve()


def another_key(log: SignedLog) -> None:
    log.enrol()
    log.approve(passkey=SimulatedPasskey(seed=9))


def revoked_before_approval(log: SignedLog) -> None:
    log.enrol()
    log.revoke()
    log.approve()


def revoked_before_the_apply(log: SignedLog) -> None:
    log.enrol()
    log.approve()
    log.revoke()
    log.apply(("usr_bo", log.signature, log.moment(2)))


def enrolled_afterwards(log: SignedLog) -> None:
    signature = SignedLog(log.passkey).approve()
    log.append("drift.checked")
    log.enrol()
    log.approve(signature=signature, at=log.moment(1))


def replayed_after_an_edit_and_back(log: SignedLog) -> None:
    log.enrol()
    signature = log.approve()
    log.edit()
    log.edit()
    log.apply(("usr_bo", signature, log.moment(2)))


def replayed_in_the_next_round(log: SignedLog) -> None:
    log.enrol()
    signature = log.approve()
    log.edit()
    log.approve(round=2, signature=signature)


def replayed_with_its_round_rewritten(log: SignedLog) -> None:
    log.enrol()
    signature = log.approve()
    log.edit()
    log.approve(round=2, signature=replace(signature, round=2))


def replayed_for_another_request(log: SignedLog) -> None:
    log.enrol()
    signature = log.approve()
    log.approve(request="crq_2", signature=signature)


def expired(log: SignedLog) -> None:
    log.enrol()
    log.approve(signature=replace(log.approve(), expires=log.moment(1)))


def too_late(log: SignedLog) -> None:
    log.enrol()
    signature = log.approve()
    for _ in range(62):
        log.append("drift.checked")
    log.approve(signature=signature)


def another_change(log: SignedLog) -> None:
    log.enrol()
    log.approve(digest="0" * 64)


def another_policy(log: SignedLog) -> None:
    log.enrol()
    log.approve(policy="pol_default@2")


def another_text_shown(log: SignedLog) -> None:
    log.enrol()
    log.approve(signature=replace(log.approve(), shown="0" * 64))


def without_the_signature_that_was_asked_for(log: SignedLog) -> None:
    log.enrol()
    log.approve()
    log.apply(("usr_bo", None, log.moment(2)))


def one_of_two_signed(log: SignedLog) -> None:
    log.enrol()
    log.approve()
    log.apply(("usr_bo", log.signature, log.moment(2)), ("usr_cy", None, log.moment(2)), signed=2)


def no_object(log: SignedLog) -> None:
    enrolled(log).approve(signature=None)
    entry = log.entry("change_request.approved", detail={"signature": "yes", "request": "crq_1", "round": 1,
        "digest": "0" * 64, "policy": "p@1", "at": log.now()})  # fmt: skip
    log.entries.append(encode(entry))


def without_its_policy(log: SignedLog) -> None:
    enrolled(log).approve()
    entry = json.loads(log.entries.pop())
    del entry["detail"]["policy"]
    log.entries.append(encode(entry))


def a_key_enrolled_by_somebody_else(log: SignedLog) -> None:
    log.enrol(actor="usr_eve")


def a_key_that_did_not_vouch_for_itself(log: SignedLog) -> None:
    log.enrol(lies={"flags": VERIFIED})


def a_key_put_in_the_place_of_the_one_enrolled(log: SignedLog) -> None:
    log.enrol(public_key=SignedLog(SimulatedPasskey(EDDSA)).passkey.enrol(
        log="", key="k", owner="o", issued=log.now(), expires=log.now()).to_entry()["public_key"])  # fmt: skip


def a_key_enrolled_twice(log: SignedLog) -> None:
    log.enrol()
    log.enrol()


def a_key_changed_by_another_action(log: SignedLog) -> None:
    log.enrol()
    log.append("person.updated", touch=[log.touch("approval_key:apk_bo", {"owner": "usr_eve"})])


def a_key_object_not_named(log: SignedLog) -> None:
    log.append("approval_key.revoked", detail={"key": "apk_bo"})


TAMPERED: dict[Tamper, str] = {
    not_enrolled: "no entry enrolled its key",
    of_another_person: "its key apk_bo is of usr_cy",
    another_key: "the signature is not of this key",
    revoked_before_approval: "was revoked by entry 2",
    revoked_before_the_apply: "was revoked by entry 3",
    enrolled_afterwards: "was enrolled later",
    replayed_after_an_edit_and_back: "the request was edited after it was given",
    replayed_in_the_next_round: "signed in round 1, not 2",
    replayed_with_its_round_rewritten: "another challenge",
    replayed_for_another_request: "another challenge",
    expired: "the question had expired",
    too_late: "the question had expired",
    another_change: "another challenge",
    another_policy: "another challenge",
    another_text_shown: "what was shown is not what the request says",
    without_the_signature_that_was_asked_for: "0 of 1 approvals that had to be signed are",
    one_of_two_signed: "1 of 2 approvals that had to be signed are",
    no_object: "not an object",
    without_its_policy: "a signed approval without policy",
    a_key_enrolled_by_somebody_else: "somebody enrolled a key for somebody else",
    a_key_that_did_not_vouch_for_itself: "nobody was present",
    a_key_put_in_the_place_of_the_one_enrolled: "the enrolment of an approval key does not hold",
    a_key_enrolled_twice: "enrolled already",
    a_key_changed_by_another_action: "changes the approval key apk_bo",
    a_key_object_not_named: "does not change that alone",
    lie(flags=0x01): "did not verify who used it",
    lie(client_data={"origin": "https://evil.example"}): "not at https://flags.example.com",
    lie(client_data={"crossOrigin": True}): "another site",
    lie(client_data={"type": "webauthn.create"}): "not webauthn.get",
    lie(host="evil.example"): "not bound to",
    lie(length=33): "cut short",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: getattr(tamper, "__name__", "lie"))
def test_an_insider_who_holds_the_logs_key_cannot_pass_off(tamper: Tamper, tmp_path: Path) -> None:
    log = SignedLog()
    tamper(log)
    report = judged(log, tmp_path)
    assert report.outcome(17) is Outcome.INVALID, report.as_json()
    assert TAMPERED[tamper] in said(report), said(report)
    assert not report.valid
    assert report.first_failure is not None
    assert report.first_failure.id == 17, report.as_json()


def earlier_of(log: SignedLog, *numbers: int, size: int) -> list[bytes]:
    return [earlier_line(log.entries[n], index=n, proof=inclusion_proof(log.leaves(), n, size)) for n in numbers]


def test_a_range_after_the_enrolment_says_that_the_key_is_not_known_there(tmp_path: Path) -> None:
    report = judged(signed_log(), tmp_path, low=2, high=4)
    assert report.outcome(17) is Outcome.NOT_CHECKED
    assert "its key apk_bo was enrolled before entry 2" in said(report)
    assert report.valid


def test_a_range_that_carries_the_earlier_enrolment_is_checked(tmp_path: Path) -> None:
    log = signed_log()
    report = judged(log, tmp_path, low=2, high=4, earlier=earlier_of(log, 1, size=2))
    assert report.outcome(17) is Outcome.VALID, report.as_json()
    assert "1 of the keys enrolled before this range" in said(report)


def test_an_earlier_revocation_counts(tmp_path: Path) -> None:
    log = SignedLog()
    log.enrol()
    log.revoke()
    log.approve()
    report = judged(log, tmp_path, low=3, earlier=earlier_of(log, 1, 2, size=3))
    assert "revoked by entry 2" in said(report)
    assert report.outcome(17) is Outcome.INVALID


def test_an_earlier_entry_that_is_not_in_the_log_is_refused(tmp_path: Path) -> None:
    log, other = signed_log(), signed_log(SimulatedPasskey(seed=3))
    for lines in (earlier_of(other, 1, size=2), earlier_of(log, 3, size=4), [b"{}"], [b"no"]):
        with pytest.raises(BundleError):
            log.bundle(tmp_path / "bundle", low=2, high=4, earlier=lines)
    place = {"log": log.origin, "size": 2, "root": log.frontier(2).root()}
    [line] = earlier_of(log, 1, size=2)
    value = json.loads(line)
    for change in ({"index": True}, {"index": -1}, {"path": []}, {"path": "no"}, {"entry": 5}, {"index": 0}):
        with pytest.raises(EarlierError):
            parse_earlier(encode({**value, **change}), **place)


def test_a_bundle_whose_earlier_entry_was_changed_names_the_check(tmp_path: Path) -> None:
    log = signed_log()
    log.bundle(tmp_path / "bundle", low=2, high=4, earlier=earlier_of(log, 1, size=2))
    path = tmp_path / "bundle" / "earlier.jsonl"
    path.write_bytes(path.read_bytes().replace(b"usr_bo", b"usr_ev"))
    report = verify_bundle(tmp_path / "bundle")
    assert {1, 17} <= {check.id for check in report.checks if check.outcome is Outcome.INVALID}
