"""Claims: off in one press, without approval; refused where off would switch something on; a reason afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ensign.control.access.decisions import held
from ensign.control.changes import operations as door
from ensign.control.changes.applying import apply_standard, standard_request
from ensign.control.changes.domain.content_operations import DependencySet
from ensign.control.changes.domain.flag_operations import FlagEnable
from ensign.control.flags.domain import Dependency
from ensign.control.incidents import queries
from ensign.control.incidents.operations import Killed, kill, record_reason
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.kernel.transactions import write_door
from ensign.control.publishing.checks import problems
from ensign.control.publishing.models import Revision
from ensign_testkit.changing import (
    FLAG,
    Story,
    approve,
    by_token,
    config,
    last_entry,
    live,
    requested,
    rows_equal_the_log,
    story,
    widen,
)
from ensign_testkit.people import add_service


def press(cast: Story, *, by: Actor | None = None, flag: str = FLAG, reason: str = "") -> Killed:
    return kill(
        actor=by or cast.dev, at=cast.at, project="shop", environment="production", flag=flag, reason=reason,
        now=clock.now,
    )  # fmt: skip


def test_one_press_is_one_entry_without_approval_and_published(db: str) -> None:
    cast = story()
    live(cast)
    numbers = Revision.objects.count()
    done = press(cast)
    assert not config().enabled
    assert Revision.objects.count() == numbers + 1
    entry = last_entry("change_request.applied")
    assert entry["approval"]["mode"] == "standard"
    assert (entry["approval"]["required"], entry["approval"]["approvers"]) == (0, [])
    kinds = {touch["object"].partition(":")[0] for touch in entry["touch"]}
    assert kinds == {"change_request", "flag_config", "ruleset", "kill"}
    assert done.kill.reason_status == "open"
    assert done.kill.applied_at >= done.kill.pressed_at == cast.at
    assert rows_equal_the_log()
    assert problems() == []


def test_switching_on_again_is_an_ordinary_change(db: str) -> None:
    cast = story()
    live(cast)
    press(cast)
    again = requested(cast, (FlagEnable(flag=FLAG),))
    assert again.request.status == "in_review"
    undo = door.revert(actor=cast.dev, at=cast.at, request_id=press_id(cast), reason="Fixed.", wish="apply")
    assert undo.request.status == "in_review"
    assert not config().enabled


def press_id(cast: Story) -> str:
    return queries.kills()[0].request


def test_it_works_while_a_request_waits_and_voids_its_approval(db: str) -> None:
    cast = story()
    live(cast)
    done = requested(cast, widen(50))
    approve(cast, done)
    press(cast)
    with pytest.raises(Conflict) as refused:
        door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    assert refused.value.code == "conflicted"


def test_who_may_press(db: str) -> None:
    cast = story()
    live(cast)
    with pytest.raises(Denied) as refused:
        press(cast, by=cast.viewer)
    assert refused.value.permission == "flag:kill"
    assert last_entry("access.denied")["detail"]["permission"] == "flag:kill"
    for actor in (cast.admin, cast.approver, add_service("pager", "requester", owner=cast.admin.id, at=cast.at)):
        if not config().enabled:
            on = requested(cast, (FlagEnable(flag=FLAG),))
            approve(cast, on, by=cast.second)
            door.apply(actor=cast.dev, at=cast.at, request_id=on.request.id)
        assert press(cast, by=actor).kill.by == actor.id
    with pytest.raises(Denied):
        press(cast, by=by_token(cast.dev))


def test_off_that_would_switch_a_dependant_on_is_refused_and_names_it(db: str) -> None:
    cast = story()
    live(cast)
    fallback = requested(
        cast,
        (
            DependencySet(flag="old-banner", dependency=Dependency(flag=FLAG, enabled=False)),
            FlagEnable(flag="old-banner"),
        ),
    )
    approve(cast, fallback)
    door.apply(actor=cast.dev, at=cast.at, request_id=fallback.request.id)
    with pytest.raises(Conflict, match="would switch on old-banner") as refused:
        press(cast)
    assert refused.value.code == "switches-on"
    assert config().enabled
    press(cast, flag="old-banner")
    press(cast)
    assert not config().enabled


def test_what_is_off_already_says_so(db: str) -> None:
    cast = story()
    with pytest.raises(Invalid, match="already off"):
        press(cast)
    with pytest.raises(NotFound):
        press(cast, flag="nope")


def test_a_standard_change_is_only_ever_switching_off(db: str) -> None:
    cast = story()
    live(cast)
    strategy = config().strategies[0]
    place = {"actor": cast.dev, "at": cast.at, "project": "shop", "environment": "production"}
    with write_door():
        request = standard_request(operations=widen(99), reason="", **place)  # type: ignore[arg-type]  # Actor, datetime
        with pytest.raises(Denied) as refused:
            apply_standard(
                actor=cast.dev,
                at=cast.at,
                rights=held(cast.dev, at=cast.at),
                request=request,
                accompany=tuple,
            )
    assert refused.value.code == "not-standard"
    assert config().strategies == (strategy,)


def test_the_reason_is_asked_afterwards_and_given_once(db: str) -> None:
    cast = story()
    live(cast)
    done = press(cast)
    assert [k.id for k in queries.kills(reason_status="open")] == [done.kill.id]
    late = cast.at + timedelta(minutes=5)
    with pytest.raises(Denied):
        record_reason(actor=cast.viewer, at=late, kill_id=done.kill.id, reason="Because.")
    with pytest.raises(Invalid):
        record_reason(actor=cast.dev, at=late, kill_id=done.kill.id, reason=" ")
    given = record_reason(actor=cast.dev, at=late, kill_id=done.kill.id, reason="Errors above 5 %.")
    assert (given.reason_status, given.reason, given.reason_by) == ("given", "Errors above 5 %.", cast.dev.id)
    assert queries.kills(reason_status="open") == []
    assert "Errors" not in str(last_entry("kill_switch.reason_given"))
    with pytest.raises(Conflict, match="already"):
        record_reason(actor=cast.dev, at=late, kill_id=done.kill.id, reason="Again.")
    assert rows_equal_the_log()
