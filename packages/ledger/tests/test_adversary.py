"""Somebody who holds a bundle, or even the log's key, tries to pass off another history.

Three adversaries: the courier (may change every byte, has no key), the forger (re-signs with a key of their
own) and the insider (holds the log's key, hence can sign any tree, but not undo what left the house).
"""

import functools
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ensign_ledger import cli, ed25519
from ensign_ledger.canonical import encode
from ensign_ledger.checkpoint import Checkpoint, LogKey, format_keys
from ensign_ledger.manifest import parse_manifest
from ensign_ledger.report import Outcome, Report
from ensign_ledger.sign import Signer
from ensign_ledger.testing import SimulatedLog, sample_log
from ensign_ledger.verify import verify_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FORGER = Signer(name="log.example/ensign", seed=b"\x66" * 32)
KEY = sample_log().signer.key.fingerprint


@pytest.fixture(autouse=True)
def remember_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify each distinct signature once: the function is pure, and there are thousands of bundles here."""
    monkeypatch.setattr(ed25519, "verify", functools.cache(ed25519.verify))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The bundle of the sample log from entry 1 on, as a directory."""
    log = sample_log()
    log.bundle(tmp_path / "bundle", low=1, anchors=[log.anchor(3)])
    assert verify_bundle(tmp_path / "bundle", keys=[KEY]).valid
    return tmp_path / "bundle"


def refused(report: Report, *numbers: int) -> None:
    """Claim that the report is a refusal, and that each named check is INVALID."""
    assert not report.valid
    assert report.exit_code in (1, 2)
    assert report.unsupported or report.first_failure is not None
    for number in numbers:
        assert report.outcome(number) is Outcome.INVALID, report.as_json()


def repin(folder: Path, *, signer: Signer = FORGER) -> None:
    """Make the manifest fit the files again and sign it with a key that keys.txt is made to list."""
    names = sorted(p.name for p in folder.iterdir() if p.name != "manifest.json")
    keys = [LogKey(sample_log().signer.key)]
    if signer is FORGER:
        keys.append(LogKey(FORGER.key))
    (folder / "keys.txt").write_bytes(format_keys(keys))
    value = json.loads((folder / "manifest.json").read_bytes())
    value["files"] = [
        {"name": n, "sha256": sha256((folder / n).read_bytes()).hexdigest(), "size": (folder / n).stat().st_size}
        for n in names
    ]
    value["signature"] = {"key": signer.key.fingerprint, "value": ""}
    draft = parse_manifest(encode(value))
    (folder / "manifest.json").write_bytes(draft.signed(signer.sign(draft.message())).encode())


# The courier ------------------------------------------------------------------------------------------


def flipped_positions(data: bytes) -> Iterator[int]:
    """Every position outside the text of verify.py, and every 199th within it."""
    low = data.index(b"#!/usr/bin/env python3")
    high = data.index(b"PK\x01\x02", low)
    return (at for at in range(len(data)) if not low <= at < high or at % 199 == 0)


def test_every_flipped_byte_of_a_zip_bundle_is_refused(tmp_path: Path) -> None:
    """Container, manifest, entries, documents, keys, checkpoints and verifier: no byte is without effect."""
    path = tmp_path / "b.zip"
    log = SimulatedLog()
    log.append("flag.created", touch=[log.touch("flag:flg_a", {"key": "a"})])
    log.bundle(path, anchors=[log.anchor(1)])
    data = path.read_bytes()
    assert verify_bundle(path).valid
    with path.open("r+b", buffering=0) as file:
        for at in flipped_positions(data):
            file.seek(at)
            file.write(bytes([data[at] ^ 1 << at % 8]))
            report = verify_bundle(path)
            assert not report.valid, at
            assert report.exit_code in (1, 2), at
            file.seek(at)
            file.write(data[at : at + 1])
    assert verify_bundle(path).valid


def test_flipped_bytes_of_every_file_of_a_directory_are_refused(bundle: Path) -> None:
    for path in sorted(bundle.iterdir()):
        data = path.read_bytes()
        positions = {0, len(data) - 1, *random.Random(path.name).sample(range(len(data)), 20)}
        for at in positions:
            path.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
            refused(verify_bundle(bundle))
        path.write_bytes(data)
    assert verify_bundle(bundle).valid


def test_files_added_removed_truncated_or_extended_are_refused(bundle: Path) -> None:
    for path in sorted(bundle.iterdir()):
        data = path.read_bytes()
        for change in (data[:-1], data + b"\n", data + b"\0", b""):
            path.write_bytes(change)
            refused(verify_bundle(bundle), 1)
        path.unlink()
        refused(verify_bundle(bundle), 1)
        path.write_bytes(data)
    (bundle / "notes.txt").write_text("hello")
    refused(verify_bundle(bundle), 1)


def test_links_folders_and_special_files_are_refused(bundle: Path) -> None:
    extras: list[Callable[[Path], object]] = [Path.mkdir, os.mkfifo, lambda p: p.symlink_to(bundle / "keys.txt")]
    for make in extras:
        extra = bundle / "anchors2.jsonl"
        make(extra)
        refused(verify_bundle(bundle), 1)
        extra.rmdir() if extra.is_dir() else extra.unlink()
    real = bundle / "entries.jsonl"
    real.rename(bundle.parent / "elsewhere")
    real.symlink_to(bundle.parent / "elsewhere")
    refused(verify_bundle(bundle), 1)


def rezip(source: Path, **options: Any) -> bytes:
    """Zip a good bundle's files with Python's own writer."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(buffer, "w", **options) as new:
        for item in old.infolist():
            new.writestr(item.filename, old.read(item))
    return buffer.getvalue()


def test_other_zip_layouts_are_refused(tmp_path: Path) -> None:
    """Two programs could see different files in them: duplicates, comments, bytes before or after."""
    path = tmp_path / "b.zip"
    sample_log().bundle(path)
    data = path.read_bytes()
    duplicate = io.BytesIO(data)
    with zipfile.ZipFile(duplicate, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("entries.jsonl", b"")
    comment = io.BytesIO(data)
    with zipfile.ZipFile(comment, "a") as file:
        file.comment = b"x"
    changed = [
        data + b"\0",
        b"\0" + data,
        data + data,
        data[:-1],
        data[: len(data) // 2],
        b"",
        b"PK\x05\x06" + bytes(18),
        duplicate.getvalue(),
        comment.getvalue(),
        rezip(path),
        rezip(path, compression=zipfile.ZIP_DEFLATED),
    ]
    for bad in changed:
        (tmp_path / "bad.zip").write_bytes(bad)
        refused(verify_bundle(tmp_path / "bad.zip"), 1)


def test_manifest_edits_are_refused(bundle: Path) -> None:
    """Each edited member, canonical again, breaks the signature; a second spelling is not even read."""
    path = bundle / "manifest.json"
    good = json.loads(path.read_bytes())
    edits: list[dict[str, Any]] = [
        {**good, "log": "log.example/other"},
        {**good, "documents": "none"},
        {**good, "export": {"run_by": "usr_eve"}},
        {**good, "start": good["end"]},
        {**good, "end": good["start"]},
        {**good, "end": {**good["end"], "size": 10**15}},
        {**good, "files": good["files"][:-1]},
        {**good, "files": good["files"][::-1]},
        {**good, "files": good["files"] * 2},
        {**good, "files": []},
        {**good, "files": [*good["files"], {**good["files"][0], "name": "../x"}]},
        {**good, "extra": 1},
        {**good, "signature": {**good["signature"], "key": FORGER.key.fingerprint}},
        {**good, "signature": {**good["signature"], "value": ""}},
        {k: v for k, v in good.items() if k != "signature"},
    ]
    for edit in edits:
        path.write_bytes(encode(edit))
        refused(verify_bundle(bundle, keys=[KEY]))
        assert verify_bundle(bundle).unsupported is None
    for spelling in (json.dumps(good).encode(), encode(good) + b"\n", encode(good)[:-1] + b',"version":1}'):
        path.write_bytes(spelling)
        refused(verify_bundle(bundle), 1)


def test_another_format_or_version_is_not_judged_at_all(bundle: Path) -> None:
    path = bundle / "manifest.json"
    good = json.loads(path.read_bytes())
    changes: list[dict[str, Any]] = [{"version": 2}, {"version": True}, {"version": None}, {"format": []}]
    for change in changes:
        path.write_bytes(encode({**good, **change}))
        report = verify_bundle(bundle)
        assert report.unsupported
        assert report.exit_code == 2
        assert not report.valid


# The forger -------------------------------------------------------------------------------------------


def test_a_forgery_needs_the_named_key(bundle: Path) -> None:
    """All re-signed with another key: it agrees with itself and says that the key was not checked."""
    other = SimulatedLog(seed=b"\x66" * 32)
    other.append("workspace.created")
    out = bundle.parent / "forged"
    other.bundle(out)
    alone = verify_bundle(out)
    assert alone.valid
    assert alone.outcome(3) is Outcome.NOT_CHECKED
    refused(verify_bundle(out, keys=[KEY]), 3)


def test_naming_the_real_key_while_signing_with_another_is_refused(bundle: Path) -> None:
    repin(bundle)
    value = json.loads((bundle / "manifest.json").read_bytes())
    value["signature"]["key"] = KEY
    (bundle / "manifest.json").write_bytes(encode(value))
    refused(verify_bundle(bundle, keys=[KEY]), 2, 3)


@pytest.mark.parametrize("change", ["omit", "omit-first", "omit-last", "insert", "swap", "repeat", "edit", "none"])
def test_changed_entries_under_the_real_checkpoints_are_refused(bundle: Path, change: str) -> None:
    """The forger re-pins everything but cannot sign a checkpoint of the log."""
    path = bundle / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    changed = {
        "omit": [lines[0], *lines[2:]],
        "omit-first": lines[1:],
        "omit-last": lines[:-1],
        "insert": [*lines[:1], lines[0].replace(b"usr_ada", b"usr_eve"), *lines[1:]],
        "swap": [lines[1], lines[0], *lines[2:]],
        "repeat": [*lines, lines[-1]],
        "edit": [lines[0].replace(b"usr_ada", b"usr_eve"), *lines[1:]],
        "none": [],
    }[change]
    assert changed != lines
    path.write_bytes(b"".join(changed))
    repin(bundle)
    for semantics in (True, False):
        refused(verify_bundle(bundle, semantics=semantics), 8)
    refused(verify_bundle(bundle, keys=[KEY]), 3, 8)


def test_swapped_checkpoints_are_refused(bundle: Path) -> None:
    start, end = bundle / "checkpoint.start", bundle / "checkpoint.end"
    old, new = start.read_bytes(), end.read_bytes()
    start.write_bytes(new)
    end.write_bytes(old)
    repin(bundle)
    refused(verify_bundle(bundle), 4, 5)
    start.write_bytes(old)
    repin(bundle)
    refused(verify_bundle(bundle), 5)


def test_a_checkpoint_signed_by_nobody_known_is_refused(bundle: Path) -> None:
    log = sample_log()
    stranger = Signer(name="stranger", seed=b"\x31" * 32)
    for name, size, number in (("checkpoint.start", 1, 4), ("checkpoint.end", 4, 5)):
        path = bundle / name
        good = path.read_bytes()
        path.write_bytes(stranger.sign_checkpoint(Checkpoint(log.origin, size, log.frontier(size).root())))
        repin(bundle)
        refused(verify_bundle(bundle), number)
        path.write_bytes(good)


def test_a_spliced_tail_of_another_log_is_refused(bundle: Path) -> None:
    """Entries, end checkpoint and proof of another log of the same length, behind the real start."""
    other = SimulatedLog(origin="log.example/other", seed=b"\x66" * 32)
    for _ in range(4):
        other.append("flag.created")
    other.bundle(bundle.parent / "other", low=1)
    for name in ("entries.jsonl", "checkpoint.end", "consistency.json"):
        shutil.copy(bundle.parent / "other" / name, bundle / name)
    repin(bundle)
    refused(verify_bundle(bundle), 5)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("keys.txt", 2),
        ("checkpoint.start", 4),
        ("checkpoint.end", 5),
        ("frontier.json", 6),
        ("entries.jsonl", 8),
        ("consistency.json", 9),
        ("documents.jsonl", 11),
        ("anchors.jsonl", 16),
    ],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_content_of_a_file_fails_its_own_check(
    bundle: Path, name: str, number: int, data: st.DataObject
) -> None:
    """Garbage, deep nesting and huge numbers, under a manifest that fits: refused by name, no exception."""
    path = bundle / name
    good = path.read_bytes()
    nested = st.integers(1, 100_000).map(lambda depth: b"[" * depth + b"\n")
    digits = st.integers(1, 10_000).map(lambda count: b'{"v":' + b"9" * count + b"}\n")
    spliced = st.tuples(st.integers(0, len(good)), st.binary(min_size=1, max_size=30)).map(
        lambda pair: good[: pair[0]] + pair[1] + good[pair[0] :]
    )
    text = data.draw(st.binary(max_size=200) | nested | digits | (spliced if number != 16 else nested))
    try:
        path.write_bytes(text)
        if name != "keys.txt":  # repin would write it again
            repin(bundle)
        report = verify_bundle(bundle)
        if text:
            refused(report, number)
        assert cli.main([str(bundle)]) == report.exit_code
    finally:
        path.write_bytes(good)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text("ab\u00e9", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
    max_leaves=5,
)


def replace_somewhere(value: Any, data: st.DataObject) -> None:
    """Put anything in the place of some member, at any depth."""
    place: Any = value
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(ANYTHING)
        return


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_other_json_as_manifest_is_refused_without_an_exception(bundle: Path, data: st.DataObject) -> None:
    path = bundle / "manifest.json"
    good = path.read_bytes()
    value = json.loads(good)
    replace_somewhere(value, data)
    changed = encode(value)
    try:
        path.write_bytes(changed)
        if changed != good:
            refused(verify_bundle(bundle))
    finally:
        path.write_bytes(good)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_as_entry_under_the_real_key_is_judged_without_an_exception(
    tmp_path: Path, data: st.DataObject
) -> None:
    log = sample_log()
    entry = json.loads(log.entries[data.draw(st.integers(0, 3))])
    replace_somewhere(entry, data)
    log.entries[data.draw(st.integers(0, 3))] = encode(entry)
    shutil.rmtree(tmp_path / "b", ignore_errors=True)
    log.bundle(tmp_path / "b", claim="some")
    report = verify_bundle(tmp_path / "b", keys=[KEY])
    assert report.outcome(8) is Outcome.VALID
    assert report.exit_code in (0, 1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_file_is_refused_as_a_bundle_without_an_exception(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    refused(verify_bundle(tmp_path / "x"), 1)


# The insider ------------------------------------------------------------------------------------------


def test_a_rewritten_history_is_betrayed_by_an_anchor(tmp_path: Path) -> None:
    """With key and database the insider can sign another tree: only what left the house tells."""
    honest = sample_log()
    rewritten = SimulatedLog()
    rewritten.append("workspace.created", actor={"kind": "system", "id": "setup", "via": "setup"})
    rewritten.append("flag.created", touch=[rewritten.touch("flag:flg_a", {"key": "a", "rollout": 100})])
    rewritten.bundle(tmp_path / "without")
    assert verify_bundle(tmp_path / "without", keys=[KEY]).valid
    rewritten.bundle(tmp_path / "with", anchors=[honest.anchor(2)])
    refused(verify_bundle(tmp_path / "with", keys=[KEY]), 16)


def test_anchors_that_the_insider_leaves_out_show_as_not_checked(bundle: Path) -> None:
    (bundle / "anchors.jsonl").unlink()
    repin(bundle, signer=sample_log().signer)
    report = verify_bundle(bundle, keys=[KEY])
    assert report.valid
    assert report.outcome(16) is Outcome.NOT_CHECKED


Breaker = Callable[[SimulatedLog], None]


def raw(log: SimulatedLog, entry: dict[str, Any]) -> None:
    """Append without asking whether it is well formed."""
    log.entries.append(encode(entry))


def touch(**fields: Any) -> Breaker:
    base = {"object": "flag:flg_a", "version": 3, "before": "0" * 64, "after": "1" * 64}
    return lambda log: raw(log, log.entry("flag.updated", touch=[{**base, **fields}]))


def applied(**fields: Any) -> Breaker:
    def break_it(log: SimulatedLog) -> None:
        log.change("flag:flg_a", {"key": "a", "rollout": 60})
        entry = json.loads(log.entries.pop())
        approval = {k: v for k, v in {**entry["approval"], **fields}.items() if v is not ...}
        raw(log, {**entry, "approval": approval})

    return break_it


def in_approval_only(**fields: Any) -> Breaker:
    """As ``applied``, but nothing except the approval says whether the environment is protected."""

    def break_it(log: SimulatedLog) -> None:
        applied(**fields)(log)
        entry = json.loads(log.entries.pop())
        del entry["where"]["protected"]
        raw(log, entry)

    return break_it


def approver(**fields: Any) -> dict[str, Any]:
    return {"id": "usr_bo", "at": "2026-01-01T00:00:00Z", **fields}


def after(log: SimulatedLog) -> str:
    entry: dict[str, Any] = json.loads(log.entries[2])
    return str(entry["touch"][0]["after"])


@pytest.mark.parametrize(
    ("number", "break_it"),
    [
        (7, lambda log: raw(log, log.entry("a.b", v=2))),
        (7, lambda log: raw(log, log.entry("a.b", seq=9))),
        (7, lambda log: raw(log, log.entry("a.b", log="log.example/other"))),
        (7, lambda log: raw(log, log.entry("a.b", ts="2025-12-31T23:59:59Z"))),
        (7, lambda log: raw(log, log.entry("a.b", ts="2026-02-30T00:00:00Z"))),
        (7, lambda log: raw(log, log.entry("a.b", ts="2026-01-01T00:00:09+00:00"))),
        (7, lambda log: raw(log, log.entry("nodot"))),
        (7, lambda log: raw(log, log.entry("a.b", actor={"kind": "robot", "id": "x", "via": "cli"}))),
        (7, lambda log: log.entries.append(b'{"v": 1}')),
        (7, lambda log: log.entries.append(b"")),
        (7, lambda log: log.entries.append(b"[" * 60_000)),
        (7, touch(before=None)),
        (7, touch(version=0)),
        (7, touch(after="x")),
        (10, touch()),
        (10, touch(object="flag:flg_b")),
        (10, lambda log: touch(version=4, before=after(log))(log)),
        (10, lambda log: touch(version=2, before=after(log))(log)),
        (10, touch(version=1, before=None)),
        (13, applied(approvers=[])),
        (13, applied(approvers=[approver(id="usr_ada")])),
        (13, applied(approvers=[approver(id="usr_cy")])),
        (13, applied(approvers=[approver(), approver()], required=2)),
        (13, applied(approvers=[approver(), approver()], required=1)),
        (13, applied(approvers=[approver(at="2026-01-01T00:00:04.000001Z")])),
        (13, applied(approvers=[approver(via="token")])),
        (13, applied(mode="direct", approvers=[])),
        (13, lambda log: raw(log, log.entry("change_request.applied"))),
        (14, applied(approvers=[approver(digest="0" * 64)])),
        (15, applied(approvers=[], required=0)),
        (15, applied(approvers=[], required=0, mode="direct")),
        (15, applied(approvers=[], required=0, mode="direct", compensated=False)),
        (15, in_approval_only(approvers=[], required=0, mode="direct", protected=True)),
        (13, applied(approvers=[], required=1, mode="direct", compensated=True)),
        (7, applied(compensated="yes")),
        (7, applied(protected=1)),
    ],
)
def test_what_entries_may_not_say_even_under_the_real_key(tmp_path: Path, number: int, break_it: Breaker) -> None:
    log = sample_log()
    break_it(log)
    log.bundle(tmp_path / "b", claim="some")
    refused(verify_bundle(tmp_path / "b", keys=[KEY]), number)
    hashes = verify_bundle(tmp_path / "b", keys=[KEY], semantics=False)
    assert hashes.valid


@pytest.mark.parametrize(
    "change",
    [
        applied(approvers=[], mode="standard"),
        applied(approvers=[approver(at="2026-01-01T00:00:04Z")]),
        applied(approvers=[approver(), approver(id="usr_di")], required=2),
        applied(approvers=[], required=0, mode="direct", compensated=True),
        in_approval_only(approvers=[], required=0, mode="direct", protected=False),
    ],
)
def test_what_entries_may_say(tmp_path: Path, change: Breaker) -> None:
    """Standard changes and break-glass need no approval beforehand; others have enough other people."""
    log = sample_log()
    change(log)
    log.bundle(tmp_path / "b")
    assert verify_bundle(tmp_path / "b", keys=[KEY]).valid


def test_changes_under_a_compensating_control_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    """The preset for one person: valid, but a reader of the report cannot overlook it."""
    log = sample_log()
    for _ in range(2):
        applied(approvers=[], required=0, mode="direct", compensated=True)(log)
        log.append("nothing.done")
    log.bundle(tmp_path / "b", claim="some")
    report = verify_bundle(tmp_path / "b", keys=[KEY])
    (check,) = (check for check in report.checks if check.id == 15)
    assert check.outcome is Outcome.VALID
    assert "2 of them without approval under a policy that states a compensating control" in check.detail
    assert "first: entry 4" in check.detail


def test_a_document_that_no_entry_commits_to_is_refused(tmp_path: Path) -> None:
    log = sample_log()
    stray = encode({"text": "later", "nonce": "n" * 22})
    log.bundle(tmp_path / "b", documents=[*log.documents.values(), stray])
    refused(verify_bundle(tmp_path / "b"), 11)


def test_a_document_without_a_nonce_is_refused(bundle: Path) -> None:
    """Its digest in the log could be guessed, so that erasing the document would erase nothing."""
    path = bundle / "documents.jsonl"
    path.write_bytes(path.read_bytes() + b'{"nonce":"short"}\n')
    repin(bundle)
    refused(verify_bundle(bundle), 11)
