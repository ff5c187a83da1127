"""Claims: a role or a token names a project and an environment that there are; forms offer them, and no others."""

from __future__ import annotations

import pytest
from django.test import Client
from ensign.control.access import grants, people, service_accounts, tokens
from ensign.control.access.domain import Scope
from ensign.control.access.grants import Wish
from ensign.control.access.models import Grant
from ensign.control.access.tokens import TokenWish
from ensign.control.identity.models import Person, Token
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.targets import shop

UNKNOWN = [
    (Scope("shopp"), "project"),
    (Scope("shop", "prod"), "environment"),
    (Scope("shopp", "production"), "project"),
]


@pytest.mark.parametrize(("scope", "field"), UNKNOWN, ids=str)
def test_what_does_not_exist_is_refused_for_grants_invitations_and_tokens(db: str, scope: Scope, field: str) -> None:
    shop()
    at = clock.now()
    admin, bo = add_person("Ada", "admin", at=at), add_person("Bo", at=at)
    bot = service_accounts.create(actor=admin, at=at, name="bot", purpose="tests", owner=bo.id)
    known, people_before = Grant.objects.count(), Person.objects.count()
    wish, token = Wish(role="developer", scope=scope), TokenWish(name="t", scope=scope)
    for act in (
        lambda: grants.give(actor=admin, at=at, subject=bo.id, wish=wish),
        lambda: people.invite(actor=admin, at=at, email="new@example.com", wishes=[wish]),
        lambda: tokens.create_personal(actor=bo, at=at, wish=token),
        lambda: tokens.create_for_service(actor=admin, at=at, service_account_id=bot.id, wish=token),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert set(refused.value.fields) == {field}
    assert (Grant.objects.count(), Person.objects.count(), Token.objects.count()) == (known, people_before, 0)


def test_what_exists_is_given(db: str) -> None:
    shop()
    at = clock.now()
    admin, bo = add_person("Ada", "admin", at=at), add_person("Bo", at=at)
    for scope in (Scope(), Scope("shop"), Scope("shop", "production")):
        grants.give(actor=admin, at=at, subject=bo.id, wish=Wish(role="developer", scope=scope))
        assert (
            tokens.create_personal(actor=bo, at=at, wish=TokenWish(name="t", scope=scope)).token.project
            == scope.project
        )


@pytest.mark.parametrize("page", ["/access/new", "/people/invite", "/access/who-can"])
def test_forms_offer_what_there_is(db: str, page: str) -> None:
    shop()
    text = sign_in(Client(), add_person("Ada", "admin")).get(page).content.decode()
    assert '<option value="shop"' in text
    assert '<option value="production"' in text


def test_the_form_of_ones_own_token_tells_nobody_of_projects_that_they_may_not_see(db: str) -> None:
    shop()
    shop(project="secret")
    client = sign_in(Client(), add_person("Bo", "developer", project="shop"))
    text = client.get("/account/tokens/new").content.decode()
    assert '<option value="shop"' in text
    assert "secret" not in text.lower().replace("secret-", "")
    answer = client.post("/account/tokens/new", {"name": "t", "days": "30", "project": "secret"})
    assert answer.status_code == 422
    assert not Token.objects.exists()
