"""Claims: the story of the one write door, on a real database: held back, approved by another, applied, logged."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from ensign.control.access.grants import end
from ensign.control.access.models import Grant
from ensign.control.audit import inspect
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes.domain.content_operations import StrategyAdd
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagDisable, FlagEnable, FlagSetImpressions
from ensign.control.changes.domain.settings_operations import EnvironmentUnprotect, PolicySet, SegmentSet
from ensign.control.changes.models import Request
from ensign.control.flags.domain import Constraint
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, NotFound
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.policies import policy
from ensign.control.publishing.checks import problems
from ensign.control.publishing.models import Revision
from ensign.control.segments.operations import create_segment
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    by_token,
    config,
    last_entry,
    launch,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
    without_mfa,
)
from ensign_testkit.people import add_person, add_service


def apply(cast: Story, done: door.Proposed, *, by: object = None) -> door.Applied:
    return door.apply(actor=by or cast.dev, at=cast.at, request_id=done.request.id)  # type: ignore[arg-type]  # an Actor


def test_the_story_of_a_four_eyes_change(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    assert (done.request.status, done.applied) == ("in_review", None)
    assert config().strategies[0].parameters["rollout"] == "10"
    with pytest.raises(Denied, match="somebody else must approve"):
        approve(cast, done, by=replace(cast.dev))
    assert last_entry("access.denied")["detail"]["code"] == "own_change"
    assert approve(cast, done).request.status == "approved"
    applied = apply(cast, done)
    assert config().strategies[0].parameters["rollout"] == "50"
    entry = last_entry("change_request.applied")
    assert entry["seq"] == applied.seq
    assert {touch["object"].partition(":")[0] for touch in entry["touch"]} == {
        "change_request", "flag_config", "ruleset",
    }  # fmt: skip
    assert entry["approval"] == {
        "request": done.request.id,
        "author": cast.dev.id,
        "contributors": [],
        "behind": [],
        "approvers": [
            {
                "id": cast.approver.id,
                "at": entry["approval"]["approvers"][0]["at"],
                "digest": done.request.digest,
                "via": "session",
            }
        ],
        "required": 1,
        "digest": done.request.digest,
        "policy": f"{policy('shop', 'production').id}@1",
        "mode": "request",
        "protected": True,
        "compensated": False,
    }
    assert "canary" not in json.dumps(entry)
    assert Revision.objects.order_by("-number")[0].ledger_seq == applied.seq
    assert applied.request.applied_by == cast.dev.id
    with pytest.raises(Conflict, match="applied already"):
        apply(cast, done)
    assert rows_equal_the_log()
    assert problems() == []
    assert inspect.verify().ok


def test_a_change_is_one_entry_and_one_transaction(db: str) -> None:
    """Unleash #10333: the event was another transaction than the change."""
    cast = story()
    before = Entry.objects.count()
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="development", operations=launch(), title="", reason=""
    )
    assert Entry.objects.count() == before + 1
    assert done.applied is not None
    assert done.applied.request.mode == "direct"
    assert done.request.title.startswith("new-checkout in development gains a strategy")
    assert last_entry("change_request.applied")["approval"]["mode"] == "direct"


def test_an_administrator_is_not_exempt(db: str) -> None:
    """Unleash: admins approve and apply their own. Here they need grants like everybody else."""
    cast = story()
    boss = add_person("Boss", "admin", "developer", "approver", at=cast.at)
    done = requested(cast, launch(), author=boss)
    assert done.request.status == "in_review"
    with pytest.raises(Denied) as refused:
        approve(cast, done, by=boss)
    assert refused.value.code == "own-change"
    with pytest.raises(Conflict, match="0 of 1 approvals"):
        apply(cast, done, by=boss)
    with pytest.raises(Denied) as refused:
        approve(cast, done, by=cast.admin)
    assert refused.value.code == "not-entitled"


def test_a_token_never_approves_and_the_try_is_an_entry(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    for actor in (by_token(cast.approver), add_service("bot", "approver", owner=cast.admin.id, at=cast.at)):
        with pytest.raises(Denied) as refused:
            approve(cast, done, by=actor)
        assert refused.value.code == "approval-by-token"
        assert last_entry("access.denied")["detail"]["code"] == "approval_by_token"
        assert last_entry("access.denied")["actor"]["id"] == actor.id
        with pytest.raises(Denied):
            door.review(actor=actor, at=cast.at, request_id=done.request.id, decision="reject", digest="", text="no")


def test_without_a_second_factor_nobody_approves(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    with pytest.raises(NeedsMfa, match="second factor"):
        approve(cast, done, by=without_mfa(cast.approver))
    assert last_entry("access.denied")["detail"]["code"] == "mfa_required"


def test_who_answers_for_a_service_account_does_not_approve_what_it_proposed(db: str) -> None:
    cast = story()
    robot = add_service("robot", "developer", owner=cast.approver.id, at=cast.at)
    done = requested(cast, launch(), author=robot)
    with pytest.raises(Denied) as refused:
        approve(cast, done)
    assert refused.value.code == "own-change"
    approve(cast, done, by=cast.second)


def test_an_edited_approved_request_loses_its_approval(db: str) -> None:
    """Flagsmith #7056, #4465."""
    cast = story()
    done = requested(cast, launch(10))
    approve(cast, done)
    edited = door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=launch(90))
    assert (edited.request.status, edited.request.approvals) == ("in_review", ())
    with pytest.raises(Conflict, match="0 of 1"):
        apply(cast, done)
    with pytest.raises(Conflict, match="changed since you looked"):
        approve(cast, done)
    assert approve(cast, edited).request.status == "approved"


def test_who_edited_a_request_cannot_approve_it(db: str) -> None:
    cast = story()
    both = add_person("Both", "developer", "approver", at=cast.at)
    done = requested(cast, launch())
    edited = door.edit(actor=both, at=cast.at, request_id=done.request.id, title="Better title")
    assert edited.request.contributors == (both.id,)
    with pytest.raises(Denied) as refused:
        approve(cast, edited, by=both)
    assert refused.value.code == "own-change"


def test_a_revert_skips_no_approval(db: str) -> None:
    """GrowthBook #4310."""
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    approve(cast, done)
    apply(cast, done)
    undo = door.revert(actor=cast.dev, at=cast.at, request_id=done.request.id, reason="Too many errors.")
    assert (undo.request.status, undo.request.reverts) == ("in_review", done.request.id)
    assert config().strategies[0].parameters["rollout"] == "50"
    with pytest.raises(Conflict, match="0 of 1"):
        apply(cast, undo)
    approve(cast, undo)
    apply(cast, undo)
    assert config().strategies[0].parameters["rollout"] == "10"


def test_who_applied_is_who_did_it(db: str) -> None:
    """PostHog sets applied_by to the creator."""
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    apply(cast, done, by=cast.approver)
    assert Request.objects.get(pk=done.request.id).state["applied_by"] == cast.approver.id
    assert last_entry("change_request.applied")["actor"]["id"] == cast.approver.id


def test_the_second_of_two_changes_of_one_flag_is_a_conflict_and_overwrites_nothing(db: str) -> None:
    cast = story()
    live(cast, 10)
    first, second = requested(cast, widen(50)), requested(cast, widen(90), author=cast.other)
    approve(cast, first)
    approve(cast, second)
    apply(cast, first)
    before = Entry.objects.count()
    with pytest.raises(Conflict) as refused:
        apply(cast, second, by=cast.other)
    assert refused.value.code == "conflicted"
    assert list(refused.value.fields) == [f"config:production/{FLAG}"]
    assert (config().strategies[0].parameters["rollout"], Entry.objects.count()) == ("50", before)
    fresh = door.edit(actor=cast.other, at=cast.at, request_id=second.request.id, rebase=True)
    assert fresh.request.status == "in_review"
    approve(cast, fresh)
    apply(cast, fresh, by=cast.other)
    assert config().strategies[0].parameters["rollout"] == "90"


def test_an_edit_without_rebasing_does_not_hide_a_conflict(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(90), author=cast.other)
    theirs = requested(cast, widen(50))
    approve(cast, theirs)
    apply(cast, theirs)
    edited = door.edit(actor=cast.other, at=cast.at, request_id=mine.request.id, title="Nothing but the title")
    with pytest.raises(Conflict) as refused:
        approve(cast, edited)
    assert refused.value.code == "conflicted"


def test_a_change_of_another_flag_voids_nothing(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    banner = requested(cast, (FlagEnable(flag="old-banner"),), author=cast.other)
    approve(cast, banner)
    apply(cast, banner, by=cast.other)
    assert apply(cast, done).request.status == "applied"


def test_a_change_of_a_segment_that_a_request_references_voids_its_approval(db: str) -> None:
    cast = story()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="beta", name="Beta")
    se = Constraint(context_name="country", operator="IN", values=("SE",))
    defined = requested(cast, (SegmentSet(segment="beta", constraints=(se,)),))
    approve(cast, defined)
    apply(cast, defined)
    add, on = launch()
    assert isinstance(add, StrategyAdd)
    referring = requested(cast, (replace(add, strategy=replace(add.strategy, segments=("beta",))), on))
    assert set(referring.request.base) == {f"config:production/{FLAG}", "segment:production/beta"}
    approve(cast, referring)
    everyone = replace(se, values=("SE", "NO"))
    wider = requested(cast, (SegmentSet(segment="beta", constraints=(everyone,)),), author=cast.other)
    approve(cast, wider)
    apply(cast, wider, by=cast.other)
    with pytest.raises(Conflict) as refused:
        apply(cast, referring)
    assert list(refused.value.fields) == ["segment:production/beta"]


def test_who_lost_the_role_before_the_apply_does_not_count(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    grant = Grant.objects.get(subject=cast.approver.id)
    end(actor=cast.admin, at=cast.at, grant_id=grant.pk)
    with pytest.raises(Conflict, match="no longer entitled"):
        apply(cast, done)
    approve(cast, done, by=cast.second)
    apply(cast, done)


def test_an_approval_expires_after_seven_days(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    with pytest.raises(Conflict, match="expired"):
        door.apply(actor=cast.dev, at=cast.at + timedelta(days=7), request_id=done.request.id)


def set_policy(cast: Story, rules: PolicyRules, environment: str = "production") -> door.Proposed:
    return door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment=environment,
        operations=(PolicySet(rules=rules),), title="Policy", reason="Agreed on Monday.",
    )  # fmt: skip


def test_a_policy_answers_to_itself_and_its_change_voids_approvals(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approve(cast, done)
    weaker = set_policy(cast, PolicyRules(approvals=0, compensating_control="The log is read every Friday."))
    assert weaker.applied is None
    with pytest.raises(Denied):
        apply(cast, weaker, by=cast.viewer)
    stricter = set_policy(cast, PolicyRules(approvals=2))
    approve(cast, stricter)
    apply(cast, stricter, by=cast.admin)
    assert policy("shop", "production").approvals == 2
    with pytest.raises(Conflict, match="the policy changed since"):
        apply(cast, done)
    approve(cast, done)
    assert approve(cast, done, by=cast.second).request.status == "approved"
    apply(cast, done)


def test_the_last_approval_applies_where_the_policy_says_so_and_the_approver_is_who_applied(db: str) -> None:
    cast = story()
    stricter = set_policy(cast, PolicyRules(approvals=1, apply_on_last_approval=True))
    approve(cast, stricter)
    apply(cast, stricter, by=cast.admin)
    done = requested(cast, launch())
    reviewed = door.review_and_apply(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    assert reviewed.applied is not None
    assert reviewed.applied.request.applied_by == cast.approver.id
    assert config().enabled


def test_what_reaches_every_environment_answers_to_the_strictest_policy(db: str) -> None:
    cast = story()
    for operations in ((FlagArchive(flag=FLAG),), (FlagSetImpressions(flag=FLAG, enabled=True),)):
        done = door.propose(
            actor=cast.dev, at=cast.at, project="shop", environment="development", operations=operations, reason="r"
        )
        assert done.request.status == "in_review", "development asks for nothing, but production does"
    only_dev = add_person("Dev approver", "approver", project="shop", environment="development", at=cast.at)
    with pytest.raises(Denied) as refused:
        approve(cast, done, by=only_dev)
    assert refused.value.code == "not-entitled"


def test_archiving_takes_the_flag_out_of_every_ruleset_in_one_entry(db: str) -> None:
    cast = story()
    live(cast)
    door.propose(actor=cast.dev, at=cast.at, project="shop", environment="development", operations=launch())
    done = requested(cast, (FlagArchive(flag=FLAG),))
    approve(cast, done)
    applied = apply(cast, done)
    assert {environment for environment, _, _ in applied.revisions} == {"development", "staging", "production"}
    assert problems() == []
    with pytest.raises(Invalid, match="archived"):
        requested(cast, (FlagDisable(flag=FLAG),))
    revived = door.revert(actor=cast.dev, at=cast.at, request_id=done.request.id, reason="Needed after all.")
    approve(cast, revived)
    apply(cast, revived)
    assert config().enabled
    assert problems() == []


def test_unprotecting_production_needs_approval(db: str) -> None:
    cast = story()
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(EnvironmentUnprotect(),), title="Open it", reason="Because.",
    )  # fmt: skip
    assert done.request.status == "in_review"
    assert policy("shop", "production").protected


def test_edits_are_collected_in_one_draft_per_environment_and_later_ones_replace_earlier_ones(db: str) -> None:
    cast = story()
    place = {"project": "shop", "environment": "production"}
    first = door.collect(actor=cast.dev, at=cast.at, operations=(FlagEnable(flag=FLAG),), **place)
    second = door.collect(actor=cast.dev, at=cast.at, operations=(FlagEnable(flag="old-banner"),), **place)
    assert second.request.id == first.request.id
    assert len(second.request.operations) == 2
    third = door.collect(actor=cast.dev, at=cast.at, operations=(FlagDisable(flag=FLAG),), **place)
    assert third.request.operations == (FlagEnable(flag="old-banner"),)
    gone = door.collect(actor=cast.dev, at=cast.at, operations=(FlagDisable(flag="old-banner"),), **place)
    assert gone.request.status == "withdrawn"
    assert not config().enabled


def test_a_draft_is_seen_by_its_author_alone(db: str) -> None:
    cast = story()
    draft = door.collect(actor=cast.dev, at=cast.at, operations=launch(), project="shop", environment="production")
    with pytest.raises(NotFound):
        door.comment(actor=cast.other, at=cast.at, request_id=draft.request.id, text="hm")
    with pytest.raises(NotFound):
        door.edit(actor=cast.other, at=cast.at, request_id=draft.request.id, title="mine")
    with pytest.raises(NotFound):
        approve(cast, draft)


def test_what_could_not_apply_is_refused_before_it_is_written(db: str) -> None:
    cast = story()
    before = Entry.objects.count()
    add, on = launch(101)
    for operations, field in (
        ((add, on), "strategies[0].parameters.rollout"),
        ((FlagEnable(flag="nope"),), "operations[0]"),
        ((FlagDisable(flag=FLAG),), "operations[0]"),
    ):
        with pytest.raises(Invalid) as refused:
            requested(cast, operations)
        assert any(name.endswith(field) for name in refused.value.fields), refused.value.fields
    assert Entry.objects.count() == before


def test_what_is_approved_is_to_the_letter_what_is_stored(db: str) -> None:
    """Validation fills in group and stickiness: the request holds that form already."""
    cast = story()
    done = requested(cast, launch())
    add = done.request.operations[0]
    assert isinstance(add, StrategyAdd)
    assert add.strategy.parameters["groupId"] == FLAG
    approve(cast, done)
    apply(cast, done)
    assert config().strategies == (add.strategy,)


def test_a_list_that_looks_like_personal_data_is_warned_about_on_the_request(db: str) -> None:
    cast = story()
    add, on = launch()
    assert isinstance(add, StrategyAdd)
    mails = Constraint(context_name="userId", operator="IN", values=("ada@example.com",))
    done = requested(cast, (replace(add, strategy=replace(add.strategy, constraints=(mails,))), on))
    assert any("constraints[0]" in warning for warning in done.request.warnings)


def test_a_reason_is_asked_for_where_the_policy_says_so(db: str) -> None:
    cast = story()
    with pytest.raises(Invalid) as refused:
        door.propose(
            actor=cast.dev, at=cast.at, project="shop", environment="production", operations=launch(), title="x"
        )
    assert "reason" in refused.value.fields


def test_one_person_alone_rests_on_a_stated_compensating_control(db: str) -> None:
    cast = story(preset="solo")
    done = requested(cast, launch())
    assert done.applied is not None
    entry = last_entry("change_request.applied")["approval"]
    assert (entry["mode"], entry["required"], entry["protected"]) == ("direct", 0, True)
