"""Any single mutation of a signed document that changes its meaning is refused; what passes means the same."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

from ensign_engine import Ruleset
from ensign_ledger.ruleset import used_segments
from ensign_sdk._internal.cache import Origin
from ensign_sdk._internal.store import Store
from ensign_sdk.config import trusting
from ensign_testkit import signing
from ensign_testkit.delivery import constraint, flag, strategy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEY = signing.signer()
TOKEN = "*:production.secret"


def content(number: int, features: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    place = {"project": "shop", "environment": "production", "epoch": 1, "number": number}
    shape = {**place, "features": features, "segments": [], **more}
    return {**shape, "signature": signing.note(shape, KEY)}


SEGMENTS = [
    {"id": 7, "name": "testers", "constraints": [constraint("email", "STR_ENDS_WITH", "@example.com")]},
    {"id": 8, "name": "nordic", "constraints": [constraint("country", "IN", "SE", "NO")]},
]
MENU = flag(
    "menu",
    strategies=[
        strategy("flexibleRollout", parameters={"rollout": "50", "groupId": "menu"}, segments=[7]),
        strategy(constraints=[constraint("plan", "IN", "gold")], segments=[8]),
    ],
    variants=[{"name": "blue", "weight": 1000, "payload": {"type": "string", "value": "é"}, "overrides": []}],
    dependencies=[{"feature": "basket", "enabled": True}],
)
SHOP = content(5, [MENU, flag("basket")], segments=SEGMENTS)
BANK = content(6, [flag("loan", project="bank")], project="bank")
FULL = {
    "version": 2,
    "features": [*SHOP["features"], *BANK["features"]],
    "segments": SEGMENTS,
    "meta": {"signatures": [SHOP["signature"], BANK["signature"]]},
}
NEXT = content(7, [{**MENU, "enabled": False}, flag("fresh", strategies=[strategy(segments=[7])])], segments=SEGMENTS)
DELTA = {
    "events": [
        {"type": "segment-updated", "eventId": 7, "segment": SEGMENTS[0]},
        {"type": "feature-updated", "eventId": 7, "feature": NEXT["features"][0]},
        {"type": "feature-updated", "eventId": 7, "feature": NEXT["features"][1]},
        {"type": "feature-removed", "eventId": 7, "featureName": "basket", "project": "shop"},
    ],
    "signatures": [NEXT["signature"], BANK["signature"]],
}


def store() -> Store:
    return Store(Ruleset.empty(), lambda _: None, trusting(KEY.key.vkey, token=TOKEN, projects=["shop", "bank"]))


@cache
def clean() -> tuple[object, object]:
    """What the documents mean as they were signed: the whole one, and the delta after it."""
    one = store()
    assert one.offer(json.dumps(FULL).encode(), "server", Origin())
    whole = meaning(one.ruleset)
    assert one.apply(json.dumps(DELTA), Origin())
    return whole, meaning(one.ruleset)


def meaning(ruleset: Ruleset) -> object:
    """Everything that evaluation depends on."""
    flags = ruleset.table.rules.flags
    used: set[int] = set().union(*map(used_segments, flags.values()))
    return json.dumps(
        [flags, {id: raw for id, raw in ruleset.table.rules.segments.items() if id in used}], sort_keys=True
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within a document."""
    found = [path] if path else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        found += places(item, (*path, key))
    return found


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2_000), st.floats(allow_nan=False), st.text(max_size=5),
    st.sampled_from(["menu", "basket", "loan", "shop", "bank", "evil", "production", 7, 8, 9, [], {}]),
)  # fmt: skip


def mutated(document: dict[str, Any], draw: Any) -> dict[str, Any]:
    """The document with one place changed: replaced, left out, doubled, or with something added."""
    made = copy.deepcopy(document)
    *parents, last = draw(st.sampled_from(places(document)))
    holder: Any = made
    for key in parents:
        holder = holder[key]
    match draw(st.sampled_from(["replace", "remove", "double", "add", "swap"])):
        case "replace":
            holder[last] = draw(SCALARS)
        case "remove":
            del holder[last]
        case "double" if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        case "add" if isinstance(holder, dict):
            holder[draw(st.sampled_from(["enabled", "segments", "extra", "values", "project", "features"]))] = draw(
                SCALARS
            )
        case "swap" if isinstance(holder, list):
            holder.reverse()
        case _:
            holder[last] = {"evil": True}
    return made


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_a_whole_document(data: st.DataObject) -> None:
    other = store()
    if other.offer(json.dumps(mutated(FULL, data.draw)).encode(), "server", Origin()):
        assert meaning(other.ruleset) == clean()[0]
    else:
        assert len(other.ruleset) == 0
        assert other.error


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_a_delta(data: st.DataObject) -> None:
    other = store()
    assert other.offer(json.dumps(FULL).encode(), "server", Origin())
    before, after = clean()
    if other.apply(json.dumps(mutated(DELTA, data.draw)), Origin()):
        assert meaning(other.ruleset) in {after, before}
        if meaning(other.ruleset) == before:
            assert other.origin.revision == (1, 6), "only what was said before may stay as it was"
    else:
        assert meaning(other.ruleset) == before
