"""LaunchDarkly's server SDK, from a file; it counts evaluations for its events, which go nowhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender


def _rollout(*weights: int) -> dict[str, Any]:
    return {"rollout": {"variations": [{"variation": place, "weight": weight} for place, weight in enumerate(weights)]}}


def _clause(attribute: str, operator: str, values: list[str]) -> dict[str, Any]:
    return {"attribute": attribute, "op": operator, "values": values, "contextKind": "user", "negate": False}


def _flag(name: str, kind: str) -> dict[str, Any]:
    base: dict[str, Any] = {"key": name, "version": 1, "on": True, "salt": name, "offVariation": 1,
                            "variations": [True, False], "fallthrough": {"variation": 1}}  # fmt: skip
    match kind:
        case rules.PLAIN:
            base["fallthrough"] = {"variation": 0}
        case rules.ROLLOUT:
            base["fallthrough"] = _rollout(50_000, 50_000)
        case rules.CONSTRAINTS:
            clauses = [
                _clause("country", "in", list(rules.COUNTRIES)),
                _clause("plan", "in", [rules.PLAN]),
                _clause("version", "semVerGreaterThan", [rules.VERSION]),
            ]
            base["rules"] = [{"id": "rule", "clauses": clauses, **_rollout(30_000, 70_000)}]
        case _:
            base["variations"] = [variant for variant, _ in rules.WEIGHTS]
            base["fallthrough"] = _rollout(*(weight * 100 for _, weight in rules.WEIGHTS))
    return base


class This(Contender):
    """`ldclient`; all flags by `all_flags_state`, which sends no events."""

    module = "ldclient"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """LaunchDarkly's data file."""
        return json.dumps({"flags": {name: _flag(name, kind) for name, kind in kinds.items()}})

    def load(self, text: str, folder: Path) -> None:
        """From a file."""
        import ldclient  # deferred: see Contender
        from ldclient.config import Config  # deferred: see Contender
        from ldclient.integrations import Files  # deferred: see Contender

        path = folder / "flags.json"
        path.write_text(text, encoding="utf-8")
        self.ldclient = ldclient
        nowhere = "http://127.0.0.1:9"
        self.client = ldclient.LDClient(
            Config(
                "bench",
                update_processor_class=Files.new_data_source(paths=[str(path)]),
                base_uri=nowhere,
                events_uri=nowhere,
                stream_uri=nowhere,
                diagnostic_opt_out=True,
            )
        )

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """Its context object."""
        builder = self.ldclient.Context.builder(user)
        for name, value in attributes.items():
            builder.set(name, value)
        return builder.build()

    def call(self, flag: str, context: Any) -> Call:
        """`variation`."""
        ask, default = self.client.variation, "" if self.varied(flag) else False
        return lambda: ask(flag, context, default)

    def everything(self, context: Any) -> Call:
        """Its own call for all flags."""
        ask = self.client.all_flags_state
        return lambda: ask(context)

    def answers(self, given: Any) -> dict[str, bool | str]:
        """A state object."""
        return super().answers(given.to_values_map())
