"""Flagsmith's client, offline: flags are asked of an identity, and evaluated when they are looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender


def _state(number: int, name: str, *, enabled: bool, **more: Any) -> dict[str, Any]:
    return {
        "django_id": number, "featurestate_uuid": f"00000000-0000-4000-8000-{number:012}", "enabled": enabled,
        "feature": {"id": number, "name": name, "type": "STANDARD"}, "feature_state_value": None,
        "multivariate_feature_state_values": [], **more,
    }  # fmt: skip


def _segment(number: int, name: str, kind: str) -> dict[str, Any]:
    conditions = [{"operator": "PERCENTAGE_SPLIT", "value": "50" if kind == rules.ROLLOUT else "30", "property_": ""}]
    if kind == rules.CONSTRAINTS:
        conditions = [
            {"operator": "IN", "value": ",".join(rules.COUNTRIES), "property_": "country"},
            {"operator": "EQUAL", "value": rules.PLAN, "property_": "plan"},
            {"operator": "GREATER_THAN", "value": f"{rules.VERSION}:semver", "property_": "version"},
            *conditions,
        ]
    every = [{"type": "ALL", "conditions": conditions, "rules": []}]
    state = _state(number, name, enabled=True, feature_segment={"priority": 0})
    return {"id": number, "name": name, "rules": every, "feature_states": [state]}


def _variants() -> list[dict[str, Any]]:
    return [
        {"id": place, "percentage_allocation": weight / 10, "mv_fs_value_uuid": f"00000000-0000-4000-9000-{place:012}",
         "multivariate_feature_option": {"id": place, "value": name, "key": name}}
        for place, (name, weight) in enumerate(rules.WEIGHTS, 1)
    ]  # fmt: skip


class This(Contender):
    """`flagsmith.Flagsmith`; all flags by `all_flags`. Analytics are off, as they are by default."""

    module = "flagsmith"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """Flagsmith's environment document."""
        states, segments = [], []
        for number, (name, kind) in enumerate(kinds.items(), 1):
            if kind == rules.VARIANTS:
                states.append(_state(number, name, enabled=True, multivariate_feature_state_values=_variants()))
                continue
            states.append(_state(number, name, enabled=kind == rules.PLAIN))
            if kind != rules.PLAIN:
                segments.append(_segment(number, name, kind))
        project = {"id": 1, "name": "bench", "segments": segments}
        return json.dumps({"id": 1, "api_key": "bench", "name": "production", "updated_at": "2026-01-01T00:00:00Z",
                           "project": project, "feature_states": states, "identity_overrides": []})  # fmt: skip

    def load(self, text: str, folder: Path) -> None:
        """From a handler that has the document."""
        from flagsmith import Flagsmith  # deferred: see Contender

        class Given:
            def get_environment(self) -> Any:
                return json.loads(text)

        self.client = Flagsmith(offline_mode=True, offline_handler=Given())

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """An identity and its traits."""
        return user, dict(attributes)

    def call(self, flag: str, context: Any) -> Call:
        """An identity's flags, then that one."""
        user, traits = context
        ask = self.client.get_identity_flags
        if self.varied(flag):
            return lambda: ask(user, traits).get_feature_value(flag)
        return lambda: ask(user, traits).is_feature_enabled(flag)

    def everything(self, context: Any) -> Call:
        """Its own call for all flags."""
        user, traits = context
        ask = self.client.get_identity_flags
        return lambda: ask(user, traits).all_flags()

    def answers(self, given: Any) -> dict[str, bool | str]:
        """A list of flags."""
        return {flag.feature_name: str(flag.value) if self.varied(flag.feature_name) else flag.enabled
                for flag in given}  # fmt: skip
