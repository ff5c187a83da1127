"""Claims: every page renders for an administrator; is refused to those without the role; sends strangers to sign in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from ensign.control.access import catalogue, groups, queries, service_accounts, tokens
from ensign.control.access.grants import Wish, give
from ensign.control.access.permissions import Permission
from ensign.control.access.tokens import TokenWish
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign_testkit.people import add_person, add_role, sign_in
from ensign_testkit.people import give as give_row
from ensign_testkit.targets import shop

PAGES = [
    "identity:account",
    "identity:password",
    "identity:sessions",
    "identity:security",
    "identity:authenticator",
    "identity:passkey-new",
    "identity:confirm",
    "access:tokens",
    "access:token-new",
    "access:own-logins",
    "access:requests",
    "access:request-new",
]
READ = [
    "access:people", "access:groups", "access:service-accounts", "access:grants", "access:roles", "access:who-can",
    "access:what-can", "access:changes", "access:exceptions", "access:findings",
    "access:logins", "access:sign-in-rules", "access:sign-in-history",
]  # fmt: skip
MANAGE = ["access:invite", "access:group-new", "access:service-account-new", "access:grant-new", "access:role-new"]


@pytest.fixture
def admin(db: str) -> Actor:
    return add_person("Anna Berg", "admin")


@pytest.fixture
def filled(admin: Actor) -> dict[str, str]:
    """One of everything, with its address."""
    at = clock.now()
    other = add_person("Bo Dahl", "viewer")
    group = groups.create(actor=admin, at=at, name="Checkout")
    groups.add_member(actor=admin, at=at, group_id=group.id, person_id=other.id)
    give(actor=admin, at=at, subject=group.id, wish=Wish(role="developer"), reason="their work")
    service = service_accounts.create(actor=admin, at=at, name="deploy", purpose="deploys", owner=admin.id)
    tokens.create_for_service(actor=admin, at=at, service_account_id=service.id, wish=TokenWish(name="ci"))
    tokens.create_personal(actor=admin, at=at, wish=TokenWish(name="laptop"))
    return {
        "person": reverse("access:person", args=[other.id]),
        "itself": reverse("access:person", args=[admin.id]),
        "group": reverse("access:group", args=[group.id]),
        "service": reverse("access:service-account", args=[service.id]),
        "service token": reverse("access:service-token", args=[service.id]),
        "tokens": reverse("access:tokens"),
        "grants": reverse("access:grants") + "?ended=1",
        "who can": reverse("access:who-can") + "?permission=change:apply&project=shop&environment=production",
        "who can, badly": reverse("access:who-can") + "?permission=change:apply&environment=production",
        "who could": reverse("access:who-can") + f"?permission=org:read&as_of={clock.text(at)}",
        "who can, badly, in the future": reverse("access:who-can") + "?permission=org:read&as_of=2199-01-01",
        "what can": reverse("access:what-can") + f"?subject={other.id}",
        "what can, badly": reverse("access:what-can") + f"?subject={other.id}&as_of=2001-01-01",
        "changes": reverse("access:changes") + "?since=2020-01-01+10:00",
        "changes, badly": reverse("access:changes") + "?since=yesterday",
        "people": reverse("access:people") + "?q=anna&status=active",
    }


@pytest.mark.parametrize("name", [*PAGES, *READ, *MANAGE])
def test_an_administrator_sees_every_page(admin: Actor, name: str) -> None:
    response = sign_in(Client(), admin).get(reverse(name))
    assert response.status_code == 200, response.content[:300]
    assert b"<h1" in response.content


def test_pages_with_something_on_them(admin: Actor, filled: dict[str, str]) -> None:
    shop()
    client = sign_in(Client(), admin)
    for name, address in filled.items():
        response = client.get(address)
        assert response.status_code == (422 if "badly" in name else 200), (name, response.content[:300])
    assert "Bo Dahl" in client.get(filled["group"]).content.decode()
    who = client.get(filled["who can"]).content.decode()
    assert "by the group" in who
    assert "“their work”" in who
    assert "entries alone" in client.get(filled["who could"]).content.decode()
    assert "the role was given" in client.get(filled["changes"]).content.decode()


def test_the_answer_is_exported_as_asked(admin: Actor, filled: dict[str, str]) -> None:
    client = sign_in(Client(), admin)
    answer = client.post(reverse("access:export"), {"permission": "org:read", "format": "csv", "as_of": ""})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].endswith('.csv"')
    assert answer.content.decode().count("\r\n") == 4  # the head, the administrator, and Bo twice
    assert sign_in(Client(), add_person("Cy Ek")).post(reverse("access:export"), {}).status_code == 403


@pytest.mark.parametrize("name", [*PAGES, *READ, *MANAGE])
def test_strangers_are_sent_to_sign_in(db: str, name: str) -> None:
    response = Client().get(reverse(name))
    assert response.status_code == 302
    assert response["Location"].startswith("/login?next=")


@pytest.mark.parametrize("name", [*READ, *MANAGE])
def test_a_person_without_a_role_sees_nothing_of_others(db: str, name: str) -> None:
    client = sign_in(Client(), add_person("Cy Ek"))
    assert client.get(reverse(name)).status_code == 403


@pytest.mark.parametrize("name", MANAGE)
@pytest.mark.parametrize("role", ["viewer", "developer", "requester", "approver", "auditor"])
def test_only_administrators_see_the_forms_that_manage(db: str, name: str, role: str) -> None:
    assert sign_in(Client(), add_person("Cy Ek", role)).get(reverse(name)).status_code == 403


@pytest.mark.parametrize("name", ["access:deactivate", "access:reactivate", "access:reset-link", "access:invite-again"])
def test_acts_about_people_need_the_role_the_csrf_token_and_post(admin: Actor, name: str) -> None:
    other = add_person("Bo Dahl", "developer")
    strict = sign_in(Client(enforce_csrf_checks=True), admin)
    assert strict.post(reverse(name, args=[other.id])).status_code == 403
    target = reverse(name, args=[admin.id])
    assert sign_in(Client(), other).post(target).status_code == 403
    assert sign_in(Client(), other).get(target).status_code == 405
    assert Client().post(target).status_code == 302


def test_a_role_is_changed_only_as_its_effect_was_shown(admin: Actor) -> None:
    shop()
    add_role("flipper", "project:read")
    give_row(add_person("Bo Dahl").id, "flipper", project="shop")
    client, target = sign_in(Client(), admin), reverse("access:role-edit", args=["flipper"])
    form = {"name": "Flipper", "description": "", "project": ["project:read"], "environment": ["change:draft"]}
    first = client.post(target, form)
    assert first.status_code == 200
    assert "1 person gains change:draft in shop" in first.content.decode()
    assert not catalogue.role("flipper").role.confers(Permission.CHANGE_DRAFT)
    shown = first.context["seen"]
    other = client.post(target, form | {"environment": ["change:draft", "change:apply"], "seen": shown})
    assert "1 person gains change:apply in shop" in other.content.decode()
    assert client.post(target, form | {"seen": shown}).status_code == 303
    assert catalogue.role("flipper").role.confers(Permission.CHANGE_DRAFT)
    page = client.get(reverse("access:role", args=["flipper"])).content.decode()
    assert "Gained: change:draft." in page
    assert "Bo Dahl" in page


def test_a_role_is_made_from_a_copy_given_moved_and_archived_on_the_pages(admin: Actor) -> None:
    shop()
    bo, client = add_person("Bo Dahl"), sign_in(Client(), admin)
    begun = client.get(reverse("access:role-new") + "?from=requester")
    assert "change:switch" in begun.content.decode()
    form = {"key": "flipper", "name": "Flipper", "project": ["project:read"], "environment": ["change:switch"]}
    assert client.post(reverse("access:role-new") + "?from=requester", form).status_code == 303
    assert client.post(reverse("access:role-new"), form).status_code == 422
    wish = {"subject": bo.id, "role": "flipper", "project": "shop", "tags": "payments, search", "reason": "Stands in"}
    tomorrow = (clock.now() + timedelta(days=1)).date()
    given = client.post(reverse("access:grant-new"), wish | {"flag_types": ["release"], "starts_on": str(tomorrow)})
    assert given.status_code == 303
    (grant,) = queries.grants(subject=bo.id)
    assert str(grant.narrowing) == "flags of type release tagged payments or search"
    assert (grant.starts_at.date(), grant.reason) == (tomorrow, "Stands in")
    listed = client.get(reverse("access:grants")).content.decode()
    assert "flags of type release tagged payments or search only" in listed
    assert "Stands in" in listed
    move = reverse("access:grant-reschedule", args=[grant.id])
    assert client.post(move, {"ends_on": "2020-01-01"}).status_code == 422
    assert client.post(move, {"ends_on": str(tomorrow + timedelta(days=9))}).status_code == 303
    archive = reverse("access:role-archive", args=["flipper"])
    assert client.post(archive).status_code == 409
    client.post(reverse("access:grant-end", args=[grant.id]))
    assert client.post(archive).status_code == 303
    assert client.post(reverse("access:role-edit", args=["viewer"]), form).status_code == 409


def test_a_lead_is_offered_the_roles_that_theirs_lists(admin: Actor) -> None:
    shop()
    role = add_role("lead", "org:read", "project:read", "project:access:grant", assigns=("developer", "viewer"))
    lead = add_person("Lea Lead")
    give_row(lead.id, role, project="shop")
    give_row(lead.id, "viewer")
    page = sign_in(Client(), lead).get(reverse("access:grant-new"))
    assert [key for key, _ in page.context["form"].fields["role"].choices] == ["viewer", "developer"]
