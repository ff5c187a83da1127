"""Claims: exports are authorised, logged and tie out with the log; a bundle verifies with nothing but Python, and not
after a byte was flipped or another key signed it; a year of a busy organisation exports in seconds.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from ensign.control.audit import checkpoints, history
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.models import Document, Entry, Touch
from ensign.control.audit.staging import stage
from ensign.control.changes import actions
from ensign.control.changes import operations as door
from ensign.control.changes.domain.flag_operations import FlagArchive
from ensign.control.evidence import changes, operations
from ensign.control.flags.domain import FlagConfig
from ensign.control.flags.models import FlagEnvironment
from ensign.control.identity.models import Person
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, Invalid
from ensign.control.kernel.transactions import write_door
from ensign_ledger.bundle import write_bundle
from ensign_ledger.checkpoint import Checkpoint, LogKey
from ensign_ledger.merkle import Frontier
from ensign_ledger.note import parse_fingerprint
from ensign_ledger.sign import Signer
from ensign_ledger.verify import verify_bundle
from ensign_testkit.changing import FLAG
from ensign_testkit.log_story import LogStory, log_story
from ensign_testkit.people import SYSTEM, add_person, give
from ensign_testkit.targets import rollout

DAY = timedelta(days=1)


@pytest.fixture
def story(db: str) -> LogStory:
    return log_story()


def exported(story: LogStory, **given: Any) -> operations.ExportedFile:
    at = story.cast.at
    period = {"since": at - DAY, "until": at + DAY}
    return operations.export_changes(**{"actor": story.auditor, "at": at, **period, "format": "json", **given})


def rows(file: operations.ExportedFile) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.data)["rows"]
    return found


def test_the_export_holds_exactly_what_the_log_says_changed(story: LogStory) -> None:
    """Accuracy and completeness, rederived from the raw entries by another way than the export's."""
    expected = {
        (entry.seq, touch["object"], touch["version"], touch["before"] or "", touch["after"])
        for entry in Entry.objects.all()
        if "approval" in (body := json.loads(entry.body))
        for touch in body["touch"]
        if touch["object"].partition(":")[0] not in changes.CARRIERS
    }
    file = exported(story)
    found = {(r["seq"], r["object"], r["version"], r["before_sha256"], r["after_sha256"]) for r in rows(file)}
    assert found == expected
    assert len(rows(file)) == len(found) == file.manifest["row_count"]


def test_the_manifest_ties_out_with_the_log(story: LogStory) -> None:
    file = exported(story)
    manifest, tie = file.manifest, file.manifest["tie_out"]
    size = manifest["log_size"]
    assert manifest["log_root"] == checkpoints.frontier_at(size).root().hex()
    assert tie["entries_in_period"] == Entry.objects.filter(seq__lt=size).count() == size
    assert tie["entries_that_are_changes"] + sum(tie["other_entries"].values()) == tie["entries_in_period"]
    touched = Touch.objects.filter(seq__in=Entry.objects.filter(mode__isnull=False).values("seq"))
    assert manifest["row_count"] + sum(tie["objects_that_only_carry_a_change"].values()) == touched.count()
    assert all(sum(part.values()) == manifest["row_count"] for part in manifest["totals"].values())


def test_a_row_names_requester_approver_and_their_times(story: LogStory) -> None:
    row = rows(exported(story, project="shop", environment="production"))[-1]
    assert (row["seq"], row["object_key"], row["mode"], row["protected"]) == (story.applied, FLAG, "request", "yes")
    assert (row["requested_by_name"], row["requested_by_email"]) == ("Dan Dev", "dan.dev@example.com")
    assert (row["approved_by"], row["approved_by_name"]) == (story.cast.approver.id, "Rev Reviewer")
    assert row["requested_at"] <= row["approved_at"] <= row["applied_at"]
    assert row["title"] == "Widen the rollout"
    assert row["difference"].startswith("Rollout of new-checkout in production goes from 10 % to 50 % of users")
    assert json.loads(row["after"])["strategies"][0]["parameters"]["rollout"] == "50"
    assert hashlib.sha256(history_content(row["after_sha256"])).hexdigest() == row["after_sha256"]


def history_content(digest: str) -> bytes:
    content = Document.objects.get(pk=digest).content
    assert content is not None
    return content.encode()


def test_names_and_addresses_are_those_of_the_time(story: LogStory) -> None:
    person = Person.objects.get(pk=story.cast.dev.id)
    with write_door():
        row = stage(Person, id=person.pk, state={**person.state, "name": "Dan Married"}, current=person)
        record(action=actions.COMMENTED, actor=SYSTEM, at=clock.now(), staged=[row])
    assert rows(exported(story))[-1]["requested_by_name"] == "Dan Dev"


def test_what_reaches_every_environment_is_in_the_population_of_each(story: LogStory) -> None:
    """Archived through a request of staging, the flag is gone from production, too."""
    cast = story.cast
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="staging", operations=(FlagArchive(flag="old-banner"),),
        title="Retire the banner", reason="Nobody uses it.",
    )  # fmt: skip
    door.review(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    found = rows(exported(story, project="shop", environment="production"))
    assert [row["object_key"] for row in found if row["environment"] == changes.EVERYWHERE] == ["old-banner"]
    assert not rows(exported(story, project="books", environment="production"))


def test_every_format_holds_the_same_rows(story: LogStory) -> None:
    plain = list(csv.DictReader(io.StringIO(exported(story, format="csv").data.decode(), newline="")))
    assert plain == [{name: str(value) for name, value in row.items()} for row in rows(exported(story))]
    assert len(plain[0]) == len(changes.COLUMNS)


def test_an_export_is_an_entry_that_pins_the_file(story: LogStory) -> None:
    file = exported(story, project="shop")
    entry = history.entry(file.manifest["entry"])
    assert (entry.action, entry.actor["id"], entry.project) == ("changes.exported", story.auditor.id, "shop")
    assert entry.detail["sha256"] == hashlib.sha256(file.data).hexdigest() == file.manifest["file_sha256"]
    assert (entry.detail["rows"], entry.detail["size"]) == (len(rows(file)), entry.seq)


def test_exports_are_refused_to_whoever_may_not_and_the_refusal_is_an_entry(story: LogStory) -> None:
    for actor, project in ((story.cast.dev, None), (story.elsewhere, "shop"), (story.nobody, "shop")):
        before = checkpoints.head().size
        with pytest.raises(Denied):
            exported(story, actor=actor, project=project)
        (refusal,) = history.entries(history.Filters(), after=before - 1)
        assert (refusal.action, refusal.actor["id"]) == ("access.denied", actor.id)
    for actor in (story.cast.dev, story.nobody):
        with pytest.raises(Denied):
            operations.export_ledger(actor=actor, at=story.cast.at)
        assert history.entries(history.Filters(), limit=1)[0].action == "access.denied"


def test_who_may_read_a_project_may_export_its_changes_and_sees_addresses_only_with_the_right_to_see_people(
    story: LogStory,
) -> None:
    reader = add_person("Rita Reader", at=story.cast.at)
    give(reader.id, "viewer", project="shop", at=story.cast.at)
    for actor, email in ((reader, ""), (story.cast.dev, "dan.dev@example.com")):
        found = rows(exported(story, actor=actor, project="shop"))
        assert {(row["requested_by_name"], row["requested_by_email"]) for row in found} == {("Dan Dev", email)}


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ({"project": "shpo"}, "project"),
        ({"environment": "prodcution"}, "environment"),
        ({"project": "shop", "environment": "prodcution"}, "environment"),
        ({"project": "shpo", "environment": "production"}, "project"),
    ],
)
def test_a_mistyped_place_is_refused_and_no_entry_says_that_nothing_changed(
    story: LogStory, place: dict[str, str], field: str
) -> None:
    size = Entry.objects.count()
    with pytest.raises(Invalid) as refused:
        exported(story, **place)
    assert set(refused.value.fields) == {field}
    assert Entry.objects.count() == size


def test_an_empty_period_is_refused(story: LogStory) -> None:
    with pytest.raises(Invalid) as refused:
        exported(story, since=story.cast.at, until=story.cast.at)
    assert "until" in refused.value.fields


# Over HTTP --------------------------------------------------------------------------------------------


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")


PERIOD = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}


def test_the_api_hands_out_file_and_manifest(story: LogStory) -> None:
    answer = post(story.client(story.auditor), "/exports/changes", PERIOD)
    assert answer.status_code == 200
    manifest = json.loads(base64.b64decode(answer["Ensign-Manifest"]))
    assert manifest["file_sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert len(answer["Ensign-Manifest"]) < 8_000
    assert len(list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))) == manifest["row_count"] > 0


@pytest.mark.parametrize(
    "body",
    [
        {}, {**PERIOD, "format": "xml"}, {**PERIOD, "unknown": 1},
        {**PERIOD, "since": "yesterday"}, {**PERIOD, "since": PERIOD["until"]},
        {**PERIOD, "until": "9999-12-31T23:59:59-14:00"}, {**PERIOD, "environment": "x" * 5_000},
    ],
)  # fmt: skip
def test_a_bad_question_is_refused_by_field(story: LogStory, body: dict[str, Any]) -> None:
    answer = post(story.client(story.auditor), "/exports/changes", body)
    assert answer.status_code == 422
    assert json.loads(answer.content)["errors"]


def test_the_pages_hand_out_the_same(story: LogStory) -> None:
    client = story.client(story.auditor)
    day = story.cast.at.date()
    given = {"since": day, "until": day, "project": "shop", "environment": "", "format": "csv"}
    answer = client.post("/log/export", given)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="changes-shop-')
    assert b"Rev Reviewer" in answer.content
    for field, value in (("since", "x"), ("until", "1999-01-01"), ("project", "nowhere"), ("format", "exe")):
        refused = client.post("/log/export", {**given, field: value})
        assert (refused.status_code, b"field-error" in refused.content) == (422, True), field
        assert client.get("/log/export").status_code == 200
    assert client.get("/log/export/ledger").status_code == 405


def test_who_may_export_one_project_is_offered_that_alone(story: LogStory) -> None:
    text = story.client(story.elsewhere).get("/log/export").content.decode()
    assert 'value="books"' in text
    assert 'value="shop"' not in text
    assert "The whole log, with proof" not in text
    assert "All projects" not in text


# Bundles ----------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(story: LogStory, tmp_path: Path) -> tuple[Path, str]:
    """The bundle of the whole log, and the fingerprint that its reader was told."""
    answer = post(story.client(story.auditor), "/exports/ledger", {})
    assert answer.status_code == 200
    path = tmp_path / "ledger.zip"
    path.write_bytes(answer.content)
    return path, json.loads(base64.b64decode(answer["Ensign-Manifest"]))["fingerprint"]


def test_a_bundle_verifies_and_speaks_of_the_approval(story: LogStory, bundle: tuple[Path, str]) -> None:
    path, fingerprint = bundle
    report = verify_bundle(path, keys=[parse_fingerprint(fingerprint)])
    assert report.valid, report.as_json()
    details = {check.id: (str(check.outcome), check.detail) for check in report.checks}
    assert details[3][0] == "VALID"
    assert details[13] == ("VALID", "2 applied, 2 with approvals")
    assert details[14] == ("VALID", "2 approvals name the digest that was applied")
    assert details[15] == ("VALID", "2 changes of protected environments")
    assert report.end == checkpoints.head().size


def test_a_bundle_verifies_in_an_empty_python_with_the_verifier_inside(
    bundle: tuple[Path, str], tmp_path: Path
) -> None:
    path, fingerprint = bundle
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", "verify.py", *arguments],
            cwd=tmp_path / "out", env={}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    good = run("--key", fingerprint)
    assert good.returncode == 0, good.stdout + good.stderr
    assert run("--key", "SHA256:" + "A" * 43).returncode == 1
    entries = tmp_path / "out" / "entries.jsonl"
    entries.write_bytes(entries.read_bytes().replace(b"usr_", b"uzr_", 1))
    assert run("--key", fingerprint).returncode == 1


@pytest.mark.parametrize("part", range(12))
def test_a_flipped_byte_is_refused(bundle: tuple[Path, str], tmp_path: Path, part: int) -> None:
    path, fingerprint = bundle
    data = bytearray(path.read_bytes())
    data[part * len(data) // 12 + 40] ^= 1
    path.write_bytes(data)
    assert not verify_bundle(path, keys=[parse_fingerprint(fingerprint)]).valid


def test_the_same_log_signed_by_another_key_is_refused(story: LogStory, tmp_path: Path) -> None:
    """What a thief of the database without the key can make: it agrees with itself, not with the fingerprint."""
    origin, size = checkpoints.head().origin, checkpoints.head().size
    thief = Signer(name=origin, seed=os.urandom(32))
    ends = [thief.sign_checkpoint(Checkpoint(origin, n, checkpoints.frontier_at(n).root())) for n in (0, size)]
    write_bundle(
        out=tmp_path / "forged", entries=(e.body.encode() for e in Entry.objects.order_by("seq")), frontier=Frontier(),
        start=ends[0], end=ends[1], consistency=[], keys=[LogKey(thief.key)], signer=thief, claim="none",
    )  # fmt: skip
    assert verify_bundle(tmp_path / "forged").valid
    real = checkpoints.signer(origin).key.fingerprint
    assert not verify_bundle(tmp_path / "forged", keys=[real]).valid


@pytest.mark.parametrize(
    "body", [{"start": -1}, {"start": 10**12}, {"start": 5, "end": 5}, {"end": 0}, {"end": 10**30}]
)
def test_an_impossible_range_is_refused_and_not_logged_as_exported(story: LogStory, body: dict[str, int]) -> None:
    answer = post(story.client(story.auditor), "/exports/ledger", body)
    assert answer.status_code == 422
    assert not Entry.objects.filter(action="ledger.exported").exists()


# A year -----------------------------------------------------------------------------------------------

CHANGES = 5_000


def a_year(people: list[Actor], start: datetime) -> None:
    """5,000 approved changes of 50 flags, as changes would record them, without compiling a ruleset for each."""
    flags: dict[str, FlagEnvironment | None] = {}
    for number in range(CHANGES):
        key, at = f"flag-{number % 50}", start + number * (365 * DAY / CHANGES)
        author, approver = people[number % 5], people[5 + number % 3]
        config = FlagConfig(enabled=True, strategies=(rollout(number % 101, id=f"str_{key}"),))
        state = {"project": "shop", "environment": "production", "flag": key, **config.to_state()}
        current = flags.get(key)
        id = current.pk if current is not None else ids.new_id("cfg", at=at)
        digest = hashlib.sha256(key.encode()).hexdigest()
        with write_door():
            record(
                action=actions.APPLIED, actor=author, at=at, where=Where(project="shop", environment="production"),
                staged=[stage(FlagEnvironment, id=id, state=state, current=current)], reason=f"step {number}",
                approval={
                    "request": ids.new_id("crq", at=at), "author": author.id, "contributors": [], "required": 1,
                    "approvers": [{"id": approver.id, "at": clock.text(at), "digest": digest, "via": "session"}],
                    "digest": digest, "policy": "pol_x@1", "mode": "request", "protected": True,
                },
            )  # fmt: skip
        flags[key] = FlagEnvironment.objects.get(pk=id)


@pytest.mark.slow
def test_a_year_of_a_busy_organisation_exports_whole(db: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    people = [add_person(f"Person {n}", at=start) for n in range(8)]
    auditor = add_person("Audi Auditor", "auditor", at=start)
    a_year(people, start)
    for format in ("csv", "json"):
        file = operations.export_changes(
            actor=auditor, at=start + 366 * DAY, since=start, until=start + 366 * DAY, format=format
        )
        assert file.manifest["row_count"] == CHANGES
    bundle = operations.export_ledger(actor=auditor, at=start + 366 * DAY)
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as opened:
        assert opened.testzip() is None
