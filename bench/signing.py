"""What signed rulesets cost: ``python bench/signing.py``.

Signing is what a publication of one changed flag pays for it (digest of all items, Ed25519, statement). Verifying is
what the SDK's background thread does with a whole document that it has never seen, and with a delta of one flag; both
compared with taking the same document over unverified. No network, no database.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from ensign.control.publishing.snapshot import Feature, Snapshot
from ensign_engine import Ruleset
from ensign_ledger.ruleset import Statement
from ensign_ledger.sign import Signer
from ensign_sdk._internal.cache import Origin
from ensign_sdk._internal.store import Store
from ensign_sdk.config import trusting

SIZES = (1_000, 10_000)
SALT = "00" * 16
KEY = Signer(name="bench.example/ensign", seed=b"\x01" * 32)


def feature(number: int, percent: int = 50) -> dict[str, Any]:
    """A flag of about half a kilobyte: a rollout with two constraints."""
    constraints = [
        {"contextName": "country", "operator": "IN", "values": ["SE", "NO", "DK", "FI", "IS"],
         "inverted": False, "caseInsensitive": False},
        {"contextName": "appVersion", "operator": "SEMVER_GTE", "values": [], "value": "2.4.0",
         "inverted": False, "caseInsensitive": False},
    ]  # fmt: skip
    parameters = {"rollout": str(percent), "stickiness": "default", "groupId": f"feature-{number}"}
    return {
        "name": f"team-{number % 20}.feature-number-{number}", "enabled": True, "impressionData": False,
        "project": "shop", "variants": [],
        "strategies": [{"name": "flexibleRollout", "constraints": constraints, "parameters": parameters,
                        "variants": []}],
    }  # fmt: skip


def signed(snapshot: Snapshot, number: int) -> str:
    """The signed statement about a snapshot, as a publication makes it."""
    statement = Statement(
        origin=KEY.key.name, project="shop", environment="production", epoch=1, number=number,
        salt=SALT, digest=snapshot.digest(salt=SALT),
    )  # fmt: skip
    return KEY.sign_note(statement.text()).decode()


def timed(work: Callable[[], object], *, times: int) -> float:
    """Median milliseconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def store(*, verifying: bool) -> Store:
    """What a client keeps its rules in."""
    trust = trusting(KEY.key.vkey, token="shop:production.x") if verifying else None
    return Store(Ruleset.empty(), lambda _: None, trust)


def measure(size: int) -> None:
    """Print one size's lines."""
    features = [feature(number) for number in range(size)]
    parts = {one["name"]: Feature.of(one) for one in features}
    snapshot = Snapshot(features=dict(sorted(parts.items())))
    print(f"{size:>6,} flags  sign a publication      {timed(lambda: signed(snapshot, 1), times=50):8.2f} ms")
    document = json.dumps({"features": features, "meta": {"signatures": [signed(snapshot, 1)]}}).encode()
    changed = feature(7, percent=60)
    after = Snapshot(features={**snapshot.features, changed["name"]: Feature.of(changed)})
    event = {"type": "feature-updated", "eventId": 2, "feature": changed}
    delta = json.dumps({"events": [event], "signatures": [signed(after, 2)]})
    for verifying in (False, True):
        whole, steps = [], []
        for _ in range(9):
            one = store(verifying=verifying)
            whole.append(timed(lambda one=one: one.offer(document, "server", Origin()), times=1))
            steps.append(timed(lambda one=one: one.apply(delta, Origin()), times=1))
            assert len(one.ruleset) == size
        how = "verified" if verifying else "plain"
        print(
            f"{'':>13} take over, {how:<8}     {statistics.median(whole):8.2f} ms,"
            f" a delta of one flag {statistics.median(steps):6.2f} ms"
        )


if __name__ == "__main__":
    for size in SIZES:
        measure(size)
