"""Claims: who could do what at any moment follows from the log alone, and agrees with the rows and with decide()."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from ensign.control.access import as_of, custom_roles, grants, groups, inquiries, people, queries, service_accounts
from ensign.control.access.custom_roles import RoleWish
from ensign.control.access.decisions import decide
from ensign.control.access.domain import ORGANISATION, Narrowing, Scope
from ensign.control.access.grants import Wish
from ensign.control.access.permissions import Permission
from ensign.control.access.standing import Line, compare
from ensign.control.audit import checkpoints, redaction
from ensign.control.audit.models import Entry, Touch
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Denied, EnsignError, Invalid, NotFound
from ensign.control.privacy import erasure
from ensign_testkit.people import add_person, give
from ensign_testkit.targets import shop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

P = Permission
PROD = Scope("shop", "production")
PLACES = (ORGANISATION, Scope("shop"), PROD, Scope("shop", "development"), Scope("api", "production"))
ASKED = ((P.ORG_READ, ORGANISATION), (P.PROJECT_READ, Scope("shop")), (P.CHANGE_APPLY, PROD), (P.FLAG_CREATE, PROD))

ACTS = st.lists(
    st.tuples(
        st.sampled_from(["give", "end", "join", "leave", "deactivate", "reactivate", "archive", "disable", "enable"]),
        st.integers(0, 5),
        st.integers(0, 4),
        st.integers(0, 3),
    ),
    min_size=3,
    max_size=14,
)


class World:
    """An administrator, three people, two groups, a service account; acts by number, whatever is refused."""

    def __init__(self) -> None:
        for project in ("shop", "api"):
            shop(project=project)
        # The log's times never decrease, so the story begins now; questions are asked when it is over.
        self.at = at = clock.now()
        self.end = at + timedelta(days=30)
        self.admin = add_person("Root", "admin", at=at)
        self.people = [add_person(name, at=at) for name in ("Anna", "Bo", "Cy")]
        self.groups = [groups.create(actor=self.admin, at=at, name=name).id for name in ("One", "Two")]
        made = service_accounts.create(actor=self.admin, at=at, name="robot", purpose="t", owner=self.admin.id)
        self.service = Actor(kind="service", id=made.id, via="system")

    @property
    def everybody(self) -> list[Actor]:
        return [self.admin, *self.people, self.service]

    def known(self, lines: tuple[Line, ...]) -> set[str]:
        """Who of this story holds the lines; the projects brought people of their own."""
        return {line.subject for line in lines} & {actor.id for actor in self.everybody}

    def subject(self, number: int) -> str:
        return [*(person.id for person in self.people), *self.groups, self.service.id][number]

    def act(self, kind: str, who: int, where: int, which: int) -> None:
        self.at += timedelta(hours=1)
        by: dict[str, Any] = {"actor": self.admin, "at": self.at}
        person, group = self.people[who % 3].id, self.groups[which % 2]
        with contextlib.suppress(EnsignError):
            if kind == "give":
                role = ("viewer", "developer", "requester", "auditor")[which]
                ends = self.at + timedelta(hours=3) if which == 2 else None
                wish = Wish(role=role, scope=PLACES[where], ends_at=ends)
                grants.give(**by, subject=self.subject(who), wish=wish, reason=f"step {self.at}")
            elif kind == "end":
                live = [line.grant for line in as_of.now(at=self.at).lines if line.subject != self.admin.id]
                if live:
                    grants.end(**by, grant_id=live[who % len(live)].id)
            elif kind == "join":
                groups.add_member(**by, group_id=group, person_id=person)
            elif kind == "leave":
                groups.remove_member(**by, group_id=group, person_id=person)
            elif kind == "deactivate":
                people.deactivate(**by, person_id=person)
            elif kind == "reactivate":
                people.reactivate(**by, person_id=person)
            elif kind == "archive":
                groups.archive(**by, group_id=group)
            elif kind == "disable":
                service_accounts.disable(**by, service_account_id=self.service.id)
            else:
                service_accounts.enable(**by, service_account_id=self.service.id)


Told = set[tuple[str, str, str, str, datetime, datetime | None]]


def told(lines: tuple[Line, ...]) -> Told:
    return {(*line.key, line.grant.role, line.since, line.until) for line in lines}


def test_rows_log_and_decide_agree_at_every_moment_of_any_history(databases: Any) -> None:
    """What the rows said at each step is what the log says about that step afterwards, though much has changed."""
    held: list[int] = []

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(ACTS)
    def run(acts: list[tuple[str, int, int, int]]) -> None:
        with databases.clone():
            world = World()
            seen: list[tuple[datetime, Told, dict[int, set[str]]]] = []
            for act in acts:
                world.act(*act)
                decided = {
                    number: {actor.id for actor in world.everybody if decide(actor, *asked, at=world.at)}
                    for number, asked in enumerate(ASKED)
                }
                seen.append((world.at, told(as_of.now(at=world.at).lines), decided))
            for moment, lines, decided in seen:
                past = as_of.at_moment(moment)
                assert past.source == "log"
                assert told(past.lines) == lines
                for number, asked in enumerate(ASKED):
                    assert world.known(past.who(*asked)) == decided[number]
                held.append(len(lines))
            assert compare(as_of.at_moment(world.at), as_of.now(at=world.at)) == ()

    run()
    assert sum(held) > 300, "these histories must give roles, else the claim is about nothing"


def test_nothing_of_today_is_read_about_the_past(db: str) -> None:
    """The tables could be empty: the entries and their documents suffice."""
    world = World()
    world.act("give", 0, 2, 1)
    moment = world.at
    world.act("end", 0, 0, 0)
    read: list[str] = []

    def watching(execute: Any, sql: str, *rest: Any) -> Any:
        read.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(watching):
        found = as_of.at_moment(moment).who(P.CHANGE_APPLY, PROD)
    assert world.known(found) == {world.people[0].id}
    assert read
    assert not [sql for sql in read if "identity_" in sql or "access_" in sql]


def test_an_answer_names_who_gave_it_when_why_and_by_which_entry_of_which_log(db: str) -> None:
    world = World()
    group = world.groups[0]
    given = world.at + timedelta(hours=1)
    made = grants.give(actor=world.admin, at=given, subject=group, wish=Wish(role="developer"), reason="their work")
    joined = given + timedelta(hours=1)
    groups.add_member(actor=world.admin, at=joined, group_id=group, person_id=world.people[0].id)
    moment = joined + timedelta(hours=1)
    grants.end(actor=world.admin, at=moment + timedelta(hours=1), grant_id=made.id)
    answer = inquiries.who_can(actor=world.admin, at=world.end, permission=P.CHANGE_APPLY, scope=PROD, moment=moment)
    (line,) = (line for line in answer.lines if line.via == group)
    assert (line.subject, line.via, line.since) == (world.people[0].id, group, joined)
    origin = answer.origins[made.id]
    assert (origin.at, origin.reason) == (given, "their work")
    assert Touch.objects.get(object=f"grant:{made.id}", version=1).seq == origin.entry
    assert answer.standing.size == Entry.objects.filter(ts__lte=clock.text(moment)).count()
    assert answer.root == checkpoints.frontier_at(answer.standing.size).root().hex()
    before = inquiries.who_can(actor=world.admin, at=world.end, permission=P.CHANGE_APPLY, scope=PROD, moment=given)
    assert world.known(before.lines) == set()


def test_a_place_that_there_never_was_is_no_answer(db: str) -> None:
    """A misspelt project would be answered with who may everywhere, which looks like an answer about it."""
    world = World()
    for asked in (Scope("shp", "production"), Scope("shop", "prod")):
        for moment in (None, world.at):
            with pytest.raises(Invalid):
                inquiries.who_can(
                    actor=world.admin, at=world.end, permission=P.CHANGE_APPLY, scope=asked, moment=moment
                )
            with pytest.raises(Invalid):
                inquiries.what_can(
                    actor=world.admin, at=world.end, subject=world.people[0].id, scope=asked, moment=moment
                )


def test_a_leaver_whose_documents_were_redacted_still_could_what_they_could(db: str) -> None:
    world = World()
    person = world.people[0]
    world.act("give", 0, 2, 1)
    moment = world.at
    world.act("deactivate", 0, 0, 0)
    left = world.at
    row = Person.objects.get(pk=person.id)
    digests = set(Touch.objects.filter(object=f"person:{person.id}").values_list("after", flat=True))
    live = Touch.objects.get(object=f"person:{person.id}", version=row.version).after
    redaction.redact(actor=world.admin, at=world.end, digests=sorted(digests - {live}), reason="erased")
    past = as_of.at_moment(moment)
    assert world.known(past.who(P.CHANGE_APPLY, PROD)) == {person.id}
    assert past.unreadable == ()
    assert world.known(as_of.at_moment(left).who(P.CHANGE_APPLY, PROD)) == set()


def test_a_custom_role_means_what_it_meant_then_and_its_change_is_told(db: str) -> None:
    world = World()
    person, at = world.people[0], world.at
    by: dict[str, Any] = {"actor": world.admin}
    wish = RoleWish(name="Shipper", permissions=["project:read", "change:apply"])
    custom_roles.create(**by, at=at, key="shipper", wish=wish)
    grants.give(**by, at=at, subject=person.id, wish=Wish(role="shipper", scope=Scope("shop")))
    moment, later = at + timedelta(hours=1), at + timedelta(hours=2)
    lesser = RoleWish(name="Shipper", permissions=["project:read", "flag:create"])
    custom_roles.update(**by, at=later, key="shipper", wish=lesser)
    assert person.id in world.known(as_of.at_moment(moment).who(P.CHANGE_APPLY, PROD))
    assert person.id not in world.known(as_of.at_moment(later).who(P.CHANGE_APPLY, PROD))
    assert person.id not in world.known(as_of.now(at=later).who(P.CHANGE_APPLY, PROD))
    found = inquiries.changes(actor=world.admin, at=world.end, since=moment, until=later)
    (altered,) = (one for one in found.found if one.line.subject == person.id)
    assert (altered.change, altered.added, altered.removed) == ("altered", (P.FLAG_CREATE,), (P.CHANGE_APPLY,))


def test_a_role_for_some_flags_is_told_as_such(db: str) -> None:
    world = World()
    person, at = world.people[0], world.at
    wish = Wish(role="developer", scope=Scope("shop"), narrowing=Narrowing(tags=frozenset({"team:checkout"})))
    grants.give(actor=world.admin, at=at, subject=person.id, wish=wish)
    for standing in (as_of.now(at=at), as_of.at_moment(at)):
        (line,) = (one for one in standing.who(P.CHANGE_DRAFT, PROD) if one.subject == person.id)
        assert str(line.grant.narrowing) == "flags tagged team:checkout"
        assert person.id not in world.known(standing.who(P.SEGMENT_CREATE, Scope("shop")))


def test_who_was_erased_still_could_what_they_could(db: str) -> None:
    """An erasure forgets the person's documents and those of their grants; later versions and the entries suffice."""
    world = World()
    person, second = world.people[0], add_person("Second", "admin")
    world.act("give", 0, 2, 1)
    moment = world.at
    (given,) = queries.grants(subject=person.id)
    ended = world.at = moment + timedelta(hours=1)
    grants.end(actor=world.admin, at=ended, grant_id=given.id)
    world.act("give", 0, 1, 1)
    world.act("deactivate", 0, 0, 0)
    at = world.at + timedelta(days=1)
    first, other = (Actor(kind="person", id=one.id, via="session", mfa_at=at) for one in (world.admin, second))
    asked = erasure.ask(actor=first, at=at, person_id=person.id, reason="they asked us to", early=True)
    erasure.confirm(actor=other, at=at, erasure_id=asked.id)
    past = as_of.at_moment(moment)
    assert person.id in world.known(past.who(P.CHANGE_APPLY, PROD))
    assert past.unreadable == ()
    assert person.id not in world.known(as_of.at_moment(ended).who(P.CHANGE_APPLY, PROD))
    assert person.id not in world.known(as_of.at_moment(at).who(P.CHANGE_APPLY, PROD))


def test_what_changed_between_two_moments_is_told_with_its_cause(db: str) -> None:
    world = World()
    anna, bo, cy = world.people
    at = world.at
    first = grants.give(actor=world.admin, at=at, subject=anna.id, wish=Wish(role="viewer"))
    short = Wish(role="requester", ends_at=at + timedelta(hours=2))
    grants.give(actor=world.admin, at=at, subject=anna.id, wish=short)
    grants.give(actor=world.admin, at=at, subject=bo.id, wish=Wish(role="viewer"))
    grants.give(actor=world.admin, at=at, subject=world.groups[0], wish=Wish(role="developer"))
    groups.add_member(actor=world.admin, at=at, group_id=world.groups[0], person_id=cy.id)
    since = at + timedelta(hours=1)
    later = at + timedelta(hours=4)
    grants.end(actor=world.admin, at=later, grant_id=first.id)
    people.deactivate(actor=world.admin, at=later, person_id=bo.id)
    groups.remove_member(actor=world.admin, at=later, group_id=world.groups[0], person_id=cy.id)
    groups.add_member(actor=world.admin, at=later, group_id=world.groups[0], person_id=anna.id)
    grants.give(actor=world.admin, at=later, subject=cy.id, wish=Wish(role="auditor"))
    found = inquiries.changes(actor=world.admin, at=world.end, since=since, until=later)
    assert {(one.change, one.line.subject, one.line.grant.role, one.because) for one in found.found} == {
        ("lost", anna.id, "viewer", "the role was ended"),
        ("lost", anna.id, "requester", "the role ran out"),
        ("lost", bo.id, "viewer", "they were deactivated"),
        ("lost", cy.id, "developer", "they left the group"),
        ("gained", anna.id, "developer", "they joined the group"),
        ("gained", cy.id, "auditor", "the role was given"),
    }
    with pytest.raises(Invalid):
        inquiries.changes(actor=world.admin, at=world.end, since=later, until=since)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("2026-03-03", datetime(2026, 3, 3, tzinfo=UTC)),
        ("2026-03-03T14:00:00+02:00", datetime(2026, 3, 3, 12, tzinfo=UTC)),
    ],
)
def test_a_date_alone_is_its_beginning_in_utc(text: str, expected: datetime | None) -> None:
    assert as_of.instant(text, at=datetime(2026, 6, 1, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["2026-03-03T14:00:00", "yesterday", "2026-06-02", "0001-01-01T00:00:00+23:00", "9"])
def test_no_moment_of_the_future_and_none_without_a_zone(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        as_of.instant(text, at=datetime(2026, 6, 1, tzinfo=UTC))
    assert list(caught.value.fields) == ["as_of"]


def test_who_may_not_read_the_organisation_asks_about_themselves_alone(db: str) -> None:
    world = World()
    at = world.end
    give(world.people[0].id, "developer", project="shop")
    own = inquiries.what_can(actor=world.people[0], at=at, subject=world.people[0].id)
    assert [line.grant.role for line in own.lines] == ["developer"]
    with pytest.raises(Denied):
        inquiries.what_can(actor=world.people[0], at=at, subject=world.people[1].id)
    with pytest.raises(Denied):
        inquiries.who_can(actor=world.people[0], at=at, permission=P.ORG_READ, scope=ORGANISATION)
    with pytest.raises(Denied):
        inquiries.listing(actor=world.people[0], at=at)
    with pytest.raises(Denied):
        inquiries.changes(actor=world.people[0], at=at, since=world.at)
    with pytest.raises(NotFound):
        inquiries.what_can(actor=world.admin, at=at, subject="usr_nobody")
    before = world.at - timedelta(days=400)
    with pytest.raises(NotFound):
        inquiries.what_can(actor=world.admin, at=at, subject=world.people[0].id, moment=before)


@pytest.mark.parametrize("format", ["csv", "csv-spreadsheet", "json"])
def test_an_export_is_an_entry_that_vouches_for_the_file(db: str, format: inquiries.Format) -> None:
    world = World()
    at = world.at
    grants.give(actor=world.admin, at=at, subject=world.people[0].id, wish=Wish(role="viewer"), reason="=1+1")
    answer = inquiries.listing(actor=world.admin, at=at, moment=at)
    file = inquiries.export(actor=world.admin, at=at, answer=answer, asked={}, format=format)
    body = json.loads(Entry.objects.order_by("-seq")[0].body)
    assert (body["action"], body["detail"]["sha256"]) == ("access.exported", file.manifest["file_sha256"])
    assert body["detail"]["root"] == answer.root
    text = file.data.decode()
    rows = json.loads(text)["rows"] if format == "json" else list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(answer.lines) >= 2
    reason = next(row["reason"] for row in rows if row["subject"] == world.people[0].id)
    assert reason == ("'=1+1" if format == "csv-spreadsheet" else "=1+1")
