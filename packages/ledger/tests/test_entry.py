"""The form of an entry is checked on writing as on verifying, and names the member at fault."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from ensign_ledger.canonical import MAX_ENTRY, CanonicalError
from ensign_ledger.entry import (
    EntryError,
    commitments,
    decode_entry,
    encode_entry,
    parse_time,
    timestamp,
)
from ensign_ledger.testing import sample_log

DIGEST = "0" * 64
APPROVAL: dict[str, Any] = {
    "request": "crq_1",
    "author": "usr_a",
    "contributors": [],
    "approvers": [{"id": "usr_b", "at": "2026-01-01T00:00:00Z"}],
    "required": 1,
    "digest": DIGEST,
    "policy": "pol_a@1",
    "mode": "request",
}


def entry(**fields: Any) -> dict[str, Any]:
    return {**sample_log().entry("flag.updated"), **fields}


def test_what_was_encoded_is_decoded_again() -> None:
    for data in sample_log().entries:
        assert encode_entry(decode_entry(data)) == data


def test_unknown_members_are_allowed_so_that_the_format_can_grow() -> None:
    assert decode_entry(encode_entry(entry(later={"a": 1})))["later"] == {"a": 1}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"v": 2}, "v"),
        ({"v": True}, "v"),
        ({"log": ""}, "log"),
        ({"seq": -1}, "seq"),
        ({"seq": "0"}, "seq"),
        ({"ts": "2026-01-01"}, "ts"),
        ({"action": "Flag.created"}, "action"),
        ({"actor": None}, "actor"),
        ({"actor": {"kind": "person", "via": "session"}}, "actor.id"),
        ({"actor": {"kind": "person", "id": "u"}}, "actor.via"),
        ({"actor": {"kind": "service", "id": "s", "via": "token", "token": 1}}, "actor.token"),
        ({"actor": {"kind": [], "id": "s", "via": "token"}}, "actor.kind"),
        ({"approval": {**APPROVAL, "mode": {}}}, "approval.mode"),
        ({"touch": {}}, "touch"),
        ({"touch": [1]}, "touch[0]"),
        ({"touch": [{"object": "", "version": 1, "before": None, "after": DIGEST}]}, "touch[0].object"),
        ({"touch": [{"object": "a", "version": 2, "before": None, "after": DIGEST}]}, "touch[0].before"),
        ({"touch": [{"object": "a", "version": 1, "before": DIGEST, "after": DIGEST}]}, "touch[0].before"),
        ({"touch": [{"object": "a", "version": 1, "after": DIGEST}]}, "touch[0].before"),
        ({"touch": [{"object": "a", "version": 1, "before": None, "after": "A" * 64}]}, "touch[0].after"),
        ({"where": []}, "where"),
        ({"where": {"project": 1}}, "where.project"),
        ({"reason": {"text": "clear"}}, "reason.commit"),
        ({"redacts": ["x"]}, "redacts"),
        ({"request_id": 1}, "request_id"),
        ({"approval": []}, "approval"),
        ({"approval": {**APPROVAL, "mode": "other"}}, "approval.mode"),
        ({"approval": {**APPROVAL, "required": True}}, "approval.required"),
        ({"approval": {**APPROVAL, "author": None}}, "approval.author"),
        ({"approval": {**APPROVAL, "request": None}}, "approval.request"),
        ({"approval": {**APPROVAL, "digest": ""}}, "approval.digest"),
        ({"approval": {**APPROVAL, "contributors": "usr"}}, "approval.contributors"),
        ({"approval": {**APPROVAL, "approvers": None}}, "approval.approvers"),
        ({"approval": {**APPROVAL, "approvers": ["usr"]}}, "approval.approvers[0]"),
        ({"approval": {**APPROVAL, "approvers": [{"id": "u"}]}}, "approval.approvers[0].at"),
    ],
)
def test_a_malformed_entry_is_refused_by_member(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(EntryError) as error:
        encode_entry(entry(**fields))
    assert error.value.path == path


def test_optional_members_may_be_absent() -> None:
    whole = entry(approval={**APPROVAL, "request": None, "mode": "standard"}, actor={"kind": "anonymous", "via": "x"})
    del whole["touch"]
    encode_entry(whole)


def test_an_entry_fits_the_limit_of_tlog_tiles() -> None:
    base = len(encode_entry(entry(detail={"text": ""})))
    encode_entry(entry(detail={"text": "x" * (MAX_ENTRY - base)}))
    with pytest.raises(EntryError, match="65535"):
        encode_entry(entry(detail={"text": "x" * (MAX_ENTRY - base + 1)}))
    with pytest.raises(EntryError):
        decode_entry(b" " * (MAX_ENTRY + 1))
    with pytest.raises(CanonicalError):
        encode_entry(entry(detail={"share": 0.5}))


def test_commitments_are_touches_and_commit_objects_anywhere() -> None:
    a, b, c = "a" * 64, "b" * 64, "c" * 64
    whole = entry(
        touch=[{"object": "x", "version": 2, "before": a, "after": b}],
        reason={"commit": c},
        detail={"notes": [{"commit": DIGEST}, {"commit": "not a digest"}]},
    )
    assert sorted(commitments(whole)) == sorted([a, b, c, DIGEST])


def test_times_have_one_zone_and_six_digits_and_sort_as_text() -> None:
    moment = datetime(2026, 11, 22, 20, 31, 5, tzinfo=timezone(timedelta(hours=1)))
    assert timestamp(moment) == "2026-11-22T19:31:05.000000Z"
    assert timestamp(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000000Z"
    assert parse_time("2026-11-22T19:31:05.5Z", path="ts") == "2026-11-22T19:31:05.500000Z"
    assert parse_time("2026-11-22T19:31:05Z", path="ts") == "2026-11-22T19:31:05.000000Z"
    with pytest.raises(EntryError):
        timestamp(datetime(2026, 1, 1))  # noqa: DTZ001  # a moment without zone is what must be refused
    for bad in ("2026-11-22T24:00:00Z", "2026-11-22T23:59:60Z", "2026-11-22 19:31:05Z", "2026-11-22T19:31:05z", 5):
        with pytest.raises(EntryError):
            parse_time(bad, path="ts")
