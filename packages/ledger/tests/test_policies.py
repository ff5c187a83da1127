"""Claims: an applied change that lacks what its policies ask of every change is refused, whatever its entry says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ensign_ledger.policies import Asked, Policies, asked_in
from ensign_ledger.report import Outcome
from ensign_ledger.testing_signed import SignedLog
from ensign_ledger.verify import verify_bundle

Entry = dict[str, Any]
PLACE = {"project": "shop", "environment": "production"}
TWO = Asked(place=("shop", "production"), approvals=2, signed=True)
ONE = Asked(place=("shop", "production"), approvals=1, signed=False)
STAGING = Asked(place=("shop", "staging"), approvals=0, signed=False)
SUPPLIED = {"two": TWO, "one": ONE, "staging": STAGING}


def written(seq: int, *documents: str, action: str = "project.created", version: int = 1) -> Entry:
    ids = {"staging": "pol_s"}
    touches = [{"object": f"policy:{ids.get(name, 'pol_p')}", "version": version, "after": name} for name in documents]
    return {"seq": seq, "action": action, "touch": touches}


def applied(seq: int = 9, *, touch: list[Any] | None = None, where: Any = PLACE, **approval: Any) -> Entry:
    said = {"mode": "request", "policy": "pol_p@1", "required": 2, "signed": 2, **approval}
    return {"seq": seq, "action": "change_request.applied", "touch": touch or [], "where": where, "approval": said}


def said(*entries: Entry) -> tuple[Outcome, str]:
    checker = Policies(supplied=SUPPLIED)
    for one in entries:
        checker.feed(one)
    return checker.answer()


def test_what_has_what_is_asked_is_valid() -> None:
    looser = written(2, "one", version=2)["touch"]
    outcome, text = said(
        written(0, "two", "staging"),
        applied(1),
        applied(2, touch=looser),  # the change of the policy itself answers to the one that it replaces
        applied(3, policy="pol_p@2", required=1, signed=0),
        applied(4, policy="pol_p@2+pol_s@1", required=1, signed=0),
        applied(5, policy="pol_s@1", required=0, signed=0, mode="direct", where={**PLACE, "environment": "staging"}),
        applied(6, policy="pol_p@2", mode="plan", plan={"step": 1}),
    )
    assert (outcome, text) == (Outcome.VALID, "6 changes have what their policies ask of every change")


def test_what_answers_to_no_policy_beforehand_is_left_out() -> None:
    for more in ({"mode": "standard"}, {"mode": "break-glass"}, {"mode": "plan", "plan": {"step": None}}):
        outcome, text = said(written(0, "two"), applied(required=0, signed=0, **more))
        assert (outcome, text[:2]) == (Outcome.VALID, "0 ")


@pytest.mark.parametrize(
    ("why", "entries"),
    [
        ("1 approvals, while pol_p@1 asks for 2", [written(0, "two"), applied(required=1, signed=1)]),
        ("0 signed approvals, while pol_p@1 asks for 2", [written(0, "two"), applied(signed=0)]),
        ("0 approvals", [written(0, "two"), applied(required=0, mode="direct")]),
        ("1 approvals", [written(0, "two"), applied(required=1, mode="plan", plan={"step": 1})]),
        ("names version 1", [written(0, "two"), applied(1, touch=written(1, "two", version=2)["touch"]), applied()]),
        ("names version 7", [written(0, "two"), applied(policy="pol_p@7")]),
        ("the policy there is pol_p", [written(0, "two", "staging"), applied(policy="pol_s@1", required=0)]),
        ("the policy there is pol_p", [written(0, "two"), applied(policy="pol_made_up@1")]),
        ("1 approvals", [written(0, "two", "staging"), applied(policy="pol_p@1+pol_s@1", required=1)]),
        ("only an applied change does", [written(0, "two"), written(1, "one", action="project.updated", version=2)]),
    ],
)
def test_what_lacks_something_is_refused_by_name(why: str, entries: list[Entry]) -> None:
    outcome, text = said(*entries)
    assert outcome is Outcome.INVALID
    assert why in text


@pytest.mark.parametrize("document", ["elsewhere", "redacted"])
def test_a_policy_that_is_not_shown_is_said_to_be_not_checked(document: str) -> None:
    before = [written(0, document)] if document == "redacted" else []
    outcome, text = said(*before, applied())
    assert outcome is Outcome.NOT_CHECKED
    assert "1 not checked, first entry 9: the bundle does not show the policy pol_p@1" in text


def test_a_policy_is_read_as_ensign_writes_it_and_nothing_else_is_one() -> None:
    policy = {**PLACE, "approvals": 1, "compensating_control": "", "further": {"approvals": 0, "signed": True}}
    assert asked_in(policy) == Asked(place=("shop", "production"), approvals=1, signed=True)
    assert asked_in({**policy, "further": {}}) == ONE
    for named in ({"each_group": ["grp_a"]}, {"approvers": [{"roles": [], "groups": ["grp_a"], "owner": False}]}):
        found = asked_in({**policy, "approvals": 0, "further": named})
        assert found is not None
        assert found.approvals == 1
    for other in ({**policy, "approvals": []}, {"approvals": 1}, {**PLACE, "approvals": 1}, {**policy, "further": 1}):
        assert asked_in(other) is None


@pytest.mark.parametrize(("signed", "outcome"), [(1, Outcome.VALID), (0, Outcome.INVALID)])
def test_a_bundle_whose_policy_asked_for_a_signature_that_was_not_given_is_refused(
    tmp_path: Path, signed: int, outcome: Outcome
) -> None:
    log = SignedLog()
    policy = {**PLACE, "approvals": 1, "compensating_control": "", "further": {"signed": True}}
    log.append("project.created", touch=[log.touch("policy:pol_default", policy)])
    log.enrol()
    if signed:
        log.approve()
    log.apply(("usr_bo", log.signature, log.now(-1)), signed=signed)
    log.bundle(tmp_path / "b.zip")
    report = verify_bundle(tmp_path / "b.zip", keys=[log.signer.key.fingerprint])
    assert next(one for one in report.checks if one.id == 19).outcome is outcome
    assert report.valid is bool(signed)
