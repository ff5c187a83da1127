"""The documents of conformance/signed: what a verifying client takes over, and why it refuses the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ensign_engine import Ruleset
from ensign_sdk._internal.cache import Origin
from ensign_sdk._internal.store import Store
from ensign_sdk.config import trusting

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "conformance/signed/rulesets.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("vector", VECTORS["documents"], ids=lambda vector: vector["name"])
def test_documents(vector: dict[str, Any]) -> None:
    trust = trusting(VECTORS["vkey"], token="shop:production.secret")
    store = Store(Ruleset.empty(), lambda _: None, trust)
    taken = store.offer(json.dumps(vector["document"]).encode(), "server", Origin())
    assert taken == (vector["refused"] is None), store.error
    assert trust is not None
    assert list(trust.reports) == ([] if vector["refused"] is None else [vector["refused"]])
