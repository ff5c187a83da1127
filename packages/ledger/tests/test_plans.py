"""Claims: a step of a plan passes only if it is the next one of what was approved, held for as long as was said."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ensign_ledger.canonical import encode
from ensign_ledger.report import Check, Outcome
from ensign_ledger.testing import SimulatedLog, sample_log
from ensign_ledger.verify import verify_bundle

KEY = sample_log().signer.key.fingerprint
PLAN = {"strategy": "str_1", "steps": [5, 25, 100], "holds": [60, 60, 0]}


def moment(minutes: int) -> str:
    return f"2026-01-01T{1 + minutes // 60:02}:{minutes % 60:02}:00Z"


def planned(log: SimulatedLog, plan: Any = PLAN) -> dict[str, Any]:
    """The entry that applied the plan, an hour into the day; returns its approval."""
    log.change("flag:flg_a", {"key": "a", "rollout": 5})
    entry = json.loads(log.entries.pop())
    log.entries.append(encode({**entry, "ts": moment(0), "detail": {"plans": [plan]}}))
    approval: dict[str, Any] = entry["approval"]
    return approval


def step(
    log: SimulatedLog,
    approval: dict[str, Any],
    *,
    number: int | None,
    percent: int,
    minutes: int,
    plan: dict[str, Any] | None = None,
    actor: str = "system",
    **fields: Any,
) -> None:
    """Append a step of the plan that ``approval`` approved."""
    log.change("flag:flg_a", {"key": "a", "rollout": percent})
    entry = json.loads(log.entries.pop())
    named = {
        "request": approval["request"], "digest": approval["digest"], "ramp": "rmp_1", "strategy": "str_1",
        "step": number, "percent": percent, **(plan or {}),
    }  # fmt: skip
    said = {**approval, "request": entry["approval"]["request"], "mode": "plan", "plan": named, **fields}
    who = {"kind": actor, "id": "sys_scheduler", "via": "system"}
    log.entries.append(encode({**entry, "ts": moment(minutes), "approval": said, "actor": who}))


def checked(log: SimulatedLog, folder: Path, *, low: int = 0) -> tuple[bool, Check]:
    log.bundle(folder, low=low, claim="some")
    report = verify_bundle(folder, keys=[KEY])
    (check,) = (check for check in report.checks if check.id == 13)
    return report.valid, check


def test_the_way_up_and_back_verifies_and_is_counted(tmp_path: Path) -> None:
    log = sample_log()
    approval = planned(log)
    step(log, approval, number=1, percent=25, minutes=60)
    step(log, approval, number=None, percent=1, minutes=61, actor="person")
    valid, check = checked(log, tmp_path / "b")
    assert valid, check.detail
    assert "2 as steps of approved plans" in check.detail


Steps = Sequence[dict[str, Any]]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([{"number": 1, "percent": 25, "minutes": 59}], "held for 60 minutes"),
        ([{"number": 2, "percent": 100, "minutes": 60}], "step 2 follows step 0"),
        ([{"number": 1, "percent": 100, "minutes": 60}], "100 % where the plan says 25 %"),
        ([{"number": 1, "percent": 25, "minutes": 60}] * 2, "step 1 follows step 1"),
        ([{"number": 1, "percent": 25, "minutes": 60, "actor": "person"}], "by hand"),
        ([{"number": None, "percent": 6, "minutes": 60}], "raises the share"),
        (
            [{"number": None, "percent": 1, "minutes": 1}, {"number": 1, "percent": 25, "minutes": 60}],
            "was rolled back",
        ),
        (
            [
                {"number": 1, "percent": 25, "minutes": 60},
                {"number": 2, "percent": 100, "minutes": 120},
                {"number": 3, "percent": 100, "minutes": 180},
            ],
            "step 3 of a plan of 3",
        ),
        ([{"number": 1, "percent": 25, "minutes": 60, "plan": {"digest": "0" * 64}}], "another digest"),
        ([{"number": 1, "percent": 25, "minutes": 60, "required": 0}], "other approvals than its plan"),
        ([{"number": 1, "percent": 25, "minutes": 60, "approvers": [], "required": 0}], "other approvals"),
    ],
)
def test_what_is_no_step_of_the_plan_is_refused_by_name(tmp_path: Path, steps: Steps, why: str) -> None:
    log = sample_log()
    approval = planned(log)
    for one in steps:
        step(log, approval, **one)
    valid, check = checked(log, tmp_path / "b")
    assert not valid
    assert check.outcome is Outcome.INVALID
    assert why in check.detail


def test_another_digest_than_the_approved_one_is_refused(tmp_path: Path) -> None:
    log = sample_log()
    approval = planned(log)
    other = "7" * 64
    approvers = [{**one, "digest": other} for one in approval["approvers"]]
    step(log, approval, number=1, percent=25, minutes=60, plan={"digest": other}, digest=other, approvers=approvers)
    valid, check = checked(log, tmp_path / "b")
    assert not valid
    assert "was not approved like this" in check.detail


def test_steps_of_a_plan_from_before_the_range_are_counted_apart(tmp_path: Path) -> None:
    log = sample_log()
    approval = planned(log)
    size = len(log.entries)
    step(log, approval, number=1, percent=25, minutes=60)
    valid, check = checked(log, tmp_path / "b", low=size)
    assert valid, check.detail
    assert "1 of which belong to plans approved before this range" in check.detail


@pytest.mark.parametrize("plan", [None, {}, {"request": "crq_1"}, "x"])
def test_a_step_that_names_no_plan_is_of_no_form(tmp_path: Path, plan: Any) -> None:
    log = sample_log()
    approval = planned(log)
    step(log, approval, number=1, percent=25, minutes=60)
    entry = json.loads(log.entries.pop())
    entry["approval"]["plan"] = plan
    log.entries.append(encode(entry))
    log.bundle(tmp_path / "b", claim="some")
    report = verify_bundle(tmp_path / "b", keys=[KEY])
    assert report.outcome(7) is Outcome.INVALID


@pytest.mark.parametrize(
    "plan", [None, {}, {"strategy": 1}, {"strategy": "str_1"}, {"strategy": "str_1", "steps": "x"}]
)
def test_whatever_stands_in_detail_is_judged_and_never_breaks_the_verifier(tmp_path: Path, plan: Any) -> None:
    log = sample_log()
    approval = planned(log, plan)
    step(log, approval, number=1, percent=25, minutes=60)
    assert checked(log, tmp_path / "b")[1].detail
