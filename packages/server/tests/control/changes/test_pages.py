"""Claims: the pages lead an engineer and a reviewer through the story, and say why what is not possible is not."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client
from ensign.control.changes import operations as door
from ensign.control.changes.domain.settings_operations import PolicySet
from ensign.control.changes.models import Request
from ensign.control.incidents import queries as kills
from ensign.control.kernel import clock
from ensign.control.projects.domain import PolicyRules
from ensign.control.segments.operations import create_segment
from ensign_testkit.changing import (
    FLAG,
    approve,
    config,
    last_entry,
    launch,
    live,
    requested,
    story,
    widen,
    without_mfa,
)
from ensign_testkit.people import add_person, sign_in

DRAFT = "/projects/shop/environments/production/draft"


def browser(actor: Any) -> Client:
    return sign_in(Client(), actor)


def text(answer: Any) -> str:
    """The page's words, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def editor_fields(percent: int, **more: str) -> dict[str, str]:
    strategy = config().strategies[0]
    return {
        "operation": "strategy.update",
        "flag": FLAG,
        "strategy": strategy.id,
        "name": "flexibleRollout",
        "param-rollout": str(percent),
        "param-stickiness": "userId",
        "param-groupId": FLAG,
        **more,
    }


def test_the_story_through_the_pages(db: str) -> None:
    cast = story()
    live(cast, 10)
    dev, approver = browser(cast.dev), browser(cast.approver)
    answer = dev.post(DRAFT, editor_fields(50))
    assert (answer.status_code, answer["Location"]) == (302, DRAFT)
    page = text(dev.get(DRAFT))
    assert f"Rollout of {FLAG} in production goes from 10 % to 50 % of users, by userId." in page or "by userId" in page
    assert "One other person must approve this (production)" in page
    wrong = dev.post(f"{DRAFT}/finish", {"act": "submit", "title": "Widen to half", "reason": ""})
    assert wrong.status_code == 422
    assert "asks for a reason" in text(wrong)
    assert "Widen to half" in wrong.content.decode()
    answer = dev.post(f"{DRAFT}/finish", {"act": "submit", "title": "Widen to half", "reason": "The canary was fine."})
    assert answer.status_code == 302
    page = text(dev.get(answer["Location"]))
    assert "You wrote this request, so somebody else must approve it." in page
    assert "May approve: Rev Reviewer, Sec Second." in page
    assert "Approve this change" not in page

    row = Request.objects.get(status="in_review")
    assert "Widen to half" in text(approver.get("/requests"))
    assert "Nothing waits for you" in text(dev.get("/requests"))
    address = f"/requests/{row.pk}"
    page = text(approver.get(address))
    assert "Approve this change in Production" in page
    digest = row.state["digest"]
    assert approver.post(f"{address}/decide", {"decision": "approve", "digest": digest}).status_code == 302
    assert "Apply in Production" in text(dev.get(address))
    assert dev.post(f"{address}/act", {"act": "apply"}).status_code == 302
    assert config().strategies[0].parameters["rollout"] == "50"
    page = text(dev.get(address))
    assert "Applied" in page
    assert "with 1 approval" in page
    assert "Undo this change" in page


def test_a_second_edit_goes_on_from_the_draft_and_loses_nothing_of_the_first(db: str) -> None:
    cast = story()
    live(cast, 10)
    dev, strategy = browser(cast.dev), config().strategies[0].id
    editor = f"/projects/shop/flags/{FLAG}/environments/production/strategies/{strategy}"
    assert 'value="10"' in (page := dev.get(editor).content.decode())
    assert "As in your draft" not in page
    dev.post(DRAFT, editor_fields(50, title="Half of them"))
    page = dev.get(editor).content.decode()
    assert "As in your draft" in page
    assert 'value="50"' in page
    assert "Half of them" in page
    assert "As in your draft" not in browser(cast.approver).get(editor).content.decode(), "a draft is its author's own"
    flag = f"/projects/shop/flags/{FLAG}"
    assert "Your draft changes this." in text(dev.get(flag))
    assert "Your draft changes this." not in text(browser(cast.approver).get(flag))
    dev.post(DRAFT, {"operation": "variants.set", "flag": FLAG, "variant-0-name": "blue", "variant-1-name": "green"})
    assert 'value="green"' in dev.get(flag).content.decode()
    dev.post(DRAFT, {"operation": "strategy.remove", "flag": FLAG, "strategy": strategy})
    assert dev.get(editor).status_code == 404
    dev.post(f"{DRAFT}/finish", {"act": "discard"})
    assert 'value="10"' in dev.get(editor).content.decode()


def test_an_old_requests_page_stays_as_it_was(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    before = text(browser(cast.viewer).get(f"/requests/{done.request.id}"))
    later = requested(cast, widen(90))
    approve(cast, later)
    door.apply(actor=cast.dev, at=cast.at, request_id=later.request.id)
    after = text(browser(cast.viewer).get(f"/requests/{done.request.id}"))
    assert "goes from 10 % to 50 %" in before
    assert "goes from 10 % to 50 %" in after


def test_a_refused_strategy_keeps_what_was_typed_and_names_the_field(db: str) -> None:
    cast = story()
    live(cast)
    answer = browser(cast.dev).post(DRAFT, editor_fields(50, **{"param-rollout": "101", "title": "My words"}))
    assert answer.status_code == 422
    assert "My words" in answer.content.decode()
    assert "whole number from 0 to 100" in text(answer)
    assert not Request.objects.filter(status="draft").exists()


def test_a_refused_segment_keeps_what_was_typed(db: str) -> None:
    cast = story()
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="beta", name="Beta")
    fields = {
        "operation": "segment.set",
        "segment": "beta",
        "constraint-0-context_name": "address",
        "constraint-0-operator": "IN_CIDR",
        "constraint-0-values": "10.0.0.0/99",
    }
    answer = browser(cast.dev).post(DRAFT, fields)
    assert answer.status_code == 422
    assert "10.0.0.0/99" in answer.content.decode()
    fields["constraint-0-values"] = "10.0.0.0/8"
    assert browser(cast.dev).post(DRAFT, fields)["Location"] == DRAFT
    assert "The segment beta in production goes from everybody to" in text(browser(cast.dev).get(DRAFT))


def test_edits_are_taken_out_of_the_draft_one_by_one(db: str) -> None:
    cast = story()
    dev = browser(cast.dev)
    dev.post(DRAFT, {"operation": "flag.enable", "flag": FLAG})
    dev.post(DRAFT, {"operation": "flag.enable", "flag": "old-banner"})
    assert text(dev.get(DRAFT)).count("Take out") == 2
    dev.post(f"{DRAFT}/finish", {"act": "remove-0"})
    assert f"{FLAG} is switched on" not in text(dev.get(DRAFT))
    dev.post(f"{DRAFT}/finish", {"act": "remove-0"})
    assert "No draft" in text(dev.get(DRAFT))


def test_where_no_approval_is_asked_for_the_draft_applies_at_once(db: str) -> None:
    cast = story()
    dev, address = browser(cast.dev), DRAFT.replace("production", "development")
    dev.post(address, {"operation": "flag.enable", "flag": FLAG})
    assert "asks for no approval" in text(dev.get(address))
    answer = dev.post(f"{address}/finish", {"act": "apply", "title": "On", "reason": ""})
    assert answer.status_code == 302
    assert config("development").enabled


def test_without_a_second_factor_the_way_to_one_is_shown(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    someone = browser(without_mfa(cast.approver))
    page = someone.get(f"/requests/{done.request.id}")
    assert "/account/confirm?next=" in page.content.decode()
    assert "/account/security" in page.content.decode()
    answer = someone.post(f"/requests/{done.request.id}/decide", {"decision": "approve", "digest": done.request.digest})
    assert answer["Location"] == f"/account/confirm?next=%2Frequests%2F{done.request.id}"
    assert last_entry("access.denied")["detail"]["code"] == "mfa_required"


def test_a_conflict_shows_both_sides_and_the_way_out(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine = requested(cast, widen(90), author=cast.other)
    theirs = requested(cast, widen(50))
    approve(cast, theirs)
    door.apply(actor=cast.dev, at=cast.at, request_id=theirs.request.id)
    other = browser(cast.other)
    assert re.search(r"Conflict\s+0 of 1", text(other.get("/requests?show=open"))), "the list says so, too"
    page = text(other.get(f"/requests/{mine.request.id}"))
    assert "Somebody else changed this meanwhile" in page
    assert "Conflict" in page
    assert "Theirs: what changed since" in page
    assert re.search(r"10 %\s+50 %", page)
    assert re.search(r"50 %\s+90 %", page)
    take = re.search(r'name="(take:[^"]+)"', other.get(f"/requests/{mine.request.id}").content.decode())
    assert take is not None
    refused = other.post(f"/requests/{mine.request.id}/rebase")
    assert (refused.status_code, "Nothing was carried over" in text(refused)) == (409, True)
    other.post(f"/requests/{mine.request.id}/rebase", {take[1]: "mine"})
    assert "Somebody else changed this meanwhile" not in text(other.get(f"/requests/{mine.request.id}"))


def test_approving_what_changed_meanwhile_does_nothing_and_says_so(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=launch(90))
    answer = browser(cast.approver).post(
        f"/requests/{done.request.id}/decide",
        {"decision": "approve", "digest": done.request.digest, "comment": "Looks good"},
    )
    assert answer.status_code == 409
    assert "changed since you looked at it" in text(answer)
    assert "Looks good" in answer.content.decode()


def test_sending_back_needs_words_and_they_stand_in_the_timeline(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    approver, address = browser(cast.approver), f"/requests/{done.request.id}"
    assert approver.post(f"{address}/decide", {"decision": "request_changes"}).status_code == 422
    assert (
        approver.post(f"{address}/decide", {"decision": "request_changes", "comment": "5 % first"}).status_code == 302
    )
    page = text(approver.get(address))
    assert "5 % first" in page
    assert "Changes requested" in page


def test_people_and_timeline_name_who_did_what_and_whether_an_approval_counts(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    address = f"/requests/{done.request.id}"
    dev = browser(cast.dev)

    def page() -> str:
        return text(dev.get(address))

    assert "Dan Dev submitted it for review" in page()
    assert "Nobody yet" in page()
    approve(cast, done)
    assert re.search(r"Approved by[^,]* Rev Reviewer [^,]*, counts", page())
    edited = door.edit(actor=cast.other, at=cast.at, request_id=done.request.id, operations=widen(40))
    for words in ("no longer counts: the request was edited since", "Ola Other edited it"):
        assert words in page()
    assert re.search(r"Edited by .{0,20}Ola Other", page())
    approve(cast, edited, by=cast.second)
    door.apply(actor=cast.other, at=cast.at, request_id=done.request.id)
    assert re.search(r"Sec Second [^,]*, counted when it applied", page())
    assert re.search(r"Applied by .{0,20}Ola Other", page())
    assert "Ola Other applied it" in page()


EMPTY = {
    "base-request_days": "30",
    **{f"{part}-{name}_FORMS": "0" for part in ("who", "lower", "rule", "freeze") for name in ("TOTAL", "INITIAL")},
}


def test_policies_show_their_history_and_change_through_the_door(db: str) -> None:
    cast = story()
    admin = browser(cast.admin)
    page = text(admin.get("/projects/shop/policies"))
    assert "the approval of one other person" in page
    assert "made with the environment" in page
    answer = admin.post(
        "/projects/shop/policies/production",
        {**EMPTY, "base-approvals": "2", "base-requires_reason": "on", "reason-why": "Two teams now."},
    )
    assert answer.status_code == 302
    waiting = Request.objects.get(status="in_review")
    page = text(admin.get("/projects/shop/policies"))
    assert re.search(r"Another policy was asked for .* In review .* 0 of 1 approvals", page)
    door.review(
        actor=cast.approver, at=clock.now(), request_id=waiting.pk, decision="approve", digest=waiting.state["digest"]
    )
    admin.post(f"/requests/{waiting.pk}/act", {"act": "apply"})
    page = text(admin.get("/projects/shop/policies"))
    assert "the approvals of 2 other people" in page
    assert "The request" in page
    wrong = admin.post("/projects/shop/policies/production", EMPTY | {"base-approvals": "0"})
    assert wrong.status_code == 422
    assert "Say in a sentence what is done instead" in text(wrong)


def test_nobody_reads_requests_of_a_project_that_they_may_not_see(db: str) -> None:
    cast = story()
    done = requested(cast, launch())
    stranger = browser(add_person("Stranger", "developer", project="other", at=cast.at))
    for address in (f"/requests/{done.request.id}", "/projects/shop/requests", "/projects/shop/policies", DRAFT):
        assert stranger.get(address).status_code == 403, address
    assert "Widen the rollout" not in text(stranger.get("/requests?show=all"))
    assert Client().get("/requests").status_code == 302


def test_the_kill_switch_by_its_button_and_the_reason_afterwards(db: str) -> None:
    cast = story()
    live(cast)
    dev = browser(cast.dev)
    answer = dev.post(f"/projects/shop/environments/production/flags/{FLAG}/kill")
    assert answer.status_code == 302
    assert not config().enabled
    pressed = kills.kills()[0]
    page = dev.get("/kills")
    assert "Why was it pressed?" in text(page)
    assert dev.post(f"/kills/{pressed.id}/reason", {"reason": ""}).status_code == 422
    assert dev.post(f"/kills/{pressed.id}/reason", {"reason": "Errors."}).status_code == 302
    assert "Errors." in text(dev.get("/kills"))
    again = dev.post(f"/projects/shop/environments/production/flags/{FLAG}/kill", follow=True)
    assert "Nothing was switched off" in text(again)


def test_requests_beside_the_flag(db: str) -> None:
    cast = story()
    requested(cast, launch())
    assert "Widen the rollout" in text(browser(cast.viewer).get(f"/projects/shop/flags/{FLAG}"))


def test_one_policy_request_reads_well(db: str) -> None:
    cast = story()
    done = door.propose(
        actor=cast.admin, at=cast.at, project="shop", environment="production",
        operations=(PolicySet(rules=PolicyRules(approvals=2)),), reason="Two teams now.",
    )  # fmt: skip
    page = text(browser(cast.viewer).get(f"/requests/{done.request.id}"))
    assert "The policy of production changes" in page
    assert "2 approvals by other people" in page


def field(page: Any, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', page.content.decode())
    assert found is not None, name
    return html.unescape(found[1])


def test_a_line_is_commented_replied_to_and_resolved_and_nothing_typed_is_lost(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    viewer, dev = browser(cast.viewer), browser(cast.dev)
    address = f"/requests/{done.request.id}"
    line, digest = field(viewer.get(address), "line"), field(viewer.get(address), "digest")
    answer = viewer.post(f"{address}/discuss", {"act": "line", "line": line, "digest": digest, "comment": "Why half?"})
    thread = answer["Location"].partition("#")[2]
    assert thread.startswith("cmt_")
    assert "Why half?" in text(dev.get(address))
    dev.post(f"{address}/discuss", {"act": "reply", "thread": thread, "comment": "The canary was fine."})
    assert "The canary was fine." in text(viewer.get(address))
    dev.post(f"{address}/discuss", {"act": "resolve", "thread": thread})
    assert "Resolved" in text(viewer.get(address))
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=widen(25))
    late = viewer.post(f"{address}/discuss", {"act": "line", "line": line, "digest": digest, "comment": "My words"})
    assert late.status_code == 409
    assert "My words" in late.content.decode(), "what was typed is still there"
    page = viewer.get(address)
    assert "On an earlier version" in text(page)
    assert f"{address}?round=1" in page.content.decode()


def test_an_earlier_round_is_shown_as_it_was_to_everybody_and_decides_nothing(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    door.edit(actor=cast.dev, at=cast.at, request_id=done.request.id, operations=widen(25))
    address = f"/requests/{done.request.id}"
    for actor in (cast.viewer, cast.approver):
        page = text(browser(actor).get(f"{address}?round=1"))
        assert "goes from 10 % to 50 %" in page
        assert "This is what round 1 proposed." in page
        assert "Approve this change" not in page
    page = text(browser(cast.viewer).get(address))
    assert "goes from 10 % to 25 %" in page
    assert "1 line differs from the round before" in page
    assert re.search(r"10 % → 50 %\s+10 % → 25 %", page)
    assert browser(cast.viewer).get(f"{address}?round=7").status_code == 404


def test_reviewers_are_asked_by_the_page_and_find_it_in_their_queue_and_at_home(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    address = f"/requests/{done.request.id}"
    page = text(browser(cast.dev).get(address))
    assert "approved 1 change here lately" in page
    assert "Vi Viewer" in page
    browser(cast.dev).post(f"{address}/reviewers", {"reviewers": [cast.viewer.id, cast.approver.id, ""]})
    page = text(browser(cast.dev).get(address))
    assert "waits; may look, not approve" in page
    viewer = browser(cast.viewer)
    assert "Widen the rollout" in text(viewer.get("/requests?show=requested"))
    assert "you were asked to look at it" in text(viewer.get("/"))
    refused = browser(cast.dev).post(f"{address}/reviewers", {"reviewers": [cast.dev.id]})
    assert refused.status_code == 422
    assert "had a part" in text(refused)


def test_the_queue_is_filtered_by_flag_environment_state_and_author_with_counts(db: str) -> None:
    cast = story()
    live(cast, 10)
    mine, other = requested(cast, widen(50)), requested(cast, widen(20), author=cast.other)
    door.ask_reviewers(actor=cast.dev, at=cast.at, request_id=mine.request.id, reviewers=[cast.viewer.id])
    viewer = browser(cast.viewer)

    def shown(query: str) -> set[str]:
        return set(re.findall(r'href="/requests/(crq_\w+)"', viewer.get(f"/requests?{query}").content.decode()))

    assert shown("show=requested") == {mine.request.id}
    assert shown("show=open") == {mine.request.id, other.request.id}
    assert shown(f"show=open&author={cast.other.id}") == {other.request.id}
    assert shown(f"show=open&flag={FLAG}&environment=production") == {mine.request.id, other.request.id}
    assert shown("show=open&flag=old-banner") == set()
    assert shown("show=all&status=applied").isdisjoint({mine.request.id, other.request.id})
    assert "No request fits" in text(viewer.get("/requests?show=open&environment=staging"))
    page = text(browser(cast.approver).get("/requests"))
    assert "Waits for me 2" in page
    assert "Open 2" in page
    assert shown("show=nonsense&status=nonsense") == set()


def test_a_draft_says_before_it_is_submitted_what_would_stop_it_and_whom_to_ask(db: str) -> None:
    cast = story()
    live(cast, 10)
    dev = browser(cast.dev)
    dev.post(DRAFT, editor_fields(50))
    page = text(dev.get(DRAFT))
    assert "It cannot be submitted yet." in page
    assert "A reason is missing." in page
    assert "CM-01" in page
    assert "about 10 % → 50 % of users" in page
    part = dev.post(f"{DRAFT}/check", {"title": "Half", "reason": "The canary was fine."})
    assert "It can be submitted" in text(part)
    assert "A reason is missing." not in text(part)
    assert Request.objects.get(status="draft").state["reason"] == "", "a check writes nothing"
    words = {"act": "submit", "title": "Half", "reason": "Fine.", "reviewers": cast.approver.id}
    address = dev.post(f"{DRAFT}/finish", words)["Location"]
    assert Request.objects.get(status="in_review").state["reviewers"] == [cast.approver.id]
    checks = text(dev.get(f"{address}/check"))
    assert "One approval is missing" in checks
    assert "May approve: Rev Reviewer, Sec Second." in checks


def test_undoing_shows_what_was_changed_again_and_asks_which_side(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    approve(cast, done)
    door.apply(actor=cast.dev, at=cast.at, request_id=done.request.id)
    later = requested(cast, widen(90), author=cast.other)
    approve(cast, later)
    door.apply(actor=cast.other, at=cast.at, request_id=later.request.id)
    dev, address = browser(cast.dev), f"/requests/{done.request.id}/revert"
    page = dev.get(address)
    assert "1 line of this change was changed again since" in text(page)
    take = re.search(r'name="(take:[^"]+)"', page.content.decode())
    assert take is not None
    refused = dev.post(address, {"reason": "Errors"})
    assert refused.status_code == 409
    assert "Errors" in refused.content.decode()
    answer = dev.post(address, {"reason": "Errors", take[1]: "mine"})
    assert "goes from 90 % to 10 %" in text(dev.get(answer["Location"]))


def test_contexts_are_tried_against_a_draft_and_bad_ones_are_named(db: str) -> None:
    cast = story()
    live(cast, 10)
    dev = browser(cast.dev)
    dev.post(DRAFT, editor_fields(100))
    address = f"/requests/{Request.objects.get(status='draft').pk}/try"
    page = text(dev.post(address, {"contexts": "userId=7, country=SE\nuserId=8\n"}))
    assert "userId=7, country=SE" in page
    assert "answers would differ" in page
    wrong = dev.post(address, {"contexts": "userId=7\nnonsense"})
    assert wrong.status_code == 422
    assert "Line 2 is not of the form" in text(wrong)
    assert "nonsense" in wrong.content.decode()
    assert browser(cast.other).get(address).status_code == 404, "a draft is its author's own"


def test_the_page_says_until_when_approvals_count_and_when_it_ends(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    approve(cast, done)
    page = text(browser(cast.dev).get(f"/requests/{done.request.id}"))
    assert re.search(r"By Rev Reviewer\. Counts until (\w+ \d\d:\d\d|\d+ \w+ \d{4}, \d\d:\d\d) UTC\.", page)
    assert "Ends by itself" in page


def test_what_came_back_is_edited_on_its_page_and_submitted_again(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    address = f"/requests/{done.request.id}"
    sent = {"decision": "request_changes", "digest": done.request.digest, "comment": "A quarter is enough."}
    browser(cast.approver).post(f"{address}/decide", sent)
    dev = browser(cast.dev)
    assert f"{address}/edit" in dev.get(address).content.decode()
    page = dev.get(f"{address}/edit")
    assert 'value="50"' in page.content.decode()
    assert "Rev Reviewer: A quarter is enough." in text(page)
    words = {"title": "A quarter", "reason": "As asked.", "keep-0": "1", "version": field(page, "version")}
    wrong = dev.post(f"{address}/edit", {**words, "share-0": "400", "act": "submit"})
    assert wrong.status_code == 422
    assert "A quarter" in wrong.content.decode()
    assert 'value="400"' in wrong.content.decode()
    assert dev.post(f"{address}/edit", {**words, "share-0": "25", "act": "submit"}).status_code == 302
    row = Request.objects.get(pk=done.request.id)
    assert (row.status, row.state["title"]) == ("in_review", "A quarter")
    assert "goes from 10 % to 25 %" in text(dev.get(address))
    stale = dev.post(f"{address}/edit", {**words, "share-0": "30", "act": "save"})
    assert stale.status_code == 409, "somebody else's edit in between is not overwritten"


def test_the_edits_of_a_draft_are_added_to_a_request_and_the_draft_is_gone(db: str) -> None:
    cast = story()
    live(cast, 10)
    done = requested(cast, widen(50))
    dev, address = browser(cast.dev), f"/requests/{done.request.id}/edit"
    dev.post(DRAFT, {"operation": "flag.disable", "flag": FLAG})
    assert "Add the 1 edit of my draft" in text(dev.get(address))
    dev.post(address, {"title": "Both", "reason": "Fine.", "keep-0": "1", "share-0": "50", "with_draft": "1"})
    state = Request.objects.get(pk=done.request.id).state
    assert [step["type"] for step in state["operations"]] == ["strategy.update", "flag.disable"]
    assert (state["round"], state["approvals"]) == (2, [])
    assert not Request.objects.filter(status="draft").exists()
    nothing = dev.post(address, {"title": "Both", "reason": "Fine."})
    assert nothing.status_code == 422
    assert "Nothing would be left" in text(nothing)
