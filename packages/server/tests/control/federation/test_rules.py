"""Claims: no rule lets in whoever has an account at the issuer; a star never crosses what parts a claim; only whoever
manages service accounts, in a session, makes one; trying a token says which claim does not match."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from ensign.control.access import service_accounts, tokens
from ensign.control.access.domain import Scope
from ensign.control.access.tokens import TokenWish
from ensign.control.audit.models import Document, Entry
from ensign.control.federation import checking, operations, queries
from ensign.control.federation.domain import GITHUB, GITLAB, RuleWish, check, compare, fits, warnings
from ensign.control.federation.forms import claims_of, text_of
from ensign.control.identity.actors import from_token
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign_testkit.federating import CLAIMS, World, wish, world_of
from ensign_testkit.issuer import issuing
from ensign_testkit.people import add_person
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def world(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("ENSIGN_OUTBOUND_ALLOW", "127.0.0.0/8")
    with issuing() as issuer:
        yield world_of(issuer)


def said(shape: str, issuer: str, claims: dict[str, str], **more: object) -> RuleWish:
    return RuleWish(name="n", shape=shape, issuer=issuer, audience="https://e", claims=claims, **more)


@pytest.mark.parametrize(
    ("shape", "issuer", "claims"),
    [
        ("github", GITHUB, {"repository": "acme/shop"}),
        ("github", GITHUB, {"repository_id": "74", "ref": "refs/heads/*"}),
        ("github", GITHUB, {"sub": "repo:acme/shop:*"}),
        ("github", "https://ghes.example.com/_services/token", {"repository": "acme/shop"}),
        ("gitlab", GITLAB, {"project_path": "acme/team/shop", "ref_protected": "true"}),
        ("gitlab", GITLAB, {"sub": "project_path:acme/shop:ref_type:branch:ref:**"}),
        ("gitlab", "https://git.example.com", {"project_id": "7"}),
        ("other", "https://issuer.example.com/", {"sub": "job-7"}),
    ],
)
def test_a_rule_that_pins_a_repository_is_taken(shape: str, issuer: str, claims: dict[str, str]) -> None:
    assert check(said(shape, issuer, claims)) == shape


@pytest.mark.parametrize(
    ("shape", "issuer", "claims"),
    [
        ("github", GITHUB, {}),
        ("github", GITHUB, {"ref": "refs/heads/main"}),
        ("github", GITHUB, {"repository": "*/*"}),
        ("github", GITHUB, {"repository": "acme/*"}),
        ("github", GITHUB, {"repository": "**"}),
        ("github", GITHUB, {"repository": "acme"}),
        ("github", GITHUB, {"repository": "acme/sh*p"}),
        ("github", GITHUB, {"repository_owner": "acme"}),
        ("github", GITHUB, {"repository_id": "*"}),
        ("github", GITHUB, {"sub": "repo:acme/*:ref:refs/heads/main"}),
        ("github", GITHUB, {"sub": "repo:*/shop:ref:refs/heads/main"}),
        ("github", GITHUB, {"sub": "repo:**:ref:refs/heads/main"}),
        ("github", GITHUB, {"sub": "repo:acme/shop"}),
        ("github", GITHUB, {"sub": "**"}),
        ("other", GITHUB, {"sub": "anything"}),
        ("gitlab", GITHUB, {"project_path": "acme/shop"}),
        ("gitlab", GITLAB, {"ref": "main"}),
        ("gitlab", GITLAB, {"project_path": "acme/**"}),
        ("gitlab", GITLAB, {"namespace_path": "acme"}),
        ("github", GITLAB, {"repository": "acme/shop"}),
        ("other", "https://issuer.example.com", {"sub": "job-*"}),
        ("other", "https://issuer.example.com", {"email": "a@example.com"}),
    ],
)
def test_a_rule_that_would_let_in_strangers_is_refused(shape: str, issuer: str, claims: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        check(said(shape, issuer, claims))
    assert "claims" in refused.value.fields


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "jti", "", "a b", "x" * 65, "ré"])
def test_claims_that_are_checked_anyway_or_have_no_name_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check(said("github", GITHUB, {**CLAIMS, name: "x"}))


@pytest.mark.parametrize("pattern", ["", " x", "x\n", "a*b*c*d", "***", "x" * 257, "\x00"])
def test_patterns_that_cannot_be_read_or_take_long_are_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        check(said("github", GITHUB, {**CLAIMS, "ref": pattern}))


@pytest.mark.parametrize(
    "issuer",
    [
        "http://issuer.example.com", "ftp://a", "https://", "https://A.example.com", "https://a.example.com?x=1",
        "https://a.example.com#f", "https://u:p@a.example.com", "https://a.example.com/../b", "https://a.example.com//b",
        "https://a.example.com/%2e%2e", "https://a.example.com:443", "https://a.example.com\\b", " https://a.example.com",
        "https://a.example.com/\n", "issuer", "http://10.0.0.1", "https://a.example.com:99999",
    ],
)  # fmt: skip
def test_an_issuer_has_one_spelling_and_tls(issuer: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(said("other", issuer, {"sub": "x"}))
    assert "issuer" in refused.value.fields


@pytest.mark.parametrize(
    ("pattern", "value", "good"),
    [
        ("refs/heads/main", "refs/heads/main", True),
        ("refs/heads/*", "refs/heads/topic", True),
        ("refs/heads/*", "refs/heads/a/b", False),
        ("refs/heads/**", "refs/heads/a/b", True),
        ("refs/heads/**", "refs/heads/a:b", False),
        ("repo:acme/shop:*", "repo:acme/shop:pull_request", True),
        ("repo:acme/shop:*", "repo:acme/shop:ref:x", False),
        ("repo:acme/shop:ref:**", "repo:acme/shop:ref:refs/heads/main", True),
        ("a.c", "abc", False),
        ("a[bc]", "ab", False),
        ("a?", "ab", False),
        ("(a|b)", "a", False),
        ("a+", "aa", False),
        ("*", "", True),
        ("main", "main\n", False),
        ("*", "a\nb", False),
        ("*", "a\x00", False),
        ("x", "*", False),
        ("**", "y" * 1025, False),
    ],
)
def test_a_star_stands_for_a_run_within_what_parts_a_claim_and_nothing_else_is_special(
    pattern: str, value: str, good: bool
) -> None:
    assert fits(pattern, value) is good


@given(st.text(max_size=40), st.text(max_size=40))
def test_without_a_star_a_pattern_matches_itself_alone(pattern: str, value: str) -> None:
    if "*" not in pattern:
        assert fits(pattern, value) is (pattern == value)


def test_the_slowest_pattern_against_the_longest_value_is_quick() -> None:
    begun = time.monotonic()
    assert not fits("**a**b", "a" * 1024)
    assert time.monotonic() - begun < 2


def test_what_a_rule_leaves_open_is_said() -> None:
    assert len(warnings("github", {"repository": "acme/shop"})) == 2
    assert warnings("github", {"repository_id": "7", "repository": "acme/shop", "environment": "production"}) == ()
    assert warnings("github", {"repository_id": "7", "sub": "repo:acme/shop:ref:refs/heads/main"}) == ()
    assert len(warnings("github", {"repository_id": "7", "sub": "repo:acme/shop:environment:*"})) == 1
    assert len(warnings("gitlab", {"project_path": "acme/shop"})) == 2
    assert warnings("gitlab", {"project_id": "7", "ref": "main"}) == ()


def test_claims_are_written_one_a_line_and_read_back() -> None:
    text = "repository = acme/shop\n\n ref=refs/heads/main \nlabel = a = b"
    read = claims_of(text)
    assert read == {"repository": "acme/shop", "ref": "refs/heads/main", "label": "a = b"}
    assert claims_of(text_of(read)) == read
    for wrong in ("repository", "= x", "a =", "a = 1\na = 2"):
        with pytest.raises(Invalid):
            claims_of(wrong)


def test_rules_are_made_in_a_session_by_whoever_manages_service_accounts(world: World) -> None:
    at = clock.now()
    for role in ("viewer", "developer", "approver", "requester", "auditor"):
        with pytest.raises(Denied):
            operations.create(
                actor=add_person(f"P {role}", role), at=at, service_account_id=world.account, wish=wish(world.issuer)
            )
    text = tokens.create_personal(actor=world.admin, at=at, wish=TokenWish(name="t")).text
    by_token = from_token(text, at=at)
    for act in (
        lambda: operations.create(actor=by_token, at=at, service_account_id=world.account, wish=wish(world.issuer)),
        lambda: operations.change(actor=by_token, at=at, rule_id=world.rule.id, wish=wish(world.issuer, minutes=60)),
        lambda: operations.end(actor=by_token, at=at, rule_id=world.rule.id),
        lambda: checking.try_token(actor=by_token, at=at, rule_id=world.rule.id, subject_token="x"),
    ):
        with pytest.raises(Denied):
            act()
    assert queries.rule(world.rule.id) == world.rule


def test_a_rule_cannot_give_what_no_token_has_nor_name_places_that_there_are_not(world: World) -> None:
    at = clock.now()
    for more in (
        {"permissions": frozenset({"change:approve"})},
        {"permissions": frozenset()},
        {"scope": Scope("nowhere")},
        {"minutes": 61},
        {"minutes": 4},
        {"audience": "a b"},
        {"name": ""},
    ):
        with pytest.raises(Invalid):
            operations.create(
                actor=world.admin, at=at, service_account_id=world.account, wish=wish(world.issuer, **more)
            )


def test_the_entry_of_a_rule_names_issuer_and_account_and_no_claims(world: World) -> None:
    body = Entry.objects.get(action="federation_rule.created").body
    assert json.loads(body)["detail"]["issuer"] == world.issuer.url
    assert "acme" not in body
    assert any("acme/shop" in (text or "") for text in Document.objects.values_list("content", flat=True))


def test_an_ended_rule_stays_ended(world: World) -> None:
    operations.end(actor=world.admin, at=clock.now(), rule_id=world.rule.id, reason="moved")
    with pytest.raises(Conflict):
        operations.end(actor=world.admin, at=clock.now(), rule_id=world.rule.id)
    with pytest.raises(Conflict):
        operations.change(actor=world.admin, at=clock.now(), rule_id=world.rule.id, wish=wish(world.issuer))
    assert queries.rules(service_account=world.account) == []
    assert len(queries.rules(service_account=world.account, ended=True)) == 1


def test_a_disabled_account_takes_no_rule(world: World) -> None:
    service_accounts.disable(actor=world.admin, at=clock.now(), service_account_id=world.account)
    with pytest.raises(Conflict):
        operations.create(actor=world.admin, at=clock.now(), service_account_id=world.account, wish=wish(world.issuer))


def tried(world: World, token: str) -> checking.Verdict:
    return checking.try_token(
        actor=world.admin, at=clock.now(), rule_id=world.rule.id, subject_token=token, issuers=world.issuers
    )


def test_trying_a_token_tells_each_claim_apart_and_makes_nothing(world: World) -> None:
    good = world.issuer.token()
    before = Entry.objects.count()
    assert tried(world, good).good
    wrong = tried(world, world.issuer.token(ref="refs/heads/topic", repository=["acme/shop"]))
    problems = {match.name: match.problem for match in wrong.claims}
    assert problems == {
        "ref": "the token says something else",
        "repository": "the token says it as a list, not as a text",
    }
    assert not wrong.good
    assert Entry.objects.count() == before
    world.exchange(good)


def test_trying_a_token_tells_which_step_fails(world: World) -> None:
    def failing(token: str) -> list[str]:
        return [step.title for step in tried(world, token).steps if step.problem]

    assert failing("nonsense") == ["It is a signed JWT"]
    assert failing(world.issuer.token(aud="https://x")) == ["The audience is the rule's"]
    assert failing(world.issuer.token(exp=1)) == ["It counts now"]
    head, body, _ = world.issuer.token().split(".")
    assert failing(f"{head}.{body}.AAAA") == ["Its signature is that of a key of the issuer"]
    asked = len(world.issuer.asked)
    assert failing(world.issuer.token(iss="https://evil.example.com")) == ["The issuer is the rule's, letter by letter"]
    assert len(world.issuer.asked) == asked, "a stranger's address is never asked"


def test_compare_says_what_is_missing() -> None:
    assert [match.problem for match in compare({"ref": "x"}, {})] == ["the token does not say it"]
