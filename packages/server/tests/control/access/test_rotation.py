"""Claims: a rotation makes one successor of the same scope and gives the token itself an end; a token rotates nothing
but itself, only if a person allowed it, never longer than they said, and once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from ensign.control.access import rotation, service_accounts, tokens
from ensign.control.access.decisions import held
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.access.tokens import NewToken, TokenWish
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.identity.actors import from_token
from ensign.control.identity.tokens import is_genuine
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, Unauthenticated
from ensign_testkit.people import add_person
from ensign_testkit.targets import shop

DAY = timedelta(days=1)


@pytest.fixture
def admin(db: str) -> Actor:
    shop()
    return add_person("Root", "admin")


def service_token(admin: Actor, at: datetime, *, renew_days: int | None = None, days: int = 10) -> NewToken:
    account = service_accounts.create(actor=admin, at=at, name="ci", purpose="deploys", owner=admin.id)
    wish = TokenWish(
        name="deploy",
        purpose="GitLab",
        days=days,
        permissions=frozenset({"project:read"}),
        scope=Scope("shop", "production"),
        renew_days=renew_days,
    )
    return tokens.create_for_service(actor=admin, at=at, service_account_id=account.id, wish=wish)


def opens(text: str, *, at: datetime) -> bool:
    try:
        actor = from_token(text, at=at)
    except Unauthenticated:
        return False
    return held(actor, at=at).refusal is None


def test_both_work_during_the_overlap_and_only_the_successor_afterwards(admin: Actor) -> None:
    at = clock.now()
    old = service_token(admin, at)
    done = rotation.rotate(actor=admin, at=at + DAY, token_id=old.token.id, overlap=timedelta(hours=2))
    new = done.new.token
    assert (new.name, new.purpose, new.permissions, new.project, new.environment, new.subject) == (
        "deploy", "GitLab", ("project:read",), "shop", "production", old.token.subject,
    )  # fmt: skip
    assert (new.predecessor, done.predecessor.successor) == (old.token.id, new.id)
    assert new.expires_at - new.created_at == timedelta(days=10)
    in_overlap, after = at + DAY + timedelta(hours=1, minutes=59), at + DAY + timedelta(hours=2)
    assert opens(old.text, at=in_overlap)
    assert opens(done.new.text, at=in_overlap)
    assert not opens(old.text, at=after)
    assert opens(done.new.text, at=after)


def test_no_overlap_ends_it_at_once_and_an_overlap_never_lengthens(admin: Actor) -> None:
    at = clock.now()
    first = service_token(admin, at, days=1)
    late = at + timedelta(hours=23)
    second = rotation.rotate(actor=admin, at=late, token_id=first.token.id, overlap=7 * DAY)
    assert second.predecessor.expires_at == first.token.expires_at
    third = rotation.rotate(actor=admin, at=late, token_id=second.new.token.id, overlap=timedelta(0))
    assert third.predecessor.status == "revoked"
    assert not opens(second.new.text, at=late)


def test_what_is_not_possible_says_so(admin: Actor) -> None:
    at = clock.now()
    old = service_token(admin, at)
    for wrong in (timedelta(days=7, seconds=1), timedelta(seconds=-1)):
        with pytest.raises(Invalid):
            rotation.rotate(actor=admin, at=at, token_id=old.token.id, overlap=wrong)
    done = rotation.rotate(actor=admin, at=at, token_id=old.token.id)
    with pytest.raises(Conflict, match="successor"):
        rotation.rotate(actor=admin, at=at, token_id=old.token.id)
    tokens.revoke(actor=admin, at=at, token_id=done.new.token.id)
    again = rotation.rotate(actor=admin, at=at, token_id=old.token.id)
    assert again.new.token.expires_at == at + timedelta(days=10), (
        "as long as it was made for, not as the overlap left it"
    )
    with pytest.raises(Conflict, match="ended"):
        rotation.rotate(actor=admin, at=at + 30 * DAY, token_id=again.new.token.id)


def test_the_entry_tells_the_pair_and_no_text(admin: Actor) -> None:
    at = clock.now()
    old = service_token(admin, at)
    done = rotation.rotate(actor=admin, at=at, token_id=old.token.id, reason="leaver")
    body = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert body["action"] == "token.rotated"
    assert body["detail"]["predecessor"] == old.token.id
    assert {touch["object"] for touch in body["touch"]} == {f"token:{old.token.id}", f"token:{done.new.token.id}"}
    assert done.new.text not in "".join(Entry.objects.values_list("body", flat=True))


def test_a_service_account_rotates_its_own_token_if_that_was_allowed_and_only_once(admin: Actor) -> None:
    at = clock.now()
    old = service_token(admin, at, renew_days=30)
    itself = from_token(old.text, at=at)
    done = rotation.rotate(actor=itself, at=at + DAY, token_id=old.token.id)
    assert done.new.token.created_by == itself.id
    with pytest.raises(Denied) as refused:
        rotation.rotate(actor=itself, at=at + DAY, token_id=old.token.id)
    assert refused.value.code == "already-rotated"
    assert refused.value.recorded, "a second try tells that two hands hold the text: it is an entry"


def test_however_often_it_rotates_itself_the_line_ends_on_the_day_that_a_person_set(admin: Actor) -> None:
    at = clock.now()
    made = service_token(admin, at, renew_days=30)
    limit, now, text, id = at + 30 * DAY, at, made.text, made.token.id
    for _ in range(3):
        now += 9 * DAY
        done = rotation.rotate(actor=from_token(text, at=now), at=now, token_id=id, days=10)
        text, id = done.new.text, done.new.token.id
        assert done.new.token.expires_at <= limit
    assert done.new.token.expires_at == limit
    assert not opens(text, at=limit)


def test_a_token_that_was_not_allowed_to_or_asks_for_another_one_is_refused(admin: Actor) -> None:
    at = clock.now()
    plain = service_token(admin, at)
    other = tokens.create_for_service(
        actor=admin, at=at, service_account_id=plain.token.subject, wish=TokenWish(name="b", renew_days=9)
    )
    with pytest.raises(Denied) as refused:
        rotation.rotate(actor=from_token(plain.text, at=at), at=at, token_id=plain.token.id)
    assert refused.value.code == "not-renewable"
    with pytest.raises(Denied):
        rotation.rotate(actor=from_token(plain.text, at=at), at=at, token_id=other.token.id)
    with pytest.raises(Denied):
        rotation.rotate(actor=from_token(other.text, at=at), at=at + 9 * DAY, token_id=other.token.id)


def test_whoever_lets_a_line_rotate_itself_stands_behind_all_of_it(admin: Actor) -> None:
    """So that nobody approves what a pipeline wrote with a descendant of a token of theirs."""
    at = clock.now()
    made = service_token(admin, at, renew_days=30)
    other = add_person("Other", "admin")
    service_accounts.take_over(actor=other, at=at, service_account_id=made.token.subject)
    done = rotation.rotate(actor=from_token(made.text, at=at), at=at, token_id=made.token.id)
    assert admin.id in identity.people_behind(made.token.subject, token_id=done.new.token.id)


def test_a_disabled_service_account_rotates_nothing(admin: Actor) -> None:
    at = clock.now()
    made = service_token(admin, at, renew_days=30)
    itself = from_token(made.text, at=at)
    service_accounts.disable(actor=admin, at=at, service_account_id=made.token.subject)
    with pytest.raises(Denied):
        rotation.rotate(actor=itself, at=at, token_id=made.token.id)


def test_a_personal_token_is_rotated_by_its_owner_in_a_session_and_by_nobody_else(admin: Actor) -> None:
    at = clock.now()
    bo = add_person("Bo", "developer")
    made = tokens.create_personal(actor=bo, at=at, wish=TokenWish(name="laptop"))
    with pytest.raises(Denied):
        rotation.rotate(actor=admin, at=at, token_id=made.token.id)
    with pytest.raises(Denied):
        rotation.rotate(actor=from_token(made.text, at=at), at=at, token_id=made.token.id)
    done = rotation.rotate(actor=bo, at=at, token_id=made.token.id)
    assert from_token(done.new.text, at=at).id == bo.id
    with pytest.raises(Invalid):
        tokens.create_personal(actor=bo, at=at, wish=TokenWish(name="x", renew_days=3))


def test_a_successor_may_no_more_than_its_owner(admin: Actor) -> None:
    at = clock.now()
    made = service_token(admin, at, renew_days=30)
    done = rotation.rotate(actor=from_token(made.text, at=at), at=at, token_id=made.token.id)
    actor = from_token(done.new.text, at=at)
    assert not held(actor, at=at).allows(Permission.PROJECT_READ, Scope("shop")), "the account has no role"


@pytest.mark.parametrize("kind", ["personal", "service"])
def test_tokens_of_before_checksums_go_on_and_rotate_into_the_new_form(
    admin: Actor, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    at = clock.now()
    old = {"personal": "ensign_pat_", "service": "ensign_svc_"}[kind] + "a-_9" * 10 + "abc"
    with monkeypatch.context() as before:
        before.setattr("ensign.control.identity.accounts.new_token", lambda _kind: old)
        if kind == "service":
            made = service_token(admin, at)
        else:
            made = tokens.create_personal(actor=admin, at=at, wish=TokenWish(name="laptop"))
    assert made.text == old
    assert opens(old, at=at)
    done = rotation.rotate(actor=admin, at=at, token_id=made.token.id)
    assert is_genuine(done.new.text)
