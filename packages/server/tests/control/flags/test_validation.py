"""Claims: what SDKs could misread is refused with the field and the remedy; what is accepted has one canonical form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ensign.control.flags.domain import Constraint, Dependency, FlagConfig, Override, Payload, Strategy, Variant
from ensign.control.flags.validation import (
    Parent,
    Surroundings,
    check_config,
    check_flag_key,
    check_tags,
    warnings,
)
from ensign.control.flags.weights import normalise
from ensign.control.kernel.errors import Invalid
from ensign.control.segments.validation import Errors
from hypothesis import given, settings
from hypothesis import strategies as st

ID = "str_" + "0" * 26
ABOUT = Surroundings(
    flag="checkout",
    project="shop",
    environment="production",
    default_stickiness="accountId",
    segments=frozenset({"nordic"}),
    known_segments=frozenset({"nordic", "beta"}),
    parents={
        "menu": Parent(project="shop", variants=frozenset({"blue"})),
        "gone": Parent(project="shop", archived=True),
        "foreign": Parent(project="bank"),
        "grandchild": Parent(project="shop", has_parents=True),
        "unknown-here": Parent(project="shop", configured=False),
        "checkout": Parent(project="shop"),
    },
)


def rollout(percent: str = "50", **changes: Any) -> Strategy:
    return replace(Strategy(id=ID, name="flexibleRollout", parameters={"rollout": percent}), **changes)


def of(*strategies: Strategy, **changes: Any) -> FlagConfig:
    return FlagConfig(enabled=True, strategies=strategies, **changes)


def when(operator: str, *values: str, value: str | None = None, **changes: Any) -> FlagConfig:
    constraint = Constraint(context_name="country", operator=operator, values=values, value=value)
    return of(rollout(constraints=(replace(constraint, **changes),)))


def refused(config: FlagConfig, *, about: Surroundings = ABOUT) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        check_config(config, about=about)
    return caught.value.fields


@pytest.mark.parametrize("name", ["", " ", "a/b", "å", "a b", ".", "..", "x" * 101, "a%20", "a\nb", "日本"])
def test_names_that_addresses_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_flag_key(name)
    assert caught.value.fields.keys() == {"key"}


@pytest.mark.parametrize("name", ["a", "team.new-checkout_2", "x" * 100, "it's(fine)!~*", " trimmed "])
def test_names_that_addresses_hold_as_they_are_pass(name: str) -> None:
    assert check_flag_key(name) == name.strip()


@pytest.mark.parametrize("percent", ["101", "-1", "", "5.5", "50 %", "abc", "007", "1e1", "٣"])
def test_a_rollout_is_a_whole_number_from_0_to_100(percent: str) -> None:
    assert refused(of(rollout(percent))).keys() == {"strategies[0].parameters.rollout"}


def test_group_and_stickiness_are_filled_in() -> None:
    made = check_config(of(rollout()), about=ABOUT).strategies[0]
    assert dict(made.parameters) == {"rollout": "50", "stickiness": "accountId", "groupId": "checkout"}


def test_a_strategys_variants_take_its_stickiness() -> None:
    given_ = rollout(variants=(Variant(name="b", weight=0, stickiness="random"), Variant(name="a", weight=0)))
    made = check_config(of(given_), about=ABOUT).strategies[0]
    assert [(v.name, v.weight, v.stickiness) for v in made.variants] == [
        ("a", 500, "accountId"),
        ("b", 500, "accountId"),
    ]


@pytest.mark.parametrize(
    ("config", "field", "word"),
    [
        (of(rollout(name="nonsense")), "strategies[0].name", "no strategy type"),
        (of(rollout(id="abc")), "strategies[0].id", "str_"),
        (of(rollout(), rollout()), "strategies[1].id", "same id"),
        (of(rollout(parameters={"rollout": "5", "x": "y"})), "strategies[0].parameters.x", "no such parameter"),
        (of(rollout(segments=("beta",))), "strategies[0].segments[0]", "no constraints in production"),
        (of(rollout(segments=("who",))), "strategies[0].segments[0]", "no segment"),
        (when("WHAT", "x"), "strategies[0].constraints[0].operator", "no operator"),
        (when("IN"), "strategies[0].constraints[0].values", "at least one"),
        (when("IN", " ", ""), "strategies[0].constraints[0].values", "at least one"),
        (when("IN", "x" * 101), "strategies[0].constraints[0].values[0]", "101 characters"),
        (when("IN", 'say "hi"'), "strategies[0].constraints[0].values[0]", "quotation"),
        (when("NUM_GT", value="abc"), "strategies[0].constraints[0].value", "decimal number"),
        (when("NUM_GT", value="inf"), "strategies[0].constraints[0].value", "decimal number"),
        (when("SEMVER_EQ", value="v1.2.3"), "strategies[0].constraints[0].value", "full version"),
        (when("REGEX", value="(?=x)"), "strategies[0].constraints[0].value", "RE2"),
        (when("REGEX", value="a", inverted=True), "strategies[0].constraints[0].inverted", "negated"),
        (when("REGEX", value=""), "strategies[0].constraints[0].value", "pattern"),
        (when("IN_CIDR", "10.0.0.0/33"), "strategies[0].constraints[0].values[0]", "prefix length"),
        (when("IN", "a", context_name=""), "strategies[0].constraints[0].context_name", "context"),
        (
            when("DATE_AFTER", value="2026-01-01T00:00:00Z"),
            "strategies[0].constraints[0].context_name",
            "currentTime",
        ),
        (
            when("DATE_AFTER", value="2026-01-01", context_name="currentTime"),
            "strategies[0].constraints[0].value",
            "zone",
        ),
        (
            of(rollout(name="userWithId", parameters={"userIds": " , "})),
            "strategies[0].parameters.userIds",
            "one entry",
        ),
        (of(rollout(name="remoteAddress", parameters={"IPs": "10.1"})), "strategies[0].parameters.IPs", "address"),
        (of(variants=(Variant(name="a", weight=1), Variant(name="a", weight=1))), "variants[1].name", "two variants"),
        (of(variants=(Variant(name="disabled", weight=1),)), "variants[0].name", "no variant"),
        (of(variants=(Variant(name="a", weight=1000, weight_type="fix"),)), "variants", "at least one variant"),
        (
            of(
                variants=(
                    Variant(name="a", weight=600, weight_type="fix"),
                    Variant(name="b", weight=600, weight_type="fix"),
                    Variant(name="c", weight=0),
                )
            ),
            "variants",
            "120 %",
        ),
        (of(variants=(Variant(name="a", weight=1001),)), "variants[0].weight", "1000"),
        (
            of(variants=(Variant(name="a", weight=1, payload=Payload(type="json", value="{")),)),
            "variants[0].payload.value",
            "not JSON",
        ),
        (
            of(variants=(Variant(name="a", weight=1, payload=Payload(type="json", value='{"a": NaN}')),)),
            "variants[0].payload.value",
            "JSON knows no NaN",
        ),
        (
            of(variants=(Variant(name="a", weight=1, payload=Payload(type="number", value="x")),)),
            "variants[0].payload.value",
            "decimal number",
        ),
        (of(dependencies=(Dependency(flag="checkout"),)), "dependencies[0].flag", "itself"),
        (of(dependencies=(Dependency(flag="nobody"),)), "dependencies[0].flag", "no flag"),
        (of(dependencies=(Dependency(flag="gone"),)), "dependencies[0].flag", "archived"),
        (of(dependencies=(Dependency(flag="foreign"),)), "dependencies[0].flag", "another project"),
        (of(dependencies=(Dependency(flag="grandchild"),)), "dependencies[0].flag", "one level"),
        (of(dependencies=(Dependency(flag="unknown-here"),)), "dependencies[0].flag", "never configured"),
        (of(dependencies=(Dependency(flag="menu", variants=("red",)),)), "dependencies[0].variants", "no variant"),
        (of(dependencies=(Dependency(flag="menu"), Dependency(flag="menu"))), "dependencies[1].flag", "twice"),
    ],
)
def test_what_is_wrong_names_its_field_and_the_remedy(config: FlagConfig, field: str, word: str) -> None:
    fields = refused(config)
    assert field in fields
    assert word in fields[field]


def test_a_flag_that_others_depend_on_cannot_depend() -> None:
    about = replace(ABOUT, children=frozenset({"child"}))
    assert "child" in refused(of(dependencies=(Dependency(flag="menu"),)), about=about)["dependencies"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    config = of(rollout("101"), rollout("x", id="str_" + "1" * 26), variants=(Variant(name="", weight=5),))
    assert len(refused(config)) == 3


def test_values_are_canonical() -> None:
    made = check_config(
        of(
            rollout(
                constraints=(
                    Constraint(context_name=" country ", operator="IN", values=(" SE", "NO", "SE"), value="left"),
                    Constraint(context_name="age", operator="NUM_GTE", value=" +18.0 ", values=("left",)),
                    Constraint(context_name="currentTime", operator="DATE_AFTER", value="2026-01-01T01:00:00+01:00"),
                )
            )
        ),
        about=ABOUT,
    )
    first, second, third = made.strategies[0].constraints
    assert (first.context_name, first.values, first.value) == ("country", ("SE", "NO"), None)
    assert (second.value, second.values) == ("18", ())
    assert third.value == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1", "1"),
        ("1.0", "1.0"),
        (" +5.00 ", "5.0"),
        ("0.50", "0.5"),
        ("1e3", "1000"),
        ("-0.0", "0.0"),
        ("1.5e1", "15.0"),
    ],
)
def test_a_payload_that_was_written_with_a_fraction_keeps_one(written: str, kept: str) -> None:
    """OpenFeature's clients tell 1 from 1.0."""
    for text in (written, kept):
        variant = Variant(name="a", weight=1000, payload=Payload(type="number", value=text))
        made = check_config(of(rollout(), variants=(variant,)), about=ABOUT)
        assert made.variants[0].payload == Payload(type="number", value=kept)


def test_a_flag_whose_strategies_are_all_disabled_is_off() -> None:
    assert check_config(of(rollout(disabled=True)), about=ABOUT).enabled is False
    assert check_config(of(), about=ABOUT).enabled is True


def test_canonical_content_is_a_fixed_point() -> None:
    config = of(
        rollout(segments=("nordic",), variants=(Variant(name="x", weight=0),)),
        variants=(Variant(name="b", weight=0, overrides=(Override(context_name="userId", values=("1",)),)),),
        dependencies=(Dependency(flag="menu", enabled=False, variants=("blue",)),),
    )
    made = check_config(config, about=ABOUT)
    assert check_config(made, about=ABOUT) == made
    assert made.dependencies[0].variants == ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("anna@example.com", "e-mail"),
        ("+46 70 123 45 67", "phone"),
        ("19811218-9876", "national"),
        ("078-05-1120", "national"),
    ],
)
def test_lists_that_look_like_people_are_warned_of_but_allowed(value: str, kind: str) -> None:
    made = check_config(when("IN", value, "x"), about=ABOUT)
    assert any(kind in caution.message and "every SDK" in caution.message for caution in warnings(made))


@pytest.mark.parametrize("value", ["user-123", "2026-01-01", "SE", "12345678901", "3.14.159", "usr_01jd"])
def test_opaque_ids_are_not_warned_of(value: str) -> None:
    assert warnings(check_config(when("IN", value), about=ABOUT)) == []


def test_tags_are_sorted_and_checked() -> None:
    assert check_tags([" b", "a", "b", ""]) == ("a", "b")
    with pytest.raises(Invalid):
        check_tags(["with space"])


names = st.text(alphabet="abcdefghij", min_size=1, max_size=3)
variant_lists = st.lists(
    st.builds(
        Variant,
        name=names,
        weight=st.integers(0, 1000),
        weight_type=st.sampled_from(["variable", "fix"]),
    ),
    max_size=8,
    unique_by=lambda v: v.name,
)


@settings(deadline=None)
@given(variant_lists)
def test_weights_sum_to_1000_or_the_list_is_refused(variants: list[Variant]) -> None:
    errors = Errors()
    made = normalise(variants, path="variants", errors=errors)
    assert [v.name for v in made] == sorted(v.name for v in variants)
    if errors.fields or not made:
        return
    assert sum(v.weight for v in made) == 1000
    fixed = {v.name: v.weight for v in variants if v.weight_type == "fix"}
    assert all(v.weight == fixed[v.name] for v in made if v.weight_type == "fix")
    shares = [v.weight for v in made if v.weight_type == "variable"]
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)
    assert normalise(made, path="variants", errors=errors) == made
