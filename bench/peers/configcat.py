"""ConfigCat's client, offline, with its configuration in its cache: what a polling client has after its first fetch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender

_IS_ONE_OF, _GREATER_THAN_SEMVER, _EQUALS = 0, 8, 28
_BOOLEAN, _TEXT = 0, 1


def _condition(attribute: str, comparator: int, value: Any) -> dict[str, Any]:
    kind = "l" if isinstance(value, list) else "s"
    return {"u": {"a": attribute, "c": comparator, kind: value}}


def _options(share: int) -> list[dict[str, Any]]:
    return [{"p": share, "v": {"b": True}}, {"p": 100 - share, "v": {"b": False}}]


def _flag(kind: str) -> dict[str, Any]:
    match kind:
        case rules.PLAIN:
            return {"t": _BOOLEAN, "v": {"b": True}}
        case rules.ROLLOUT:
            return {"t": _BOOLEAN, "v": {"b": False}, "p": _options(50)}
        case rules.CONSTRAINTS:
            conditions = [
                _condition("Country", _IS_ONE_OF, list(rules.COUNTRIES)),
                _condition("plan", _EQUALS, rules.PLAN),
                _condition("version", _GREATER_THAN_SEMVER, rules.VERSION),
            ]
            return {"t": _BOOLEAN, "v": {"b": False}, "r": [{"c": conditions, "p": _options(30)}]}
    # It knows whole percents only.
    shares = [33, 33, 34]
    options = [{"p": share, "v": {"s": name}} for share, (name, _) in zip(shares, rules.WEIGHTS, strict=True)]
    return {"t": _TEXT, "v": {"s": ""}, "p": options}


class This(Contender):
    """`configcatclient`; all flags by `get_all_values`."""

    module = "configcatclient"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """ConfigCat's config JSON, version 6."""
        flags = {name: _flag(kind) for name, kind in kinds.items()}
        return json.dumps({"p": {"u": "http://127.0.0.1:9", "r": 0, "s": "c2FsdA=="}, "f": flags})

    def load(self, text: str, folder: Path) -> None:
        """From a cache that has it."""
        import configcatclient  # deferred: see Contender
        from configcatclient.configcatoptions import ConfigCatOptions  # deferred: see Contender
        from configcatclient.interfaces import ConfigCache  # deferred: see Contender
        from configcatclient.pollingmode import PollingMode  # deferred: see Contender
        from configcatclient.user import User  # deferred: see Contender

        cached = f"1767981029384\netag\n{text}"

        class Cache(ConfigCache):  # type: ignore[misc]  # untyped
            def get(self, _key: str) -> str:
                return cached

            def set(self, _key: str, _value: str) -> None:
                """Nothing."""

        options = ConfigCatOptions(polling_mode=PollingMode.manual_poll(), config_cache=Cache(), offline=True)
        self.user = User
        self.client = configcatclient.get(f"{'b' * 22}/{'b' * 22}", options)

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """Its user object; the country is a field of its own there."""
        own = {name: value for name, value in attributes.items() if name != "country"}
        return self.user(user, country=attributes["country"], custom=own)

    def call(self, flag: str, context: Any) -> Call:
        """`get_value`."""
        ask, default = self.client.get_value, "" if self.varied(flag) else False
        return lambda: ask(flag, default, context)

    def everything(self, context: Any) -> Call:
        """Its own call for all flags."""
        ask = self.client.get_all_values
        return lambda: ask(context)
