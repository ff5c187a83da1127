"""Claims: whom a provider vouches for comes in by the rules alone, with the groups it manages, in one transaction."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from ensign.control.access import groups, people
from ensign.control.audit.ledger import record
from ensign.control.audit.models import Entry
from ensign.control.audit.staging import stage
from ensign.control.identity import queries as identity
from ensign.control.identity.actors import MFA_AT
from ensign.control.identity.models import Account, Membership, Person
from ensign.control.identity.sso import arrival, queries, sessions
from ensign.control.identity.sso.actions import IDENTITY_RELEASED
from ensign.control.identity.sso.domain import NotLetIn
from ensign.control.identity.sso.models import ExternalIdentity, IdentityProvider, ProviderSession
from ensign.control.kernel import clock
from ensign.control.kernel.transactions import write_door
from ensign_testkit.people import SYSTEM, add_person
from ensign_testkit.providers import add_provider, asserting, browser_request


def entries() -> list[dict[str, Any]]:
    return [json.loads(body) for body in Entry.objects.order_by("seq").values_list("body", flat=True)]


def actions() -> list[str]:
    return [entry["action"] for entry in entries()]


def refused_for(request: HttpRequest, code: str, **asserted: Any) -> None:
    provider = queries.view(IdentityProvider.objects.order_by("pk")[0])
    with pytest.raises(NotLetIn) as caught:
        arrival.arrive(request, asserting(provider, **asserted), at=clock.now())
    assert caught.value.code == code
    last = entries()[-1]
    assert (last["action"], last["detail"]["why"]) == ("session.refused", code.replace("-", "_"))
    assert "00u" not in json.dumps(last)
    assert "@" not in json.dumps(last)


def test_somebody_invited_or_active_is_linked_by_a_verified_address_of_the_providers_domain(db: str) -> None:
    person = add_person("Anna Berg", "viewer")
    provider = add_provider()
    request = browser_request()
    account = arrival.arrive(request, asserting(provider, "Anna.Berg@Example.com"), at=clock.now())
    assert account.person_id == person.id
    assert actions()[-3:] == ["provider.created", "identity.linked", "session.started"]
    assert entries()[-1]["detail"] == {"way": "oidc", "provider": provider.id}
    assert queries.identities_of(person.id)[0].subject == "00u1anna"
    kept = ProviderSession.objects.get()
    assert (kept.session_key, kept.person_id) == (request.session.session_key, person.id)


def test_the_subject_is_the_person_from_then_on_whatever_address_comes_with_it(db: str) -> None:
    person = add_person("Anna Berg")
    provider = add_provider()
    arrival.arrive(browser_request(), asserting(provider), at=clock.now())
    other = asserting(provider, "someone@elsewhere.example", email_verified=False)
    assert arrival.arrive(browser_request(), other, at=clock.now()).person_id == person.id
    assert ExternalIdentity.objects.count() == 1


def test_another_subject_with_the_same_address_takes_nobody_over(db: str) -> None:
    add_person("Anna Berg")
    arrival.arrive(browser_request(), asserting(add_provider()), at=clock.now())
    refused_for(browser_request(), "subject-changed", subject="00u2impostor")


def test_who_was_invited_joins_by_signing_in_and_their_link_ends(db: str) -> None:
    admin = add_person("Root", "admin")
    made = people.invite(actor=admin, at=clock.now(), email="anna.berg@example.com")
    provider = add_provider()
    account = arrival.arrive(browser_request(), asserting(provider), at=clock.now())
    joined = identity.person(made.person.id)
    assert (account.person_id, joined.status, joined.name) == (joined.id, "active", "Anna Berg")
    assert not account.has_usable_password()
    assert "person.joined" in actions()


def test_nobody_is_made_where_provisioning_is_off(db: str) -> None:
    add_provider()
    refused_for(browser_request(), "not-invited")
    assert not Person.objects.exists()


def test_somebody_new_is_made_where_provisioning_is_on_without_any_role(db: str) -> None:
    provider = add_provider(provisioning=True)
    account = arrival.arrive(browser_request(), asserting(provider), at=clock.now())
    assert (account.email, account.person.name) == ("anna.berg@example.com", "Anna Berg")
    assert actions()[-3:] == ["person.provisioned", "identity.linked", "session.started"]
    assert not Membership.objects.exists()


@pytest.mark.parametrize(
    ("code", "asserted"),
    [
        ("email-unverified", {"email_verified": False}),
        ("foreign-domain", {"email": "anna.berg@elsewhere.example"}),
        ("foreign-domain", {"email": "anna.berg@example.com.elsewhere.example"}),
        ("foreign-domain", {"email": "anna.berg@sub.example.com"}),
        ("foreign-domain", {"email": ""}),
        ("foreign-domain", {"email": "example.com"}),
    ],
)
def test_an_address_that_the_provider_cannot_vouch_for_opens_nothing(db: str, code: str, asserted: Any) -> None:
    add_person("Anna Berg")
    add_provider(provisioning=True)
    refused_for(browser_request(), code, **asserted)
    assert not Session.objects.exists()


def test_a_deactivated_person_stays_out_whatever_the_provider_says(db: str) -> None:
    admin = add_person("Root", "admin")
    person = add_person("Anna Berg")
    provider = add_provider(provisioning=True)
    arrival.arrive(browser_request(), asserting(provider), at=clock.now())
    people.deactivate(actor=admin, at=clock.now(), person_id=person.id)
    refused_for(browser_request(), "deactivated")
    assert entries()[-1]["detail"]["person"] == person.id


def test_nor_does_a_deactivated_person_come_back_by_a_first_link(db: str) -> None:
    admin = add_person("Root", "admin")
    person = add_person("Anna Berg")
    people.deactivate(actor=admin, at=clock.now(), person_id=person.id)
    add_provider(provisioning=True)
    refused_for(browser_request(), "deactivated")


def test_a_disabled_provider_lets_nobody_in(db: str) -> None:
    add_person("Anna Berg")
    add_provider(status="disabled")
    refused_for(browser_request(), "provider-disabled")


def test_people_of_an_enforced_domain_come_through_that_provider_alone(db: str) -> None:
    add_person("Anna Berg")
    add_provider("aside")
    add_provider("main", enforced=True)
    refused_for(browser_request(), "another-provider")


def test_mapped_groups_are_given_and_taken_with_the_providers_word(db: str) -> None:
    admin = add_person("Root", "admin")
    person = add_person("Anna Berg")
    wanted = groups.create(actor=admin, at=clock.now(), name="Payments")
    by_hand = groups.create(actor=admin, at=clock.now(), name="Guests")
    groups.add_member(actor=admin, at=clock.now(), group_id=by_hand.id, person_id=person.id)
    provider = add_provider(mapping=[("eng-payments", wanted.id), ("guests", by_hand.id)])
    arrival.arrive(browser_request(), asserting(provider, groups=("eng-payments", "other")), at=clock.now())
    assert {group.name for group in identity.groups_of(person.id)} == {"Payments", "Guests"}
    assert entries()[-2]["detail"] == {"group": wanted.id, "person": person.id, "provider": provider.id}
    arrival.arrive(browser_request(), asserting(provider, groups=("eng",)), at=clock.now())
    assert {group.name for group in identity.groups_of(person.id)} == {"Guests"}, "what was given by hand stays"
    assert "group.member_removed" in actions()


def test_a_mapping_gives_nothing_to_who_made_it(db: str) -> None:
    admin = add_person("Anna Berg", "admin")
    wanted = groups.create(actor=admin, at=clock.now(), name="Approvers")
    provider = add_provider(group_mapping=[{"value": "all", "group": wanted.id, "by": admin.id}])
    arrival.arrive(browser_request(), asserting(provider, groups=("all",)), at=clock.now())
    assert identity.groups_of(admin.id) == ()


def test_the_providers_second_factor_counts_only_where_that_was_decided(db: str) -> None:
    add_person("Anna Berg")
    at = clock.now()
    proved = at - timedelta(minutes=3)
    weak, counting = add_provider("weak"), add_provider("counting", mfa_counts=True)
    for provider, strong, expected in (
        (weak, True, None),
        (counting, False, None),
        (counting, True, clock.text(proved)),
    ):
        request = browser_request()
        asserted = asserting(provider, strong=strong, authenticated_at=proved)
        arrival.arrive(request, asserted, at=at)
        assert request.session.get(MFA_AT) == expected


def test_a_renewed_session_goes_on_and_one_for_somebody_else_ends(db: str) -> None:
    add_person("Anna Berg")
    add_person("Bo Dahl")
    provider = add_provider()
    at = clock.now()
    request = browser_request()
    arrival.arrive(request, asserting(provider), at=at)
    first = sessions.mark(request)
    arrival.renew(request, asserting(provider), at=at + timedelta(hours=1))
    second = sessions.mark(request)
    assert first is not None
    assert second is not None
    assert first.recheck_at is not None
    assert second.recheck_at == first.recheck_at + timedelta(hours=1)
    assert first.until == second.until
    key = request.session.session_key
    with pytest.raises(NotLetIn):
        arrival.renew(request, asserting(provider, "bo.dahl@example.com", subject="00u9bo"), at=at)
    assert not Session.objects.filter(pk=key).exists()
    assert actions()[-1] == "session.ended_by_provider"


def test_the_providers_log_out_ends_the_sessions_that_it_names_and_no_others(db: str) -> None:
    person, _ = add_person("Anna Berg"), add_person("Bo Dahl")
    provider, other = add_provider(), add_provider("other")
    at = clock.now()
    arrival.arrive(browser_request(), asserting(provider, session_index="a"), at=at)
    arrival.arrive(browser_request(), asserting(provider, session_index="b"), at=at)
    arrival.arrive(
        browser_request(), asserting(provider, "bo.dahl@example.com", subject="bo", session_index="c"), at=at
    )
    assert sessions.end_by_provider(other, subject="00u1anna", sid="", at=at) == 0
    assert sessions.end_by_provider(provider, subject="bo", sid="a", at=at) == 0
    assert sessions.end_by_provider(provider, subject="", sid="", at=at) == 0
    assert sessions.end_by_provider(provider, subject="", sid="a", at=at) == 1
    assert sessions.end_by_provider(provider, subject="00u1anna", sid="", at=at) == 1
    assert Session.objects.count() == 1
    assert entries()[-1]["detail"] == {
        "provider": provider.id,
        "person": person.id,
        "sessions": 1,
        "because": "logout",
    }
    assert Account.objects.get(person_id=person.id).is_active


def test_what_is_left_of_an_erased_person_is_nobody(db: str) -> None:
    """Erasure leaves a row that says whose it was; the provider's word finds nothing in it."""
    person = add_person("Anna Berg")
    provider = add_provider()
    arrival.arrive(browser_request(), asserting(provider), at=clock.now())
    row = ExternalIdentity.objects.get()
    left = stage(ExternalIdentity, id=row.pk, state={"person": person.id, "status": "erased"}, current=row)
    with write_door():
        record(action=IDENTITY_RELEASED, actor=SYSTEM, at=clock.now(), staged=[left])
    assert (
        queries.identities_of(person.id) == queries.identities_at(provider.id) == queries.providers_of(person.id) == ()
    )
