"""Claim: a change in an environment of 1,000 flags is applied (state, entry, ruleset) within the budget of 20 ms."""

from __future__ import annotations

import statistics
import time

import pytest
from ensign.control.flags.domain import Constraint, FlagConfig, Variant
from ensign.control.publishing.models import Ruleset
from ensign_testkit.targets import put, rollout, shop

FLAGS = 1000


def _rich(percent: int) -> FlagConfig:
    """About what a flag in use holds: a rollout with two constraints, and variants."""
    constraints = (
        Constraint(context_name="country", operator="IN", values=("SE", "NO", "DK", "FI", "IS")),
        Constraint(context_name="appVersion", operator="SEMVER_GTE", value="2.4.0"),
    )
    variants = tuple(Variant(name=name, weight=0) for name in ("blue", "green"))
    return FlagConfig(enabled=True, strategies=(rollout(percent, constraints=constraints, variants=variants),))


@pytest.mark.slow
def test_a_change_among_a_thousand_flags_is_quick(db: str) -> None:
    keys = [f"team-{n % 20}.feature-number-{n}" for n in range(FLAGS)]
    shop(*keys)
    for start in range(0, FLAGS, 100):
        put({key: _rich(10) for key in keys[start : start + 100]}, environment="production")
    took = []
    for n in range(100):
        config = _rich(n)
        began = time.perf_counter()
        put({keys[(n * 37) % FLAGS]: config}, environment="production")
        took.append((time.perf_counter() - began) * 1000)
    p95 = statistics.quantiles(took, n=20)[-1]
    print(
        f"\nruleset {len(Ruleset.objects.get().content):,} bytes;"
        f" p50 {statistics.median(took):.1f} ms, p95 {p95:.1f} ms, max {max(took):.1f} ms"
    )
    assert p95 < 60, "three times the goal, as test machines are shared"
