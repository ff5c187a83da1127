"""Claims: every value survives the ledger's JSON and back; the words say what the rules do."""

from __future__ import annotations

import json

from ensign.control.flags import words
from ensign.control.flags.domain import (
    Constraint,
    Dependency,
    FlagConfig,
    FlagInfo,
    Override,
    Payload,
    Strategy,
    Variant,
)
from ensign.control.segments import words as conditions
from ensign.control.segments.domain import SegmentConfig, SegmentInfo
from ensign_ledger import canonical
from hypothesis import given, settings
from hypothesis import strategies as st

text = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
texts = st.lists(text, max_size=3).map(tuple)
constraints = st.lists(
    st.builds(
        Constraint,
        context_name=text,
        operator=text,
        values=texts,
        value=st.none() | text,
        inverted=st.booleans(),
        case_insensitive=st.booleans(),
    ),
    max_size=3,
).map(tuple)
variants = st.lists(
    st.builds(
        Variant,
        name=text,
        weight=st.integers(0, 1000),
        weight_type=st.sampled_from(["variable", "fix"]),
        stickiness=text,
        payload=st.none() | st.builds(Payload, type=text, value=text),
        overrides=st.lists(st.builds(Override, context_name=text, values=texts), max_size=2).map(tuple),
    ),
    max_size=3,
).map(tuple)
strategies = st.builds(
    Strategy,
    id=text,
    name=text,
    title=text,
    parameters=st.dictionaries(text, text, max_size=3),
    constraints=constraints,
    segments=texts,
    variants=variants,
    disabled=st.booleans(),
)
configs = st.builds(
    FlagConfig,
    enabled=st.booleans(),
    strategies=st.lists(strategies, max_size=3).map(tuple),
    variants=variants,
    dependencies=st.lists(st.builds(Dependency, flag=text, enabled=st.booleans(), variants=texts), max_size=2).map(
        tuple
    ),
)
infos = st.builds(
    FlagInfo,
    key=text,
    project=text,
    type=st.sampled_from(["release", "permission"]),
    description=text,
    owner=text,
    tags=texts,
    impression_data=st.booleans(),
    archived=st.booleans(),
    created_at=text,
    expected_removal_on=st.none() | text,
)


def through_the_ledger(state: dict[str, object]) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(canonical.encode(state, free_keys=True))
    return decoded


@settings(deadline=None)
@given(configs)
def test_a_content_survives_the_ledger(config: FlagConfig) -> None:
    assert FlagConfig.from_state(through_the_ledger(config.to_state())) == config


@settings(deadline=None)
@given(infos)
def test_a_flag_survives_the_ledger(info: FlagInfo) -> None:
    assert FlagInfo.from_state(through_the_ledger(info.to_state())) == info


@settings(deadline=None)
@given(constraints, st.integers(1, 2**31 - 1), text)
def test_a_segment_survives_the_ledger(found: tuple[Constraint, ...], wire_id: int, name: str) -> None:
    config = SegmentConfig(constraints=found)
    info = SegmentInfo(key="k", project="p", name=name, wire_id=wire_id)
    assert SegmentConfig.from_state(through_the_ledger(config.to_state())) == config
    assert SegmentInfo.from_state(through_the_ledger(info.to_state())) == info


@settings(deadline=None)
@given(configs)
def test_every_content_has_words(config: FlagConfig) -> None:
    assert words.config(config).endswith(".")


COUNTRY = Constraint(context_name="country", operator="IN", values=("SE", "NO"))


def strategy(name: str = "flexibleRollout", **parameters: str) -> Strategy:
    return Strategy(id="str_1", name=name, parameters=parameters, constraints=(COUNTRY,))


def test_a_rollout_reads_as_one_sentence() -> None:
    made = words.strategy(strategy(rollout="50", stickiness="userId"))
    assert made == "Rollout to 50 % of users, by userId, where country is one of SE, NO"


def test_segments_and_variants_stand_in_the_sentence() -> None:
    given_ = Strategy(
        id="str_1",
        name="default",
        segments=("nordic",),
        variants=(Variant(name="blue", weight=333), Variant(name="red", weight=667)),
    )
    made = words.strategy(given_, segments={"nordic": "The Nordics"})
    assert made == "Everybody, where in segment The Nordics, as blue 33.3 %, red 66.7 %"


def test_a_content_reads_as_one_sentence() -> None:
    config = FlagConfig(
        enabled=True,
        strategies=(strategy(rollout="5"), Strategy(id="str_2", name="userWithId", parameters={"userIds": "a,b"})),
        dependencies=(Dependency(flag="menu", enabled=False),),
    )
    assert words.config(config) == (
        "On: Rollout to 5 % of users, where country is one of SE, NO; or Users a, b, as long as menu is off."
    )
    assert words.config(FlagConfig()) == "Off."
    assert words.config(FlagConfig(enabled=True)) == "On for everybody."


def test_negation_reads_as_a_negation() -> None:
    inverted = Constraint(context_name="age", operator="NUM_GTE", value="18", inverted=True)
    assert conditions.constraint(inverted) == "age is not at least 18"


def test_long_lists_are_cut_with_a_count() -> None:
    many = Constraint(context_name="id", operator="IN", values=tuple("abcdefgh"))
    assert conditions.constraint(many) == "id is one of a, b, c, d, e and 3 more"


def test_the_share_of_a_flag_is_that_of_its_widest_strategy() -> None:
    narrow, wide = strategy(rollout="5"), strategy(rollout="20")
    assert words.rollout(FlagConfig(enabled=True, strategies=(narrow, wide))) == 20
    assert words.rollout(FlagConfig(enabled=True)) == 100
    assert words.rollout(FlagConfig(enabled=False, strategies=(wide,))) is None
