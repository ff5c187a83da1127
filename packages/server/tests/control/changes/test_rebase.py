"""Claims: a rebase overwrites nothing silently, voids approvals, begins a round; a revert keeps what came later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ensign.control.changes import operations as door
from ensign.control.changes import queries, rebasing
from ensign.control.changes.domain.content_operations import StrategyUpdate
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.models import Request
from ensign.control.kernel.errors import Conflict, Denied, NotFound
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    config,
    last_entry,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
)


def share() -> str:
    return config().strategies[0].parameters["rollout"]


def titled(text: str) -> tuple[StrategyUpdate, ...]:
    return (StrategyUpdate(flag=FLAG, strategy=replace(config().strategies[0], title=text)),)


def put_through(cast: Story, operations: object) -> door.Proposed:
    """Another person's change, approved and applied."""
    done = requested(cast, operations, author=cast.other)  # type: ignore[arg-type]  # operations of one shape
    approve(cast, done, by=cast.second)
    door.apply(actor=cast.other, at=cast.at, request_id=done.request.id)
    return done


def test_what_does_not_clash_is_carried_over_and_reviewed_anew(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(50))
    approve(cast, mine)
    put_through(cast, titled("Canary"))
    with pytest.raises(Conflict, match="Somebody else changed"):
        door.apply(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    done = door.rebase(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    assert (done.request.status, done.request.round, done.request.approvals) == ("in_review", 2, ())
    detail = last_entry("change_request.rebased")["detail"]
    assert (detail["clashes"], detail["digest"]) == (0, done.request.digest)
    with pytest.raises(Conflict, match="0 of 1 approvals"):
        door.apply(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    assert (share(), config().strategies[0].title) == ("50", "Canary")
    assert rows_equal_the_log()


@pytest.mark.parametrize(("side", "percent"), [("mine", "50"), ("theirs", "25")])
def test_a_line_that_clashes_waits_for_a_choice(db: str, side: str, percent: str) -> None:
    cast = story()
    live(cast, 10)
    operations = (*widen(50), FlagDisable(flag=FLAG))
    mine = requested(cast, operations)
    put_through(cast, widen(25))
    with pytest.raises(Conflict) as refused:
        door.rebase(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    assert refused.value.code == "clash"
    ((key, words),) = refused.value.fields.items()
    assert "was 10; theirs 25; mine 50" in words
    done = door.rebase(actor=cast.dev, at=cast.at, request_id=mine.request.id, choices={key: side})  # type: ignore[dict-item]  # a side
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    assert (share(), config().enabled) == (percent, False)


def test_a_rebase_that_leaves_nothing_says_to_withdraw(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, [FlagDisable(flag=FLAG)])
    put_through(cast, [FlagDisable(flag=FLAG)])
    with pytest.raises(Conflict, match="Nothing is left") as refused:
        door.rebase(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    assert refused.value.code == "nothing-left"


def test_who_rebases_becomes_a_contributor_and_needs_the_rights_to_write_it(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(50))
    put_through(cast, titled("Canary"))
    with pytest.raises(Denied):
        door.rebase(actor=cast.viewer, at=cast.at, request_id=mine.request.id)
    done = door.rebase(actor=cast.other, at=cast.at, request_id=mine.request.id)
    assert cast.other.id in done.request.contributors
    with pytest.raises(Denied, match="edited this request"):
        approve(cast, done, by=cast.other)


def test_a_draft_is_rebased_by_its_author_alone_and_stays_one(db: str) -> None:
    cast = story()
    live(cast, 10)
    draft = door.collect(actor=cast.dev, at=cast.at, project="shop", environment="production", operations=widen(50))
    put_through(cast, titled("Canary"))
    with pytest.raises(NotFound):
        door.rebase(actor=cast.other, at=cast.at, request_id=draft.request.id)
    done = door.rebase(actor=cast.dev, at=cast.at, request_id=draft.request.id)
    assert (done.request.status, done.request.round) == ("draft", 1)


def test_a_conflict_shows_base_theirs_and_mine_of_each_line(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(50))
    put_through(cast, (*widen(25), FlagDisable(flag=FLAG)))
    row = Request.objects.get(pk=mine.request.id)
    stands = queries.standing(queries.to_row(row).request, reader=cast.dev, at=cast.at)
    assert stands.conflict is not None
    told = {
        line.path.rpartition("› ")[2]: (line.base, line.theirs, line.mine, line.state) for line in stands.conflict.lines
    }
    assert told == {
        "rollout": ("10", "25", "50", "clash"),
        f"{FLAG} in production": ("on", "off", "on", "theirs"),
    }


def test_a_revert_keeps_what_was_changed_since_and_undoes_the_rest(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(50))
    approve(cast, mine)
    door.apply(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    put_through(cast, titled("Later"))
    undone = door.revert(actor=cast.dev, at=cast.at, request_id=mine.request.id, reason="Errors")
    assert undone.request.reverts == mine.request.id
    approve(cast, undone)
    door.apply(actor=cast.dev, at=cast.at, request_id=undone.request.id)
    assert (share(), config().strategies[0].title) == ("10", "Later")


def test_a_revert_of_what_was_changed_again_says_exactly_what_and_takes_a_choice(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(50))
    approve(cast, mine)
    door.apply(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    put_through(cast, widen(90))
    with pytest.raises(Conflict) as refused:
        door.revert(actor=cast.dev, at=cast.at, request_id=mine.request.id)
    ((key, words),) = refused.value.fields.items()
    assert "was 50; theirs 90; mine 10" in words
    with pytest.raises(Conflict, match="Nothing is left to undo"):
        door.revert(actor=cast.dev, at=cast.at, request_id=mine.request.id, choices={key: "theirs"})
    back = door.revert(actor=cast.dev, at=cast.at, request_id=mine.request.id, reason="Bad", choices={key: "mine"})
    approve(cast, back)
    door.apply(actor=cast.dev, at=cast.at, request_id=back.request.id)
    assert share() == "10"


def test_only_what_was_applied_is_undone(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(50))
    with pytest.raises(Conflict, match="Only what was applied"):
        rebasing.inverse(mine.request)
    draft = door.collect(
        actor=cast.other, at=cast.at, project="shop", environment="staging", operations=[FlagEnable(flag=FLAG)]
    )
    with pytest.raises(NotFound):
        door.revert(actor=cast.dev, at=cast.at, request_id=draft.request.id)
