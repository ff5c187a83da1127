"""Claims: what nodes say is added up without counting anybody twice; the log gets one entry for a publication, and no
flood; nobody reads about a project that is not theirs.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from ensign.control.audit import history
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes import reach as of_changes
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.queries import request as find
from ensign.control.evidence import words
from ensign.control.flags.operations import create_flag
from ensign.control.kernel import clock
from ensign.control.publishing import reach_rows
from ensign.control.publishing.models import Revision
from ensign.control.publishing.reach import Group, ReachView, Report, added_up, duration
from ensign.control.publishing.reach_models import Reach
from ensign.control.publishing.reached import PATIENCE, SETTLING, record_reached
from ensign_testkit.changing import Story, story
from ensign_testkit.people import add_person, sign_in
from ensign_testkit.reaching import group, present, said

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PLACE = ("shop", "development")
FLAG = "menu"
LONG = timedelta(minutes=6)


def report(node: str = "a", reporter: str = "", *, late: int = 0, **more: Any) -> Report:
    given: dict[str, Any] = {
        "node": node, "reporter": reporter or node, "since": 7, "began_at": NOON + timedelta(milliseconds=late),
        "groups": (), "times": {}, "slowest_ms": None, "gone": 0, "within": 0, "final": True, **more,
    }  # fmt: skip
    return Report(**given)


def counted(
    app: str, instances: int, running: int, sent: int = 0, mode: str = "streaming", last: int | None = None
) -> Group:
    return Group(app=app, sdk="sdk", mode=mode, instances=instances, running=running, sent=sent, slowest_ms=last)


def view(*reports: Report, at: datetime = NOON + timedelta(seconds=2)) -> ReachView:
    return added_up(
        reports, project="shop", environment="production", epoch=1, number=7, published_at=NOON, at=at
    )  # fmt: skip


def test_nodes_are_added_up_and_the_last_instance_of_all_counts() -> None:
    found = view(
        report("a", late=10, groups=(counted("web", 200, 200),), times={28: 200}, slowest_ms=28),
        report("b", late=20, groups=(counted("web", 10, 10), counted("jobs", 4, 4)), times={5: 14}, slowest_ms=5),
    )
    assert (found.instances, found.running, found.ms) == (214, 214, 38)
    assert found.sentence == "Live on 214 of 214 instances after 38 ms."
    assert (found.p50_ms, found.p99_ms) == (38, 38)
    assert found.everywhere
    assert found.settled
    assert [(g.app, g.instances) for g in found.groups] == [("web", 210), ("jobs", 4)]


def test_what_another_node_heard_counts_for_the_one_that_holds_the_stream_and_never_twice() -> None:
    """Behind a balancer a confirmation may arrive anywhere."""
    heard = (counted("web", 0, 3),)
    found = view(
        report("a", groups=(counted("web", 5, 3, sent=2),), final=False),
        report("a", "b", groups=heard, final=False),
        report("unknown", "b", groups=heard, final=False),
    )
    assert (found.instances, found.running, found.sent) == (5, 5, 0)
    assert found.settled


def test_those_that_stream_and_those_that_poll_have_times_of_their_own() -> None:
    """Over nodes that began apart, and with what one node heard of another's instances."""
    polls = counted("cron", 2, 2, mode="polling", last=9_000)
    found = view(
        report("a", late=10, groups=(counted("web", 3, 1, last=28), polls), slowest_ms=9_000),
        report("b", late=30, groups=(counted("web", 1, 1, last=5),), slowest_ms=5),
        report("a", "b", late=30, groups=(counted("web", 0, 2, last=40),), slowest_ms=40),
    )
    assert [(g.app, g.running, g.slowest_ms) for g in found.groups] == [("web", 4, 70), ("cron", 2, 9_010)]
    assert (found.last_ms("streaming"), found.last_ms("polling"), found.ms) == (70, 9_010, 9_010)


def test_where_a_node_does_not_say_it_by_group_the_last_of_all_stands_for_each_way() -> None:
    """No way is called faster than what is known."""
    found = view(report(groups=(counted("web", 1, 1), counted("job", 1, 1, last=3)), slowest_ms=38))
    assert (found.last_ms("streaming"), found.last_ms("polling")) == (38, None)


@pytest.mark.parametrize(
    ("reports", "sentence"),
    [
        ((), "On its way."),
        ((report(groups=()),), "No application was connected when this was published."),
        ((report(groups=(counted("web", 1, 1),), slowest_ms=1_234),), "Live on 1 of 1 instance after 1.2 s."),
        (
            (report(groups=(counted("web", 209, 209), counted("old", 5, 0, mode="polling")), within=15, final=False),),
            "Live on 209 of 214 instances so far; 5 poll and take it within 15 s.",
        ),
        (
            (report(groups=(counted("web", 3, 2), counted("old", 5, 5, mode="polling")), within=15, final=False),),
            "Live on 7 of 8 instances so far; 1 has yet to take it.",
        ),
        (
            (report(groups=(counted("web", 3, 2), counted("node", 2, 0, 2)), slowest_ms=9),),
            "Live on 2 of 5 instances; 2 were sent it and cannot confirm; 1 did not take it within 5 min.",
        ),
        (
            (report(groups=(counted("web", 3, 3), counted("node", 1, 0, 1)), slowest_ms=9),),
            "Live on 3 of 4 instances after 9 ms; 1 was sent it and cannot confirm.",
        ),
    ],
)
def test_it_is_said_plainly(reports: tuple[Report, ...], sentence: str) -> None:
    assert view(*reports).sentence == sentence


def test_what_nobody_reported_is_not_said_to_have_reached_nobody() -> None:
    assert view(at=NOON + LONG).sentence == "Nothing is known about who took it."


def test_the_clock_of_a_node_that_is_behind_takes_nothing_off() -> None:
    early = report(late=-500, groups=(counted("web", 1, 1),), times={38: 1}, slowest_ms=38)
    assert view(early).ms == 38


def test_quantiles_are_those_of_all_instances() -> None:
    found = view(report(groups=(counted("web", 100, 100),), times={10: 50, 20: 48, 900: 2}, slowest_ms=870))
    assert (found.p50_ms, found.p99_ms, found.ms) == (10, 870, 870)


class House:
    """A project with a flag that is switched in development, where nothing is to be approved."""

    def __init__(self) -> None:
        self.cast: Story = story()
        create_flag(actor=self.cast.dev, at=self.cast.at, project="shop", key=FLAG)
        self.on = False

    def toggle(self) -> tuple[str, int]:
        """Publish once more; the request's id and the publication's number."""
        self.on = not self.on
        step = FlagEnable(flag=FLAG) if self.on else FlagDisable(flag=FLAG)
        done = door.propose(
            actor=self.cast.dev, at=clock.now(), project="shop", environment="development", operations=(step,),
            title="", reason="", wish="apply",
        )  # fmt: skip
        number = Revision.objects.filter(environment="development").order_by("-number").values_list("number", flat=True)
        return done.request.id, number[0]

    def say(self, number: int, *groups: Any, **more: Any) -> None:
        now = clock.now()
        reach_rows.store([said(PLACE, number, *groups, at=now, **more)], at=now)


def entries() -> list[dict[str, Any]]:
    found = Entry.objects.filter(action="delivery.reached").order_by("seq").values_list("body", flat=True)
    return [json.loads(body) for body in found]


def test_a_later_report_replaces_the_one_before_and_pages_find_it(db: str) -> None:
    house = House()
    request, number = house.toggle()
    house.say(number, group("web", 3, 1), final=False)
    house.say(number, group("web", 3, 3))
    assert Reach.objects.count() == 1
    at = clock.now()
    found = reach_rows.of_flag(project="shop", flag=FLAG, at=at)["development"]
    assert (found.number, found.instances, found.running) == (number, 3, 3)
    assert of_changes.of_request(find(request, reader=house.cast.dev.id), at=at) == [found]
    assert of_changes.of_requests([request, "crq_none"], at=at) == {request: [found]}
    assert found.published_at <= at


def test_a_publication_that_was_taken_in_with_later_ones_is_known_by_their_report(db: str) -> None:
    house = House()
    (_, first), (_, second), (_, third) = house.toggle(), house.toggle(), house.toggle()
    house.say(first, group("web", 1, 1))
    house.say(third, group("web", 2, 2), since=second)
    house.say(third, group("jobs", 4, 4), since=first, node="b2", reporter="b2")
    places = [(*PLACE, number) for number in (first, second, third)]
    found = reach_rows.of_publications(places, at=clock.now())
    assert [found[place].instances for place in places] == [5, 6, 6]


def test_who_is_connected_is_what_nodes_that_are_there_said_last(db: str) -> None:
    now = clock.now()
    reach_rows.store([present(PLACE, group("web", 2, 2), at=now)], at=now)
    reach_rows.store([present(PLACE, group("web", 1, 0, mode="polling"), at=now, node="b2")], at=now)
    reach_rows.store([present(PLACE, group("web", 9, 9), at=now, node="c3")], at=now - timedelta(hours=1))
    found = reach_rows.present(project="shop", at=now)["development"]
    assert (found.instances, found.streaming, found.polling) == (3, 2, 1)
    assert reach_rows.forget(before=now - timedelta(days=90), at=now) == 1
    assert reach_rows.forget(before=now + timedelta(seconds=1), at=now) == 2


def test_a_publication_that_is_live_everywhere_is_one_entry(db: str) -> None:
    house = House()
    request, number = house.toggle()
    house.say(number, group("web", 3, 1), final=False)
    assert record_reached(at=clock.now() + 2 * SETTLING) == 0
    house.say(number, group("web", 3, 2), group("node", 1, 0, sent=1))
    house.say(number, group("jobs", 1, 1), node="b2", reporter="b2")
    assert record_reached(at=clock.now()) == 0, "other nodes may still be about to say who was there"
    house.say(number, group("web", 3, 3), group("node", 1, 0, sent=1))
    assert record_reached(at=clock.now() + 2 * SETTLING) == 1
    (entry,) = entries()
    publication = Revision.objects.get(number=number).ledger_seq
    detail = entry["detail"]
    ms = detail.pop("ms")
    assert 38 <= ms < 60_000
    assert detail == {
        "epoch": 1, "number": number, "publication": publication, "instances": 5, "running": 4, "sent": 1,
    }  # fmt: skip
    assert entry["where"] == {"project": "shop", "environment": "development"}
    assert entry["actor"]["id"].startswith("sys")
    told = history.entry(entry["seq"])
    assert words.line(told, {}) == f": {number} is live on 4 of 5 instances after {duration(ms)}; 1 sent"
    assert record_reached(at=clock.now() + LONG) == 0
    (found,) = of_changes.of_request(find(request, reader=house.cast.dev.id), at=clock.now())
    assert found.entry == entry["seq"]


def test_a_flood_that_never_arrives_is_one_entry_an_hour(db: str) -> None:
    house = House()
    numbers = [house.toggle()[1] for _ in range(12)]
    for number in numbers:
        house.say(number, group("web", 3, 2), final=False)
    assert record_reached(at=clock.now() + LONG) == 1
    (entry,) = entries()
    assert (entry["detail"]["since"], entry["detail"]["number"]) == (numbers[0], numbers[-1])
    assert (entry["detail"]["running"], entry["detail"]["instances"]) == (2, 3)
    # While each is overtaken before its time is over, they are in the log after an hour all the same.
    more = [house.toggle()[1] for _ in range(3)]
    for number in more:
        house.say(number, group("web", 3, 2), final=False)
    old, at = more[:2], clock.now() + PATIENCE + LONG
    Reach.objects.filter(number=more[2]).delete()
    assert record_reached(at=at) == 1 + 1
    assert [one["detail"]["number"] for one in entries()][1:] == old


def test_what_a_later_one_overtook_is_summed_up_in_its_entry(db: str) -> None:
    house = House()
    first, second, third = (house.toggle()[1] for _ in range(3))
    house.say(first, group("web", 3, 2), final=False)
    house.say(second, group("web", 3, 3))
    house.say(third, group("web", 3, 0), final=False)
    assert record_reached(at=clock.now() + 2 * SETTLING) == 1
    (entry,) = entries()
    assert (entry["detail"]["since"], entry["detail"]["number"]) == (first, second)
    assert set(Reach.objects.filter(entry=entry["seq"]).values_list("number", flat=True)) == {first, second}


def test_where_nobody_was_connected_nothing_is_written_to_the_log(db: str) -> None:
    house = House()
    house.say(house.toggle()[1])
    assert record_reached(at=clock.now() + 2 * SETTLING) == 0
    assert Reach.objects.get().entry == 0
    assert entries() == []


def test_only_who_may_read_the_project_reads_about_it(db: str) -> None:
    house = House()
    request, number = house.toggle()
    house.say(number, group("web", 3, 3))
    addresses = [
        f"/projects/shop/environments/development/reach/{number}",
        f"/projects/shop/flags/{FLAG}",
        f"/api/v1/projects/shop/flags/{FLAG}/reach",
        f"/api/v1/changes/{request}/reach",
        f"/requests/{request}",
    ]
    viewer = sign_in(Client(), house.cast.viewer)
    nobody = sign_in(Client(), add_person("Nils Nobody", at=house.cast.at))
    for address in addresses:
        answer = viewer.get(address)
        assert answer.status_code == 200, address
        assert "Live on 3 of 3 instances after" in answer.content.decode(), address
        assert nobody.get(address).status_code == 403, address
        assert Client().get(address).status_code in {302, 303, 401}, address
    for address in (
        "/projects/shop/environments/development/reach/999999",
        "/projects/shop/environments/development/reach/99999999999999999999",
        f"/projects/shop/environments/production/reach/{number}",
        "/api/v1/projects/shop/flags/unknown/reach",
        "/api/v1/changes/crq_unknown/reach",
    ):
        assert viewer.get(address).status_code == 404, address
