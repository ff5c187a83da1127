"""Claims: a node counts who was there when something was published, who runs it and since when, and what of that it
knows; its memory is bounded; nobody confirms for somebody else.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ensign.delivery import tracker as tracking
from ensign.delivery.instances import GRACE, Instance, Who
from ensign.delivery.published import Published, Revision
from ensign.delivery.query import Query
from ensign.delivery.reach import MAX_GROUPS, NOW, OTHER, Group, Reach, bounded, rounded
from ensign.delivery.spreading import WAIT
from ensign.delivery.state import State
from ensign.delivery.tokens import Token
from ensign.delivery.tracker import MAX_WATCHED, REPEAT, Tracker
from ensign.delivery.usage import Usage, UsageBatch
from ensign_testkit.delivery import flag
from ensign_testkit.streams import EventStream
from ensign_testkit.waiting import until
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SHOP = ("shop", "production")
TOKEN = Token("hash", "backend", "production", ("shop",), None)
QUERY = Query("production", ("shop",))
BACKEND, FRONTEND, EVERYTHING = (
    "shop:production.backend-secret",
    "shop:production.frontend-secret",
    "*:production.all-secret",
)


def who(name: str, app: str = "web", *, confirms: bool = True, interval: float = 15.0) -> Who:
    return Who(name, app, "sdk", interval, confirms)


class Bench:
    """A tracker whose clock is turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.number = 0
        self.woken = 0
        self.tracker = Tracker(clock=self.clock, wake=self.wake, now=lambda: self.now)
        self.publish()

    def clock(self) -> datetime:
        return NOON + timedelta(seconds=self.now - 1000)

    def wake(self) -> None:
        self.woken += 1

    def state(self, number: int) -> State:
        place = Published("shop", "production", (1, number), (), ())
        return State(rulesets={SHOP: place})

    def publish(self) -> Revision:
        """A publication that every stream is sent at once."""
        self.number += 1
        count = self.tracker.published(self.state(self.number))
        for instance in self.tracker._instances.values():
            if instance.streams:
                self.tracker.told(instance, (1, self.number), (1, self.number))
        count()
        return (1, self.number)

    def stream(self, name: str, app: str = "web", *, confirms: bool = True, held: Revision | None = None) -> Instance:
        instance = self.tracker.joined(who(name, app, confirms=confirms), TOKEN, QUERY, held)
        if held is None:
            self.tracker.told(instance, (1, self.number), (1, self.number))
        return instance

    def applied(
        self, name: str, *steps: tuple[Revision, float], before: Revision | None = None, node: str = ""
    ) -> None:
        node = node or self.tracker.node
        self.tracker.applied(who(name), TOKEN, QUERY, steps, before=before, node=node)

    def poll(self, name: str, held: Revision | None = None, *, interval: float = 15.0) -> None:
        self.tracker.polled(who(name, "polls", interval=interval), TOKEN, QUERY, held, (1, self.number))

    def said(self, number: int | None = None) -> Reach | None:
        """The newest report about a publication, or about who is connected."""
        wanted = self.number if number is None else number
        found = [r for r in self.tracker.take() if r.revision[1] == wanted and r.reporter == r.node]
        return found[-1] if found else None


def counts(reach: Reach | None) -> tuple[int, int, int]:
    """(instances, running, sent)."""
    assert reach is not None
    return (
        sum(g.instances for g in reach.groups), sum(g.running for g in reach.groups), sum(g.sent for g in reach.groups)
    )  # fmt: skip


def test_it_counts_who_was_there_and_how_long_each_took_however_late_they_say_so() -> None:
    bench = Bench()
    for name in ("a", "b"):
        bench.stream(name)
    bench.now += 10
    revision = bench.publish()
    bench.stream("late")
    assert counts(bench.said()) == (2, 0, 2)
    bench.now += 2
    bench.applied("a", (revision, 1.962))
    bench.applied("late", (revision, 0.0))
    found = bench.said()
    assert counts(found) == (2, 1, 1)
    assert found is not None
    assert found.slowest_ms in {38, 39}  # 1.962 s before it said so, 2 s after it was published
    assert (found.times, found.final) == (((found.slowest_ms, 1),), False)
    bench.applied("b", (revision, 2.0))
    found = bench.said()
    assert found is not None
    assert counts(found) == (2, 2, 0)
    assert found.final
    assert found.began_at == NOON + timedelta(seconds=10)
    assert bench.said() is None, "what was said is not said again"


def test_an_sdk_that_does_not_confirm_was_sent_it_and_is_not_waited_for() -> None:
    bench = Bench()
    bench.stream("node", confirms=False)
    bench.publish()
    found = bench.said()
    assert found is not None
    assert (counts(found), found.final) == ((1, 0, 1), True)


def test_one_that_polls_shows_with_its_next_question_that_it_had_it_since_the_last() -> None:
    bench = Bench()
    bench.poll("p", held=(1, 1), interval=7.5)
    revision = bench.publish()
    found = bench.said()
    assert found is not None
    assert (counts(found), found.within, found.final) == ((1, 0, 0), 8, False)
    bench.now += 5
    bench.poll("p", held=(1, 1))
    assert counts(bench.said()) == (1, 0, 1)
    bench.now += 7
    bench.poll("p", held=revision)
    found = bench.said()
    assert found is not None
    assert (counts(found), found.slowest_ms, found.final) == ((1, 1, 0), 5000, True)
    assert found.within == 8, "a drill allows for it also when nobody is waited for any more"


def test_each_way_of_asking_has_a_time_of_its_own() -> None:
    """What streams is not measured by what polls."""
    bench = Bench()
    bench.stream("a")
    bench.poll("p", held=(1, 1), interval=7.5)
    revision = bench.publish()
    bench.now += 5
    bench.applied("a", (revision, 4.96))
    bench.poll("p", held=(1, 1))
    bench.now += 7
    bench.poll("p", held=revision)
    found = bench.said()
    assert found is not None
    assert {group.mode: group.slowest_ms for group in found.groups} == {"streaming": 40, "polling": 5000}
    assert found.slowest_ms == 5000


def test_one_that_polls_and_never_names_what_it_has_is_not_waited_for() -> None:
    bench = Bench()
    bench.poll("curl")
    bench.publish()
    for _ in range(2):
        bench.now += 5
        bench.poll("curl")
    found = bench.said()
    assert found is not None
    assert (counts(found), found.final) == ((1, 0, 1), True)


def test_a_stream_that_nothing_differs_for_runs_the_new_revision_once_it_runs_what_it_was_sent() -> None:
    bench = Bench()
    instance = bench.stream("a")
    bench.applied("a", ((1, 1), 0.0))
    bench.number += 1
    count = bench.tracker.published(bench.state(2))
    bench.tracker.told(instance, None, (1, 2))
    count()
    found = bench.said(2)
    assert found is not None
    assert (counts(found), found.final) == ((1, 1, 0), True)
    # It was sent the next one; the one after differs in nothing for it, and it names what it was sent.
    bench.publish()
    bench.number += 1
    count = bench.tracker.published(bench.state(4))
    bench.tracker.told(instance, None, (1, 4))
    count()
    assert counts(bench.said(4)) == (1, 0, 1)
    bench.applied("a", ((1, 3), 0.0))
    assert counts(bench.said(4)) == (1, 1, 0)


def test_whoever_runs_a_revision_runs_all_before_it_each_since_it_says_so() -> None:
    bench = Bench()
    bench.stream("a")
    first = bench.publish()
    bench.now += 1
    second = bench.publish()
    bench.now += 1
    bench.applied("a", (first, 1.5), (second, 0.25))
    reports = {r.revision: r for r in bench.tracker.take() if r.revision[1] != NOW}
    assert reports[first].slowest_ms == 500
    assert reports[second].slowest_ms == 750
    assert all(report.final for report in reports.values())


def test_one_that_ends_need_not_be_reached_but_may_come_back_for_a_while() -> None:
    bench = Bench()
    gone, back = bench.stream("gone"), bench.stream("back")
    bench.publish()
    for instance in (gone, back):
        bench.tracker.left(instance)
    bench.now += GRACE - 1
    assert counts(bench.said())[0] == 2
    again = bench.stream("back", held=(1, 2))
    assert again is back
    assert counts(bench.said()) == (2, 1, 1)
    bench.now += 2
    found = bench.said()
    assert found is not None
    assert (counts(found), found.left, found.final) == ((1, 1, 0), 1, True)


def test_one_that_polls_is_gone_when_it_has_not_asked_for_four_times() -> None:
    bench = Bench()
    bench.poll("p", held=(1, 1), interval=30)
    bench.publish()
    bench.now += 4 * 30
    assert counts(bench.said())[0] == 1
    bench.now += 1
    found = bench.said()
    assert found is not None
    assert (counts(found), found.left, found.final) == ((0, 0, 0), 1, True)


def test_what_is_not_reached_is_watched_for_a_time_only() -> None:
    bench = Bench()
    bench.stream("a")
    bench.publish()
    found = bench.said()
    assert found is not None
    assert not found.final
    bench.now += WAIT + 1
    found = bench.said()
    assert found is not None
    assert (found.final, counts(found)) == (True, (1, 0, 1))
    assert bench.tracker._watched == {}


def test_a_flood_of_publications_is_watched_in_part_and_all_are_reported() -> None:
    bench = Bench()
    bench.stream("a")
    for _ in range(3 * MAX_WATCHED):
        bench.publish()
    assert len(bench.tracker._watched[SHOP]) == MAX_WATCHED
    reports = {r.revision[1]: r for r in bench.tracker.take() if r.revision[1] != NOW}
    assert len(reports) == 3 * MAX_WATCHED
    assert sum(report.final for report in reports.values()) == 2 * MAX_WATCHED
    assert bench.tracker._closed == []


def test_no_more_instances_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "MAX_INSTANCES", 3)
    bench = Bench()
    for name in "abcde":
        bench.stream(name)
    assert len(bench.tracker._instances) == 3
    bench.publish()
    assert counts(bench.said())[0] == 3


def test_a_confirmation_at_another_node_counts_for_the_one_that_holds_the_stream() -> None:
    """Behind a balancer. It names the node, and counts once, for what came after the revision that it ran before."""
    bench = Bench()
    first, second = bench.publish(), bench.publish()
    for _ in range(2):
        bench.applied("far", (second, 0.0), before=first, node="other")
    found = [r for r in bench.tracker.take() if r.node == "other"]
    assert [(r.revision, r.reporter, r.groups) for r in found] == [
        (second, bench.tracker.node, (Group("web", "sdk", "streaming", 0, 1, 0, 0),))
    ]


def test_a_confirmation_that_is_ahead_of_this_node_waits_for_it() -> None:
    bench = Bench()
    bench.applied("far", ((1, 2), 0.0), before=(1, 1), node="other")
    assert [r for r in bench.tracker.take() if r.node == "other"] == []
    bench.publish()
    (found,) = [r for r in bench.tracker.take() if r.node == "other"]
    assert (found.revision, found.groups[0].running) == ((1, 2), 1)
    assert bench.tracker._early == []


def test_who_is_connected_is_said_when_it_changes_and_now_and_then() -> None:
    bench = Bench()
    bench.stream("a")
    bench.stream("b", confirms=False)
    bench.poll("p", held=(1, 1))
    bench.applied("a", ((1, 1), 0.0))
    found = bench.said(NOW)
    assert counts(found) == (3, 2, 1)
    assert bench.said(NOW) is None
    bench.now += REPEAT + 1
    bench.poll("p", held=(1, 1))
    assert counts(bench.said(NOW)) == (3, 2, 1)
    bench.tracker.close()
    assert counts(bench.said(NOW)) == (0, 0, 0)


def test_a_node_that_stops_says_that_its_instances_went_elsewhere() -> None:
    bench = Bench()
    bench.stream("a")
    bench.publish()
    bench.tracker.close()
    found = bench.said()
    assert found is not None
    assert (counts(found), found.left, found.final) == ((0, 0, 0), 1, True)


def test_many_names_become_few_rows() -> None:
    groups = bounded(Group(f"app-{n}", "sdk", "streaming", n + 1, n, 1) for n in range(3 * MAX_GROUPS))
    assert len(groups) == MAX_GROUPS + 1
    assert groups[-1].app == OTHER
    assert sum(g.instances for g in groups) == sum(range(1, 3 * MAX_GROUPS + 1))


@given(st.floats(0, 10**7))
def test_times_are_rounded_up_to_two_digits(ms: float) -> None:
    found = rounded(ms)
    assert ms - 0.001 <= found <= max(ms * 1.1, ms + 1)
    assert len(str(found).rstrip("0")) <= 2


def test_what_a_node_below_says_goes_on_by_the_clock_of_the_node_above() -> None:
    """Its own clock may be wrong by hours."""
    batches: list[UsageBatch] = []
    usage = Usage(batches.append)
    wrong = NOON - timedelta(hours=5)
    row = Reach("edge", "edge", *SHOP, (1, 7), 7, wrong, wrong + timedelta(seconds=2), (Group("a", "b", "polling", 1),))
    usage.pass_on([row, row], at=NOON)
    assert usage.flush(counts=False)
    (batch,) = batches
    (found,) = batch.reach
    assert (found.began_at, found.said_at) == (NOON - timedelta(seconds=2), NOON)
    assert usage.flush()
    assert len(batches) == 1


def test_what_the_sink_does_not_take_is_said_again_in_its_newest_form() -> None:
    taken: list[UsageBatch] = []
    broken = True

    def sink(batch: UsageBatch) -> None:
        if broken:
            raise OSError
        taken.append(batch)

    usage = Usage(sink)
    one = Reach("n", "n", *SHOP, (1, 7), 7, NOON, NOON, (Group("a", "b", "polling", 2, 1),))
    other = replace(one, revision=(1, 8))
    newer = replace(one, groups=(Group("a", "b", "polling", 2, 2),))
    said = [(one, other), (newer,), ()]
    usage.reach = lambda: said.pop(0)
    assert not usage.flush(counts=False)
    assert not usage.flush()
    broken = False
    assert usage.flush()
    assert set(taken[0].reach) == {newer, other}


# --- over HTTP ----------------------------------------------------------------------------------------


def identified(name: str, **more: str) -> dict[str, str]:
    return {"unleash_connection_id": name, "unleash_appname": "shop%20front", "unleash_sdk": "mine:1", **more}


def reported(plane: Any, number: int) -> Reach | None:
    found = [r for batch in list(plane.batches) for r in batch.reach if r.revision[1] == number]
    return found[-1] if found else None


def test_a_stream_confirms_over_http_and_the_report_reaches_the_sink(plane: Any) -> None:
    with EventStream(plane.server.port, BACKEND, Ensign_Confirms="1", **identified("one")) as stream:
        stream.event()
        node = stream.headers["ensign-node"]
        assert 0 < float(stream.headers["ensign-confirm-within"]) <= 1
        number = plane.source.publish([flag("menu", enabled=False)])
        stream.event()
        until(lambda: reported(plane, number))
        body = {"applied": [{"revision": f"1.{number}", "agoMs": 0}], "before": None, "node": node}
        # Neither another token nor another connection speaks for this one.
        assert plane.post("/api/client/applied", body, token=EVERYTHING, **identified("one")).status == 202
        assert plane.post("/api/client/applied", body, **identified("two")).status == 202
        assert counts(reported(plane, number)) == (1, 0, 1)
        answer = plane.post("/api/client/applied", body, **identified("one"))
        assert (answer.status, answer.body) == (202, b"")
        assert "ensign-confirm-within" in answer.headers
        until(lambda: counts(reported(plane, number)) == (1, 1, 0))
    found = reported(plane, number)
    assert found is not None
    assert [(g.app, g.sdk, g.mode) for g in found.groups] == [("shop front", "mine:1", "streaming")]
    assert found.final


def test_only_backend_tokens_confirm_and_only_what_can_be_read(plane: Any) -> None:
    good = {"applied": [{"revision": "1.1", "agoMs": 3}], "node": "ab"}
    assert plane.post("/api/client/applied", good, token=None).status == 401
    assert plane.post("/api/client/applied", good, token="unknown").status == 401
    assert plane.post("/api/client/applied", good, token=FRONTEND).status == 403
    assert plane.get("/api/client/applied").status == 405
    assert plane.post("/api/client/applied", good).status == 202
    for bad in (
        [], {}, {"applied": []}, {"applied": [good] * 65}, {"applied": [{"revision": "1.1"}]},
        {"applied": [{"revision": "1", "agoMs": 1}]}, {"applied": [{"revision": "1.1", "agoMs": -1}]},
        {"applied": [{"revision": "1.1", "agoMs": True}]}, {"applied": [{"revision": "1.1", "agoMs": 10**9}]},
        {"applied": ["1.1"]}, b"{",
    ):  # fmt: skip
        assert plane.post("/api/client/applied", bad).status == 400, bad
    big = json.dumps({**good, "pad": "x" * 20_000}).encode()
    assert plane.post("/api/client/applied", big).status == 413


def test_a_poll_with_the_tag_in_hand_confirms(plane: Any) -> None:
    tag = plane.get("/api/client/features", **identified("p")).headers["etag"]
    assert plane.get("/api/client/features", If_None_Match=tag, **identified("p")).status == 304
    number = plane.source.publish([flag("menu", enabled=False)])
    plane.settled(number)
    later = plane.get("/api/client/features", If_None_Match=tag, **identified("p"))
    assert later.status == 200
    until(lambda: reported(plane, number) and counts(reported(plane, number)) == (1, 0, 1))
    assert plane.get("/api/client/features", If_None_Match=later.headers["etag"], **identified("p")).status == 304
    until(lambda: counts(reported(plane, number)) == (1, 1, 0))
    delta = plane.get("/api/client/delta", If_None_Match=f'"{number}"', **identified("d"))
    assert delta.status == 304


def test_edges_and_whoever_does_not_say_who_they_are_are_not_counted(plane: Any) -> None:
    plane.get("/api/client/features")
    plane.get("/api/client/features", **{**identified("e"), "unleash_sdk": "ensign-edge:1"})
    number = plane.source.publish([flag("menu", enabled=False)])
    until(lambda: reported(plane, number))
    assert counts(reported(plane, number)) == (0, 0, 0)
