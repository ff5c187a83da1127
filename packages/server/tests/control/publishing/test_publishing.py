"""Claims: a ruleset commits with its entry; what is published equals what the rows say; numbers only grow."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Touch
from ensign.control.audit.staging import digest
from ensign.control.flags.domain import Constraint, Dependency, FlagConfig
from ensign.control.flags.operations import create_flag, update_flag
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.transactions import write_door
from ensign.control.publishing import hints, operations
from ensign.control.publishing.checks import problems
from ensign.control.publishing.derive import rederive
from ensign.control.publishing.models import Revision, Ruleset
from ensign.control.publishing.operations import EPOCHS_SINCE, new_epoch, stage_publication
from ensign.control.publishing.snapshot import Snapshot
from ensign.control.segments.domain import SegmentConfig
from ensign.control.segments.operations import create_segment
from ensign_engine import Ruleset as EngineRuleset
from ensign_testkit.people import SYSTEM
from ensign_testkit.targets import APPLIED, put, put_info, put_segment, rollout, shop

SE = Constraint(context_name="country", operator="IN", values=("SE", "NO"))


class Undone(Exception):
    """Rolls a transaction back."""


def body(environment: str = "development", project: str = "shop") -> dict[str, Any]:
    """The current ruleset of an environment."""
    for row in Ruleset.objects.all():
        state = row.state
        if (state["project"], state["environment"]) == (project, environment):
            return state
    raise AssertionError("nothing is published")


def test_state_entry_ruleset_and_revision_commit_together(db: str) -> None:
    shop("checkout")
    publication = put({"checkout": FlagConfig(enabled=True, strategies=(rollout(50),))})
    row, revision = Ruleset.objects.get(), Revision.objects.get()
    assert (revision.epoch, revision.number, revision.ruleset) == (1, 1, row.pk)
    assert revision.digest == digest(row.content) == Touch.objects.get(object=row.object_name).after
    assert revision.ledger_seq == row.ledger_seq
    assert json.loads(revision.delta)[0]["feature"]["name"] == "checkout"
    assert publication.number == 1
    assert problems() == []


def test_a_flag_is_published_once_it_was_configured_and_descriptions_never(db: str) -> None:
    anna = shop("checkout", "quiet")
    put({"checkout": FlagConfig(enabled=True)})
    before = body()
    update_flag(actor=anna, at=clock.now(), key="checkout", description="For the checkout", type="operational")
    assert [f["name"] for f in body()["features"]] == ["checkout"]
    assert "For the checkout" not in json.dumps(body())
    assert body() == before
    assert problems() == []


def test_only_one_environment_changes(db: str) -> None:
    shop("checkout")
    put({"checkout": FlagConfig(enabled=True)}, environment="development")
    put({"checkout": FlagConfig(enabled=False)}, environment="production")
    assert body("development")["features"][0]["enabled"] is True
    assert body("production")["features"][0]["enabled"] is False
    assert list(Revision.objects.order_by("number").values_list("environment", flat=True)) == [
        "development",
        "production",
    ]


def test_deltas_take_an_engine_from_each_revision_to_the_next(db: str) -> None:
    anna = shop("a", "b", "c")
    create_segment(actor=anna, at=clock.now(), project="shop", key="nordic", name="Nordic")
    put_segment("nordic", SegmentConfig(constraints=(SE,)))
    put({"a": FlagConfig(enabled=True, strategies=(rollout(100, segments=("nordic",)),))})
    put({"b": FlagConfig(enabled=True), "c": FlagConfig(dependencies=(Dependency(flag="b"),), enabled=True)})
    put_segment(
        "nordic", SegmentConfig(constraints=(Constraint(context_name="country", operator="IN", values=("DK",)),))
    )
    put_info("b", impression_data=True)
    put({"c": FlagConfig(enabled=True)})
    put_info("b", archived=True)
    put({"a": FlagConfig(enabled=True)})
    engine = EngineRuleset.empty()
    for revision in Revision.objects.filter(environment="development").order_by("number"):
        engine = engine.apply_delta({"events": json.loads(revision.delta)})
    current = EngineRuleset.parse({"version": 2, **body()})
    for made in (engine, current):
        assert set(made.names()) == {"a", "c"}
        assert dict(made.segments) == {}
    assert engine.flags["a"] == current.flags["a"]
    assert problems() == []


def test_archiving_publishes_in_every_environment_in_one_entry_with_growing_numbers(db: str) -> None:
    shop("a")
    put({"a": FlagConfig(enabled=True)}, environment="development")
    put({"a": FlagConfig(enabled=True)}, environment="production")
    put_info("a", archived=True)
    last = list(Revision.objects.order_by("number"))[2:]
    assert [r.number for r in last] == [3, 4, 5]
    assert len({r.ledger_seq for r in last}) == 1
    assert body("production")["features"] == []
    put_info("a", archived=False)
    assert [f["name"] for f in body("production")["features"]] == ["a"]
    assert problems() == []


def test_a_segment_is_published_only_where_a_flag_refers_to_it(db: str) -> None:
    anna = shop("a")
    create_segment(actor=anna, at=clock.now(), project="shop", key="nordic", name="Nordic")
    put_segment("nordic", SegmentConfig(constraints=(SE,)))
    assert body()["segments"] == []
    put({"a": FlagConfig(enabled=True, strategies=(rollout(10, segments=("nordic",)),))})
    assert body()["segments"] == [
        {
            "id": 1,
            "name": "nordic",
            "constraints": [
                {
                    "contextName": "country",
                    "operator": "IN",
                    "values": ["SE", "NO"],
                    "inverted": False,
                    "caseInsensitive": False,
                }
            ],
        }
    ]
    put({"a": FlagConfig(enabled=True)})
    assert body()["segments"] == []
    events = [e["type"] for e in json.loads(Revision.objects.order_by("-number")[0].delta)]
    assert events == ["feature-updated", "segment-removed"]


def test_parts_of_a_rolled_back_publication_are_never_reused(db: str) -> None:
    shop("a", "b")
    put({"a": FlagConfig(enabled=True)})
    with pytest.raises(ZeroDivisionError):
        _publish_and_fail()
    put({"a": FlagConfig(enabled=False)})
    assert [f["name"] for f in body()["features"]] == ["a"]
    assert problems() == []


def _publish_and_fail() -> None:
    with write_door():
        flags = {"b": FlagConfig(enabled=True)}
        publication = stage_publication(project="shop", environment="development", flags=flags)
        record(action=APPLIED, actor=SYSTEM, at=clock.now(), staged=[publication.staged])
        _ = 1 / 0


def test_a_cold_process_continues_exactly_where_the_warm_one_was(db: str) -> None:
    shop("a", "b")
    put({"a": FlagConfig(enabled=True, strategies=(rollout(5),)), "b": FlagConfig(enabled=True)})
    operations._parts.clear()
    put({"b": FlagConfig(enabled=False)})
    assert problems() == []
    assert len(json.loads(Revision.objects.order_by("-number")[0].delta)) == 1


def test_listeners_hear_the_number_after_the_commit(db: str) -> None:
    heard: list[tuple[int, int]] = []
    end = hints.subscribe(lambda number: heard.append((number, Revision.objects.count())))
    shop("a")
    put({"a": FlagConfig(enabled=True)})
    end()
    put({"a": FlagConfig(enabled=False)})
    assert heard == [(1, 1)]


def test_a_new_epoch_is_logged_per_ruleset_and_starts_far_ahead(db: str) -> None:
    shop("a")
    put({"a": FlagConfig(enabled=True)}, environment="development")
    put({"a": FlagConfig(enabled=True)}, environment="production")
    at = clock.now()
    seconds = int((at - EPOCHS_SINCE).total_seconds())
    assert new_epoch(actor=system("restore"), at=at, reason="restored from a backup") == seconds
    assert (body()["epoch"], body("production")["epoch"]) == (seconds, seconds)
    numbers = list(Revision.objects.order_by("number").values_list("number", flat=True))
    assert numbers == [1, 2, seconds + 1, seconds + 2]
    put({"a": FlagConfig(enabled=False)})
    last = Revision.objects.order_by("-number")[0]
    assert (last.epoch, last.number) == (seconds, seconds + 3)
    assert problems() == []


def test_one_backup_restored_twice_never_leads_back(db: str) -> None:
    shop("a")
    put({"a": FlagConfig(enabled=True)})
    backup, first = clock.now(), {}
    with suppress(Undone), write_door():
        new_epoch(actor=system("restore"), at=backup, reason="restored from a backup")
        put({"a": FlagConfig(enabled=False)})
        first = body()
        raise Undone  # to where the backup was
    assert body()["epoch"] == 1
    new_epoch(actor=system("restore"), at=backup + timedelta(minutes=1), reason="restored once more")
    assert (body()["epoch"], body()["number"]) > (first["epoch"], first["number"])
    assert body()["number"] > first["number"]


def test_a_new_epoch_leads_on_with_a_clock_that_stands_in_the_past(db: str) -> None:
    shop("a")
    put({"a": FlagConfig(enabled=True)})
    long_ago = datetime(2019, 1, 1, tzinfo=UTC)
    assert new_epoch(actor=system("restore"), at=long_ago, reason="restored from a backup") == 2
    assert (body()["epoch"], body()["number"]) == (2, 2)


def test_nobody_but_ensign_itself_starts_an_epoch(db: str) -> None:
    anna = shop("a")
    with pytest.raises(PermissionError):
        new_epoch(actor=anna, at=clock.now(), reason="I want to")


def test_a_ruleset_that_differs_from_the_rows_is_reported(db: str) -> None:
    anna = shop("a", "b")
    put({"a": FlagConfig(enabled=True)})
    with write_door():
        publication = stage_publication(
            project="shop", environment="development", flags={"b": FlagConfig(enabled=True)}
        )
        done = record(action=APPLIED, actor=anna, at=clock.now(), staged=[publication.staged])
        publication.finish(seq=done.seq)
    found = problems()
    assert len(found) == 1
    assert "shop/development" in found[0]
    assert "b" in found[0]


def test_the_derived_ruleset_is_canonical(db: str) -> None:
    anna = shop("z", "a")
    create_flag(actor=anna, at=clock.now(), project="shop", key="M.1")
    put({key: FlagConfig(enabled=True, strategies=(rollout(1, title="Räksmörgås"),)) for key in ("z", "a", "M.1")})
    assert list(rederive("shop", "development").features) == ["M.1", "a", "z"]
    assert Snapshot.parse(Ruleset.objects.get().content) == rederive("shop", "development")
