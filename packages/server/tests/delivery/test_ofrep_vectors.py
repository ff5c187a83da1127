"""Claim: OFREP says of flags what the engine's mapping says, over HTTP, but for the differences that are named here.

The vectors are those of the engine and of the provider in the process. docs/reference/ofrep.md has the same table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensign.delivery.app import DeliveryApp
from ensign.delivery.ofrep import REASONS
from ensign_engine import Ruleset
from ensign_engine.openfeature import context_of
from ensign_testkit.delivery import MemorySource, serving

ROOT = Path(__file__).parents[4]
VECTORS = json.loads((ROOT / "conformance" / "openfeature.json").read_text("utf-8"))
RULES = Ruleset.parse(VECTORS["state"])
TOKEN, PATH = "shop:production.frontend-secret", "/ofrep/v1/evaluate/flags"

DIFFERENCES = {
    "`DEFAULT`": "is `TARGETING_MATCH`: the protocol's list has no `DEFAULT`",
    "metadata of a flag": "`enabled` for flags with variants, as none can be asked for a boolean; nothing else",
    "an error": "has no `reason` and no `variant`; its key is there, and the status is 400 or 404",
    "no such flag": "has a message that does not say whether it exists for others",
}
"""What the wire says otherwise, and how; `expected` makes each of them of a vector."""


def expected(case: dict[str, Any], context: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status and the answer that a vector means on the wire."""
    wanted = dict(case["expected"])
    error = wanted.get("errorCode")
    if error is not None:
        return 404 if error == "FLAG_NOT_FOUND" else 400, {"key": case["flag"], "errorCode": error}
    wanted["reason"] = {"DEFAULT": "TARGETING_MATCH"}.get(wanted["reason"], wanted["reason"])
    if case["kind"] != "boolean":
        wanted["metadata"] = {"enabled": RULES.evaluate(case["flag"], context).enabled}
    return 200, {"key": case["flag"], **wanted}


@pytest.fixture(scope="module")
def asking(planes: Any) -> Iterator[Any]:
    """A plane that serves the vectors' rules."""
    source = MemorySource()
    source.token(TOKEN, "frontend")
    source.publish(VECTORS["state"]["features"])
    app = DeliveryApp(source)
    made = planes(source, app, [])
    with serving(app) as made.server:
        assert app.feed.wait_until(lambda: app.feed.current, 10)
        yield made


def exactly(value: Any) -> str:
    """1 and 1.0 are equal, and not the same to clients."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("case", VECTORS["tests"], ids=lambda case: case["description"])
def test_the_vectors_hold_over_http(case: dict[str, Any], asking: Any) -> None:
    attributes = dict(case["context"])
    status, wanted = expected(case, context_of(attributes.pop("targetingKey", None), attributes))
    answer = asking.post(f"{PATH}/{case['flag']}", {"context": case["context"]}, token=TOKEN)
    found = dict(answer.json)
    assert bool(found.pop("errorDetails", "")) == (status != 200)
    assert (answer.status, exactly(found)) == (status, exactly(wanted))
    items = asking.post(PATH, {"context": case["context"]}, token=TOKEN).json["flags"]
    assert [item for item in items if item["key"] == case["flag"]] == ([] if status == 404 else [answer.json])


def test_every_vectors_flag_is_among_all(asking: Any) -> None:
    items = asking.post(PATH, {}, token=TOKEN).json["flags"]
    assert sorted(item["key"] for item in items) == sorted(RULES.flags)


def test_the_page_names_the_differences_and_no_other_reason_is_translated() -> None:
    page = (ROOT / "docs" / "reference" / "ofrep.md").read_text("utf-8")
    for name, difference in DIFFERENCES.items():
        assert f"| {name} | {difference} |" in page
    assert REASONS == {"DEFAULT": "TARGETING_MATCH"}
