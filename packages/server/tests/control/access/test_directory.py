"""Claims: a provider alone makes nobody an approver of production, and no pair that is kept apart."""

from __future__ import annotations

import pytest
from ensign.control.access import groups, providers, provisioning, request_queries, requests
from ensign.control.access.decisions import decide
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.models import Entry
from ensign.control.identity import queries as identity
from ensign.control.identity.sso import membership
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor, system
from ensign.control.kernel.errors import Denied, Invalid
from ensign.control.kernel.transactions import write_door
from ensign_testkit.people import add_person, give
from ensign_testkit.providers import add_provider
from ensign_testkit.targets import shop

PROD = Scope("shop", "production")
DIRECTORY = system("directory")


@pytest.fixture
def cast(db: str) -> dict[str, Actor]:
    shop()
    return {"admin": add_person("Root", "admin"), "bo": add_person("Bo")}


def group_with(cast: dict[str, Actor], role: str) -> str:
    group = groups.create(actor=cast["admin"], at=clock.now(), name=f"All {role}s").id
    give(group, role, project="shop")
    return group


def test_what_approves_production_waits_for_a_person_here_and_leaves_with_the_provider(cast: dict[str, Actor]) -> None:
    group = group_with(cast, "approver")
    provider = add_provider(mapping=[("reviewers", group)])
    for _ in range(2):  # every sign-in says so again; one request waits
        with write_door():
            membership.sync(provider, cast["bo"].id, ["reviewers"], at=clock.now())
    (request,) = request_queries.requests(status="open")
    assert (request.requested_by, request.needed, request.group) == ("sys_sso", 1, group)
    assert identity.group(group).members == ()
    at = clock.now()
    with pytest.raises(Denied):
        requests.approve(actor=cast["bo"], at=at, request_id=request.id)
    requests.approve(actor=cast["admin"], at=at, request_id=request.id)
    assert decide(cast["bo"], Permission.CHANGE_APPROVE, PROD, at=at)
    with write_door():
        membership.sync(provider, cast["bo"].id, [], at=clock.now())
    assert identity.group(group).members == ()


def test_what_approves_nothing_needs_nobody_else(cast: dict[str, Actor]) -> None:
    group = group_with(cast, "developer")
    provider = add_provider(mapping=[("engineers", group)])
    with write_door():
        membership.sync(provider, cast["bo"].id, ["engineers"], at=clock.now())
    assert identity.group(group).members == (cast["bo"].id,)


def test_a_pair_that_is_kept_apart_does_not_come_about_and_the_log_says_so(cast: dict[str, Actor]) -> None:
    give(cast["bo"].id, "admin", project="shop")
    group = group_with(cast, "approver")
    provider = add_provider(mapping=[("reviewers", group)])
    with write_door():
        membership.sync(provider, cast["bo"].id, ["reviewers"], at=clock.now())
    assert identity.group(group).members == ()
    assert request_queries.requests(status="open") == ()
    entry = Entry.objects.order_by("-seq")[0]
    assert (entry.action, entry.actor) == ("access.denied", "sys_sso")
    assert "toxic_pair" in entry.body


def test_a_group_of_the_directory_is_its_alone(cast: dict[str, Actor]) -> None:
    with write_door():
        group = provisioning.create_group(actor=DIRECTORY, at=clock.now(), name="Engineers", external_id=None)
    provider = add_provider(mapping=[("engineers", group)])  # from before it was refused
    with write_door():
        membership.sync(provider, cast["bo"].id, ["engineers"], at=clock.now())
    assert identity.group(group).members == ()
    with write_door():
        members = frozenset({cast["bo"].id})
        provisioning.set_members(actor=DIRECTORY, at=clock.now(), group_id=group, wanted=members)
        membership.sync(provider, cast["bo"].id, [], at=clock.now())
    assert identity.group(group).members == (cast["bo"].id,)
    with pytest.raises(Invalid, match="decides alone"):
        providers.map_groups(actor=cast["admin"], at=clock.now(), provider_id=provider.id, mapping=[("others", group)])
