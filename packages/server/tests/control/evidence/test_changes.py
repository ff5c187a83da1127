"""Claims: the change population has one row an object, survives CSV and JSON unaltered, and ties out."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from ensign.control.audit import differences
from ensign.control.audit.history import Change, EntryView
from ensign.control.evidence import changes, told
from ensign.control.evidence.identities import Identity
from ensign.control.flags.domain import FlagConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def entry(*touched: Change, approval: dict[str, object] | None = None) -> EntryView:
    return EntryView(
        seq=7, at=AT, action="change_request.applied", title="applied",
        actor={"kind": "person", "id": "usr_b", "via": "session"}, project="shop", environment="production",
        changes=touched, approval=approval, reason="=cmd()", detail={}, request_id="", body="", leaf_hash="",
    )  # fmt: skip


def change(kind: str, before: dict[str, object] | None, after: dict[str, object]) -> Change:
    return Change(
        object=f"{kind}:1", kind=kind, version=2, before_digest="b", after_digest="a", before=before, after=after
    )


APPROVAL: dict[str, object] = {
    "request": "crq_1", "author": "usr_a", "contributors": ["usr_a"], "required": 1, "digest": "d", "policy": "pol_1@2",
    "approvers": [{"id": "usr_c", "at": "2026-03-04T05:00:00.000000Z"}], "mode": "request",
}  # fmt: skip


def rows() -> list[changes.Row]:
    place = {"project": "shop", "environment": "production", "flag": "f"}
    off, on = ({**FlagConfig(enabled=enabled).to_state(), **place} for enabled in (False, True))
    config = change("flag_config", off, on)
    asked = {"title": "Launch", "submitted_at": "2026-03-04T04:00:00.000000Z"}
    carriers = (change("change_request", {}, asked), change("ruleset", {}, {}))
    return list(changes.rows([entry(config, *carriers, approval=APPROVAL)], Everybody(), emails=True))


class Everybody:
    """Who is called as their id says."""

    def at(self, id: str, seq: int) -> Identity:
        assert seq == 7
        return Identity(id.removeprefix("usr_").upper(), f"{id}@example.com")


def test_one_row_an_object_with_requester_approver_and_difference() -> None:
    (row,) = rows()
    assert (row["object_key"], row["requested_by_name"], row["approved_by_name"]) == ("f", "A", "C")
    assert (row["requested_by_email"], row["applied_by_email"]) == ("usr_a@example.com", "usr_b@example.com")
    assert (row["title"], row["requested_at"]) == ("Launch", "2026-03-04T04:00:00.000000Z")
    assert row["approved_at"] == "2026-03-04T05:00:00.000000Z"
    assert str(row["difference"]).splitlines() == [
        "f in production was: Off. Now: On for everybody.",
        "~ f in production: off → on",
    ]
    assert json.loads(str(row["before"]))["enabled"] is False


def test_without_the_right_to_see_people_addresses_stay_empty() -> None:
    (row,) = changes.rows([entry(change("flag", {}, {"key": "f"}))], Everybody(), emails=False)
    assert not [value for value in row.values() if "@" in str(value)]


@pytest.mark.parametrize(
    ("kind", "state", "place"),
    [
        ("flag_config", {"environment": "staging"}, "staging"),
        ("policy", {"environment": "production"}, "production"),
        ("environment", {"key": "staging"}, "staging"),
        ("flag", {"key": "f"}, changes.EVERYWHERE),
    ],
)
def test_a_row_stands_under_the_environment_of_its_object(kind: str, state: dict[str, object], place: str) -> None:
    """Not under the one for which the request was made: archiving a flag from staging reaches production."""
    touched = change(kind, state, state)
    assert changes.place(entry(touched), touched) == place


def test_csv_reads_back_as_it_was() -> None:
    found = rows()
    data = changes.write(found, format="csv", manifest={}).decode()
    assert data.split("\r\n")[0] == ",".join(changes.COLUMNS)
    assert list(csv.DictReader(io.StringIO(data, newline=""))) == [{k: str(v) for k, v in row.items()} for row in found]


def test_only_the_variant_for_spreadsheets_makes_formulas_inert() -> None:
    plain = changes.write(rows(), format="csv", manifest={}).decode()
    spreadsheet = changes.write(rows(), format="csv-spreadsheet", manifest={}).decode()
    assert ",=cmd()," in plain
    assert ",'=cmd()," in spreadsheet


def test_json_carries_the_manifest_and_totals_tie_out() -> None:
    found = rows()
    body = json.loads(changes.write(found, format="json", manifest={"row_count": 1}))
    assert body == {"manifest": {"row_count": 1}, "rows": found}
    assert all(sum(part.values()) == len(found) for part in changes.totals(found).values())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
states = st.dictionaries(st.text("abc", min_size=1, max_size=2), json_values, max_size=4)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(states, states)
def test_a_difference_is_empty_iff_the_states_are_equal(before: dict[str, object], after: dict[str, object]) -> None:
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (differences.rows(before, after) == []) == same


def test_objects_with_ids_are_matched_by_id_and_their_order_counts() -> None:
    one, two = {"id": "a", "x": "1"}, {"id": "b", "x": "2"}
    moved = differences.rows({"s": [one, two]}, {"s": [two, one]})
    assert [(row.path, row.before, row.after) for row in moved] == [("s › order", "a, b", "b, a")]
    changed = differences.rows({"s": [one, two]}, {"s": [{**one, "x": "3"}, two]})
    assert [(row.path, row.before, row.after) for row in changed] == [("s › a › x", "1", "3")]


def test_what_holds_members_is_said_in_words_and_what_says_nothing_is_left_out() -> None:
    timed = {"at": "2026-11-25T23:33:21Z", "by": "usr_1", "problem": "", "state": "pending", "of": ["a", {"b": 1}]}
    (row,) = differences.rows({"schedule": None}, {"schedule": timed})
    assert row.after == "at 2026-11-25T23:33:21Z, by usr_1, state pending, of a; b 1"
    change = Change(
        object="change_request:crq_1", kind="change_request", version=2, before_digest="0", after_digest="1",
        before={"schedule": None}, after={"schedule": timed},
    )  # fmt: skip
    (told_row,) = told.tell(change, {}).rows
    assert told_row.after is not None
    assert told_row.after.startswith("at 2026-11-25 23:33:21 UTC, by usr_1")
