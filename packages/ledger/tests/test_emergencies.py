"""Claims: an emergency change without an opening that covers it is refused, as is a review by who had part in it."""

from __future__ import annotations

from typing import Any

import pytest
from ensign_ledger.emergencies import Emergencies
from ensign_ledger.report import Outcome

Entry = dict[str, Any]
WHERE = {"project": "shop", "environment": "production"}


def entry(seq: int, action: str, who: str = "usr_ray", **more: Any) -> Entry:
    actor = {"kind": "person", "id": who, "via": more.pop("via", "session")}
    ts = f"2026-01-01T00:{seq:02d}:00.000000Z"
    return {"seq": seq, "ts": ts, "action": action, "actor": actor, "where": WHERE, **more}


def opened(seq: int = 1, **more: Any) -> Entry:
    detail = {
        "opening": "bgo_1", "incident": "inc_1", "person": "usr_ray", "expires_at": "2026-01-01T00:30:00.000000Z",
        **more.pop("detail", {}),
    }  # fmt: skip
    return entry(seq, "break_glass.opened", detail=detail, **more)


def applied(seq: int = 2, *, opening: Any = ..., **more: Any) -> Entry:
    named = {"id": "bgo_1", "incident": "inc_1", "expires_at": "2026-01-01T00:30:00.000000Z"}
    approval = {"mode": "break-glass", "author": "usr_dan", "contributors": ["usr_eva"]}
    if opening is not None:
        approval["opening"] = named if opening is ... else {**named, **opening}
    return entry(seq, "change_request.applied", approval=approval, **more)


def ended(seq: int) -> Entry:
    return entry(seq, "break_glass.ended", detail={"opening": "bgo_1"})


def reviewed(seq: int, who: str = "usr_rev", **more: Any) -> Entry:
    return entry(seq, "break_glass.reviewed", who, detail={"opening": "bgo_1", "person": "usr_ray"}, **more)


def said(*entries: Entry, start: int = 0) -> tuple[Outcome, str]:
    checker = Emergencies(start=start)
    for one in entries:
        checker.feed(one)
    return checker.answer()


def test_one_that_is_opened_used_ended_and_reviewed_by_somebody_else_is_valid() -> None:
    outcome, text = said(opened(), applied(2), applied(3), ended(4), reviewed(5))
    assert (outcome, text) == (Outcome.VALID, "2 emergency changes, 1 openings")


def test_what_nobody_reviewed_is_counted_and_the_first_is_named() -> None:
    outcome, text = said(opened(), applied())
    assert outcome is Outcome.VALID
    assert "1 of them not reviewed (first: entry 1)" in text


@pytest.mark.parametrize(
    ("why", "entries"),
    [
        ("names no opening", [opened(), applied(opening=None)]),
        ("never opened", [applied()]),
        ("never opened", [applied(1), opened(2)]),
        ("had expired", [opened(), applied(31)]),
        ("another end", [opened(), applied(31, opening={"expires_at": "2026-01-01T00:50:00.000000Z"})]),
        ("not applied by usr_ray", [opened(), applied(who="usr_dan")]),
        ("not applied by usr_ray", [opened(), applied(via="token")]),
        ("elsewhere", [opened(), {**applied(), "where": {**WHERE, "environment": "staging"}}]),
        ("another incident", [opened(), applied(opening={"incident": "inc_2"})]),
        ("had been ended", [opened(), ended(2), applied(3)]),
        ("opened twice", [opened(), opened(2)]),
        ("did not open", [opened(via="token")]),
        ("did not open", [opened(who="usr_dan")]),
        ("had part", [opened(), applied(), ended(3), reviewed(4, "usr_ray")]),
        ("had part", [opened(), applied(), ended(3), reviewed(4, "usr_dan")]),
        ("had part", [opened(), applied(), ended(3), reviewed(4, "usr_eva")]),
        ("not reviewed in", [opened(), ended(2), reviewed(3, via="token")]),
        ("reviewed, but never opened", [reviewed(1)]),
        ("does not say", [entry(1, "break_glass.opened", detail={})]),
        ("does not say", [opened(), applied(opening={"expires_at": "soon"})]),
    ],
)  # fmt: skip
def test_what_an_emergency_may_not_be(why: str, entries: list[Entry]) -> None:
    outcome, text = said(*entries)
    assert outcome is Outcome.INVALID
    assert why in text


def test_an_opening_from_before_the_range_is_not_checked_but_its_end_is() -> None:
    outcome, text = said(applied(20), start=10)
    assert outcome is Outcome.NOT_CHECKED
    assert "1 rest on openings from before this range" in text
    assert said(applied(31), start=10)[0] is Outcome.INVALID


def test_other_changes_are_none_of_its_business() -> None:
    assert said(entry(1, "change_request.applied", approval={"mode": "request"}), entry(2, "flag.created")) == (
        Outcome.VALID,
        "0 emergency changes, 0 openings",
    )
