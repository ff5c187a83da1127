"""Claims: promoting brings what one environment runs to another, keeps what is the other's own, and passes through the
one write door.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from ensign.control.changes import operations as door
from ensign.control.changes.domain.content_operations import StrategyAdd, StrategyUpdate, VariantsSet
from ensign.control.changes.domain.flag_operations import FlagArchive, FlagEnable
from ensign.control.changes.domain.settings_operations import SegmentSet
from ensign.control.flags.domain import Constraint, FlagConfig, Override, Payload, Strategy, Variant
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NotFound
from ensign.control.progression.domain.blending import blend
from ensign.control.progression.domain.digest import amounts, digest, lists
from ensign.control.progression.promoting import promote
from ensign.control.segments import queries as segments
from ensign.control.segments.operations import create_segment
from ensign_testkit.change_worlds import configs, constraints
from ensign_testkit.changing import FLAG, Story, config, launch, story
from ensign_testkit.progressing import approve_at, brings, hours_after, policed
from ensign_testkit.targets import rollout
from hypothesis import assume, given
from hypothesis import strategies as st

PRO = (Constraint(context_name="plan", operator="IN", values=("pro",)),)
BLUE = Variant(name="blue", weight=1000, payload=Payload(type="string", value="b"))


@given(configs, configs, st.fixed_dictionaries(dict.fromkeys(("s1", "s2"), constraints)))
def test_what_comes_of_it_has_the_digest_of_its_source_and_the_amounts_of_its_target(
    source: FlagConfig, target: FlagConfig, held: dict[str, tuple[Constraint, ...]]
) -> None:
    assume(not source.strategies or any(not s.disabled for s in source.strategies))
    made = blend(source, target)
    assert digest(made, held) == digest(source, held)
    assert made.enabled is target.enabled
    old = {s.id: s for s in target.strategies}
    for strategy in made.strategies:
        if not strategy.id:
            assert all(strategy.parameters[name] == "0" for name in amounts(strategy))
            continue
        mine = old[strategy.id]
        assert strategy.name == mine.name
        for name in (amounts(strategy) | lists(strategy)) & mine.parameters.keys():
            assert strategy.parameters[name] == mine.parameters[name]


@given(configs)
def test_what_was_promoted_already_is_not_changed_by_promoting_it_again(source: FlagConfig) -> None:
    assume(not source.strategies or any(not s.disabled for s in source.strategies))
    live = replace(source, strategies=tuple(s for s in source.strategies if not s.disabled))
    for named in (live.variants, *(s.variants for s in live.strategies)):
        assume(len({v.name for v in named}) == len(named))  # as validation has it
    assert blend(live, live) == live


def test_of_a_flag_whose_strategies_are_all_switched_off_nobody_makes_one_that_everybody_has() -> None:
    with pytest.raises(ValueError, match="switched off"):
        blend(FlagConfig(strategies=(Strategy(id="str_1", name="default", disabled=True),)), FlagConfig(enabled=True))


def promoted(cast: Story, *, hours: float = 1, **more: object) -> door.Proposed:
    wish = {"project": "shop", "flags": [FLAG], "source": "staging", "target": "production", "reason": "Ran well."}
    return promote(actor=cast.dev, at=hours_after(cast, hours), **{**wish, **more})  # type: ignore[arg-type]  # the operation's own


def filled(cast: Story) -> None:
    """Production has its own share of users and its own forced ids; staging another configuration, with a segment."""
    create_segment(actor=cast.dev, at=cast.at, project="shop", key="paying", name="Paying")
    forced = replace(BLUE, payload=None, overrides=(Override(context_name="userId", values=("900",)),))
    brings(cast, (*launch(5), VariantsSet(flag=FLAG, variants=(forced,))), at=cast.at)
    strategy = rollout(100, segments=("paying",))
    test_user = replace(BLUE, overrides=(Override(context_name="userId", values=("1",)),))
    brings(
        cast,
        (
            SegmentSet(segment="paying", constraints=PRO),
            StrategyAdd(flag=FLAG, strategy=strategy),
            StrategyAdd(flag=FLAG, strategy=rollout(100)),
            VariantsSet(flag=FLAG, variants=(test_user,)),
            FlagEnable(flag=FLAG),
        ),
        at=cast.at,
        environment="staging",
    )


def test_promoting_passes_through_the_door_and_through_the_gate(db: str) -> None:
    cast = story()
    filled(cast)
    policed(cast)
    done = promoted(cast)
    assert (done.request.status, done.request.promotes) == ("in_review", "staging")
    assert done.request.title == "Promote new-checkout from staging to production"
    assert config() != config("staging")
    approve_at(cast, done, at=hours_after(cast, 1))
    door.apply(actor=cast.dev, at=hours_after(cast, 1), request_id=done.request.id)
    made = config()
    assert [s.parameters["rollout"] for s in made.strategies] == ["0", "5"]
    assert [s.segments for s in made.strategies] == [("paying",), ()]
    assert made.variants[0].payload == BLUE.payload
    assert made.variants[0].overrides[0].values == ("900",)
    assert segments.config("shop", "production", "paying").config.constraints == PRO


def test_what_is_the_same_already_is_no_request(db: str) -> None:
    cast = story()
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, launch(1), at=cast.at)
    with pytest.raises(Invalid, match="production runs what staging runs already"):
        promoted(cast)


def test_it_may_switch_the_flag_on_and_else_leaves_the_switch_alone(db: str) -> None:
    cast = story()
    brings(cast, launch(100), at=cast.at, environment="staging")
    assert {o.type for o in promoted(cast).request.operations} == {"strategy.add"}
    assert {o.type for o in promoted(cast, switch_on=True).request.operations} == {"strategy.add", "flag.enable"}


def test_it_is_refused_where_there_is_nothing_to_take_or_nowhere_to_bring_it(db: str) -> None:
    cast = story()
    with pytest.raises(Conflict, match="never configured in staging"):
        promoted(cast)
    with pytest.raises(Invalid, match="the same"):
        promoted(cast, target="staging")
    with pytest.raises(NotFound):
        promoted(cast, source="preproduction")
    with pytest.raises(NotFound):
        promoted(cast, flags=["no-such-flag"])
    brings(cast, launch(100), at=cast.at, environment="staging")
    brings(cast, (FlagArchive(flag=FLAG),), at=cast.at)
    with pytest.raises(Conflict, match="archived"):
        promoted(cast)


def test_all_switched_off_is_not_promoted(db: str) -> None:
    cast = story()
    brings(cast, launch(100), at=cast.at, environment="staging")
    idle = StrategyUpdate(flag=FLAG, strategy=replace(config("staging").strategies[0], disabled=True))
    brings(cast, (idle,), at=cast.at, environment="staging")
    with pytest.raises(Conflict, match="switched off in staging"):
        promoted(cast)


def test_who_may_not_draft_in_the_target_promotes_nothing(db: str) -> None:
    cast = story()
    brings(cast, launch(100), at=cast.at, environment="staging")
    with pytest.raises(Denied):
        promote(actor=cast.viewer, at=cast.at, project="shop", flags=[FLAG], source="staging", target="production")
