"""flagd in process: its provider for OpenFeature, from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender
from bench.peers.openfeature_constant import evaluation_context

_SWITCH = {"on": True, "off": False}


def _fractional(shares: list[list[Any]]) -> dict[str, Any]:
    return {"fractional": shares}


def _flag(kind: str) -> dict[str, Any]:
    base: dict[str, Any] = {"state": "ENABLED", "variants": _SWITCH, "defaultVariant": "on"}
    if kind == rules.ROLLOUT:
        base["targeting"] = _fractional([["on", 50], ["off", 50]])
    elif kind == rules.CONSTRAINTS:
        conditions = [
            {"in": [{"var": "country"}, list(rules.COUNTRIES)]},
            {"==": [{"var": "plan"}, rules.PLAN]},
            {"sem_ver": [{"var": "version"}, ">", rules.VERSION]},
        ]
        base["targeting"] = {"if": [{"and": conditions}, _fractional([["on", 30], ["off", 70]]), "off"]}
    elif kind == rules.VARIANTS:
        base["variants"] = {name: name for name, _ in rules.WEIGHTS}
        base["defaultVariant"] = rules.WEIGHTS[0][0]
        base["targeting"] = _fractional([[name, weight] for name, weight in rules.WEIGHTS])
    return base


class This(Contender):
    """`openfeature.contrib.provider.flagd` behind OpenFeature's client, as one uses it."""

    module = "openfeature.contrib.provider.flagd"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """flagd's definition file."""
        return json.dumps({"flags": {name: _flag(kind) for name, kind in kinds.items()}})

    def load(self, text: str, folder: Path) -> None:
        """Offline, from a file."""
        from openfeature import api  # deferred: see Contender
        from openfeature.contrib.provider.flagd import FlagdProvider  # deferred: see Contender
        from openfeature.contrib.provider.flagd.config import ResolverType  # deferred: see Contender

        path = folder / "flags.json"
        path.write_text(text, encoding="utf-8")
        provider = FlagdProvider(
            resolver_type=ResolverType.FILE, offline_flag_source_path=str(path), deadline_ms=3_600_000
        )
        if hasattr(api, "set_provider_and_wait"):
            api.set_provider_and_wait(provider)
        else:
            api.set_provider(provider)
        self.client = api.get_client()

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """OpenFeature's."""
        return evaluation_context(user, attributes)

    def call(self, flag: str, context: Any) -> Call:
        """A value of the flag's type."""
        if self.varied(flag):
            text = self.client.get_string_value
            return lambda: text(flag, "", context)
        ask = self.client.get_boolean_value
        return lambda: ask(flag, False, context)
