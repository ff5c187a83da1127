"""Generated source holds nothing of a flag: no name, no value, however hostile."""

import re
from typing import Any

from ensign_engine import Ruleset, codegen
from ensign_testkit.rules import documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]

WORDS = re.compile(
    r"def|make|decide|rescue|try|except|Exception|while|True|if|else|return|break|not|in|is|and|or|None|type|str"
    r"|lookup|encode|isascii|startswith|endswith|lower|get|properties|enabled|variant|name|c|p|r|i|e|h|E|False|[dv][0-9]+|[0-9]+"
)
"""Every word that generated source may consist of."""

HOSTILE = (
    "'", '"', '"""', "\\", "\n", "\r\n return 1", "{x}", "%s", "$(id)", "é𝔘\u2028", "\0", "d0", "rescue",
    "__import__('os').system('id')", "');raise SystemExit('", "#", "\ud800", "x" * 10_000, " ", "if True: return 1",
)  # fmt: skip

SPECIFIC = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")


def _sources(rules: Ruleset) -> list[str]:
    plans = [rules.compiled(name).plan for name in rules.names()]
    return [codegen.source_of(plan) for plan in plans if plan is not None]


def _check(source: str) -> None:
    assert source.isascii()
    assert set(re.findall(r"""['"].*?['"]""", source)) <= {"'properties'"}
    for word in SPECIFIC.findall(source):
        assert WORDS.fullmatch(word), word


hostile = st.one_of(st.sampled_from(HOSTILE), st.text())


@st.composite
def hostile_flags(draw: st.DrawFn) -> Json:
    """A flag in which every text is an attack."""
    operators = ["IN", "NOT_IN", "STR_CONTAINS", "NUM_EQ", "SEMVER_GT", "DATE_AFTER", "REGEX", "IN_CIDR"]
    constraint = {
        "contextName": draw(hostile),
        "operator": draw(st.one_of(st.sampled_from(operators), hostile)),
        "values": draw(st.lists(hostile, max_size=3)),
        "value": draw(hostile),
    }
    names = st.sampled_from(["default", "flexibleRollout", "userWithId", "remoteAddress", "applicationHostname"])
    keys = ("userIds", "groupId", "stickiness", "IPs", "hostNames")
    parameters = {key: draw(hostile) for key in keys} | {"rollout": draw(st.sampled_from(["50", "100", "1;"]))}
    strategy = {
        "name": draw(st.one_of(names, hostile)),
        "parameters": parameters,
        "constraints": [constraint] * draw(st.integers(0, 2)),
        "variants": [{"name": draw(hostile), "weight": 1, "stickiness": draw(hostile)}],
    }
    return {
        "name": draw(hostile),
        "enabled": True,
        "strategies": [strategy] * draw(st.integers(0, 2)),
        "variants": [{"name": draw(hostile), "weight": 1}],
        "dependencies": [{"feature": draw(hostile), "variants": [draw(hostile)]}] * draw(st.integers(0, 1)),
    }


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(hostile_flags(), min_size=1, max_size=3), st.dictionaries(hostile, hostile), hostile)
def test_hostile_text_never_reaches_the_source(flags: list[Json], context: Json, user: str) -> None:
    """Source consists of the generator's own words alone, and evaluating such flags raises nothing."""
    rules = Ruleset.parse({"features": flags}, static_context={user: user})
    for source in _sources(rules):
        _check(source)
    for name in rules.names():
        evaluated = rules.evaluate(name, {"userId": user, **context})
        explained = rules.explain(name, {"userId": user, **context})
        assert evaluated.enabled == explained.enabled


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents(odd=True))
def test_usual_rules_use_the_same_few_words(document: Json) -> None:
    """The claim holds for rules of every kind, and the word list is not wider than what is used."""
    for source in _sources(Ruleset.parse(document)):
        _check(source)


def test_flags_of_one_shape_share_their_code() -> None:
    """Two flags that differ in data only run the same code object with different cells."""
    flags = [
        {
            "name": f"f{number}",
            "enabled": True,
            "strategies": [{"name": "userWithId", "parameters": {"userIds": f"{number}"}}],
        }
        for number in range(50)
    ]
    rules = Ruleset.parse({"features": flags})
    codes = {rules.compiled(name).decide.__code__ for name in rules.names()}
    assert len(codes) == 1
    assert [rules.is_enabled(f"f{number}", {"userId": "7"}) for number in (6, 7)] == [False, True]


def test_the_cache_of_shapes_is_bounded() -> None:
    """Thousands of different shapes leave no more than the limit behind, and evicted ones still work."""

    def flag(number: int) -> Json:
        bits = [number >> bit & 1 for bit in range(12)]
        constraints = [
            {"contextName": "x", "operator": "STR_CONTAINS", "values": ["a"], "inverted": bool(bit)} for bit in bits
        ]
        return {"name": "f", "enabled": True, "strategies": [{"name": "default", "constraints": constraints}]}

    first = Ruleset.parse({"features": [flag(0)]})
    assert first.is_enabled("f", {"x": "a"})
    for number in range(codegen.MAX_SHAPES + 50):
        Ruleset.parse({"features": [flag(number)]}).compiled("f")
    assert codegen.shapes() <= codegen.MAX_SHAPES
    assert first.is_enabled("f", {"x": "a"})


def test_an_enormous_flag_is_interpreted() -> None:
    """A flag with thousands of constraints is not compiled, but answers the same."""
    constraint = {"contextName": "x", "operator": "IN", "values": ["a", "b"]}
    flag = {"name": "f", "enabled": True, "strategies": [{"name": "default", "constraints": [constraint] * 3_000}]}
    rules = Ruleset.parse({"features": [flag]})
    assert rules.compiled("f").decide.__name__ == "rescue"
    assert rules.is_enabled("f", {"x": "a"})
    assert not rules.is_enabled("f", {"x": "c"})


def test_many_strategies_compile() -> None:
    """A flag with 200 strategies is one flat function, within Python's limits on nesting."""
    strategies = [{"name": "userWithId", "parameters": {"userIds": str(number)}} for number in range(200)]
    rules = Ruleset.parse({"features": [{"name": "f", "enabled": True, "strategies": strategies}]})
    assert rules.evaluate("f", {"userId": "199"}).strategy == 199
    assert not rules.is_enabled("f", {"userId": "200"})
