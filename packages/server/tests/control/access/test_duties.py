"""Claims: nobody comes to hold what is kept apart, by no way round, unless two others said so for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from ensign.control.access import duties, exceptions, finding_sources, grants, groups, people, requests, segregation
from ensign.control.access.domain import ORGANISATION, Scope
from ensign.control.access.duties import PAIRS, meeting, within
from ensign.control.access.grants import Wish
from ensign.control.access.models import DutyException
from ensign.control.access.permissions import Permission
from ensign.control.access.roles import FIRST_PERSON, ROLES
from ensign.control.access.setup import set_up
from ensign.control.audit.models import Entry
from ensign.control.identity import operations as identity
from ensign.control.kernel import clock
from ensign.control.kernel.actor import ANONYMOUS, Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, NotFound
from ensign_testkit.people import add_person, add_role, give
from ensign_testkit.targets import shop

PROD = Scope("shop", "production")
CONTROL = "The auditor reads every approval of theirs each Monday."


def wished(role: str, scope: Scope = ORGANISATION) -> Any:
    return segregation.wished(subject="usr_x", role=ROLES[role], scope=scope, at=clock.now())


def keys(*grants_: Any) -> set[tuple[str, str]]:
    numbered = [replace(grant, id=str(number)) for number, grant in enumerate(grants_)]
    return {(one.pair.key, str(one.scope)) for one in duties.overlaps(numbered)}


def test_no_built_in_role_holds_a_pair_by_itself() -> None:
    for role in ROLES:
        assert keys(wished(role)) == set(), role


def test_every_pair_names_permissions_that_there_are_and_that_differ() -> None:
    for pair in PAIRS.values():
        assert pair.one <= set(Permission)
        assert pair.other <= set(Permission)
        assert pair.one
        assert pair.other
        assert not pair.one & pair.other


def test_the_first_persons_roles_meet_in_every_pair() -> None:
    """But the one of breaking the glass, which nobody does who has nobody to review it."""
    met = {key for key, _ in keys(*(wished(role) for role in FIRST_PERSON))}
    assert met == set(PAIRS) - {"break-glass-review"}
    assert keys(wished("responder"), wished("approver")) == {("break-glass-review", "")}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((), (), ""),
        ((), ("shop",), "shop"),
        (("shop",), ("shop", "production"), "shop/production"),
        (("shop", "production"), (), "shop/production"),
        (("shop",), ("api",), None),
        (("shop", "staging"), ("shop", "production"), None),
    ],
)
def test_places_meet_in_the_narrower_one(one: tuple[str, ...], other: tuple[str, ...], expected: str | None) -> None:
    met = meeting(Scope(*one), Scope(*other))
    assert (None if met is None else str(met)) == expected
    assert met is None or (within(met, Scope(*one)) and within(met, Scope(*other)))


def test_roles_conflict_only_where_their_places_meet() -> None:
    assert keys(wished("developer"), wished("approver")) == set()
    assert keys(wished("admin", Scope("shop")), wished("approver", Scope("api"))) == set()
    within_project = {("policy-approve", "shop"), ("access-approve", "shop")}
    assert keys(wished("admin", Scope("shop")), wished("approver", Scope("shop"))) == within_project
    met = keys(wished("admin", Scope("shop")), wished("approver", PROD))
    assert met == {(key, "shop/production") for key, _ in within_project}
    # of places within one another only the widest is told
    both = keys(wished("admin", Scope("shop")), wished("approver", PROD), wished("approver", Scope("shop")))
    assert both == within_project


@pytest.fixture
def cast(db: str) -> dict[str, Actor]:
    shop()
    return {
        "admin": add_person("Root", "admin"),
        "second": add_person("Second", "admin"),
        "bo": add_person("Bo", "admin", project="shop"),
        "cy": add_person("Cy"),
    }


def approver() -> Wish:
    return Wish(role="approver", scope=Scope("shop"))


def told(cast: dict[str, Actor], at: datetime) -> list[str]:
    """Findings about Bo alone: the projects brought people of their own."""
    return [one.code for one in finding_sources.toxic_pairs(at) if one.subject == cast["bo"].id]


Way = Callable[[dict[str, Actor], datetime], object]


def by_giving(cast: dict[str, Actor], at: datetime) -> object:
    return grants.give(actor=cast["admin"], at=at, subject=cast["bo"].id, wish=approver(), reason="r")


def by_a_group(cast: dict[str, Actor], at: datetime) -> object:
    group = groups.create(actor=cast["admin"], at=at, name="Approvers")
    give(group.id, "approver", project="shop")
    return groups.add_member(actor=cast["admin"], at=at, group_id=group.id, person_id=cast["bo"].id, reason="r")


def by_giving_to_a_group_of_theirs(cast: dict[str, Actor], at: datetime) -> object:
    group = groups.create(actor=cast["admin"], at=at, name="Everybody")
    groups.add_member(actor=cast["admin"], at=at, group_id=group.id, person_id=cast["bo"].id)
    return grants.give(actor=cast["admin"], at=at, subject=group.id, wish=approver(), reason="r")


def by_asking(cast: dict[str, Actor], at: datetime) -> object:
    return requests.ask(
        actor=cast["bo"], at=at, role="approver", scope=PROD, lasts=timedelta(hours=1), reason="on duty"
    )


def by_approving_what_was_asked_before(cast: dict[str, Actor], at: datetime) -> object:
    asked = requests.ask(
        actor=cast["cy"], at=at, role="approver", scope=PROD, lasts=timedelta(hours=1), reason="on duty"
    )
    give(cast["cy"].id, "admin", project="shop")
    requests.approve(actor=cast["admin"], at=at, request_id=asked.id)
    return requests.approve(actor=cast["second"], at=at, request_id=asked.id)


def by_inviting(cast: dict[str, Actor], at: datetime) -> object:
    give(cast["bo"].id, "viewer")
    give(cast["admin"].id, "viewer")
    wishes = [Wish(role="admin", scope=Scope("shop")), Wish(role="approver", scope=PROD)]
    return people.invite(actor=cast["admin"], at=at, email="new@example.com", wishes=wishes, reason="r")


def by_coming_back(cast: dict[str, Actor], at: datetime) -> object:
    people.deactivate(actor=cast["admin"], at=at, person_id=cast["cy"].id)
    give(cast["cy"].id, add_role("keeper", "org:ledger:anchor"))
    give(cast["cy"].id, "developer", project="shop")
    return people.reactivate(actor=cast["admin"], at=at, person_id=cast["cy"].id)


@pytest.mark.parametrize(
    "way",
    [
        by_giving,
        by_a_group,
        by_giving_to_a_group_of_theirs,
        by_asking,
        by_approving_what_was_asked_before,
        by_inviting,
        by_coming_back,
    ],
)
def test_every_way_to_a_pair_is_refused_and_the_refusal_is_an_entry(cast: dict[str, Actor], way: Way) -> None:
    at = clock.now()
    with pytest.raises(Denied) as refused:
        way(cast, at)
    assert refused.value.code == "toxic-pair"
    assert "exception" in refused.value.remedy
    entry = Entry.objects.order_by("-seq")[0]
    assert (entry.action, "toxic_pair" in entry.body) == ("access.denied", True)


def test_another_meaning_of_a_role_is_refused_when_a_holder_would_hold_a_pair(cast: dict[str, Actor]) -> None:
    at = clock.now()
    give(cast["bo"].id, "viewer")
    grown = replace(ROLES["viewer"], permissions=ROLES["viewer"].permissions | {Permission.CHANGE_APPROVE})
    with pytest.raises(Denied) as refused:
        segregation.check_role(grown, at=at)
    assert refused.value.code == "toxic-pair"
    segregation.check_role(ROLES["viewer"], at=at)


def proposed(cast: dict[str, Actor], at: datetime, **more: Any) -> str:
    asked: dict[str, Any] = {
        "subject": cast["bo"].id,
        "pairs": ["policy-approve", "access-approve"],
        "scope": Scope("shop"),
        "reason": "There are two of us.",
        "control": CONTROL,
        "expires_at": at + timedelta(days=30),
        **more,
    }
    return exceptions.propose(actor=cast["admin"], at=at, **asked).id


def test_an_exception_by_two_others_lets_it_through_until_it_ends_and_then_it_is_a_finding(
    cast: dict[str, Actor],
) -> None:
    at = clock.now()
    made = proposed(cast, at)
    with pytest.raises(Denied):  # proposed is not approved
        by_giving(cast, at)
    exceptions.approve(actor=cast["second"], at=at, exception_id=made)
    waiting = grants.give(actor=cast["admin"], at=at, subject=cast["bo"].id, wish=approver(), reason="r")
    requests.approve(actor=cast["second"], at=at, request_id=waiting.id)
    held = segregation.conflicts(at=at, subject=cast["bo"].id)
    assert {one.overlap.pair.key for one in held if one.exception is not None} == {"policy-approve", "access-approve"}
    assert told(cast, at) == []
    assert set(told(cast, at + timedelta(days=20))) == {"exception-ends"}
    assert told(cast, at + timedelta(days=31)) == ["toxic-pair"] * 2
    exceptions.end(actor=cast["admin"], at=at, exception_id=made)
    assert set(told(cast, at)) == {"toxic-pair"}


def test_an_exception_covers_its_own_pairs_and_place_and_nobody_else(cast: dict[str, Actor]) -> None:
    at = clock.now()
    for pairs, subject, scope in (
        (["policy-approve"], cast["bo"].id, Scope("shop")),
        (["policy-approve", "access-approve"], cast["cy"].id, Scope("shop")),
        (["policy-approve", "access-approve"], cast["bo"].id, PROD),
    ):
        made = proposed(cast, at, pairs=pairs, subject=subject, scope=scope)
        exceptions.approve(actor=cast["second"], at=at, exception_id=made)
        with pytest.raises(Denied):
            by_giving(cast, at)


def test_who_proposed_it_and_whom_it_is_about_do_not_approve_it_nor_does_a_token(cast: dict[str, Actor]) -> None:
    at = clock.now()
    made = proposed(cast, at)
    token = replace(cast["second"], via="token", token_id="tok_x", mfa_at=None)
    for actor, error in (
        (cast["admin"], Denied),
        (cast["bo"], Denied),
        (cast["cy"], Denied),
        (token, Denied),
        (replace(cast["second"], mfa_at=at - timedelta(hours=1)), NeedsMfa),
    ):
        with pytest.raises(error):
            exceptions.approve(actor=actor, at=at, exception_id=made)
    exceptions.approve(actor=cast["second"], at=at, exception_id=made)
    with pytest.raises(Conflict):
        exceptions.approve(actor=cast["second"], at=at, exception_id=made)
    with pytest.raises(NotFound):
        exceptions.approve(actor=cast["second"], at=at, exception_id="dex_none")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"pairs": []}, "pairs"),
        ({"pairs": ["nothing"]}, "pairs"),
        ({"reason": " "}, "reason"),
        ({"control": "none"}, "control"),
        ({"expires_at": clock.now() + timedelta(days=400)}, "expires_at"),
        ({"expires_at": clock.now() - timedelta(days=1)}, "expires_at"),
        ({"subject": "usr_nobody"}, "subject"),
        ({"scope": Scope("nowhere")}, "project"),
    ],
)
def test_an_exception_says_what_for_whom_why_until_when_and_what_instead(
    cast: dict[str, Actor], more: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        proposed(cast, clock.now(), **more)
    assert field in caught.value.fields


def test_nobody_proposes_an_exception_for_themselves(cast: dict[str, Actor]) -> None:
    at = clock.now()
    with pytest.raises(Denied):
        proposed({**cast, "admin": cast["bo"]}, at)
    with pytest.raises(Denied):
        proposed({**cast, "admin": cast["cy"]}, at)


def test_set_up_records_an_exception_for_ninety_days_in_its_own_entry(db: str) -> None:
    at = clock.now()
    person = set_up(
        actor=ANONYMOUS, at=at, link=identity.create_setup_link(at=at), name="Ingrid", email="i@example.com",
        password="harbour quilt lantern 57", preset="solo", organisation="Shop", control="Reviewed by the board.",
    )  # fmt: skip
    row = DutyException.objects.get()
    made = segregation.view(row)
    assert Entry.objects.get(pk=row.ledger_seq).action == "person.set_up"
    assert (made.subject, set(made.pairs), made.control, made.setup) == (
        person.id,
        set(PAIRS) - {"break-glass-review"},
        "Reviewed by the board.",
        True,
    )
    assert finding_sources.toxic_pairs(at) == []
    assert {one.code for one in finding_sources.toxic_pairs(at + timedelta(days=77))} == {"exception-ends"}
    assert {one.code for one in finding_sources.toxic_pairs(at + timedelta(days=91))} == {"toxic-pair"}


def test_once_a_day_everybody_is_compared_and_the_entry_says_what_was_found(cast: dict[str, Actor]) -> None:
    at = clock.now()
    before = len([one for one in segregation.conflicts(at=at) if one.exception is None])
    give(cast["bo"].id, "approver", project="shop")
    assert segregation.check_everybody(at=at)
    assert not segregation.check_everybody(at=at + timedelta(hours=23))
    assert segregation.check_everybody(at=at + timedelta(hours=25))
    body = Entry.objects.filter(action="duties.checked").order_by("-seq")[0].body
    assert f'"conflicts":{before + 2}' in body
    assert cast["bo"].id in body
