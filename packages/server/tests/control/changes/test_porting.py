"""Claims: what is exported comes back the same; an import makes flags and segments and asks for their content by one
request, never round the door; a clone asks for rights on both sides and stands in both logs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes.domain import porting, unleash_export
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import DependencySet, StrategyAdd, VariantsSet
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagEnable
from ensign.control.changes.domain.porting import Document, PortedFlag, PortedSegment
from ensign.control.changes.domain.settings_operations import SegmentMap, SegmentSet
from ensign.control.changes.models import Request
from ensign.control.changes.porting import Imported, Origin, bring, clone, export_environment
from ensign.control.flags import queries as flags
from ensign.control.flags.domain import Constraint, Dependency, FlagConfig, Override, Strategy, Variant
from ensign.control.flags.models import Flag
from ensign.control.flags.operations import create_flag
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.projects.operations import create_project
from ensign.control.segments import queries as segments
from ensign.control.segments.operations import create_segment
from ensign_testkit.change_worlds import configs
from ensign_testkit.changing import FLAG, Story, config, last_entry, launch, rows_equal_the_log, story
from ensign_testkit.people import add_person, give, sign_in
from ensign_testkit.progressing import approve_at, brings
from ensign_testkit.targets import rollout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PRO = (Constraint(context_name="plan", operator="IN", values=("pro",)),)
UNLEASH: dict[str, Any] = {
    "features": [
        {"name": "checkout", "description": "The till", "type": "experiment", "project": "default", "stale": True,
         "impressionData": True, "archived": False},
        {"name": "custom", "type": "release"},
        {"name": "orphan", "type": "release"},
        {"name": "child", "type": "odd"},
        {"name": "bare", "type": "release"},
        {"name": "not a name", "type": "release"},
        {"name": "old", "type": "release", "archived": True},
    ],
    "featureStrategies": [
        {"id": "b", "featureName": "checkout", "name": "default", "sortOrder": 2, "parameters": {}, "constraints": [],
         "segments": [1]},
        {"id": "a", "featureName": "checkout", "name": "flexibleRollout", "title": "Half", "sortOrder": 1,
         "parameters": {"rollout": 50, "stickiness": "userId", "groupId": "checkout"},
         "constraints": [{"contextName": "country", "operator": "IN", "values": ["SE", "NO"], "value": "",
                          "inverted": False, "caseInsensitive": True}],
         "variants": [{"name": "blue", "weight": 1000, "weightType": "variable", "stickiness": "userId",
                       "payload": {"type": "json", "value": "{}"}}]},
        {"id": "c", "featureName": "custom", "name": "byTenant", "parameters": {}},
        {"id": "d", "featureName": "orphan", "name": "default", "segments": [2]},
        {"id": "e", "featureName": "child", "name": "default"},
    ],
    "featureEnvironments": [
        {"featureName": "checkout", "environment": "production", "enabled": True, "variants": [
            {"name": "a", "weight": 500, "weightType": "variable", "overrides": []},
            {"name": "b", "weight": 500, "weightType": "variable",
             "overrides": [{"contextName": "userId", "values": ["7"]}]}]},
        {"featureName": "custom", "environment": "production", "enabled": True},
        {"featureName": "orphan", "environment": "production", "enabled": True},
        {"featureName": "child", "environment": "production", "enabled": True},
    ],
    "contextFields": [{"name": "country"}],
    "featureTags": [
        {"featureName": "checkout", "tagType": "simple", "tagValue": "till & shop"},
        {"featureName": "checkout", "tagType": "team", "tagValue": "pay"},
    ],
    "segments": [{"id": 1, "name": "Paying customers"}, {"id": 2, "name": "Nobody knows"}],
    "tagTypes": [],
    "dependencies": [{"feature": "child", "dependencies": [{"feature": "custom", "enabled": True, "variants": []}]}],
}  # fmt: skip


def document(*configs: FlagConfig) -> Document:
    return Document(flags=tuple(PortedFlag(key=f"f{i}", content=c) for i, c in enumerate(configs)))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.lists(configs, max_size=3))
def test_a_document_is_read_as_it_was_written(contents: list[FlagConfig]) -> None:
    made = document(*contents)
    written = json.loads(json.dumps(porting.to_json(made, project="shop", environment="staging")))
    assert porting.from_json(written) == made


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(configs, configs)
def test_what_is_placed_is_the_same_but_for_ids_and_takes_each_place_once(wanted: FlagConfig, here: FlagConfig) -> None:
    made = porting.placed(wanted, here)
    assert [replace(s, id="") for s in made.strategies] == [replace(s, id="") for s in wanted.strategies]
    taken = [s.id for s in made.strategies if s.id]
    assert len(taken) == len(set(taken))
    assert set(taken) <= {s.id for s in here.strategies}
    assert porting.placed(here, here) == here


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["name", "featureName", "segments", "constraints", "values", "variants", "id", "parameters"]),
        inner, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(_junk, _junk, _junk, _junk)
def test_an_export_of_unleash_that_is_none_is_refused_not_broken(a: Any, b: Any, c: Any, d: Any) -> None:
    with suppress(Invalid):
        unleash_export.read({"features": a, "featureStrategies": b, "featureEnvironments": c, "segments": d})


def test_an_export_of_unleash_is_read() -> None:
    found = unleash_export.read(UNLEASH)
    by_key = {f.key: f for f in found.flags}
    checkout = by_key["checkout"]
    assert (checkout.type, checkout.tags, by_key["child"].type) == ("experiment", ("team:pay", "till-shop"), "release")
    assert checkout.content is not None
    assert [(s.name, s.title) for s in checkout.content.strategies] == [("flexibleRollout", "Half"), ("default", "")]
    first = checkout.content.strategies[0]
    assert first.parameters == {"rollout": "50", "stickiness": "userId", "groupId": "checkout"}
    assert first.constraints == (
        Constraint(context_name="country", operator="IN", values=("SE", "NO"), case_insensitive=True),
    )
    assert checkout.content.strategies[1].segments == ("paying-customers",)
    assert checkout.content.variants[1].overrides == (Override(context_name="userId", values=("7",)),)
    assert by_key["custom"].problem == "It uses the strategy “byTenant”, which is not built in."
    assert by_key["old"].problem == "It is archived in the export."
    assert by_key["bare"].content is None
    assert len(found.notes) == 3


def test_of_several_environments_one_must_be_named() -> None:
    two = {**UNLEASH, "featureEnvironments": [
        {"featureName": "bare", "environment": "dev", "enabled": True},
        {"featureName": "bare", "environment": "prod", "enabled": False},
    ], "featureStrategies": [
        {"featureName": "bare", "environment": "dev", "strategyName": "default", "id": "x"},
    ], "segments": [{"id": 9, "name": "s", "constraints": []}],
        "featureStrategySegments": [{"featureStrategyId": "x", "segmentId": 9}]}  # fmt: skip
    with pytest.raises(Invalid, match="several environments: dev, prod"):
        unleash_export.read(two)
    with pytest.raises(Invalid, match="the export holds dev, prod"):
        unleash_export.read(two, environment="staging")
    bare = next(f for f in unleash_export.read(two, environment="dev").flags if f.key == "bare")
    assert bare.content == FlagConfig(enabled=True, strategies=(Strategy(id="", name="default", segments=("s",)),))


def imported(cast: Story, made: Document, **more: Any) -> Imported:
    wish: dict[str, Any] = {"project": "shop", "environment": "production", "reason": "We move.", "source": "unleash"}
    return bring(actor=cast.dev, at=cast.at, document=made, **{**wish, **more})


def told(made: Imported) -> dict[str, str]:
    return {row.key: row.outcome for row in made.rows}


def test_an_import_makes_flags_and_asks_for_their_content_by_one_request(db: str) -> None:
    cast = story()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="payers", name="Paying customers")
    brings(cast, (SegmentSet(segment="payers", constraints=PRO),), at=cast.at)
    entries = Entry.objects.count()
    tried = imported(cast, unleash_export.read(UNLEASH), dry_run=True)
    assert Entry.objects.count() == entries
    assert not Flag.objects.filter(key="checkout").exists()
    assert tried.seen is not None
    assert tried.seen.verdict.startswith("It would become a request that one other person must approve")
    done = imported(cast, unleash_export.read(UNLEASH))
    assert done.rows == tried.rows
    assert told(done) == {
        "checkout": "created", "bare": "created", "custom": "skipped", "orphan": "skipped", "child": "skipped",
        "not a name": "skipped", "old": "skipped", "payers": "unchanged", "nobody-knows": "skipped",
    }  # fmt: skip
    why = {row.key: row.why for row in done.rows}
    assert "There is no flag “custom”" in why["child"]
    assert "nobody-knows" in why["orphan"]
    assert done.proposed is not None
    assert done.proposed.request.status == "in_review"
    assert not config(flag="checkout").enabled  # until somebody else has approved it
    entry = last_entry("flags.imported")
    assert entry["detail"] == {
        "source": "unleash", "created": 2, "changed": 0, "skipped": 6, "request": done.proposed.request.id,
    }  # fmt: skip
    assert "till" not in json.dumps(entry)
    approve_at(cast, done.proposed, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.proposed.request.id)
    assert config(flag="checkout").strategies[1].segments == ("payers",)
    assert rows_equal_the_log()
    again = imported(cast, unleash_export.read(UNLEASH))
    assert (again.proposed, told(again)["checkout"]) == (None, "unchanged")


def test_what_was_exported_is_unchanged_where_it_came_from_and_comes_back_elsewhere(db: str) -> None:
    cast = story()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="paying", name="Paying")
    steps: Sequence[Operation] = (
        SegmentSet(segment="paying", constraints=PRO),
        StrategyAdd(flag=FLAG, strategy=rollout(25, segments=("paying",))),
        VariantsSet(flag=FLAG, variants=(Variant(name="v", weight=1000),)),
        FlagEnable(flag=FLAG),
        FlagEnable(flag="old-banner"),
        DependencySet(flag=FLAG, dependency=Dependency(flag="old-banner")),
    )
    brings(cast, steps, at=cast.at, environment="staging")
    made = export_environment(actor=cast.viewer, at=cast.at, project="shop", environment="staging")
    assert last_entry("flags.exported")["detail"]["flags"] == 2
    document = porting.from_json(json.loads(json.dumps(made)))
    same = imported(cast, document, environment="staging", source="ensign")
    assert (same.proposed, set(told(same).values())) == (None, {"unchanged"})
    done = imported(cast, document, source="ensign")
    assert done.proposed is not None
    approve_at(cast, done.proposed, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.proposed.request.id)
    there, here = config("staging"), config()
    assert [replace(s, id="") for s in here.strategies] == [replace(s, id="") for s in there.strategies]
    assert (here.variants, here.dependencies, here.enabled) == (there.variants, there.dependencies, True)
    assert segments.config("shop", "production", "paying").config.constraints == PRO


def test_what_belongs_to_another_project_or_is_archived_is_left_alone(db: str) -> None:
    cast = story()
    create_project(actor=cast.admin, at=cast.at, key="bank", name="Bank", preset="open")
    create_flag(actor=cast.dev, at=cast.at, project="bank", key="theirs")
    brings(cast, (FlagArchive(flag="old-banner"),), at=cast.at)
    wanted = Document(flags=(PortedFlag(key="theirs", content=FlagConfig(enabled=True)), PortedFlag(key="old-banner")))
    done = imported(cast, wanted)
    assert told(done) == {"theirs": "skipped", "old-banner": "skipped"}
    assert done.proposed is None
    assert flags.flag("theirs").info.project == "bank"
    with pytest.raises(Invalid, match="twice"):
        imported(cast, Document(flags=(PortedFlag(key="one"), PortedFlag(key="one"))))


def test_the_conditions_of_an_environment_mapped_segment_stay(db: str) -> None:
    cast = story()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="testers", name="Testers")
    steps = (SegmentSet(segment="testers", constraints=PRO), SegmentMap(segment="testers", mapped=True))
    brings(cast, steps, at=cast.at)
    other = replace(PRO[0], values=("free",))
    done = imported(cast, Document(segments=(PortedSegment(key="testers", name="Testers", constraints=(other,)),)))
    assert (done.proposed, told(done)) == (None, {"testers": "unchanged"})


def test_more_than_200_operations_are_refused_and_nothing_is_left_behind(db: str) -> None:
    cast = story()
    many = tuple(PortedFlag(key=f"flag-{n}", content=FlagConfig(enabled=True)) for n in range(201))
    with pytest.raises(Invalid, match="201 operations; a change holds 200"):
        imported(cast, Document(flags=many))
    assert not Flag.objects.filter(key="flag-0").exists()
    some = Document(flags=many).only({"flag-0", "flag-1"})
    assert told(imported(cast, some)) == {"flag-0": "created", "flag-1": "created"}
    with pytest.raises(Invalid, match="holds no flag never"):
        some.only({"never"})


def test_who_may_not_draft_or_not_make_flags_imports_nothing(db: str) -> None:
    cast = story()
    requester = add_person("Req Uester", "requester", at=cast.at)
    new = Document(flags=(PortedFlag(key="brand-new", content=FlagConfig(enabled=True)),))
    for actor in (cast.viewer, cast.approver, requester):
        entries = Request.objects.count()
        with pytest.raises(Denied):
            bring(actor=actor, at=cast.at, project="shop", environment="staging", document=new, source="ensign")
        assert not Flag.objects.filter(key="brand-new").exists()
        assert Request.objects.count() == entries
        assert last_entry("access.denied")["actor"]["id"] == actor.id
    known = Document(flags=(PortedFlag(key=FLAG, content=FlagConfig(enabled=True)),))
    done = bring(actor=requester, at=cast.at, project="shop", environment="staging", document=known, source="ensign")
    assert told(done) == {FLAG: "changed"}


def cloned(cast: Story, actor: Any = None, **more: Any) -> Imported:
    wish: dict[str, Any] = {
        "origin": Origin(project="shop", environment="staging", flags=(FLAG,)), "project": "shop",
        "environment": "production", "key": "copy", "reason": "Like it.",
    }  # fmt: skip
    return clone(actor=actor or cast.dev, at=cast.at, **{**wish, **more})


def test_a_flag_is_cloned_under_another_key_through_the_door(db: str) -> None:
    cast = story()
    brings(cast, launch(30), at=cast.at, environment="staging")
    done = cloned(cast)
    assert told(done) == {"copy": "created"}
    assert done.proposed is not None
    assert done.proposed.request.status == "in_review"
    approve_at(cast, done.proposed, at=cast.at)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.proposed.request.id)
    copy = config(flag="copy")
    assert (copy.enabled, copy.strategies[0].parameters["rollout"]) == (True, "30")
    assert copy.strategies[0].parameters["groupId"] == "copy"
    off = cloned(cast, key="quiet", environment="development", keep_off=True, wish="apply")
    assert off.proposed is not None
    assert off.proposed.applied is not None
    assert not config("development", "quiet").enabled
    with pytest.raises(Invalid, match="onto itself"):
        cloned(cast, key="", environment="staging")
    with pytest.raises(Invalid, match="for one flag"):
        cloned(cast, origin=Origin(project="shop", environment="staging"))
    with pytest.raises(NotFound):
        cloned(cast, origin=Origin(project="shop", environment="staging", flags=("never",)))


def test_a_clone_overwrites_no_flag_and_fills_one_environment_after_the_other(db: str) -> None:
    cast = story()
    for environment in ("development", "staging"):
        brings(cast, launch(30), at=cast.at, environment=environment)
    brings(cast, (FlagEnable(flag="old-banner"),), at=cast.at, environment="development")
    for key in (FLAG, " old-banner "):
        with pytest.raises(Invalid, match="already, and it is set up in development") as refused:
            cloned(cast, key=key, environment="development", wish="apply")
        assert "overwrites nothing" in refused.value.fields["key"]
    assert config("development", "old-banner").strategies == ()
    assert told(cloned(cast, key="copy", environment="staging", wish="apply")) == {"copy": "created"}
    assert told(cloned(cast, key="copy", environment="development", wish="apply")) == {"copy": "changed"}
    assert config("development", "copy").enabled
    with pytest.raises(Invalid, match="already, and it is set up"):
        cloned(cast, key="copy", environment="development", wish="apply")
    create_project(actor=cast.admin, at=cast.at, key="web", name="Web")
    create_flag(actor=add_person("Wes Web", "developer", project="web"), at=cast.at, project="web", key="elsewhere")
    with pytest.raises(Invalid, match="There is a flag “elsewhere” already"):
        cloned(cast, key="elsewhere", environment="development")
    with pytest.raises(Denied):  # who may not draft there is told nothing of what there is
        cloned(cast, add_person("Sho Per", "developer", project="shop"), key="elsewhere", project="web")
    with pytest.raises(Invalid, match="cannot be cloned as “bad key/x”") as refused:
        cloned(cast, key="bad key/x")
    assert "SDKs put the name into addresses" in refused.value.fields["key"]
    page = sign_in(Client(), cast.dev).post(
        f"/projects/shop/flags/{FLAG}/clone", {"key": " ", "source": "staging", "target": "shop/development"}
    )
    assert page.status_code == 422
    assert "The copy has no key." in page.content.decode()


def test_what_an_environment_holds_is_copied_to_another(db: str) -> None:
    cast = story()
    brings(cast, (*launch(30), FlagEnable(flag="old-banner")), at=cast.at, environment="staging")
    done = cloned(cast, origin=Origin(project="shop", environment="staging"), key="")
    assert told(done) == {FLAG: "changed", "old-banner": "changed"}
    assert done.proposed is not None
    assert done.proposed.request.title == "Copy flags from staging to production"


def test_a_cross_project_clone_asks_for_rights_on_both_sides_unleash_cve_2026_77425(db: str) -> None:
    """Cross-project clone bypassed role-based access: reading there and making here are both asked, by the same people
    as for doing it by hand.
    """
    cast = story()
    brings(cast, launch(30), at=cast.at, environment="staging")
    create_project(actor=cast.admin, at=cast.at, key="bank", name="Bank", preset="open")
    banker = add_person("Ban Ker", "developer", project="bank", at=cast.at)
    shopper = add_person("Shop Per", "developer", project="shop", at=cast.at)
    reader = add_person("Rea Der", "viewer", project="shop", at=cast.at)
    for actor in (banker, shopper, reader):  # no right there; no right here; not even to draft
        with pytest.raises(Denied):
            cloned(cast, actor, project="bank", environment="production")
        assert last_entry("access.denied")["actor"]["id"] == actor.id
        assert not Flag.objects.filter(key="copy").exists()
    with pytest.raises(Invalid, match="needs another key"):
        cloned(cast, project="bank", key="")
    give(banker.id, "viewer", project="shop", at=cast.at)
    done = cloned(cast, banker, project="bank")
    assert told(done) == {"copy": "created"}
    assert flags.flag("copy").info.project == "bank"


def test_a_cross_project_clone_stands_in_both_logs_unleash_cve_2026_76910(db: str) -> None:
    """Cross-project clone left no trace: here the source's log says what was taken, the target's what was made."""
    cast = story()
    brings(cast, launch(30), at=cast.at, environment="staging")
    create_project(actor=cast.admin, at=cast.at, key="bank", name="Bank", preset="small-team")
    done = cloned(cast, project="bank")
    assert done.proposed is not None
    taken = last_entry("flags.cloned")
    assert taken["where"] == {"project": "shop", "environment": "staging"}
    assert taken["detail"] == {
        "to_project": "bank", "to_environment": "production", "flags": 1, "request": done.proposed.request.id,
    }  # fmt: skip
    assert last_entry("flags.imported")["where"] == {"project": "bank", "environment": "production"}
    assert last_entry("flag.created")["where"] == {"project": "bank"}
    assert done.proposed.request.project == "bank"
    assert done.proposed.request.status == "in_review"  # the target's policy asks, not the source's


def test_a_flag_that_was_never_configured_is_cloned_as_it_is(db: str) -> None:
    cast = story()
    done = cloned(cast)
    assert (told(done), done.proposed) == ({"copy": "created"}, None)
    with pytest.raises(Conflict):
        create_flag(actor=cast.dev, at=cast.at, project="shop", key="copy")


def test_by_api_and_by_pages_with_everything_shown_first(db: str) -> None:
    cast = story()
    dev = sign_in(Client(), cast.dev)
    plain = [{**row, "segments": []} for row in UNLEASH["featureStrategies"] if row["featureName"] != "orphan"]
    wanted = {**UNLEASH, "featureStrategies": plain}
    place = "/api/v1/projects/shop/environments/production"
    body = json.dumps({"document": wanted, "reason": "We move."})
    seen = dev.post(f"{place}/import?dry_run=true", body, content_type="application/json")
    assert (seen.status_code, seen.json()["request"]) == (200, None)
    assert {row["outcome"] for row in seen.json()["rows"]} == {"created", "skipped"}
    form = {"document": json.dumps(wanted), "environment": "production"}
    page = dev.post("/projects/shop/transfer/import", form).content.decode()
    assert "which is not built in" in page
    assert "Import this" in page
    assert not Flag.objects.filter(key="bare").exists()
    refused = dev.post("/projects/shop/transfer/import", {**form, "step": "import"})
    assert refused.status_code == 422  # the policy asks for a reason; nothing is left behind, nothing typed is lost
    assert not Flag.objects.filter(key="bare").exists()
    assert "featureStrategies" in refused.content.decode()
    done = dev.post("/projects/shop/transfer/import", {**form, "step": "import", "reason": "We move."})
    assert done.status_code == 302
    assert "Import 3 flags into production" in dev.get(done["Location"]).content.decode()
    file = SimpleUploadedFile("flags.json", b"[1]")
    assert dev.post("/projects/shop/transfer/import", {"file": file, "environment": "production"}).status_code == 422
    got = dev.post("/projects/shop/transfer/export", {"environment": "production"})
    assert got["Content-Disposition"] == 'attachment; filename="shop-production-flags.json"'
    assert json.loads(got.content)["format"] == "ensign-export-1"
    form = {"source": "production", "target": "shop/development", "key": FLAG, "reason": "Alike"}
    assert dev.post(f"/projects/shop/flags/{FLAG}/clone", {**form, "key": "copied"}).status_code == 302
    assert flags.flag("copied").info.project == "shop"
    viewer = sign_in(Client(), cast.viewer)
    assert "Import" in viewer.get("/projects/shop/transfer").content.decode()
    assert "See what becomes of it" not in viewer.get("/projects/shop/transfer").content.decode()


def test_what_is_no_export_at_all_is_called_so(db: str) -> None:
    for value in ({"foo": 1}, {}):
        with pytest.raises(Invalid) as refused:
            porting.from_json(value)
        assert "no export of Ensign, nor one of Unleash" in refused.value.message
        assert "ensign flags export" in refused.value.remedy
