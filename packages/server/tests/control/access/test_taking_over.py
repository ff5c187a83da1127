"""Claims: one administrator alone cannot come to sign in as somebody who has a second factor."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from ensign.control.access import people
from ensign.control.identity.models import Account, Link
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied
from ensign_testkit.changing import last_entry
from ensign_testkit.people import add_person

AT = clock.now()


def victim() -> Actor:
    """Somebody with a second factor."""
    person = add_person("Vic", "approver", at=AT)
    Authenticator.objects.create(user=Account.objects.get(person_id=person.id), type="totp", data={})
    return person


def admin(name: str) -> Actor:
    return add_person(name, "admin", at=AT)


def later(actor: Actor, days: int) -> Actor:
    """The same administrator in a fresh session."""
    return Actor(kind="person", id=actor.id, via="session", mfa_at=AT + timedelta(days=days))


@pytest.mark.parametrize("days", [0, 2, 400])
def test_who_made_a_reset_link_does_not_remove_the_factors_however_much_later(db: str, days: int) -> None:
    person, mallory, other = victim(), admin("Mallory"), admin("Olga")
    people.make_reset_link(actor=mallory, at=AT, person_id=person.id)
    people.make_reset_link(actor=other, at=AT, person_id=person.id)  # which replaces it; it might have been used
    at = AT + timedelta(days=days)
    with pytest.raises(Denied) as refused:
        people.remove_factors(actor=later(mallory, days), at=at, person_id=person.id, reason="lost")
    assert refused.value.code == "second-administrator"
    assert last_entry("access.denied")["detail"]["code"] == "second_administrator"
    assert Authenticator.objects.count() == 1
    third = admin("Tess")
    assert people.remove_factors(actor=later(third, days), at=at, person_id=person.id, reason="lost") == 1


@pytest.mark.parametrize("days", [0, 2, 400])
def test_who_removed_the_factors_makes_no_reset_link_however_much_later(db: str, days: int) -> None:
    person, mallory = victim(), admin("Mallory")
    people.remove_factors(actor=mallory, at=AT, person_id=person.id, reason="lost")
    with pytest.raises(Denied) as refused:
        people.make_reset_link(actor=later(mallory, days), at=AT + timedelta(days=days), person_id=person.id)
    assert refused.value.code == "second-administrator"
    assert not Link.objects.filter(person_id=person.id).exists()
    people.make_reset_link(actor=admin("Olga"), at=AT, person_id=person.id)


def test_what_one_did_for_one_person_says_nothing_about_another(db: str) -> None:
    mallory, first, second = admin("Mallory"), victim(), add_person("Una", at=AT)
    people.make_reset_link(actor=mallory, at=AT, person_id=second.id)
    assert people.remove_factors(actor=mallory, at=AT, person_id=first.id, reason="lost") == 1
