"""GrowthBook's asyncio client, with its payload given."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender


def _feature(name: str, kind: str) -> dict[str, Any]:
    share = {"hashAttribute": "id", "hashVersion": 2, "seed": name}
    match kind:
        case rules.PLAIN:
            return {"defaultValue": True}
        case rules.ROLLOUT:
            return {"defaultValue": False, "rules": [{"force": True, "coverage": 0.5, **share}]}
        case rules.CONSTRAINTS:
            condition = {
                "country": {"$in": list(rules.COUNTRIES)},
                "plan": rules.PLAN,
                "version": {"$vgt": rules.VERSION},
            }
            rule = {"force": True, "coverage": 0.3, "condition": condition, **share}
            return {"defaultValue": False, "rules": [rule]}
    variations = [variant for variant, _ in rules.WEIGHTS]
    weights = [weight / 1_000 for _, weight in rules.WEIGHTS]
    rule = {"key": name, "variations": variations, "weights": weights, "coverage": 1, **share}
    return {"defaultValue": "", "rules": [rule]}


class This(Contender):
    """`growthbook.GrowthBookClient`: its calls are coroutines, awaited in a running loop."""

    module = "growthbook"

    @classmethod
    def document(cls, kinds: Mapping[str, str]) -> str:
        """GrowthBook's payload."""
        return json.dumps({"features": {name: _feature(name, kind) for name, kind in kinds.items()}})

    def load(self, text: str, folder: Path) -> None:
        """Without a key there is nothing that it would fetch."""
        from growthbook.common_types import Options  # deferred: see Contender
        from growthbook.growthbook_client import GrowthBookClient  # deferred: see Contender

        self.loop = asyncio.new_event_loop()

        async def made() -> Any:
            client = GrowthBookClient(Options(refresh_strategy=None))
            await client.set_payload(json.loads(text))
            return client

        self.client = self.loop.run_until_complete(made())

    def context(self, user: str, attributes: Mapping[str, str]) -> Any:
        """Its user context."""
        from growthbook.common_types import UserContext  # deferred: see Contender

        return UserContext(attributes={"id": user, **attributes})

    def call(self, flag: str, context: Any) -> Call:
        """A coroutine."""
        if self.varied(flag):
            value = self.client.get_feature_value
            return lambda: value(flag, "", context)
        ask = self.client.is_on
        return lambda: ask(flag, context)

    def everything(self, context: Any) -> Call:
        """One coroutine of many calls."""
        calls = [(name, self.call(name, context)) for name in self.kinds]

        async def every() -> dict[str, Any]:
            return {name: await call() for name, call in calls}

        return every

    def run(self, call: Call) -> Any:
        """In the loop."""
        return self.loop.run_until_complete(call())

    def timed(self, call: Call, times: int) -> float:
        """All calls in one running loop, which costs them nothing."""

        async def many() -> float:
            repeat = range(times)
            start = time.perf_counter_ns()
            for _ in repeat:
                await call()
            return (time.perf_counter_ns() - start) / times

        return self.loop.run_until_complete(many())
