"""Claims: no order of acts by anybody applies a change without the approvals that the policy in force asks for."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from ensign.control.changes.domain import lifecycle, trust
from ensign.control.changes.domain.digests import change_digest
from ensign.control.changes.domain.flag_operations import FlagDisable, FlagEnable
from ensign.control.changes.domain.requests import Approval, ChangeRequest, Mode, PolicyInForce
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, EnsignError, Invalid, NeedsMfa
from ensign.control.projects.demands import Demand
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

START = datetime(2026, 3, 1, tzinfo=UTC)
ANYBODY = trust.Judges(entitled=lambda _: True)
PEOPLE = ("usr_ann", "usr_bob", "usr_cia")
ACTS = {
    "on": (FlagEnable(flag="f"),),
    "off": (FlagDisable(flag="f"),),
}


def session(person: str, at: datetime, *, mfa: bool = True) -> Actor:
    return Actor(kind="person", id=person, via="session", mfa_at=at if mfa else None)


def token(person: str) -> Actor:
    return Actor(kind="person", id=person, via="token", token_id="tok_1")


def policy(required: int = 1, version: int = 1) -> PolicyInForce:
    return PolicyInForce(
        ref=f"pol_x@{version}", demand=Demand(approvals=required), protected=True, environments=("production",)
    )


def drafted(author: str = "usr_ann", *, at: datetime = START, operations: str = "on") -> ChangeRequest:
    base = {"config:production/f": 1}
    return ChangeRequest(
        id="crq_1",
        project="shop",
        environment="production",
        title="t",
        reason="",
        author=author,
        operations=ACTS[operations],
        base=base,
        digest=change_digest(project="shop", environment="production", operations=ACTS[operations], base=base),
        created_at=at,
        updated_at=at,
    )


@dataclass
class Bench:
    """One request in a world of clock, policy, entitlement and base versions; every act goes through the lifecycle.

    It keeps its own account of who approved what, from which :meth:`allowed` says what may apply, independently of
    the code under test.
    """

    request: ChangeRequest
    at: datetime = START
    required: int = 1
    policy_version: int = 1
    base_version: int = 1
    entitled: frozenset[str] = frozenset(PEOPLE)

    def __post_init__(self) -> None:
        self.editors = {self.request.author}
        self.given: list[tuple[str, datetime, object, int, int]] = []
        self.ends: datetime | None = None
        self.submitted = False

    @property
    def policy(self) -> PolicyInForce:
        return policy(self.required, self.policy_version)

    @property
    def current(self) -> dict[str, int]:
        return {"config:production/f": self.base_version}

    def content(self) -> object:
        return (self.request.operations, dict(self.request.base))

    def allowed(self) -> bool:
        """Whether the approvals really given suffice for what would apply now."""
        people = {
            who
            for who, at, content, version, base in self.given
            if who not in self.editors
            and who in self.entitled
            and content == self.content()
            and version == self.policy_version
            and base == self.base_version
            and self.at - at < timedelta(days=7)
        }
        return len(people) >= self.required

    def edit(self, who: str, what: str) -> None:
        self.request = lifecycle.edit(
            self.request, by=who, at=self.at, operations=ACTS[what], base=self.current, title="t", reason=""
        )
        self.editors.add(who)

    def submit(self, who: str) -> None:
        self.request = lifecycle.submit(self.request, by=who, at=self.at, policy=self.policy)
        self.submitted = True
        self.ends = self.at + timedelta(days=30)

    def approve(self, actor: Actor, digest: str | None = None) -> None:
        self.request = lifecycle.approve(
            self.request,
            actor,
            at=self.at,
            digest=digest or self.request.digest,
            policy=self.policy,
            current=self.current,
            judges=trust.Judges(entitled=self.entitled.__contains__),
        )
        assert actor.interactive, "a token approved"
        assert actor.recent_mfa(at=self.at), "somebody approved without a second factor"
        assert actor.id not in self.editors, "an author or editor approved"
        assert actor.id in self.entitled
        assert self.ends is not None, "a draft was approved"
        assert self.at < self.ends, "what had ended was approved"
        self.given.append((actor.id, self.at, self.content(), self.policy_version, self.base_version))

    def ask(self, whom: str) -> None:
        before = self.request
        self.request = lifecycle.ask(self.request, reviewers=[whom], at=self.at)
        assert whom not in self.editors, "somebody was asked who can never approve"
        assert (self.request.approvals, self.request.digest) == (before.approvals, before.digest)
        assert (self.request.status, self.request.round) == (before.status, before.round)

    def end(self) -> None:
        self.request = lifecycle.expire(self.request, at=self.at)
        assert self.ends is not None, "a draft ended by itself"
        assert self.at >= self.ends, "it ended before its time"

    def apply(self, actor: Actor, mode: Mode = "request") -> None:
        before = self.request
        self.request = lifecycle.applied(
            self.request,
            actor,
            at=self.at,
            policy=self.policy,
            current=self.current,
            judges=trust.Judges(entitled=self.entitled.__contains__),
            mode=mode,
        )
        if mode == "standard":
            assert all(isinstance(step, FlagDisable) for step in before.operations)
            return
        assert self.allowed(), "it applied without what the policy asks for"
        assert self.ends is None or self.at < self.ends, "it applied after it had ended"
        assert dict(before.base) == self.current, "it overwrote somebody else's change"
        assert self.submitted or (mode == "direct" and self.required == 0)


people = st.sampled_from(PEOPLE)
contents = st.sampled_from(sorted(ACTS))


class AnyOrderOfActs(RuleBasedStateMachine):
    """People, tokens, the clock, the policy and other changes act in any order; the bench checks each application."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(drafted())
        self.seen = self.bench.request.digest

    def attempt(self, act: object, *arguments: object) -> None:
        with contextlib.suppress(EnsignError):
            act(*arguments)  # type: ignore[operator]  # a bound method of the bench

    @rule(who=people, what=contents)
    def edit(self, who: str, what: str) -> None:
        self.attempt(self.bench.edit, who, what)

    @rule(who=people)
    def submit(self, who: str) -> None:
        self.attempt(self.bench.submit, who)

    @rule(who=people, mfa=st.booleans())
    def approve(self, who: str, mfa: bool) -> None:
        self.attempt(self.bench.approve, session(who, self.bench.at, mfa=mfa))

    @rule()
    def look(self) -> None:
        self.seen = self.bench.request.digest

    @rule(who=people)
    def approve_what_was_seen_earlier(self, who: str) -> None:
        self.attempt(self.bench.approve, session(who, self.bench.at), self.seen)

    @rule(who=people)
    def approve_by_token(self, who: str) -> None:
        self.attempt(self.bench.approve, token(who))

    @rule(who=people, back=st.booleans())
    def send_back(self, who: str, back: bool) -> None:
        def act() -> None:
            decide = lifecycle.request_changes if back else lifecycle.withdraw
            self.bench.request = decide(self.bench.request, by=who, at=self.bench.at)

        if back or who == PEOPLE[2]:
            self.attempt(act)

    @rule(who=people, by_token=st.booleans(), mode=st.sampled_from(["request", "direct", "standard"]))
    def apply(self, who: str, by_token: bool, mode: Mode) -> None:
        actor = token(who) if by_token else session(who, self.bench.at)
        if mode != "request" and self.bench.request.status != "draft":
            # The door makes requests of these modes itself; with any other request they must fail.
            with pytest.raises(EnsignError):
                self.bench.apply(actor, mode)
            return
        self.attempt(self.bench.apply, actor, mode)

    @rule(required=st.integers(0, 2))
    def change_the_policy(self, required: int) -> None:
        self.bench.required = required
        self.bench.policy_version += 1

    @rule()
    def somebody_else_changes_the_flag(self) -> None:
        self.bench.base_version += 1

    @rule(who=people)
    def toggle_entitlement(self, who: str) -> None:
        self.bench.entitled = self.bench.entitled ^ {who}

    @rule(whom=people)
    def ask_somebody_to_look(self, whom: str) -> None:
        self.attempt(self.bench.ask, whom)

    @rule()
    def the_clock_ends_it(self) -> None:
        self.attempt(self.bench.end)

    @rule(hours=st.sampled_from([1, 100, 169, 720]))
    def time_passes(self, hours: int) -> None:
        self.bench.at += timedelta(hours=hours)

    @invariant()
    def approvals_are_of_other_people(self) -> None:
        assert not {a.person for a in self.bench.request.approvals} & self.bench.editors

    @invariant()
    def it_survives_storing(self) -> None:
        stored = ChangeRequest.from_state("crq_1", self.bench.request.to_state())
        assert stored == self.bench.request


TestAnyOrderOfActs = AnyOrderOfActs.TestCase
TestAnyOrderOfActs.settings = settings(max_examples=250, stateful_step_count=30, deadline=None)


def _small_acts() -> dict[str, object]:
    ann, bob, cia = PEOPLE
    return {
        "submit by ann": lambda b: b.submit(ann),
        "edit by ann": lambda b: b.edit(ann, "off"),
        "edit by bob": lambda b: b.edit(bob, "on"),
        "approve by ann": lambda b: b.approve(session(ann, b.at)),
        "approve by bob": lambda b: b.approve(session(bob, b.at)),
        "approve by cia": lambda b: b.approve(session(cia, b.at)),
        "approve by bob's token": lambda b: b.approve(token(bob)),
        "send back": lambda b: setattr(b, "request", lifecycle.request_changes(b.request, by=bob, at=b.at)),
        "policy": lambda b: setattr(b, "policy_version", b.policy_version + 1),
        "other change": lambda b: setattr(b, "base_version", b.base_version + 1),
        "bob leaves": lambda b: setattr(b, "entitled", b.entitled - {bob}),
        "week": lambda b: setattr(b, "at", b.at + timedelta(days=7)),
        "apply by ann": lambda b: b.apply(session(ann, b.at)),
        "apply by ann's token": lambda b: b.apply(token(ann)),
    }


def _orders(depth: int) -> Iterator[tuple[str, ...]]:
    return itertools.product(_small_acts(), repeat=depth)


def _key(bench: Bench) -> object:
    """What decides the future of a bench: two equal ones need not both be explored."""
    return (
        repr(bench.request.to_state()),
        bench.at,
        bench.policy_version,
        bench.base_version,
        bench.entitled,
        frozenset(bench.editors),
        bench.submitted,
        repr(bench.given),
    )


@pytest.mark.parametrize("required", [1, 2])
def test_every_order_of_up_to_six_acts_keeps_the_promise(required: int) -> None:
    """Exhaustive in its small scope: breadth first over all distinct states that six acts reach."""
    acts = _small_acts()
    front, seen, applied = [Bench(drafted(), required=required)], set(), 0
    for _ in range(6):
        following = []
        for bench in front:
            for act in acts.values():
                copy = replace(bench)
                copy.editors, copy.given, copy.submitted = set(bench.editors), list(bench.given), bench.submitted
                copy.ends = bench.ends
                try:
                    act(copy)  # type: ignore[operator]  # one of the callables above
                except EnsignError:
                    continue
                if copy.request.status == "applied":
                    applied += 1
                    continue
                if (key := _key(copy)) not in seen:
                    seen.add(key)
                    following.append(copy)
        front = following
    assert len(seen) > 500
    assert applied > 0


def approved(required: int = 1) -> Bench:
    bench = Bench(drafted(), required=required)
    bench.submit("usr_ann")
    for person in ("usr_bob", "usr_cia")[:required]:
        bench.approve(session(person, START))
    assert bench.request.status == "approved"
    return bench


def test_an_edited_approved_request_loses_its_approval() -> None:
    """Flagsmith #7056, #4465."""
    bench = approved()
    bench.edit("usr_ann", "off")
    assert (bench.request.status, bench.request.approvals, bench.request.round) == ("in_review", (), 2)
    with pytest.raises(Conflict, match="0 of 1 approvals"):
        bench.apply(session("usr_ann", START))


def test_whoever_edited_is_barred_from_approving_for_ever() -> None:
    bench = Bench(drafted())
    bench.edit("usr_bob", "off")
    bench.edit("usr_ann", "on")
    bench.submit("usr_ann")
    with pytest.raises(Denied, match="You edited this request") as refused:
        bench.approve(session("usr_bob", START))
    assert refused.value.code == "own-change"


def test_a_token_never_approves_whoever_owns_it() -> None:
    bench = Bench(drafted())
    bench.submit("usr_ann")
    for actor in (token("usr_bob"), Actor(kind="service", id="svc_ci", via="token", token_id="tok_2")):
        with pytest.raises(Denied) as refused:
            bench.approve(actor)
        assert refused.value.code == "approval-by-token"


def test_without_a_second_factor_the_refusal_tells_how_to_get_one() -> None:
    bench = Bench(drafted())
    bench.submit("usr_ann")
    with pytest.raises(NeedsMfa) as refused:
        bench.approve(session("usr_bob", START, mfa=False))
    assert "add one under Your account → Second factors" in refused.value.remedy


def test_one_person_is_one_approval() -> None:
    bench = Bench(drafted(), required=2)
    bench.submit("usr_ann")
    bench.approve(session("usr_bob", START))
    with pytest.raises(Conflict, match="already"):
        bench.approve(session("usr_bob", START))
    twice = (*bench.request.approvals, *bench.request.approvals)
    judged = trust.verdict(
        replace(bench.request, approvals=twice),
        at=START,
        policy=bench.policy,
        judges=trust.Judges(entitled=lambda _: True),
    )
    assert len(judged.counted) == 1


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (lambda b: setattr(b, "at", START + timedelta(days=7)), "expired"),
        (lambda b: setattr(b, "policy_version", 2), "the policy changed since"),
        (lambda b: setattr(b, "entitled", frozenset({"usr_ann"})), "no longer entitled"),
    ],
)
def test_an_approval_ends_by_time_policy_and_loss_of_entitlement(what: object, why: str) -> None:
    bench = approved()
    what(bench)  # type: ignore[operator]  # one of the callables above
    with pytest.raises(Conflict, match=why):
        bench.apply(session("usr_ann", bench.at))


def test_a_forged_approval_in_the_row_does_not_count() -> None:
    bench = Bench(drafted())
    bench.submit("usr_ann")
    forged = Approval(person="usr_ann", at=START, digest=bench.request.digest, policy=bench.policy.ref, round=1)
    bench.request = replace(bench.request, approvals=(forged,), status="approved")
    with pytest.raises(Conflict, match="0 of 1"):
        bench.apply(session("usr_ann", START))


def test_an_approval_of_a_digest_that_changed_meanwhile_is_refused() -> None:
    bench = Bench(drafted())
    bench.submit("usr_ann")
    seen = bench.request.digest
    bench.edit("usr_ann", "off")
    with pytest.raises(Conflict, match="changed since you looked"):
        bench.approve(session("usr_bob", START), seen)


def test_a_change_of_the_same_object_meanwhile_is_a_conflict() -> None:
    bench = approved()
    bench.base_version = 2
    with pytest.raises(Conflict) as refused:
        bench.apply(session("usr_ann", START))
    assert refused.value.code == "conflicted"
    assert refused.value.fields == {"config:production/f": "version 1 became 2"}


def test_a_bystander_does_not_apply_what_others_wrote_and_approved() -> None:
    bench = approved()
    with pytest.raises(Denied) as refused:
        bench.apply(session("usr_cia", START))
    assert refused.value.code == "not-involved"


def test_nothing_is_submitted_without_operations_title_and_a_reason_where_one_is_asked_for() -> None:
    empty = replace(drafted(), operations=(), title=" ")
    with pytest.raises(Invalid) as refused:
        lifecycle.submit(
            empty, by="usr_ann", at=START, policy=replace(policy(), demand=Demand(approvals=1, requires_reason=True))
        )
    assert set(refused.value.fields) == {"operations", "title", "reason"}


def test_the_ends_are_final() -> None:
    for end in (
        lifecycle.withdraw(drafted(), by="usr_ann", at=START),
        lifecycle.reject(approved().request, by="usr_bob", at=START),
    ):
        assert not end.open
        acts: list[Callable[[], object]] = [
            partial(lifecycle.edit, end, by="usr_ann", at=START, operations=(), base={}, title="", reason=""),
            partial(lifecycle.submit, end, by="usr_ann", at=START, policy=policy()),
            partial(lifecycle.withdraw, end, by="usr_ann", at=START),
            partial(lifecycle.reject, end, by="usr_ann", at=START),
        ]
        for act in acts:
            with pytest.raises(Conflict):
                act()


def test_what_another_node_wrote_a_moment_ago_may_lie_in_the_future() -> None:
    """Clocks of two nodes differ: two minutes are allowed for, of a second factor and of an approval."""
    for ahead, counts in ((timedelta(minutes=2), True), (timedelta(minutes=2, seconds=1), False)):
        assert session("usr_bob", START + ahead).recent_mfa(at=START) is counts
        bench = approved()
        given = tuple(replace(a, at=START + ahead) for a in bench.request.approvals)
        bench.request = replace(bench.request, approvals=given)
        judged = trust.verdict(bench.request, at=START, policy=bench.policy, judges=ANYBODY)
        assert judged.enough is counts
        assert [why for _, why in judged.lost] == (
            [] if counts else ["given by a node whose clock is ahead of this one's"]
        )
