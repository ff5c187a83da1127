"""Claims: one act on many flags is one request, which does to each what it says, leaves alone what it would not change,
and is held back like every other.
"""

from __future__ import annotations

import json

import pytest
from django.test import Client
from ensign.control.changes import operations as door
from ensign.control.changes.bulk import change_many, preview_bulk
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.bulk import ACTS, plan
from ensign.control.changes.domain.content_operations import DependencySet, StrategyAdd
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagEnable
from ensign.control.changes.domain.world import World
from ensign.control.flags import words
from ensign.control.flags.domain import Dependency
from ensign.control.flags.operations import create_flag
from ensign.control.kernel.errors import Denied, Invalid
from ensign_testkit.change_worlds import FLAGS, worlds
from ensign_testkit.changing import FLAG, Story, config, launch, live, story
from ensign_testkit.people import add_person, give, sign_in
from ensign_testkit.targets import rollout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BOTH = [FLAG, "old-banner"]


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(worlds, st.lists(st.sampled_from([*FLAGS, "gone"]), max_size=5), st.sampled_from(ACTS), st.integers(0, 100))
def test_a_plan_names_every_flag_once_and_what_it_does_can_be_done(
    world: World, chosen: list[str], act: str, percent: int
) -> None:
    made = plan(world, chosen, act, percent=percent)  # type: ignore[arg-type]  # one of ACTS
    touched = {o.flag for o in made.operations}  # type: ignore[attr-defined]  # all of them are on flags
    left = [one.flag for one in made.skipped]
    assert sorted([*touched, *left]) == sorted(set(chosen))
    after = algebra.apply_all(world, made.operations)
    for key in touched:
        if act == "archive":
            assert after.flags[key].archived
        elif act == "rollout":
            assert {words.share(s) for s in after.configs[key].strategies} <= {None, percent}
        else:
            assert after.configs[key].enabled is (act == "on")
    assert all(after.configs[key] == world.configs[key] for key in FLAGS if key not in touched)


def many(cast: Story, act: str, *, environment: str = "production", percent: int | None = None) -> door.Proposed:
    return change_many(
        actor=cast.dev, at=cast.at, project="shop", environment=environment, flags=BOTH, act=act, percent=percent,
        reason="All at once.",
    )  # fmt: skip


def test_many_flags_are_one_request_that_waits_for_approval(db: str) -> None:
    cast = story()
    live(cast, 10)
    seen = preview_bulk(actor=cast.dev, at=cast.at, project="shop", environment="production", flags=BOTH, act="on")
    assert [(one.flag, one.why) for one in seen.plan.skipped] == [(FLAG, "It is on already.")]
    assert seen.seen is not None
    assert seen.seen.sentences == ("old-banner is switched on in production.",)
    done = many(cast, "on")
    assert (done.request.status, done.request.title) == ("in_review", "Switch 1 flag on in production")
    assert not config(flag="old-banner").enabled
    done = many(cast, "rollout", percent=40)
    assert [o.type for o in done.request.operations] == ["strategy.update"]


def test_where_nothing_is_asked_for_it_applies_at_once_and_as_one(db: str) -> None:
    cast = story()
    done = change_many(
        actor=cast.dev, at=cast.at, project="shop", environment="development", flags=BOTH, act="on", wish="apply"
    )
    assert done.applied is not None
    assert [config("development", flag).enabled for flag in BOTH] == [True, True]


def test_what_would_change_nothing_is_no_request(db: str) -> None:
    cast = story()
    with pytest.raises(Invalid, match="Nothing is left to change") as caught:
        many(cast, "off")
    assert f"{FLAG}: It is off already." in caught.value.remedy


@pytest.mark.parametrize(
    ("act", "percent", "field"), [("explode", None, "act"), ("rollout", None, "rollout"), ("rollout", 101, "rollout")]
)
def test_what_cannot_be_is_refused_by_name(db: str, act: str, percent: int | None, field: str) -> None:
    cast = story()
    with pytest.raises(Invalid) as caught:
        many(cast, act, percent=percent)
    assert field in caught.value.fields


def test_what_others_depend_on_and_what_is_archived_is_left_alone(db: str) -> None:
    cast = story()
    steps = (
        FlagEnable(flag="old-banner"),
        DependencySet(flag=FLAG, dependency=Dependency(flag="old-banner")),
    )
    door.propose(actor=cast.dev, at=cast.at, project="shop", environment="development", operations=steps)
    create_flag(actor=cast.dev, at=cast.at, project="shop", key="gone")
    done = door.propose(
        actor=cast.dev, at=cast.at, project="shop", environment="production", operations=(FlagArchive(flag="gone"),),
        reason="Old.",
    )  # fmt: skip
    door.review(
        actor=cast.approver, at=cast.at, request_id=done.request.id, decision="approve", digest=done.request.digest
    )
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    seen = preview_bulk(
        actor=cast.dev, at=cast.at, project="shop", environment="production", flags=[*BOTH, "gone", "never"],
        act="archive",
    )  # fmt: skip
    assert {one.flag: one.why for one in seen.plan.skipped} == {
        "old-banner": "Other flags depend on it.",
        "gone": "It is archived.",
        "never": "There is no such flag in shop.",
    }


def test_more_than_200_operations_are_not_one_change(db: str) -> None:
    cast = story()
    steps = [StrategyAdd(flag=FLAG, strategy=rollout(n)) for n in range(30)]
    for number in range(7):
        key = f"flag-{number}"
        create_flag(actor=cast.dev, at=cast.at, project="shop", key=key)
        door.propose(
            actor=cast.dev, at=cast.at, project="shop", environment="development",
            operations=[StrategyAdd(flag=key, strategy=s.strategy) for s in steps],
        )  # fmt: skip
    with pytest.raises(Invalid, match="210 operations; a change holds 200"):
        change_many(
            actor=cast.dev, at=cast.at, project="shop", environment="development",
            flags=[f"flag-{n}" for n in range(7)], act="rollout", percent=99,
        )  # fmt: skip


def test_who_may_draft_only_some_of_it_drafts_none_of_it(db: str) -> None:
    cast = story()
    narrow = add_person("Nora Narrow", at=cast.at)
    give(narrow.id, "developer", tags=("mine",), at=cast.at)
    create_flag(actor=cast.dev, at=cast.at, project="shop", key="hers", tags=["mine"])
    wish = {"project": "shop", "environment": "development", "act": "on"}
    with pytest.raises(Denied):
        change_many(actor=narrow, at=cast.at, flags=["hers", FLAG], **wish)  # type: ignore[arg-type]  # texts
    with pytest.raises(Denied):
        preview_bulk(actor=cast.viewer, at=cast.at, flags=["hers"], **wish)  # type: ignore[arg-type]  # texts
    assert change_many(actor=narrow, at=cast.at, flags=["hers"], **wish).request.author == narrow.id  # type: ignore[arg-type]  # texts
    assert not config("development").enabled


def test_the_pages_show_what_changes_before_they_ask_for_it_and_lose_nothing(db: str) -> None:
    cast = story()
    door.propose(actor=cast.dev, at=cast.at, project="shop", environment="staging", operations=launch(10))
    dev = sign_in(Client(), cast.dev)
    assert f'name="flag" value="{FLAG}"' in dev.get("/projects/shop/flags").content.decode()
    assert 'name="flag"' not in sign_in(Client(), cast.viewer).get("/projects/shop/flags").content.decode()
    form = {"flag": BOTH, "act": "on", "environment": "production"}
    page = dev.post("/projects/shop/bulk", form).content.decode()
    assert "new-checkout is switched on in production." in page
    assert "Submit for review" in page
    refused = dev.post("/projects/shop/bulk", {**form, "step": "submit", "title": "Launch", "keep": "1"})
    assert refused.status_code == 422
    assert 'value="Launch"' in refused.content.decode()
    done = dev.post("/projects/shop/bulk", {**form, "step": "submit", "reason": "Launch day", "keep": "1"})
    assert "Switch 2 flags on in production" in dev.get(done["Location"]).content.decode()
    assert dev.post("/projects/shop/bulk", {"act": "on", "environment": "production"}).status_code == 422
    assert dev.post("/projects/shop/bulk", {**form, "environment": "nowhere"}).status_code in {404, 422}


def test_by_api_with_a_dry_run(db: str) -> None:
    cast = story()
    dev = sign_in(Client(), cast.dev)
    address = "/api/v1/projects/shop/environments/production/bulk"
    body = json.dumps({"flags": [*BOTH, "never"], "act": "on", "reason": "Launch day"})
    answer = dev.post(f"{address}?dry_run=true", body, content_type="application/json")
    seen = answer.json()
    assert (answer.status_code, seen["id"], len(seen["sentences"])) == (200, None, 2)
    assert seen["skipped"] == [{"flag": "never", "why": "There is no such flag in shop."}]
    answer = dev.post(address, body, content_type="application/json")
    assert (answer.status_code, answer.json()["status"]) == (201, "in_review")
