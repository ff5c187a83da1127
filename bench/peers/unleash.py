"""UnleashClient: the official Python SDK of Unleash, whose protocol and semantics Ensign shares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender


def _strategy(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "constraints": [], "parameters": {}, "variants": [], **more}


def _rollout(percentage: int, **more: Any) -> dict[str, Any]:
    # No group id: it is the flag's name then, as the server sets it.
    parameters = {"rollout": str(percentage), "stickiness": "default"}
    return _strategy("flexibleRollout", parameters=parameters, **more)


def _shapes() -> dict[str, dict[str, Any]]:
    blank: dict[str, Any] = {"values": [], "inverted": False, "caseInsensitive": False}
    constraints = [
        {**blank, "contextName": "country", "operator": "IN", "values": list(rules.COUNTRIES)},
        {**blank, "contextName": "plan", "operator": "IN", "values": [rules.PLAN]},
        {**blank, "contextName": "version", "operator": "SEMVER_GT", "value": rules.VERSION},
    ]
    variants = [
        {"name": name, "weight": weight, "weightType": "variable", "stickiness": "default", "overrides": [],
         "payload": {"type": "string", "value": name}}
        for name, weight in rules.WEIGHTS
    ]  # fmt: skip
    return {
        rules.PLAIN: {"strategies": [_strategy("default")], "variants": []},
        rules.ROLLOUT: {"strategies": [_rollout(50)], "variants": []},
        rules.CONSTRAINTS: {"strategies": [_rollout(30, constraints=constraints)], "variants": []},
        rules.VARIANTS: {"strategies": [_rollout(100)], "variants": variants},
    }


def document(kinds: Mapping[str, str]) -> str:
    """The environment as Unleash and Ensign deliver it."""
    shapes = _shapes()
    base = {"type": "release", "description": None, "enabled": True, "stale": False, "impressionData": False}
    features = [{"name": name, "project": "default", **base, **shapes[kind]} for name, kind in kinds.items()]
    return json.dumps({"version": 2, "features": features, "segments": []})


def unleash_context(user: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    """Three fields and the attributes."""
    fields = {"userId": user, "sessionId": rules.SESSION, "remoteAddress": rules.ADDRESS}
    return {**fields, "properties": dict(attributes)}


class This(Contender):
    """Offline, from a bootstrap; it counts metrics as always."""

    module = "UnleashClient"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """See `document`."""
        return document(kinds)

    def load(self, text: str, folder: Path) -> None:
        """From a cache that was filled."""
        from UnleashClient import UnleashClient  # type: ignore[attr-defined]  # deferred: see Contender; no `__all__`
        from UnleashClient.cache import FileCache  # deferred: see Contender

        cache = FileCache("bench", directory=str(folder))
        cache.bootstrap_from_dict(json.loads(text))
        self.client = UnleashClient("http://127.0.0.1:9/api", "bench", cache=cache, disable_registration=True)
        self.client.initialize_client(fetch_toggles=False)

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """A dict."""
        return unleash_context(user, attributes)

    def call(self, flag: str, context: Any) -> Call:
        """`is_enabled` or `get_variant`."""
        ask = self.client.get_variant if self.varied(flag) else self.client.is_enabled
        return lambda: ask(flag, context)

    def answer(self, given: Any) -> bool | str:
        """A variant is a dict."""
        return given if isinstance(given, bool) else str(given["name"])
