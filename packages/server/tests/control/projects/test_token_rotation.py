"""Claims: client tokens end unless the rules let one live for ever; a rotation keeps applications served through the
overlap, on the delivery plane, too; who answers for a token can change."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from ensign.control.identity.tokens import hashed
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid
from ensign.control.projects import queries, token_rotation, token_rules, tokens
from ensign.control.projects.models import ClientToken
from ensign.delivery.tokens import TokenRow, active
from ensign_testkit.people import add_person
from ensign_testkit.targets import shop

AT = datetime(2030, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def anna(db: str) -> Actor:
    return shop()


def made(actor: Actor, *, environment: str = "production", **more: object) -> tokens.NewToken:
    given = {"name": "web", "type": "backend", "projects": ["shop"], "environment": environment, **more}
    return tokens.create_token(actor=actor, at=AT, **given)


def opens(text: str, *, at: datetime) -> bool:
    """Whether the delivery plane lets it in, by its own reading of the table."""
    columns = ("token_hash", "type", "environment", "status", "expires_at", "content")
    found = active(TokenRow.read(row) for row in ClientToken.objects.values_list(*columns))
    token = found.get(hashed(text))
    return token is not None and not token.expired(at)


def test_a_token_ends_after_a_year_unless_said_otherwise(anna: Actor) -> None:
    assert made(anna).row.expires_at == AT + 365 * DAY
    assert made(anna, expires_at=AT + DAY).row.expires_at == AT + DAY


def test_never_is_said_and_only_where_the_rules_allow(anna: Actor) -> None:
    assert made(anna, environment="development", never=True).row.expires_at is None
    with pytest.raises(Invalid, match="must have an end"):
        made(anna, never=True)
    with pytest.raises(Invalid):
        made(anna, projects=["*"], never=True)
    root = add_person("Root", "admin")
    token_rules.choose(actor=root, at=AT, max_days=30, never="nowhere")
    with pytest.raises(Invalid):
        made(anna, environment="development", never=True)
    with pytest.raises(Invalid):
        made(anna, expires_at=AT + 40 * DAY)
    assert made(anna).row.expires_at == AT + 30 * DAY
    token_rules.choose(actor=root, at=AT, max_days=30, never="everywhere")
    assert made(anna, never=True).row.expires_at is None


def test_the_rules_are_chosen_by_whoever_manages_settings(anna: Actor) -> None:
    with pytest.raises(Denied):
        token_rules.choose(actor=add_person("Dev", "developer"), at=AT, max_days=30, never="nowhere")
    for wrong in ({"max_days": 0, "never": "nowhere"}, {"max_days": 30, "never": "sometimes"}):
        with pytest.raises(Invalid):
            token_rules.choose(actor=add_person("R" + str(wrong["max_days"]), "admin"), at=AT, **wrong)


def test_the_old_token_serves_through_the_overlap_and_not_a_moment_longer(anna: Actor) -> None:
    old = made(anna)
    done = token_rotation.rotate_token(actor=anna, at=AT + DAY, id=old.row.id, overlap=timedelta(hours=1))
    new = done.new.row
    assert (new.name, new.type, new.projects, new.environment) == ("web", "backend", ("shop",), "production")
    assert (new.predecessor, done.predecessor.successor) == (old.row.id, new.id)
    end = AT + DAY + timedelta(hours=1)
    assert opens(old.text, at=end - timedelta(microseconds=1))
    assert not opens(old.text, at=end)
    assert opens(done.new.text, at=end)
    assert new.expires_at == AT + DAY + 365 * DAY


def test_a_token_that_never_ended_ends_after_the_overlap_and_its_successor_follows_the_rules_of_today(
    anna: Actor,
) -> None:
    old = made(anna, environment="development", never=True)
    done = token_rotation.rotate_token(actor=anna, at=AT, id=old.row.id, overlap=timedelta(0))
    assert done.predecessor.status == "revoked"
    assert not opens(old.text, at=AT)
    assert done.new.row.expires_at is None
    root = add_person("Root", "admin")
    token_rules.choose(actor=root, at=AT, max_days=90, never="nowhere")
    again = token_rotation.rotate_token(actor=anna, at=AT, id=done.new.row.id)
    assert again.new.row.expires_at == AT + 90 * DAY


def test_rotation_asks_for_the_right_and_for_a_token_that_lives(anna: Actor) -> None:
    old = made(anna)
    with pytest.raises(Denied):
        token_rotation.rotate_token(actor=add_person("Dev", "developer"), at=AT, id=old.row.id)
    with pytest.raises(Invalid):
        token_rotation.rotate_token(actor=anna, at=AT, id=old.row.id, overlap=8 * DAY)
    token_rotation.rotate_token(actor=anna, at=AT, id=old.row.id)
    with pytest.raises(Conflict):
        token_rotation.rotate_token(actor=anna, at=AT, id=old.row.id)
    with pytest.raises(Conflict):
        token_rotation.rotate_token(actor=anna, at=AT + 2 * DAY, id=old.row.id)


def test_somebody_else_can_answer_for_it(anna: Actor) -> None:
    old, bo = made(anna, purpose="the shop's checkout"), add_person("Bo")
    assert (old.row.owner, old.row.purpose) == (anna.id, "the shop's checkout")
    changed = token_rotation.describe_token(actor=anna, at=AT + DAY, id=old.row.id, owner=bo.id)
    assert (changed.owner, changed.former_owners) == (bo.id, ((anna.id, AT + DAY),))
    with pytest.raises(Invalid):
        token_rotation.describe_token(actor=anna, at=AT, id=old.row.id, owner="usr_nobody")
    assert queries.token(old.row.id).name == "web"


def test_rows_of_before_owners_and_purposes_can_be_read(anna: Actor) -> None:
    row = ClientToken.objects.get(pk=made(anna).row.id)
    state = row.state
    for name in ("hint", "purpose", "owner"):
        del state[name]
    row.content = json.dumps(state)
    old = queries.to_token(row, last_used_at=None)
    assert (old.owner, old.purpose, old.hint) == (anna.id, "", "")
