"""Claims: ramps meet freezes and policies as every change does, and an exported log verifies, signed plans too."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from ensign.control.audit.export import export
from ensign.control.changes import operations as door
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict
from ensign.control.projects.demands import Demand, Freeze
from ensign.control.projects.domain import PolicyRules
from ensign.control.releases import operations, queries, running
from ensign_ledger.report import Outcome
from ensign_ledger.verify import verify_bundle
from ensign_testkit.changing import Story, approve, live, requested, story
from ensign_testkit.passkeys import approve_signed, signer
from ensign_testkit.people import SYSTEM
from ensign_testkit.ramping import later, now, percent, plan, ramping


def ruled(cast: Story, rules: PolicyRules) -> None:
    """Another policy for production, the proper way."""
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production", operations=(PolicySet(rules=rules),),
        title="Policy", reason="Agreed on Monday.",
    )  # fmt: skip
    approve(cast, done)
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)


def test_a_freeze_pauses_a_ramp_and_rolling_back_passes_it(db: str) -> None:
    cast = story()
    start, end = cast.later(minutes=30), cast.later(hours=30)
    freeze = Freeze(name="Sale", start=clock.text(start), end=clock.text(end))
    ruled(cast, PolicyRules(approvals=1, freezes=(freeze,)))
    ramp = ramping(cast)
    running.tick(at=later(ramp, 60))
    paused = now(ramp)
    assert percent() == 5
    assert paused.pause is not None
    assert paused.pause.code == "frozen"
    operations.roll_back(actor=cast.dev, at=later(ramp, 61), ramp_id=ramp.id)
    assert percent() == 1


def test_a_plan_with_a_step_larger_than_the_policy_allows_is_refused_before_review(db: str) -> None:
    cast = story()
    ruled(cast, PolicyRules(approvals=1, further=Demand(max_step=30)))
    live(cast, 1)
    with pytest.raises(Conflict) as refused:
        requested(cast, (plan(5, 25, 60, 70),))
    assert refused.value.code == "step-too-large"
    done = requested(cast, (plan(5, 25, 55, 80, 100),))
    assert done.request.status == "in_review"


@pytest.mark.parametrize("signed", [False, True])
def test_a_ramp_and_its_way_back_verify_offline(db: str, tmp_path: Path, signed: bool) -> None:
    cast = story()
    live(cast, 1)
    passkey = signer(cast.approver)
    if signed:
        ruled(cast, PolicyRules(approvals=1, further=Demand(signed=True)))
    done = requested(cast, (plan(5, 25, 50),))
    if signed:
        approve_signed(cast.approver, passkey, done.request, at=cast.at)
    else:
        approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    (ramp,) = queries.ramps(request=done.request.id)
    running.tick(at=later(ramp, 60))
    assert percent() == 25
    operations.roll_back(actor=cast.dev, at=later(ramp, 61), ramp_id=ramp.id)
    assert percent() == 1
    made = export(out=tmp_path / "bundle", actor=SYSTEM, at=later(ramp, 61) + timedelta(minutes=1))
    report = verify_bundle(tmp_path / "bundle", keys=[made.fingerprint])
    assert report.valid, report.as_json()
    (check,) = (check for check in report.checks if check.id == 13)
    assert check.outcome is Outcome.VALID
    assert "2 as steps of approved plans" in check.detail
