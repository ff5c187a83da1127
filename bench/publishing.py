"""How fast a ruleset of 1,000 flags is published: ``python bench/publishing.py [--changes N]``, both databases.

One publication is state, entry, the whole ruleset of an environment and its delta, in one durable transaction, without
the request and the approvals that stand before it (bench/control.py measures those). Each database in a process of its
own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from databases import DATABASES

FLAGS = 1_000


def measure(changes: int) -> str:
    """Publish ``changes`` times in the database at hand; the result in words."""
    from ensign.control.flags.domain import Constraint, FlagConfig, Variant  # deferred: after the set-up of Django
    from ensign.control.publishing.models import Ruleset  # deferred: as above
    from ensign_testkit.targets import put, rollout, shop  # deferred: as above

    def content(percent: int) -> FlagConfig:
        """About what a flag in use holds: a rollout with two constraints, and variants."""
        constraints = (
            Constraint(context_name="country", operator="IN", values=("SE", "NO", "DK", "FI", "IS")),
            Constraint(context_name="appVersion", operator="SEMVER_GTE", value="2.4.0"),
        )
        variants = tuple(Variant(name=name, weight=0) for name in ("blue", "green"))
        return FlagConfig(enabled=True, strategies=(rollout(percent, constraints=constraints, variants=variants),))

    keys = [f"team-{n % 20}.feature-number-{n}" for n in range(FLAGS)]
    shop(*keys)
    for start in range(0, FLAGS, 100):
        put({key: content(10) for key in keys[start : start + 100]}, environment="production")
    took = []
    for n in range(changes):
        config = content(n % 100)
        began = time.perf_counter()
        put({keys[(n * 37) % FLAGS]: config}, environment="production")
        took.append((time.perf_counter() - began) * 1000)
    size = len(Ruleset.objects.get().content)
    p95 = statistics.quantiles(took, n=20)[-1]
    return f"{size:,} bytes; p50 {statistics.median(took):.1f} ms, p95 {p95:.1f} ms, max {max(took):.1f} ms"


def main() -> None:
    """Measure one database, or each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=100, metavar="N")
    parser.add_argument("--database", choices=sorted(DATABASES))
    asked = parser.parse_args()
    if asked.database is None:
        for key in DATABASES:
            command = [sys.executable, __file__, "--changes", str(asked.changes), "--database", key]
            subprocess.run(command, check=True)
        return
    name, database = DATABASES[asked.database]
    with database():
        print(f"{name:<12} {measure(asked.changes)}", flush=True)


if __name__ == "__main__":
    main()
