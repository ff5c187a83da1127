"""Statsig's server core: Rust. Exposures are logged to its queue; the network is off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender

_PUBLIC, _COUNTRY, _PLAN, _VERSION = "1", "2", "3", "4"


def _condition(kind: str, target: Any, operator: str, field: str | None = None, **more: Any) -> dict[str, Any]:
    head = {"type": kind, "targetValue": target, "operator": operator, "field": field}
    return {**head, "additionalValues": more, "idType": "userID"}


def _rule(name: str, share: float, conditions: list[str], value: Any, **more: Any) -> dict[str, Any]:
    head = {"name": name, "passPercentage": share, "conditions": conditions, "returnValue": value, "id": name}
    return {**head, "salt": name, "idType": "userID", **more}


def _gate(name: str, kind: str) -> dict[str, Any]:
    share = {rules.PLAIN: 100, rules.ROLLOUT: 50, rules.CONSTRAINTS: 30}[kind]
    conditions = [_COUNTRY, _PLAN, _VERSION] if kind == rules.CONSTRAINTS else [_PUBLIC]
    head = {"type": "feature_gate", "salt": name, "enabled": True, "defaultValue": False, "version": 1}
    return {**head, "rules": [_rule(f"{name}-rule", share, conditions, True)], "idType": "userID",
            "entity": "feature_gate"}  # fmt: skip


def _experiment(name: str, conditions: dict[str, Any]) -> dict[str, Any]:
    groups, end = [], 0
    for variant, weight in rules.WEIGHTS:
        end += weight
        key = f"bucket-{name}-{variant}"
        conditions[key] = _condition("user_bucket", end, "lt", salt=name)
        groups.append(
            _rule(f"{name}-{variant}", 100, [key], {"value": variant}, groupName=variant, isExperimentGroup=True)
        )
    head = {"type": "dynamic_config", "salt": name, "enabled": True, "defaultValue": {}, "version": 1}
    return {**head, "rules": groups, "idType": "userID", "entity": "experiment", "isActive": True,
            "hasSharedParams": False}  # fmt: skip


class This(Contender):
    """`statsig_python_core`: gates, and experiments for what has variants."""

    module = "statsig_python_core"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """Statsig's configuration specs."""
        conditions = {
            _PUBLIC: {**_condition("public", None, "none"), "additionalValues": None},
            _COUNTRY: _condition("user_field", list(rules.COUNTRIES), "any", "country", custom_field="country"),
            _PLAN: _condition("user_field", [rules.PLAN], "any", "plan", custom_field="plan"),
            _VERSION: _condition("user_field", rules.VERSION, "version_gt", "version", custom_field="version"),
        }
        experiments = {name: _experiment(name, conditions) for name, kind in kinds.items() if kind == rules.VARIANTS}
        gates = {name: _gate(name, kind) for name, kind in kinds.items() if kind != rules.VARIANTS}
        return json.dumps({
            "has_updates": True, "time": 1767981029384, "company_id": "bench", "response_format": "dcs-v2",
            "feature_gates": gates, "dynamic_configs": experiments, "condition_map": conditions,
            "layer_configs": {}, "experiment_to_layer": {}, "param_stores": {}, "sdk_configs": {}, "diagnostics": {},
        })  # fmt: skip

    def load(self, text: str, folder: Path) -> None:
        """From a data store."""
        import statsig_python_core as core  # deferred: see Contender

        class Store(core.DataStore):  # type: ignore[misc]  # written in Rust
            def get(self, _key: str) -> Any:
                return core.DataStoreResponse(result=text, time=1767981029384)

        options = core.StatsigOptions(data_store=Store(), disable_network=True)
        self.core = core
        self.client = core.Statsig("secret-bench", options)
        self.client.initialize().wait()

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """Its user object."""
        return self.core.StatsigUser(user, custom=dict(attributes), ip=rules.ADDRESS)

    def call(self, flag: str, context: Any) -> Call:
        """`check_gate`, or an experiment's parameter."""
        if self.varied(flag):
            experiment = self.client.get_experiment
            return lambda: experiment(context, flag).get_string("value", "")
        ask = self.client.check_gate
        return lambda: ask(context, flag)
