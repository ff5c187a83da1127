"""Claims: whose role covers some flags only creates, changes, archives, kills, drafts, applies and approves these and
no other, by no way round; and what a change does to a flag takes the permission for just that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ensign.control.access import grants
from ensign.control.changes import operations as door
from ensign.control.changes.domain.base import Operation, operation_types
from ensign.control.changes.domain.content_operations import (
    DependencyRemove,
    DependencySet,
    StrategyAdd,
    StrategyRemove,
    StrategyReorder,
    StrategyUpdate,
    VariantsSet,
)
from ensign.control.changes.domain.flag_operations import (
    FlagArchive,
    FlagDisable,
    FlagEnable,
    FlagRevive,
    FlagSetImpressions,
)
from ensign.control.changes.domain.settings_operations import SegmentSet
from ensign.control.changes.queries import standing
from ensign.control.changes.rights import NEEDS, SETTINGS
from ensign.control.changes.waiting import waits_for_me
from ensign.control.flags import operations as flags
from ensign.control.flags.domain import Dependency, Variant
from ensign.control.incidents.operations import kill, record_reason
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied
from ensign_testkit.changing import FLAG, Story, approve, launch, live, story
from ensign_testkit.people import add_person, add_role, give
from ensign_testkit.targets import rollout

PAID, OTHER = FLAG, "old-banner"
PLACE = {"project": "shop", "environment": "production"}


@pytest.fixture
def cast(db: str) -> Story:
    """``new-checkout`` is tagged ``payments``; ``old-banner`` is not."""
    found = story()
    flags.update_flag(actor=found.dev, at=found.at, key=PAID, tags=["payments"])
    return found


def narrowed(role: str, *, tags: Sequence[str] = ("payments",), types: Sequence[str] = (), **where: Any) -> Actor:
    person = add_person(f"Narrow {role} {' '.join([*tags, *types])}")
    give(person.id, role, tags=tags, types=types, **where)
    return person


def draft(cast: Story, by: Actor, *operations: Operation, environment: str = "production") -> door.Proposed:
    return door.propose(
        actor=by, at=cast.at, project="shop", environment=environment, operations=operations, title="T", reason="Why",
        wish="submit",
    )  # fmt: skip


def on(flag: str) -> Operation:
    return FlagEnable(flag=flag)


def test_a_narrowed_developer_creates_only_flags_that_their_role_covers(cast: Story) -> None:
    dev = narrowed("developer")
    make: dict[str, Any] = {"actor": dev, "at": cast.at, "project": "shop"}
    flags.create_flag(key="mine", tags=["payments", "eu"], **make)
    for tags in ([], ["search"]):
        with pytest.raises(Denied) as caught:
            flags.create_flag(key="theirs", tags=tags, **make)
        assert caught.value.code == "other-flags"
    typed = narrowed("developer", tags=(), types=("experiment",))
    flags.create_flag(actor=typed, at=cast.at, project="shop", key="trial", type="experiment")
    with pytest.raises(Denied):
        flags.create_flag(actor=typed, at=cast.at, project="shop", key="release", type="release")


def test_type_and_tags_together_must_both_fit(cast: Story) -> None:
    dev = narrowed("developer", types=("experiment",))
    make: dict[str, Any] = {"actor": dev, "at": cast.at, "project": "shop"}
    flags.create_flag(key="both", type="experiment", tags=["payments"], **make)
    for type_, tags in (("release", ["payments"]), ("experiment", ["search"])):
        with pytest.raises(Denied):
            flags.create_flag(key="one", type=type_, tags=tags, **make)


def test_a_flag_is_taken_neither_out_of_nor_into_a_narrowed_role(cast: Story) -> None:
    dev = narrowed("developer")
    change: dict[str, Any] = {"actor": dev, "at": cast.at}
    flags.update_flag(key=PAID, description="Mine", **change)
    flags.update_flag(key=PAID, tags=["payments", "eu"], **change)
    for attempt in (
        {"key": PAID, "tags": ["eu"]},
        {"key": OTHER, "description": "Not mine"},
        {"key": OTHER, "tags": ["payments"]},
    ):
        with pytest.raises(Denied):
            flags.update_flag(**attempt, **change)


def test_nobody_brings_a_flag_under_a_narrowed_role_of_their_own(cast: Story) -> None:
    """Who may retag any flag would else approve, apply or kill any by tagging it first."""
    both = narrowed("approver")
    give(both.id, "developer", project="shop", environment="development")
    with pytest.raises(Denied) as caught:
        flags.update_flag(actor=both, at=cast.at, key=OTHER, tags=["payments"])
    assert caught.value.code == "own-access"
    flags.update_flag(actor=both, at=cast.at, key=OTHER, tags=["search"])
    flags.update_flag(actor=cast.dev, at=cast.at, key=OTHER, tags=["payments"])


def test_drafting_needs_every_flag_that_is_touched(cast: Story) -> None:
    dev = narrowed("developer")
    draft(cast, dev, StrategyAdd(flag=PAID, strategy=rollout(10)), on(PAID))
    for operations in ((on(OTHER),), (on(PAID), on(OTHER)), (on("no-such-flag"),)):
        with pytest.raises(Denied) as caught:
            draft(cast, dev, *operations)
        assert caught.value.code == "other-flags"


def test_segments_and_policies_are_not_for_narrowed_roles(cast: Story) -> None:
    dev = narrowed("developer")
    with pytest.raises(Denied):
        draft(cast, dev, SegmentSet(segment="nordics", constraints=()))


def test_nobody_edits_what_is_about_other_flags_away(cast: Story) -> None:
    dev = narrowed("developer")
    mixed = draft(cast, cast.dev, on(PAID), on(OTHER)).request
    for edit in ({"operations": (on(PAID),)}, {"title": "Better"}, {"operations": ()}):
        with pytest.raises(Denied):
            door.edit(actor=dev, at=cast.at, request_id=mixed.id, **edit)  # type: ignore[arg-type]  # one of its members


def test_reverting_needs_the_flag_too(cast: Story) -> None:
    dev = narrowed("developer", tags=("search",))
    done = draft(cast, cast.dev, *launch())
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    with pytest.raises(Denied):
        door.revert(actor=dev, at=cast.at, request_id=done.request.id)


def test_an_approval_needs_every_flag_that_is_touched(cast: Story) -> None:
    approver = narrowed("approver")
    fine, mixed = draft(cast, cast.dev, on(PAID)), draft(cast, cast.other, on(PAID), on(OTHER))
    assert [request.id for request in waits_for_me(approver, at=cast.at)] == [fine.request.id]
    for decision in ("reject", "request_changes"):
        with pytest.raises(Denied):
            door.review(
                actor=approver, at=cast.at, request_id=mixed.request.id, decision=decision, text="No",
                digest=mixed.request.digest,
            )  # fmt: skip
    with pytest.raises(Denied) as caught:
        approve(cast, mixed, by=approver)
    assert caught.value.code == "not-entitled"
    assert approve(cast, fine, by=approver).request.status == "approved"


def test_two_narrow_roles_together_cover_a_request_about_both(cast: Story) -> None:
    flags.update_flag(actor=cast.dev, at=cast.at, key=OTHER, tags=["search"])
    approver = narrowed("approver")
    give(approver.id, "approver", tags=["search"])
    assert approve(cast, draft(cast, cast.dev, on(PAID), on(OTHER)), by=approver).request.status == "approved"


def test_an_approval_counts_only_while_the_approver_still_covers_the_flag(cast: Story) -> None:
    """Retagging a flag after the approval takes the approval's entitlement away, and the apply finds that."""
    approver = narrowed("approver")
    done = draft(cast, cast.dev, on(PAID))
    approve(cast, done, by=approver)
    flags.update_flag(actor=cast.other, at=cast.at, key=PAID, tags=["search"])
    held = standing(done.request, reader=cast.dev, at=cast.at)
    assert held.policy.required == 1
    with pytest.raises(Conflict):
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)


def test_applying_needs_the_flag_even_when_everything_is_approved(cast: Story) -> None:
    requester = narrowed("requester")
    done = draft(cast, requester, on(PAID))
    approve(cast, done)
    flags.update_flag(actor=cast.dev, at=cast.at, key=PAID, tags=["search"])
    with pytest.raises((Denied, Conflict)):
        door.apply(actor=requester, at=cast.at, request_id=done.request.id)


def test_applying_at_once_in_development_needs_the_flag(cast: Story) -> None:
    dev = narrowed("developer", project="shop", environment="development")
    change: dict[str, Any] = {"actor": dev, "at": cast.at, "project": "shop", "environment": "development"}
    assert door.propose(operations=(on(PAID),), **change).applied is not None
    with pytest.raises(Denied):
        door.propose(operations=(on(OTHER),), **change)
    with pytest.raises(Denied):
        door.collect(operations=(on(OTHER),), **change)


def test_archiving_reviving_and_impressions_need_the_flag(cast: Story) -> None:
    dev = narrowed("developer")
    draft(cast, dev, FlagArchive(flag=PAID))
    draft(cast, dev, FlagSetImpressions(flag=PAID, enabled=True))
    for operation in (FlagArchive(flag=OTHER), FlagSetImpressions(flag=OTHER, enabled=True)):
        with pytest.raises(Denied):
            draft(cast, dev, operation)


def test_killing_and_explaining_a_kill_need_the_flag(cast: Story) -> None:
    live(cast)
    payer, searcher = narrowed("requester"), narrowed("requester", tags=("search",))
    press: dict[str, Any] = {"at": cast.at, "flag": PAID, "now": clock.now, **PLACE}
    with pytest.raises(Denied):
        kill(actor=searcher, **press)
    done = kill(actor=payer, **press)
    with pytest.raises(Denied):
        record_reason(actor=searcher, at=cast.at, kill_id=done.kill.id, reason="I say why")
    record_reason(actor=payer, at=cast.at, kill_id=done.kill.id, reason="Errors went up")


def test_an_ended_narrowed_role_counts_for_nothing(cast: Story) -> None:
    dev = add_person("Narrow")
    grant = give(dev.id, "developer", tags=["payments"])
    draft(cast, dev, on(PAID))
    grants.end(actor=cast.admin, at=cast.at, grant_id=grant)
    with pytest.raises(Denied):
        draft(cast, dev, on(PAID))


def test_every_operation_says_what_it_takes() -> None:
    assert set(operation_types()) == set(NEEDS) | SETTINGS


_STRATEGY = rollout(20)
STEPS: dict[str, tuple[Callable[[], Operation], tuple[Operation, ...]]] = {
    "change:switch": (lambda: FlagEnable(flag=PAID), ()),
    "change:strategy:add": (lambda: StrategyAdd(flag=PAID, strategy=rollout(5)), ()),
    "change:strategy:update": (
        lambda: StrategyUpdate(flag=PAID, strategy=replace(_STRATEGY, title="New")),
        (StrategyAdd(flag=PAID, strategy=_STRATEGY),),
    ),
    "change:strategy:remove": (
        lambda: StrategyRemove(flag=PAID, strategy=_STRATEGY.id),
        (StrategyAdd(flag=PAID, strategy=_STRATEGY),),
    ),
    "change:variants": (lambda: VariantsSet(flag=PAID, variants=(Variant(name="a", weight=1000),)), ()),
    "change:dependencies": (
        lambda: DependencySet(flag=PAID, dependency=Dependency(flag=OTHER)),
        (FlagEnable(flag=OTHER),),
    ),
    "change:impressions": (lambda: FlagSetImpressions(flag=PAID, enabled=True), ()),
    "flag:archive": (lambda: FlagArchive(flag=PAID), ()),
}


@pytest.mark.parametrize("need", sorted(STEPS))
def test_a_step_of_a_change_takes_the_permission_for_just_that(cast: Story, need: str) -> None:
    """With all other permissions of a developer but this one it is refused; with this and drafting alone it is not."""
    step, before = STEPS[need]
    if before:
        done = draft(cast, cast.dev, *before)
        approve(cast, done)
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    every = {str(permission) for permission in NEEDS.values()} | {"project:read", "change:draft", "change:apply"}
    lacking = add_person("Lacking", add_role("lacking", *(every - {need})))
    having = add_person("Having", add_role("having", "project:read", "change:draft", need))
    with pytest.raises(Denied) as caught:
        draft(cast, lacking, step())
    assert caught.value.permission == need
    assert draft(cast, having, step()).request.status == "in_review"


def test_reviving_and_dropping_a_dependency_take_theirs(cast: Story) -> None:
    switcher = add_person("Switcher", add_role("switcher", "project:read", "change:draft", "change:switch"))
    for step in (
        FlagRevive(flag=PAID),
        DependencyRemove(flag=PAID, parent=OTHER),
        StrategyReorder(flag=PAID, order=()),
    ):
        with pytest.raises(Denied):
            draft(cast, switcher, step)
    live(cast)
    assert draft(cast, switcher, FlagDisable(flag=PAID)).request.status == "in_review"
