"""Eppo's server SDK: a core in Rust. Assignments are logged to a logger that does nothing with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender

SHARDS = 10_000
_BOOLEAN = {"on": {"key": "on", "value": True}, "off": {"key": "off", "value": False}}


def _allocation(key: str, splits: list[dict[str, Any]], conditions: list[dict[str, Any]] | None = None) -> Any:
    found = {"key": key, "splits": splits, "doLog": True}
    return {**found, "rules": [{"conditions": conditions}]} if conditions else found


def _split(flag: str, variation: str, start: int, end: int) -> dict[str, Any]:
    shards = [{"salt": f"{flag}-split", "ranges": [{"start": start, "end": end}]}]
    return {"variationKey": variation, "shards": [] if (start, end) == (0, SHARDS) else shards}


def _flag(name: str, kind: str) -> dict[str, Any]:
    base = {"key": name, "enabled": True, "totalShards": SHARDS}
    if kind == rules.VARIANTS:
        splits, start = [], 0
        for variant, weight in rules.WEIGHTS:
            splits.append(_split(name, variant, start, start + weight * 10))
            start += weight * 10
        variations = {variant: {"key": variant, "value": variant} for variant, _ in rules.WEIGHTS}
        found = [_allocation("split", splits)]
        return {**base, "variationType": "STRING", "variations": variations, "allocations": found}
    conditions = [
        {"attribute": "country", "operator": "ONE_OF", "value": list(rules.COUNTRIES)},
        {"attribute": "plan", "operator": "ONE_OF", "value": [rules.PLAN]},
        {"attribute": "version", "operator": "GT", "value": rules.VERSION},
    ]
    share = {rules.PLAIN: 1.0, rules.ROLLOUT: 0.5, rules.CONSTRAINTS: 0.3}[kind]
    on = _allocation(
        "on", [_split(name, "on", 0, int(share * SHARDS))], conditions if kind == rules.CONSTRAINTS else None
    )
    off = _allocation("off", [{"variationKey": "off", "shards": []}])
    allocations = [on] if kind == rules.PLAIN else [on, off]
    return {**base, "variationType": "BOOLEAN", "variations": _BOOLEAN, "allocations": allocations}


class This(Contender):
    """`eppo_client`."""

    module = "eppo_client"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """Eppo's universal flag configuration."""
        head = {"createdAt": "2026-01-01T00:00:00.000Z", "format": "SERVER", "environment": {"name": "production"}}
        return json.dumps({**head, "flags": {name: _flag(name, kind) for name, kind in kinds.items()}})

    def load(self, text: str, folder: Path) -> None:
        """With an initial configuration, and no polling."""
        import eppo_client  # deferred: see Contender

        class Quiet(eppo_client.AssignmentLogger):  # type: ignore[misc]  # written in Rust
            def log_assignment(self, event: dict[str, Any]) -> None:
                """Nothing."""

        configuration = eppo_client.Configuration(flags_configuration=text.encode())
        self.client = eppo_client.init(
            eppo_client.ClientConfig(
                api_key="bench",
                base_url="http://127.0.0.1:9/api",
                assignment_logger=Quiet(),
                poll_interval_seconds=None,
                initial_configuration=configuration,
            )
        )

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """A subject and its attributes."""
        return user, dict(attributes)

    def call(self, flag: str, context: Any) -> Call:
        """An assignment of the flag's type."""
        user, attributes = context
        if self.varied(flag):
            text = self.client.get_string_assignment
            return lambda: text(flag, user, attributes, "")
        ask = self.client.get_boolean_assignment
        return lambda: ask(flag, user, attributes, False)
