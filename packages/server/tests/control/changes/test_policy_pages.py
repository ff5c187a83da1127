"""Claims: the editor edits all of a policy and loses nothing; code, plan and timeline say what is asked since when."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from ensign.control.access import groups
from ensign.control.changes import operations as door
from ensign.control.changes import policy_plans, timelines
from ensign.control.changes.domain import policy_yaml
from ensign.control.changes.domain.base import operation_types
from ensign.control.changes.domain.flag_operations import FlagArchive
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.models import Request
from ensign.control.flags.operations import update_flag
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Denied, Invalid
from ensign.control.projects import policy_words
from ensign.control.projects.demands import Approvers, Demand, Freeze, Hours, Progression, Rule, When
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.policies import policy
from ensign.control.projects.presets import PRESETS
from ensign_testkit.change_worlds import policies
from ensign_testkit.changing import FLAG, Story, approve, last_entry, launch, live, requested, ruled, story
from ensign_testkit.people import sign_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EDITOR = "/projects/shop/policies/production"
CODE = "/projects/shop/policies/code"
API = "/api/v1/projects/shop"
NIGHT = Hours(days=(0, 1, 2, 3, 4), start=18 * 60, end=8 * 60, zone="Europe/Stockholm")


def browser(actor: Any) -> Client:
    return sign_in(Client(), actor)


def wrong(answer: Any) -> list[str]:
    """What the editor complains of."""
    form = answer.context["form"] if answer.context else None
    if form is None:
        return []
    lists = [one.errors for made in form.lists.values() for one in made.forms]
    return [*form.errors, *(str(dict(one)) for one in (form.base.errors, form.reason.errors, *lists) if one)]


def fields(page: Any, **changes: Any) -> dict[str, Any]:
    """What the editor's form would send as it stands, with changes."""
    form = page.context["form"]
    found: dict[str, Any] = {}
    parts = [form.base, form.reason]
    for made in form.lists.values():
        parts += [made.management_form, *made.forms]
    for part in parts:
        for bound in part:
            value = bound.value()
            if value is True:
                found[bound.html_name] = "on"
            elif value is not None and value is not False and value != "":
                found[bound.html_name] = value
    return {**found, **changes}


def whole(cast: Story) -> PolicyRules:
    """A policy with everything in it that this part of the product enforces."""
    payments = groups.create(actor=cast.admin, at=cast.at, name="Payments")
    for person in (cast.approver, cast.second):
        groups.add_member(actor=cast.admin, at=cast.at, group_id=payments.id, person_id=person.id)
    return PolicyRules(
        approvals=2,
        requires_reason=True,
        further=Demand(
            approvers=(Approvers(roles=("approver",), groups=(payments.id,), owner=True),),
            each_group=(payments.id,),
            approval_hours=72,
            max_step=60,
        ),
        rules=(
            Rule(
                name="High risk at night",
                when=When(tiers=("high",), tags=("payments",), rollout_above=20, hours=NIGHT, flag_types=("release",)),
                demand=Demand(
                    approvals=2,
                    requires_ticket=True,
                    approvers=(Approvers(groups=(payments.id,)), Approvers(roles=("approver", "developer"))),
                    progression=(Progression(environment="staging", hours=4), Progression(environment="development")),
                ),
            ),
        ),
        freezes=(
            Freeze(name="Year's end", start="2035-12-20T00:00:00.000000Z", end="2036-01-02T00:00:00.000000Z"),
            Freeze(name="Sundays", weekly=Hours(days=(6,), start=0, end=1440)),
        ),
        request_days=14,
        delay_hours=24,
    )


def test_the_editor_sends_back_everything_that_it_was_given(db: str) -> None:
    cast = story()
    rules = whole(cast)
    ruled(cast, rules)
    admin = browser(cast.admin)
    page = admin.get(EDITOR)
    assert page.status_code == 200
    same = admin.post(EDITOR, fields(page, **{"reason-why": "None.", "reason-tickets": "OPS-1"}))
    assert same.status_code == 422
    assert "This would change nothing" in same.content.decode()
    answer = admin.post(
        EDITOR, fields(page, **{"base-approvals": "3", "reason-why": "More eyes.", "reason-tickets": "OPS-1"})
    )
    assert answer.status_code == 302, wrong(answer)
    made = Request.objects.latest("pk").state["operations"][0]
    expected = replace(rules, approvals=3).to_state()
    assert {name: made[name] for name in expected if name != "enforced_since"} == {
        name: value for name, value in expected.items() if name != "enforced_since"
    }


def test_another_rule_is_added_without_losing_what_was_typed(db: str) -> None:
    cast = story()
    admin = browser(cast.admin)
    page = admin.get(EDITOR)
    typed = {
        "rule-0-name": "Wide",
        "rule-0-rollout_above": "50",
        "rule-0-requires_ticket": "on",
        "freeze-0-name": "Release day",
        "freeze-0-start": "2035-12-20 00:00",
        "freeze-0-end": "2035-12-21 00:00",
    }
    grown = admin.post(EDITOR, fields(page, **typed, more="rule"))
    assert grown.status_code == 200
    assert "rule-1-name" in grown.content.decode()
    more = {"rule-1-name": "High", "rule-1-tiers": ["high"], "rule-1-approvals": "2"}
    answer = admin.post(EDITOR, fields(grown, **more, **{"reason-why": "Care."}))
    assert answer.status_code == 302, wrong(answer)
    made = Request.objects.latest("pk").state["operations"][0]
    assert [rule["name"] for rule in made["rules"]] == ["Wide", "High"]
    assert made["freezes"][0]["start"] == "2035-12-20T00:00:00.000000Z"
    said = browser(cast.viewer).get(f"/requests/{Request.objects.latest('pk').pk}").content.decode()
    assert "rule “High”" in said
    assert "when the flag&#x27;s risk tier is high: 2 approvals by other people" in said


def test_what_cannot_stand_is_said_at_its_place_and_nothing_typed_is_lost(db: str) -> None:
    cast = story()
    admin = browser(cast.admin)
    page = admin.get(EDITOR)
    typed = {
        "rule-0-name": "Night",
        "rule-0-days": ["0"],
        "rule-0-begins": "26:00",
        "rule-0-requires_ticket": "on",
        "reason-why": "Because of the nights.",
    }
    refused = admin.post(EDITOR, fields(page, **typed))
    assert refused.status_code == 422
    assert "This is not a time of day" in refused.content.decode()
    assert "Because of the nights." in refused.content.decode()
    refused = admin.post(EDITOR, fields(page, **{**typed, "rule-0-begins": "18:00", "rule-0-zone": "Mars/Base"}))
    assert refused.status_code == 422
    assert "Write a name such as Europe/Stockholm" in refused.content.decode()


def test_a_rule_is_taken_away_by_its_box(db: str) -> None:
    cast = story()
    ruled(cast, PolicyRules(approvals=1, rules=(Rule(name="T", when=When(), demand=Demand(requires_ticket=True)),)))
    admin = browser(cast.admin)
    page = admin.get(EDITOR)
    answer = admin.post(EDITOR, fields(page, **{"rule-0-DELETE": "on", "reason-tickets": "OPS-1"}))
    assert answer.status_code == 302, wrong(answer)
    assert Request.objects.latest("pk").state["operations"][0]["rules"] == []


@pytest.mark.parametrize("key", sorted(PRESETS))
def test_every_preset_can_be_begun_from(db: str, key: str) -> None:
    cast = story()
    admin = browser(cast.admin)
    page = admin.get(f"{EDITOR}?preset={key}")
    assert "Filled in from a preset" in page.content.decode()
    if key == "small-team":
        return  # it is in force already
    control = {"base-compensating_control": "Every Friday the log is read."} if not PRESETS[key].approvals else {}
    answer = admin.post(EDITOR, fields(page, **control, **{"reason-why": "As agreed."}))
    assert answer.status_code == 302, wrong(answer)
    state = Request.objects.latest("pk").state["operations"][0]
    assert state["preset"] == ("solo" if key in {"solo", "open"} else key)


def test_a_reader_who_may_not_propose_gets_no_editor(db: str) -> None:
    cast = story()
    assert browser(cast.viewer).get(EDITOR).status_code == 403
    page = browser(cast.viewer).get("/projects/shop/policies")
    assert page.status_code == 200
    assert "Propose another policy" not in page.content.decode()


def test_an_edit_that_would_lower_what_is_asked_leads_into_a_draft(db: str) -> None:
    cast = story()
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, tier="high")
    high = Rule(name="High risk", when=When(tiers=("high",)), demand=Demand(approvals=2))
    ruled(cast, PolicyRules(approvals=1, rules=(high,)))
    dev = browser(cast.dev)
    typed = {"type": "release", "tier": "low", "tags": "web", "owner": "", "description": "Small.", "flag": FLAG}
    refused = dev.post(f"/projects/shop/flags/{FLAG}/describe", typed)
    assert refused.status_code == 422
    page = refused.content.decode()
    assert "the rule “High risk” would no longer be about it" in page
    address = "/projects/shop/environments/production/draft"
    assert f'formaction="{address}"' in page
    assert dev.post(address, {**typed, "operation": "flag.classify"}).status_code == 302
    said = dev.get(address).content.decode()
    assert "its risk tier goes from high to low" in said
    assert "Try it with contexts" not in said, "no application would be told anything else"
    draft = Request.objects.get(status="draft")
    assert draft.state["operations"][0]["type"] == "flag.classify"


def test_a_freeze_stands_on_the_page_of_a_request_and_of_the_flag(db: str) -> None:
    cast = story()
    at = clock.now()
    freeze = Freeze(
        name="Release day", start=(at - timedelta(hours=1)).isoformat(), end=(at + timedelta(hours=3)).isoformat()
    )
    ruled(cast, PolicyRules(approvals=1, freezes=(freeze,)))
    done = requested(cast, launch())
    reader = browser(cast.viewer)
    assert "Try it with contexts" in reader.get(f"/requests/{done.request.id}").content.decode()
    for address in (f"/requests/{done.request.id}", f"/projects/shop/flags/{FLAG}", "/projects/shop/policies"):
        assert "Release day" in reader.get(address).content.decode(), address


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(policies)
def test_yaml_reads_back_as_what_was_written(rules: PolicyRules) -> None:
    names = {"grp_a": "Payments", "grp_b": "Security: EU", "grp_c": 'A "quoted" one'}
    rules = replace(rules, preset="", freezes=tuple(freeze for freeze in rules.freezes if freeze.name))
    text = policy_yaml.write("shop", {"production": rules}, names=names)
    read = policy_yaml.read(text, groups={name: id for id, name in names.items()})
    again = policy_yaml.write("shop", read.policies, names=names)
    assert again == text
    assert read.policies["production"].always == rules.always
    assert read.policies["production"].rules == rules.rules
    assert read.policies["production"].freezes == rules.freezes


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(Invalid):
        policy_yaml.read(text, groups={})


HEAD = "version: 1\nproject: shop\nenvironments:\n  production:\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD}    approvals: one\n", "Line 5: environments.production.approvals: must be a whole number"),
        (f"{HEAD}    approvals: 1\n    aprovals: 2\n", "Line 6: environments.production has no member aprovals."),
        (f"{HEAD}    approvals: 1\n    approvals: 2\n", "Line 6: environments.production.approvals is written twice."),
        (f"{HEAD}    approvals: 1\n    signed: yes\n", "Line 6: environments.production.signed: must be true or false"),
        (f"{HEAD}    approvals: 1\n    each_group: [Nobody]\n", "Line 6: environments.production.each_group[0]"),
        (f"{HEAD}    approvals: &a 1\n", "Line 5: anchors and aliases are not read"),
        (f"{HEAD}    approvals: 1\n  staging: [\n", "this is not YAML"),
        (
            f"{HEAD}    approvals: 1\n    rules:\n      - name: x\n"
            "        when: {hours: {days: [monday], start: 25:00}}\n"
            "        demand: {requires_ticket: true}\n",
            "Line 8: environments.production.rules[0].when.hours.start: must be a time of day",
        ),
        ("version: 2\nproject: shop\nenvironments: {}\n", "Line 1: version"),
        ("", "The file is empty"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_the_line(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        policy_yaml.read(text, groups={})
    assert refused.value.message.startswith(said) or said in refused.value.message


def test_the_export_changes_nothing_when_it_is_applied(db: str) -> None:
    cast = story()
    ruled(cast, whole(cast))
    text = policy_plans.export(actor=cast.viewer, at=cast.at, project="shop")
    assert '"Payments"' in text
    assert "grp_" not in text
    assert last_entry("policies.exported")["detail"] == {"format": "yaml"}
    assert policy_plans.changed("shop", text) == {}
    assert text == policy_plans.file_of("shop")


def test_a_plan_counts_what_would_have_been_decided_differently(db: str) -> None:
    cast = story()
    update_flag(actor=cast.dev, at=cast.at, key=FLAG, tier="high")
    live(cast, 10)
    refused = requested(cast, launch(20)[:1])
    door.review(
        actor=cast.approver, at=cast.at, request_id=refused.request.id, decision="reject",
        digest=refused.request.digest, text="Not now.",
    )  # fmt: skip
    text = policy_plans.file_of("shop")
    production = text.index("  production:")
    text = text[:production] + text[production:].replace(
        "rules: []",
        'rules:\n      - name: "High"\n        when: {tiers: [high]}\n'
        "        demand: {approvals: 2, requires_ticket: true}",
    )
    (plan,) = policy_plans.plan(actor=cast.viewer, at=cast.at, project="shop", text=text)
    assert (plan.environment, plan.looked, plan.held_now, plan.held_then) == ("production", 2, 0, 1)
    assert [(one.status, one.held, one.lacks) for one in plan.differences] == [
        ("applied", True, ("1 approval more", "a ticket"))
    ]
    assert plan.weakens == ()
    assert (
        policy_plans.plan(actor=cast.viewer, at=cast.at + timedelta(days=91), project="shop", text=text)[0].looked == 0
    )


def test_a_plan_says_what_it_cannot_know(db: str) -> None:
    cast = story()
    done = requested(cast, (FlagArchive(flag="old-banner"),))  # reaches every environment
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    text = policy_plans.file_of("shop")
    place = text.index("  production:")
    text = text[:place] + text[place:].replace("rules: []", "requires_tests: true\n    rules: []")
    (plan,) = policy_plans.plan(actor=cast.viewer, at=cast.at, project="shop", text=text)
    assert (plan.held_then, dict(plan.unsaid)) == (0, {"whether a test run had passed": 1})


def test_a_file_is_proposed_as_a_request_for_each_environment(db: str) -> None:
    cast = story()
    text = policy_plans.file_of("shop").replace("delay_hours: 0", "delay_hours: 12")
    with pytest.raises(Denied):
        policy_plans.apply(actor=cast.viewer, at=cast.at, project="shop", text=text)
    made = policy_plans.apply(actor=cast.admin, at=cast.at, project="shop", text=text, reason="Time to object.")
    assert [(one.environment, one.status) for one in made] == [
        ("development", "applied"),
        ("staging", "applied"),
        ("production", "in_review"),
    ]
    assert policy("shop", "production").rules.delay_hours == 0


def test_the_page_plans_and_proposes(db: str) -> None:
    cast = story()
    live(cast, 10)
    admin = browser(cast.admin)
    page = admin.get(CODE)
    assert "version: 1" in page.content.decode()
    text = policy_plans.file_of("shop")
    place = text.index("  production:")
    text = text[:place] + text[place:].replace("approvals: 1", "approvals: 2", 1)
    planned = admin.post(CODE, {"yaml": text, "act": "plan"}).content.decode()
    assert "would have been decided differently" in planned
    assert "held back: it lacked 1 approval more" in planned
    wrong = admin.post(CODE, {"yaml": text.replace("approvals: 2", "approvals: two"), "act": "plan"})
    assert wrong.status_code == 422
    assert "must be a whole number" in wrong.content.decode()
    answer = admin.post(CODE, {"yaml": text, "act": "propose", "reason": "Two teams."})
    assert answer.status_code == 302
    assert Request.objects.filter(status="in_review").count() == 1


def test_the_timeline_covers_all_of_the_time_for_every_member(db: str) -> None:
    cast = story()
    ruled(cast, PolicyRules(approvals=2, requires_reason=True))
    ruled_at = last_entry("change_request.applied")["ts"]
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=PolicyRules(approvals=1, further=Demand(requires_ticket=True))),),
        reason="x", title="t",
    )  # fmt: skip
    approve(cast, done)
    approve(cast, done, by=cast.second)
    door.apply(actor=cast.admin, at=cast.at, request_id=done.request.id)
    found = timelines.spans("shop", "production")
    by_member: dict[str, list[timelines.Span]] = {}
    for one in found:
        by_member.setdefault(one.member, []).append(one)
    for spans in by_member.values():
        assert spans[0].version == 1
        assert spans[-1].until is None
        assert all(a.until == b.since for a, b in pairwise(spans))
    assert [one.value for one in by_member["approvals"]] == [
        "1 approval by another person", "2 approvals by other people", "1 approval by another person",
    ]  # fmt: skip
    assert [one.value for one in by_member["ticket"]] == [None, "must be named"]
    assert clock.text(by_member["approvals"][1].since) == ruled_at
    data = timelines.export(actor=cast.viewer, at=cast.at, project="shop", environment="production", format="csv")
    assert last_entry("policies.exported")["detail"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert {row["by_name"] for row in csv.DictReader(io.StringIO(data.decode()))} >= {"Ada Admin"}
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert len(rows) == len(found)
    assert rows[0]["member"] == found[0].member
    assert last_entry("policies.exported")["detail"]["rows"] == len(found)
    page = browser(cast.viewer).get(f"{EDITOR}/timeline").content.decode()
    assert "not asked for" in page
    answer = browser(cast.viewer).post(f"{EDITOR}/timeline", {"format": "json"})
    assert len(json.loads(answer.content)) == len(found)


def test_the_api_gives_the_whole_policy_and_takes_it_back(db: str) -> None:
    cast = story()
    rules = whole(cast)
    ruled(cast, rules)
    caller = browser(cast.admin)
    answer = caller.get(f"{API}/environments/production/policy")
    found = answer.json()
    assert answer["ETag"] == '"2"'
    assert found["words"]["who may approve"] == (
        "somebody with the role approver, somebody in Payments or the flag's owner"
    )
    body = {**found["rules"], "type": "policy.set", "approvals": 3}
    made = caller.post(
        f"{API}/environments/production/changes",
        json.dumps({"operations": [body], "title": "More", "reason": "x", "tickets": ["OPS-1"]}),
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    assert made.json()["lacking"][:1] == ["2 approvals of somebody with the role approver, somebody in Payments or"
                                          " the flag's owner and somebody in Payments and somebody with the role"
                                          " approver or somebody with the role developer are missing."]  # fmt: skip
    assert [one["environment"] for one in caller.get(f"{API}/policies").json()] == [
        "development", "staging", "production",
    ]  # fmt: skip
    spans = caller.get(f"{API}/environments/production/policy/timeline").json()
    assert {one["member"] for one in spans} >= {"approvals", "rule “High risk at night”"}
    file = caller.post(f"{API}/policies/export", json.dumps({"format": "yaml"}), content_type="application/json")
    assert file.content.decode() == policy_plans.file_of("shop")
    plan = caller.post(
        f"{API}/policies/plan", json.dumps({"yaml": file.content.decode()}), content_type="application/json"
    )
    assert plan.json() == []


def test_a_preset_stands_by_its_name_and_where_there_is_no_group_the_editor_says_so(db: str) -> None:
    cast = story(preset="two-person")
    for address in ("/projects/shop/policies", "/projects/shop"):
        page = browser(cast.admin).get(address).content.decode()
        assert "Two people" in page, address
        assert "two-person" not in page, address
    assert browser(cast.admin).get(EDITOR).content.decode().count("There is no group yet") >= 2


def test_a_rule_says_in_words_what_each_operation_does() -> None:
    """For people who write no code, and for every type that there is."""
    assert set(operation_types()) == set(policy_words.ACTS)
    assert policy_words.when(When(operations=("segment.set",))) == "it changes a segment's rule"
    assert policy_words.when(When(operations=("flag.enable", "flag.archive"))) == (
        "it switches a flag on or archives a flag"
    )


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ("small-team", "A change needs the approval of one other person."),
        ("two-person", "A change needs the approval of 2 other people and a ticket."),
        (
            "regulated",
            "A change needs the signed approval of 2 other people, a ticket, tests that passed and 1 day in staging.",
        ),
    ],
)
def test_the_flags_page_says_in_a_sentence_all_that_every_change_needs(db: str, preset: str, said: str) -> None:
    cast = story(preset=preset)
    for address in (f"/projects/shop/flags/{FLAG}", "/projects/shop/policies"):
        assert said in browser(cast.viewer).get(address).content.decode(), address
