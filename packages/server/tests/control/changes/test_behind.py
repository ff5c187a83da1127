"""Claims: whoever stood behind a service account when it wrote or edited a request is never its second pair of eyes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.test import Client
from ensign.control.access import service_accounts, tokens
from ensign.control.access.tokens import NewToken, TokenWish
from ensign.control.changes import operations as door
from ensign.control.changes.domain import lifecycle, trust
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.domain.requests import Approval, ChangeRequest, PolicyInForce
from ensign.control.identity.actors import from_token
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied
from ensign.control.projects.demands import Demand
from ensign_ledger.semantics import approval_problems
from ensign_testkit.changing import Story, approve, last_entry, launch, requested, story
from ensign_testkit.people import add_person, add_service, sign_in

AT = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = PolicyInForce(ref="pol_x@1", demand=Demand(approvals=1), protected=True, environments=("production",))
ANYBODY = trust.Judges(entitled=lambda _: True)


def person(id: str) -> Actor:
    return Actor(kind="person", id=id, via="session", mfa_at=AT)


def in_review() -> ChangeRequest:
    drafted = ChangeRequest(
        id="crq_1", project="shop", environment="production", title="t", reason="", author="svc_bot",
        behind=("usr_maker", "usr_owner"), created_at=AT, updated_at=AT,
    )  # fmt: skip
    written = lifecycle.edit(
        drafted, by="svc_bot", at=AT, operations=(FlagEnable(flag="f"),), base={}, title="t", reason=""
    )
    return lifecycle.submit(written, by="svc_bot", at=AT, policy=POLICY)


def refusal(request: ChangeRequest, who: str, **more: frozenset[str]) -> str | None:
    owners = more.get("owners", frozenset())
    found = trust.refusal_to_approve(request, person(who), at=AT, policy=POLICY, judges=replace(ANYBODY, owners=owners))
    return None if found is None else found.code


@pytest.mark.parametrize("who", ["usr_maker", "usr_owner"])
def test_who_stood_behind_the_author_is_refused_and_an_approval_in_their_name_counts_for_nothing(who: str) -> None:
    request = in_review()
    assert refusal(request, who) == "own-change"
    forged = Approval(person=who, at=AT, digest=request.digest, policy=POLICY.ref, round=1)
    stuffed = replace(request, approvals=(forged,), status="approved")
    assert not trust.verdict(stuffed, at=AT, policy=POLICY, judges=ANYBODY).enough
    with pytest.raises(Conflict, match="0 of 1"):
        lifecycle.applied(stuffed, person("usr_owner"), at=AT, policy=POLICY, current={}, judges=ANYBODY)
    assert refusal(request, "usr_other") is None


def test_who_answers_for_the_account_by_now_is_refused_as_well() -> None:
    assert refusal(in_review(), "usr_heir", owners=frozenset({"usr_heir"})) == "own-change"


def test_who_stands_behind_an_edit_is_added_and_nobody_is_ever_taken_out() -> None:
    edit = {"at": AT, "operations": (FlagDisable(flag="f"),), "base": {}, "title": "t", "reason": ""}
    edited = lifecycle.edit(in_review(), by="svc_other", behind={"usr_new"}, **edit)  # type: ignore[arg-type]  # mixed
    again = lifecycle.edit(edited, by="svc_bot", **edit)  # type: ignore[arg-type]  # mixed
    assert again.behind == ("usr_maker", "usr_new", "usr_owner")
    assert refusal(again, "usr_new") == "own-change"


def test_the_digest_says_nothing_of_who_stood_behind_it_and_the_row_keeps_them() -> None:
    request = in_review()
    bare = lifecycle.edit(
        replace(request, behind=(), status="draft"), by="svc_bot", at=AT, operations=request.operations, base={},
        title="t", reason="",
    )  # fmt: skip
    assert bare.digest == request.digest
    assert ChangeRequest.from_state(request.id, request.to_state()) == request


# --- On a real database --------------------------------------------------------------------------------------


def robot(cast: Story, maker: Actor) -> tuple[Actor, NewToken]:
    """A pipeline that the administrator owns and ``maker`` made the token of."""
    account = add_service("robot", "developer", owner=cast.admin.id, at=cast.at)
    made = tokens.create_for_service(
        actor=maker, at=cast.at, service_account_id=account.id, wish=TokenWish(name="deploy")
    )
    return from_token(made.text, at=cast.at), made


def both(cast: Story) -> Actor:
    """Somebody who administers and approves."""
    return add_person("Mae Maker", "admin", "approver", at=cast.at)


def refused(cast: Story, done: door.Proposed, by: Actor) -> None:
    with pytest.raises(Denied, match="service account that wrote this request, or made the token") as caught:
        approve(cast, done, by=by)
    assert caught.value.code == "own-change"
    assert last_entry("access.denied")["detail"]["code"] == "own_change"


def test_who_made_the_token_does_not_approve_what_was_drafted_by_it(db: str) -> None:
    cast = story()
    maker = both(cast)
    bot, _ = robot(cast, maker)
    done = requested(cast, launch(), author=bot)
    assert set(done.request.behind) == {cast.admin.id, maker.id}
    refused(cast, done, maker)
    approve(cast, done)
    door.apply(actor=bot, at=cast.at, request_id=done.request.id)
    approval = last_entry("change_request.applied")["approval"]
    assert set(approval["contributors"]) == set(approval["behind"]) == {cast.admin.id, maker.id}


def test_nor_after_the_token_is_revoked_and_the_account_has_another_owner_or_is_disabled(db: str) -> None:
    cast = story()
    maker = both(cast)
    bot, made = robot(cast, maker)
    done = requested(cast, launch(), author=bot)
    tokens.revoke(actor=maker, at=cast.at, token_id=made.token.id)
    service_accounts.update(
        actor=maker, at=cast.at, service_account_id=bot.id, name="robot", purpose="tests", owner=cast.second.id
    )
    service_accounts.disable(actor=maker, at=cast.at, service_account_id=bot.id)
    refused(cast, done, maker)
    refused(cast, done, cast.second)  # answers for it now
    assert approve(cast, done).request.status == "approved"


def test_who_made_the_token_of_an_edit_does_not_approve_it(db: str) -> None:
    cast = story()
    maker = both(cast)
    bot, _ = robot(cast, maker)
    done = requested(cast, launch(10))
    edited = door.edit(actor=bot, at=cast.at, request_id=done.request.id, operations=launch(20))
    assert edited.request.contributors == (bot.id,)
    refused(cast, edited, maker)


def test_the_request_page_says_why_and_offers_no_approval(db: str) -> None:
    cast = story()
    maker = both(cast)
    bot, _ = robot(cast, maker)
    done = requested(cast, launch(), author=bot)
    page = sign_in(Client(), maker).get(f"/requests/{done.request.id}").content.decode()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "You answer for the service account that wrote this request, or made the token that it used" in words
    assert "Behind the service account" in words
    assert 'value="approve"' not in page
    assert "Mae Maker" not in words.partition("May approve:")[2].partition(".")[0]


def test_the_offline_verifier_finds_an_approval_by_who_stood_behind_it(db: str) -> None:
    cast = story()
    maker = both(cast)
    bot, _ = robot(cast, maker)
    done = requested(cast, launch(), author=bot)
    approve(cast, done)
    door.apply(actor=bot, at=cast.at, request_id=done.request.id)
    entry = last_entry("change_request.applied")
    assert list(approval_problems(entry["approval"], ts=entry["ts"])) == []
    entry["approval"]["approvers"][0]["id"] = maker.id
    assert any(maker.id in problem for problem in approval_problems(entry["approval"], ts=entry["ts"]))
