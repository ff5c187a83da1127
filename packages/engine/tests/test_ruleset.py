"""A ruleset is immutable, reuses what did not change, and refuses what it cannot read without changing."""

import json
import threading
from typing import Any

import pytest
from ensign_engine import DISABLED, FlagDefinition, Ruleset, RulesetError
from ensign_testkit.rules import NAMES, contexts, documents, flags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]
HEALTH = list(HealthCheck)


def _flag(name: str, *strategies: Json, **more: Any) -> Json:
    return {"name": name, "enabled": True, "strategies": list(strategies), "variants": [], **more}


def _document(*items: Json, segments: tuple[Json, ...] = ()) -> Json:
    return {"version": 2, "features": list(items), "segments": list(segments)}


def _segment(identity: int, value: str) -> Json:
    constraint = {"contextName": "country", "operator": "IN", "values": [value]}
    return {"id": identity, "name": f"s{identity}", "constraints": [constraint]}


def _in_segment(identity: int) -> Json:
    return {"name": "default", "segments": [identity]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("[" * 100_000, "not valid JSON"),
        ({}, "`features` must be a list"),
        ({"features": {}}, "`features` must be a list"),
        ({"features": [5]}, r"features\[0\] must be an object"),
        ({"features": [{"name": 5}]}, r"features\[0\].name must be a string"),
        ({"features": [], "segments": 5}, "`segments` must be a list"),
        ({"features": [], "segments": [{"id": "1"}]}, r"segments\[0\].id must be a whole number"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused(document: Any, message: str) -> None:
    """The error says what is wrong and where."""
    with pytest.raises(RulesetError, match=message):
        Ruleset.parse(document)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (5, r"events\[0\] must be an object"),
        ({"type": "hydration"}, r"`events\[0\].features` must be a list"),
        ({"type": "feature-updated"}, r"events\[0\].feature must be an object"),
        ({"type": "feature-removed"}, r"events\[0\].featureName must be a string"),
        ({"type": "segment-updated", "segment": {}}, r"segment.id must be a whole number"),
        ({"type": "segment-removed", "segmentId": "1"}, r"segmentId must be a whole number"),
    ],
)
def test_a_delta_that_cannot_be_read_changes_nothing(event: Any, message: str) -> None:
    """The error names the event; the ruleset that it was meant for is as before."""
    rules = Ruleset.parse(_document(_flag("a")))
    with pytest.raises(RulesetError, match=message):
        rules.apply_delta({"events": [event]})
    assert rules.to_document() == _document(_flag("a"))
    with pytest.raises(RulesetError, match="neither"):
        rules.apply_delta({})


def test_one_odd_flag_does_not_spoil_the_document() -> None:
    """A flag whose inside makes no sense is off; its neighbours work."""
    odd = {"name": "odd", "enabled": True, "strategies": [None, 5, {"name": 7, "parameters": [1], "variants": {}}]}
    rules = Ruleset.parse(_document(odd, _flag("good"), {"name": "bare"}))
    assert [rules.is_enabled(name) for name in ("odd", "good", "bare")] == [False, True, False]


def test_of_duplicates_the_last_wins() -> None:
    """Two flags of one name: the later one counts (section 1)."""
    rules = Ruleset.parse(_document(_flag("a"), _flag("a", enabled=False)))
    assert (len(rules), rules.is_enabled("a")) == (1, False)


def test_a_full_document_is_taken_as_full_even_with_events() -> None:
    """If both keys exist the document replaces everything."""
    rules = Ruleset.parse(_document(_flag("a"))).apply_delta({"features": [_flag("b")], "events": []})
    assert rules.names() == ("b",)


def test_the_callers_document_is_its_own() -> None:
    """Changing the document after parsing, or the copy that `to_document` gives, alters no ruleset."""
    document = _document(_flag("a"))
    rules = Ruleset.parse(document)
    document["features"][0]["enabled"] = False
    rules.to_document()["features"][0]["strategies"].append("x")
    assert rules.to_document() == _document(_flag("a"))
    assert rules.is_enabled("a")


def test_unchanged_flags_keep_their_functions() -> None:
    """A delta recompiles only what changed: the flag itself, users of a changed segment, children of both."""
    before = Ruleset.parse(
        _document(
            _flag("same"),
            _flag("changed"),
            _flag("in-1", _in_segment(1)),
            _flag("in-2", _in_segment(2)),
            _flag("child-of-same", dependencies=[{"feature": "same"}]),
            _flag("child-of-changed", dependencies=[{"feature": "changed"}]),
            _flag("child-of-in-1", dependencies=[{"feature": "in-1"}]),
            _flag("child-of-missing", dependencies=[{"feature": "missing"}]),
            segments=(_segment(1, "no"), _segment(2, "no")),
        )
    )
    functions = {name: before.compiled(name).decide for name in before.names()}
    events = [
        {"type": "feature-updated", "feature": _flag("changed", enabled=False)},
        {"type": "segment-updated", "segment": _segment(1, "se")},
        {"type": "feature-updated", "feature": _flag("missing")},
    ]
    after = before.apply_delta({"events": events})
    kept = {name for name, function in functions.items() if after.compiled(name).decide is function}
    assert kept == {"same", "in-2", "child-of-same"}
    assert after.is_enabled("in-1", {"country": "se"})
    assert not after.is_enabled("in-1", {"country": "no"})
    assert not after.is_enabled("child-of-changed")
    assert after.is_enabled("child-of-missing")
    assert before.is_enabled("in-1", {"country": "no"})


def test_what_changed_is_named_with_everything_that_follows_from_it() -> None:
    """Flags that came, went or changed, those of a changed segment, and the children of all of them; nothing else."""
    uses = [{"name": "default", "segments": [1]}]
    odd = [{"name": "default", "segments": [[1], None, "1", 2]}]
    flags = {
        "same": _flag("same"), "changed": _flag("changed"), "gone": _flag("gone"),
        "uses": _flag("uses", strategies=uses), "odd": _flag("odd", strategies=odd),
        "child": _flag("child", dependencies=[{"feature": "changed"}]),
        "of-uses": _flag("of-uses", dependencies=[{"feature": "uses"}]),
        "of-same": _flag("of-same", dependencies=[{"feature": "same"}]),
    }  # fmt: skip
    old = Ruleset.parse({**_document(*flags.values()), "segments": [{"id": 1, "name": "s", "constraints": []}]})
    del flags["gone"]
    flags["changed"] = _flag("changed", enabled=False)
    after = {**_document(*flags.values(), _flag("new")), "segments": [{"id": 1, "name": "s", "constraints": [{}]}]}
    new = Ruleset.parse(after, previous=old)
    assert new.changed_since(old) == {"changed", "gone", "new", "uses", "child", "of-uses"}
    assert new.changed_since(new) == frozenset()
    assert Ruleset.parse(new.to_document(), previous=new).changed_since(new) == frozenset()


def test_a_full_document_reuses_functions_too() -> None:
    """Polling clients get the whole document again: with `previous` unchanged flags are not compiled again."""
    first = Ruleset.parse(json.dumps(_document(_flag("a"), _flag("b"))))
    functions = [first.compiled(name).decide for name in ("a", "b")]
    second = Ruleset.parse(json.dumps(_document(_flag("a"), _flag("b", enabled=False))), previous=first)
    assert second.compiled("a").decide is functions[0]
    assert second.compiled("b").decide is not functions[1]
    with pytest.raises(ValueError, match="previous"):
        Ruleset.parse("{}", previous=first, hostname="x")


@settings(max_examples=150, deadline=None, suppress_health_check=HEALTH)
@given(
    documents(odd=True),
    st.lists(st.sampled_from(NAMES).flatmap(lambda name: flags(name, odd=True)), max_size=4),
    st.lists(st.sampled_from(NAMES), max_size=2),
    st.lists(st.sampled_from([_segment(1, "fr"), _segment(3, "1")]), max_size=2),
    st.lists(st.integers(1, 3), max_size=1),
    contexts(),
)
def test_a_delta_gives_what_the_whole_document_gives(
    document: Json, updated: list[Json], removed: list[str], changed: list[Json], gone: list[int], context: Json
) -> None:
    """Old state plus events equals fresh state, also when everything was compiled before (nothing stale)."""
    events: list[Json] = [{"type": "feature-updated", "feature": flag} for flag in updated]
    events += [{"type": "feature-removed", "featureName": name} for name in removed]
    events += [{"type": "segment-updated", "segment": segment} for segment in changed]
    events += [{"type": "segment-removed", "segmentId": identity} for identity in gone]
    old = Ruleset.parse(document, random=lambda: 0.5)
    old.evaluate_all(context)
    new = old.apply_delta({"events": events})
    fresh = Ruleset.parse(new.to_document(), random=lambda: 0.5)
    polled = Ruleset.parse(new.to_document(), previous=old)
    assert new.evaluate_all(context) == fresh.evaluate_all(context) == polled.evaluate_all(context)
    expected = {flag["name"]: flag for flag in [*document["features"], *updated] if flag["name"] not in removed}
    assert {flag["name"]: flag for flag in new.to_document()["features"]} == expected


def test_parsing_compiles_nothing() -> None:
    """A large document loads without compiling a flag; one that is used is compiled alone."""
    rules = Ruleset.parse(json.dumps(_document(*(_flag(f"f{number}") for number in range(10_000)))))
    assert len(rules.table) == 0
    assert rules.is_enabled("f7")
    assert list(rules.table) == ["f7"]


def test_unknown_names_are_not_kept() -> None:
    """Asking for a million unknown names must not fill the memory."""
    rules = Ruleset.parse(_document(_flag("a")))
    for number in range(5_000):
        assert not rules.is_enabled(f"unknown-{number}")
        assert rules.get_variant(f"unknown-{number}") is DISABLED
    assert len(rules.table) == 0
    assert len(rules.counters._tallies) <= 1_000


def test_definitions_read_like_a_mapping() -> None:
    """`flags` and `segments` show what the document says, and cannot be changed."""
    rules = Ruleset.parse(_document(_flag("a", type="release", impressionData=True), segments=(_segment(3, "x"),)))
    flag = rules.flags["a"]
    assert isinstance(flag, FlagDefinition)
    assert (flag.type, flag.impression_data, list(rules.flags), "b" in rules.flags) == ("release", True, ["a"], False)
    assert rules.segments[3].constraints is not None
    assert rules.segments[3].constraints[0].values == ("x",)
    with pytest.raises(TypeError):
        rules.segments[4] = rules.segments[3]  # type: ignore[index]  # that it cannot be set is the claim


def test_variants_are_shared_and_cannot_be_changed() -> None:
    """Everybody gets the same prebuilt variant; its payload refuses changes and still turns into JSON."""
    payload = {"type": "string", "value": "v"}
    rules = Ruleset.parse(_document(_flag("a", variants=[{"name": "x", "weight": 1, "payload": payload}])))
    variant = rules.get_variant("a", {"userId": "1"})
    assert variant is rules.get_variant("a", {"userId": "2"})
    assert variant.payload == payload
    assert json.loads(json.dumps(variant.payload)) == payload
    assert variant.payload is not None
    with pytest.raises(TypeError, match="cannot be changed"):
        variant.payload["type"] = "json"
    with pytest.raises(TypeError, match="cannot be changed"):
        variant.payload.update(type="json")
    assert variant.to_dict() == {"name": "x", "enabled": True, "payload": payload, "feature_enabled": True}
    variant.to_dict()["payload"]["type"] = "json"
    assert variant.payload == payload


def test_threads_compile_one_flag_once_and_agree() -> None:
    """Many threads meeting a new ruleset at once get one compiled flag and the right answers."""
    many = (_flag(f"f{number}", _in_segment(1)) for number in range(50))
    rules = Ruleset.parse(_document(*many, segments=(_segment(1, "no"),)))
    barrier = threading.Barrier(8)
    seen: list[set[int]] = []
    wrong: list[str] = []

    def ask() -> None:
        barrier.wait()
        answers = [(rules.is_enabled(name, {"country": c}), c) for name in rules.names() for c in ("no", "se")]
        wrong.extend(country for on, country in answers if on != (country == "no"))
        seen.append({id(rules.compiled(name)) for name in rules.names()})

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(seen) == 8
    assert all(one == seen[0] for one in seen)
