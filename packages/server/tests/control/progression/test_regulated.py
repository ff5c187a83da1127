"""Claims: a project with the preset “regulated” is not locked: its policy, its protection, its segments and what takes
flags away change by what people can give. What progression and tests ask for is asked of what applications see alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ensign.control.changes import operations as door
from ensign.control.changes.domain.base import Operation
from ensign.control.changes.domain.classing import FlagClassify
from ensign.control.changes.domain.flag_operations import FlagArchive
from ensign.control.changes.domain.settings_operations import (
    EnvironmentProtect,
    EnvironmentUnprotect,
    PolicySet,
    SegmentMap,
)
from ensign.control.flags import queries as flags
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import PolicyRules
from ensign.control.projects.policies import policy
from ensign.control.projects.presets import PRESETS
from ensign.control.segments import queries as segments
from ensign.control.segments.operations import create_segment
from ensign_ledger.testing_passkeys import SimulatedPasskey
from ensign_testkit.changing import FLAG, Story, last_entry, launch, rows_equal_the_log, story
from ensign_testkit.passkeys import approve_signed, signer
from ensign_testkit.progressing import fresh

REGULATED = PRESETS["regulated"]


class House:
    """The story under the preset “regulated”, at a time of the week that is not frozen."""

    def __init__(self) -> None:
        self.cast: Story = story(preset="regulated")
        self.at = _working(self.cast.at)
        made = self.cast.at - timedelta(days=2)
        self.keys: list[tuple[Actor, SimulatedPasskey]] = [
            (person, signer(person, seed=seed, at=made))
            for seed, person in enumerate((self.cast.approver, self.cast.second), start=1)
        ]

    def proposed(
        self, *operations: Operation, by: Actor | None = None, environment: str = "production"
    ) -> door.Proposed:
        """Proposed with all that a person can give, and approved by two who sign."""
        author = fresh(by or self.cast.admin, self.at)
        done = door.propose(
            actor=author, at=self.at, project="shop", environment=environment, operations=operations,
            reason="As agreed.", tickets=["OPS-7"],
        )  # fmt: skip
        for person, passkey in self.keys:
            approve_signed(fresh(person, self.at), passkey, done.request, at=self.at)
        return done

    def applies(self, done: door.Proposed, *, hours: int = 0) -> door.Applied:
        """It applies so many hours later."""
        self.at += timedelta(hours=hours)
        author = self.cast.dev if done.request.author == self.cast.dev.id else self.cast.admin
        author = fresh(author, self.at)
        return door.apply(actor=author, at=self.at, request_id=done.request.id)


def _working(at: datetime) -> datetime:
    """The next Tuesday at noon: two days before which, and after which, no weekend begins."""
    noon = at.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return noon + timedelta(days=(1 - noon.weekday()) % 7)


def test_the_story_is_under_the_preset_and_holds_back_what_never_ran_in_staging(db: str) -> None:
    house = House()
    assert policy("shop", "production").rules.preset == "regulated"
    done = house.proposed(*launch(10), by=house.cast.dev)
    with pytest.raises(Conflict) as held:
        house.applies(done)
    assert {"not-progressed", "untested"} <= set(held.value.fields)


def test_the_policy_is_made_weaker_after_the_delay_and_stricter_at_once(db: str) -> None:
    house = House()
    rules = policy("shop", "production").rules
    stricter = replace(rules, approvals=2, further=replace(rules.further, max_step=25), preset="", enforced_since="")
    house.applies(house.proposed(PolicySet(rules=stricter)))
    weaker = house.proposed(PolicySet(rules=PolicyRules(approvals=1, requires_reason=True)))
    with pytest.raises(Conflict) as held:
        house.applies(weaker)
    assert set(held.value.fields) == {"policy-delay"}, held.value.fields
    house.applies(weaker, hours=25)
    assert (policy("shop", "production").approvals, last_entry("change_request.applied")["detail"]["weakened"]) == (
        1,
        True,
    )
    assert rows_equal_the_log()


def test_protection_is_taken_away_and_given_back(db: str) -> None:
    house = House()
    house.applies(house.proposed(EnvironmentUnprotect()), hours=25)
    assert not projects.environment("shop", "production").protected
    house.at = _working(house.at)
    house.applies(house.proposed(EnvironmentProtect()))
    assert projects.environment("shop", "production").protected


def test_a_flag_is_archived_and_classified_and_a_segment_declared_mapped(db: str) -> None:
    house = House()
    create_segment(actor=house.cast.dev, at=house.cast.at, project="shop", key="testers", name="Testers")
    dev = house.cast.dev
    house.applies(house.proposed(SegmentMap(segment="testers", mapped=True), by=dev))
    assert segments.segment("shop", "testers").info.mapped
    house.applies(house.proposed(SegmentMap(segment="testers", mapped=False), by=dev))
    info = flags.flag(FLAG).info
    anew = FlagClassify(flag=FLAG, flag_type=info.type, tags=(), tier="high", owner=info.owner)
    house.applies(house.proposed(anew, by=dev))
    house.applies(house.proposed(FlagArchive(flag=FLAG), by=dev))
    assert flags.flag(FLAG).info.archived
    assert rows_equal_the_log()
