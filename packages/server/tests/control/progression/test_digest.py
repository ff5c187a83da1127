"""Claims: the progression digest is the same whatever is left out of it is, and another when anything else is; the
vectors of conformance/progression.json say how it is computed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ensign.control.changes.domain.content import read_dependency, read_strategy, read_variant
from ensign.control.flags.domain import Constraint, Dependency, FlagConfig, Override, Payload, Strategy, Variant
from ensign.control.progression.domain.digest import ID_FIELDS, amounts, content, digest, lists, segment_digest
from ensign_testkit.change_worlds import configs, constraints
from hypothesis import given
from hypothesis import strategies as st

VECTORS = json.loads((Path(__file__).parents[5] / "conformance" / "progression.json").read_text("utf-8"))

SEGMENTS: st.SearchStrategy[dict[str, tuple[Constraint, ...]]] = st.fixed_dictionaries(
    dict.fromkeys(("s1", "s2"), constraints)
)


def other_amounts(config: FlagConfig, text: str) -> FlagConfig:
    """Another share and other lists everywhere, other titles and ids, the switch turned."""

    def strategy(place: int, value: Strategy) -> Strategy:
        left_out = dict.fromkeys(amounts(value) | lists(value), text)
        return replace(value, id=f"str_{place}x", title=text, parameters={**value.parameters, **left_out})

    def variant(value: Variant) -> Variant:
        forced = tuple(replace(o, values=(text,)) if o.context_name in ID_FIELDS else o for o in value.overrides)
        return replace(value, overrides=forced)

    return replace(
        config,
        enabled=not config.enabled,
        strategies=tuple(strategy(i, s) for i, s in enumerate(config.strategies)),
        variants=tuple(variant(v) for v in config.variants),
    )


@given(configs, SEGMENTS, st.text(max_size=3), constraints)
def test_it_is_the_same_whatever_is_left_out_of_it_is(
    config: FlagConfig, segments: dict[str, tuple[Constraint, ...]], text: str, elsewhere: tuple[Constraint, ...]
) -> None:
    base = digest(config, segments, mapped={"s1"})
    assert digest(other_amounts(config, text), segments, mapped={"s1"}) == base
    assert digest(config, {**segments, "s1": elsewhere}, mapped={"s1"}) == base
    assert digest(config, {"s2": segments["s2"]}, mapped={"s1"}) == base
    turned = {key: tuple(replace(c, values=c.values[::-1]) for c in reversed(value)) for key, value in segments.items()}
    assert digest(config, turned, mapped={"s1"}) == base
    backwards = replace(config, dependencies=config.dependencies[::-1])
    assert digest(backwards, segments, mapped={"s1"}) == base
    idle = Strategy(id="str_idle", name="default", segments=("s1",), disabled=True)
    if any(not s.disabled for s in config.strategies):
        assert digest(replace(config, strategies=(*config.strategies, idle)), segments, mapped={"s1"}) == base


BASE = FlagConfig(
    enabled=True,
    strategies=(
        Strategy(
            id="str_1",
            name="flexibleRollout",
            parameters={"rollout": "10", "stickiness": "userId", "groupId": "f"},
            constraints=(Constraint(context_name="country", operator="IN", values=("SE", "NO")),),
            segments=("s1",),
            variants=(Variant(name="a", weight=1000, payload=Payload(type="string", value="x")),),
        ),
        Strategy(id="str_2", name="default"),
    ),
    variants=(Variant(name="b", weight=1000, overrides=(Override(context_name="country", values=("SE",)),)),),
    dependencies=(Dependency(flag="parent"),),
)
HELD = {"s1": (Constraint(context_name="plan", operator="IN", values=("pro",)),)}
FIRST = BASE.strategies[0]
CONSTRAINT = FIRST.constraints[0]
VARIANT = FIRST.variants[0]


def first(**changes: Any) -> FlagConfig:
    return replace(BASE, strategies=(replace(FIRST, **changes), BASE.strategies[1]))


def own(**changes: Any) -> FlagConfig:
    return replace(BASE, variants=(replace(BASE.variants[0], **changes),))


@pytest.mark.parametrize(
    "changed",
    [
        first(name="default"),
        first(parameters={**FIRST.parameters, "stickiness": "sessionId"}),
        first(parameters={**FIRST.parameters, "groupId": "g"}),
        first(constraints=()),
        first(constraints=(replace(CONSTRAINT, context_name="region"),)),
        first(constraints=(replace(CONSTRAINT, operator="NOT_IN"),)),
        first(constraints=(replace(CONSTRAINT, values=("SE",)),)),
        first(constraints=(replace(CONSTRAINT, value="1"),)),
        first(constraints=(replace(CONSTRAINT, inverted=True),)),
        first(constraints=(replace(CONSTRAINT, case_insensitive=True),)),
        first(segments=()),
        first(segments=("s1", "mapped")),
        first(variants=()),
        first(variants=(replace(VARIANT, name="c"),)),
        first(variants=(replace(VARIANT, weight=500), replace(VARIANT, name="c", weight=500))),
        first(variants=(replace(VARIANT, weight_type="fix"),)),
        first(variants=(replace(VARIANT, stickiness="userId"),)),
        first(variants=(replace(VARIANT, payload=None),)),
        first(variants=(replace(VARIANT, payload=Payload(type="string", value="y")),)),
        first(variants=(replace(VARIANT, payload=Payload(type="json", value="x")),)),
        first(disabled=True),
        replace(BASE, strategies=BASE.strategies[::-1]),
        replace(BASE, strategies=BASE.strategies[:1]),
        replace(BASE, strategies=()),
        replace(BASE, strategies=tuple(replace(s, disabled=True) for s in BASE.strategies)),
        own(name="z"),
        own(overrides=()),
        own(overrides=(Override(context_name="country", values=("NO",)),)),
        own(overrides=(Override(context_name="userId", values=("SE",)),)),
        replace(BASE, variants=()),
        replace(BASE, dependencies=()),
        replace(BASE, dependencies=(Dependency(flag="other"),)),
        replace(BASE, dependencies=(Dependency(flag="parent", enabled=False),)),
        replace(BASE, dependencies=(Dependency(flag="parent", variants=("v",)),)),
    ],
)  # fmt: skip
def test_it_changes_with_everything_else(changed: FlagConfig) -> None:
    assert digest(changed, HELD, mapped={"mapped"}) != digest(BASE, HELD, mapped={"mapped"})


def test_it_changes_with_the_content_of_a_segment_and_with_its_being_declared_mapped() -> None:
    looser = {"s1": (Constraint(context_name="plan", operator="IN", values=("pro", "free")),)}
    assert digest(BASE, looser) != digest(BASE, HELD)
    assert digest(BASE, HELD, mapped={"s1"}) != digest(BASE, HELD)
    assert segment_digest(looser["s1"]) != segment_digest(HELD["s1"])


def test_all_strategies_switched_off_is_not_the_same_as_none_at_all() -> None:
    none, idle = FlagConfig(), FlagConfig(strategies=(Strategy(id="str_1", name="default", disabled=True),))
    assert digest(none, {}) != digest(idle, {})


@given(configs, configs, SEGMENTS)
def test_two_contents_have_one_digest_just_when_they_have_one_document(
    one: FlagConfig, other: FlagConfig, segments: dict[str, tuple[Constraint, ...]]
) -> None:
    same = content(one, segments) == content(other, segments)
    assert (digest(one, segments) == digest(other, segments)) is same


def read(value: dict[str, Any]) -> FlagConfig:
    return FlagConfig(
        enabled=value["enabled"],
        strategies=tuple(read_strategy(s, "s") for s in value["strategies"]),
        variants=tuple(read_variant(v, "v") for v in value["variants"]),
        dependencies=tuple(read_dependency(d, "d") for d in value["dependencies"]),
    )


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda c: str(c["description"]))
def test_the_vectors_hold(case: dict[str, Any]) -> None:
    segments = {key: tuple(Constraint.from_state(c) for c in value) for key, value in case["segments"].items()}
    config, mapped = read(case["content"]), frozenset(case["mapped"])
    assert content(config, segments, mapped=mapped) == case["document"]
    assert digest(config, segments, mapped=mapped) == case["digest"]
