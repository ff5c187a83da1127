"""Claims: whatever people, tokens, policies and time do in whatever order, an auditor who reads the log alone finds no
change in a protected environment without the approvals that its policy asked for."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from ensign.control.access import grants, people
from ensign.control.access.domain import Scope
from ensign.control.access.grants import Wish
from ensign.control.access.queries import grants_of
from ensign.control.audit.models import Entry
from ensign.control.changes import operations as door
from ensign.control.changes import queries
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.content_operations import VariantsSet
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagDisable, FlagEnable, FlagRevive
from ensign.control.changes.domain.settings_operations import EnvironmentUnprotect, PolicySet
from ensign.control.flags.domain import Variant
from ensign.control.incidents import operations as incidents
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import EnsignError
from ensign.control.projects.domain import PolicyRules
from ensign_testkit.changing import FLAG, Story, by_token, rows_equal_the_log, story, without_mfa
from ensign_testkit.people import add_person
from ensign_testkit.witness import Witness, complaints

CONTENTS: dict[str, tuple[Operation, ...]] = {
    "on": (FlagEnable(flag=FLAG),),
    "off": (FlagDisable(flag=FLAG),),
    "blue": (VariantsSet(flag=FLAG, variants=(Variant(name="blue", weight=1000),)),),
    "green": (VariantsSet(flag=FLAG, variants=(Variant(name="green", weight=1000),)),),
    "archive": (FlagArchive(flag=FLAG),),
    "revive": (FlagRevive(flag=FLAG),),
    "one": (PolicySet(rules=PolicyRules(approvals=1)),),
    "two": (PolicySet(rules=PolicyRules(approvals=2)),),
    "at once": (PolicySet(rules=PolicyRules(approvals=1, apply_on_last_approval=True)),),
    "none": (PolicySet(rules=PolicyRules(approvals=0, compensating_control="The log is read every Friday.")),),
    "unprotect": (EnvironmentUnprotect(),),
}
WHO = ("dev", "other", "both", "approver", "second", "admin")


@dataclass
class Company:
    """The people, the clock and the requests so far."""

    cast: Story
    both: Actor
    at: datetime
    made: list[str] = field(default_factory=list)

    def actor(self, who: str, way: str = "session") -> Actor:
        """Somebody, as they come: in a session with a factor proved just now, without one, or by a token."""
        person: Actor = self.both if who == "both" else getattr(self.cast, who)
        if way == "token":
            return by_token(person)
        return without_mfa(person) if way == "no factor" else replace(person, mfa_at=self.at)

    def request(self, number: int) -> str:
        return self.made[number % len(self.made)] if self.made else "crq_none"


def company() -> Company:
    cast = story()
    return Company(cast, add_person("Both Hats", "developer", "approver", at=cast.at), cast.at)


def propose(world: Company, who: str, way: str, number: int, what: str) -> None:
    # A demand without a title or reason would be refused for that alone.
    done = door.propose(
        actor=world.actor(who, way), at=world.at, project="shop", environment="production",
        operations=CONTENTS[what], title="t", reason="r",
    )  # fmt: skip
    world.made.append(done.request.id)


def edit(world: Company, who: str, way: str, number: int, what: str) -> None:
    door.edit(
        actor=world.actor(who, way),
        at=world.at,
        request_id=world.request(number),
        operations=CONTENTS[what],
        rebase=True,
    )


def decide(world: Company, who: str, way: str, number: int, what: str) -> None:
    id, by = world.request(number), world.actor(who, way)
    kind: Any = {"archive": "reject", "off": "request_changes"}.get(what, "approve")
    digest = queries.request(id, reader=by.id).request.digest
    door.review_and_apply(actor=by, at=world.at, request_id=id, decision=kind, digest=digest, text="So be it.")


def submit(world: Company, who: str, way: str, number: int, what: str) -> None:
    door.submit(actor=world.actor(who, way), at=world.at, request_id=world.request(number), apply=what == "on")


def apply(world: Company, who: str, way: str, number: int, what: str) -> None:
    door.apply(actor=world.actor(who, way), at=world.at, request_id=world.request(number))


def revert(world: Company, who: str, way: str, number: int, what: str) -> None:
    done = door.revert(
        actor=world.actor(who, way), at=world.at, request_id=world.request(number), reason="r", wish="apply"
    )
    world.made.append(done.request.id)


def kill(world: Company, who: str, way: str, number: int, what: str) -> None:
    incidents.kill(
        actor=world.actor(who, way), at=world.at, project="shop", environment="production", flag=FLAG,
        now=lambda: world.at,
    )  # fmt: skip


def lose_a_role(world: Company, who: str, way: str, number: int, what: str) -> None:
    for grant in grants_of(world.actor(who).id):
        if grant.role == "approver" and who != "second":  # somebody must be left to approve
            grants.end(actor=world.actor("admin"), at=world.at, grant_id=grant.id, reason="r")


def get_a_role(world: Company, who: str, way: str, number: int, what: str) -> None:
    wish = Wish(role="approver", scope=Scope("shop"))
    grants.give(actor=world.actor("admin"), at=world.at, subject=world.actor(who).id, wish=wish, reason="r")


def leave(world: Company, who: str, way: str, number: int, what: str) -> None:
    if who == "both":  # somebody must be left to approve
        people.deactivate(actor=world.actor("admin"), at=world.at, person_id=world.actor(who).id, reason="r")


def wait(world: Company, who: str, way: str, number: int, what: str) -> None:
    world.at += timedelta(hours=(1, 30, 169)[number % 3])


Act = Callable[[Company, str, str, int, str], None]
#: What is done, how often, and by whom it is mostly done: everybody tries everything, but changes must also apply.
ACTS: tuple[tuple[Act, int, tuple[str, ...]], ...] = (
    (propose, 5, ("dev", "other", "both", "admin")),
    (decide, 9, ("approver", "second", "both")),
    (apply, 8, ("dev", "other", "both", "approver", "second")),
    (edit, 2, ("dev", "other", "both")),
    (submit, 1, ("dev", "other")),
    (revert, 2, ("dev", "other", "both")),
    (kill, 1, WHO),
    (lose_a_role, 1, ("both",)),
    (get_a_role, 1, ("dev", "approver")),
    (leave, 1, ("both",)),
    (wait, 2, WHO),
)


def chances(chance: random.Random, length: int) -> Iterator[tuple[Act, str, str, int, str]]:
    """So many acts by anybody; now and then the steps of a change that goes well, with something between them."""
    weights = [weight for _, weight, _ in ACTS]
    well: list[tuple[Act, str]] = []
    for _ in range(length):
        what = chance.choice(tuple(CONTENTS)[:4] if chance.random() < 0.7 else tuple(CONTENTS))
        if well and chance.random() < 0.7:
            act, who = well.pop(0)
            yield act, who, "session", -1, "on" if act is decide else what
            continue
        if not well and chance.random() < 0.5:
            author = chance.choice(("dev", "other"))
            well = [(propose, author), (decide, chance.choice(("approver", "second"))), (apply, author)]
        act, _, fit = chance.choices(ACTS, weights)[0]
        who = chance.choice(fit if chance.random() < 0.8 else WHO)
        way = "session" if chance.random() < 0.85 else chance.choice(("token", "no factor"))
        yield act, who, way, chance.choice((-1, -1, 0, 1, 2)), what


def lived(seed: int, *, length: int) -> Witness:
    """A life of so many acts, whatever is refused; what the auditor says of it."""
    world = company()
    for act, who, way, number, what in chances(random.Random(seed), length):
        with contextlib.suppress(EnsignError):
            act(world, who, way, number, what)
    found = complaints()
    assert found.complaints == [], f"seed {seed}"
    assert rows_equal_the_log()
    return found


def lives(databases: Any, seeds: range, *, length: int) -> int:
    """How many changes of protected environments applied in all of them together."""
    applied = 0
    for seed in seeds:
        with databases.clone():
            applied += lived(seed, length=length).protected
    return applied


def test_no_order_of_acts_applies_a_change_without_its_approvals(databases: Any) -> None:
    assert lives(databases, range(25), length=60) >= 40, "changes must apply, else the claim is about nothing"


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_nor_do_many_more(databases: Any) -> None:
    assert lives(databases, range(1_000, 2_000), length=80) >= 1_500


def test_the_auditor_complains_of_what_is_wrong(db: str) -> None:
    """The witness is no yes-man: told of a smaller number of people than the policy asks for, it complains."""
    world = company()
    propose(world, "dev", "session", 0, "on")
    decide(world, "approver", "session", 0, "on")
    apply(world, "dev", "session", 0, "on")
    assert complaints().complaints == []
    forged = Witness()
    forged.writers[world.made[0]].add(world.cast.approver.id)  # as if the approver had edited it
    assert "0 of 1 approvals" in forged.read().complaints[0]
    assert Entry.objects.filter(action="change_request.applied").count() == 1
