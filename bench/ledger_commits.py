"""How fast the log takes changes: ``python bench/ledger_commits.py [--seconds N]``, both databases.

One commit is what every write of Ensign is at the least: an entry, its touch, the new state of one governed row, the
document of that state, and the triggers that hold all of them together, committed durably. Writers are threads of one
process with a connection each, as in `ensign serve`, each with a row of its own: what they share is the ledger's head.
PostgreSQL is one that this program starts, with fsync on, migrated as its owner and written to as the application.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from databases import DATABASES


def _measure(writers: int, seconds: float) -> list[float]:
    """Durations in seconds of all commits that ``writers`` threads made in ``seconds``."""
    from django.db import connections
    from ensign.control.audit.ledger import Where, record
    from ensign.control.audit.staging import stage
    from ensign.control.changes.actions import APPLIED
    from ensign.control.flags.domain import FlagConfig, Strategy
    from ensign.control.flags.models import FlagEnvironment
    from ensign.control.kernel import clock, ids
    from ensign.control.kernel.actor import system
    from ensign.control.kernel.transactions import write_door

    actor = system("bench")
    rule = Strategy(id="str_bench", name="flexibleRollout", parameters={"rollout": "50", "stickiness": "default"})
    state = {"project": "bench", "environment": "production", **FlagConfig(enabled=True, strategies=(rule,)).to_state()}
    approval = {
        "request": "crq_bench", "author": "usr_a", "contributors": [], "required": 1, "digest": "0" * 64,
        "approvers": [{"id": "usr_b", "at": clock.text(clock.now()), "digest": "0" * 64, "via": "session"}],
        "policy": "pol_bench@1", "mode": "request", "protected": True,
    }  # fmt: skip
    took: list[list[float]] = [[] for _ in range(writers)]
    ready, failures = threading.Barrier(writers + 1), list[BaseException]()

    def write(mine: list[float], name: str) -> None:
        id, current = ids.new_id("cfg", at=clock.now()), None
        try:
            ready.wait()
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                began = time.perf_counter()
                with write_door():
                    row = stage(FlagEnvironment, id=id, state={**state, "flag": name}, current=current)
                    recorded = record(
                        action=APPLIED, actor=actor, at=clock.now(), staged=[row], approval=approval,
                        where=Where(project="bench", environment="production"),
                    )  # fmt: skip
                mine.append(time.perf_counter() - began)
                current = FlagEnvironment(
                    id=id, version=row.version, ledger_seq=recorded.seq, content=row.content
                )  # what a read would give
        except BaseException as failure:  # a thread's failure is the program's
            failures.append(failure)
            raise
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(mine, ids.new_id("flg", at=clock.now()))) for mine in took]
    for thread in threads:
        thread.start()
    ready.wait()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"a writer failed: {failures[0]}")
    return sorted(duration for mine in took for duration in mine)


def main() -> int:
    """Measure and print a line for each database and number of writers; the log must verify afterwards."""
    parser = argparse.ArgumentParser(description="Commits per second to the log, on both databases.")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each measurement takes")
    parser.add_argument("--profile", action="store_true", help="profile one writer instead of measuring")
    parser.add_argument("--db", choices=DATABASES, help="one database only (each has a process of its own)")
    given = parser.parse_args()
    if given.db is None:
        print(f"{'':12}{'writers':>8}{'commits/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}", flush=True)
        rest = [f"--seconds={given.seconds}", *(["--profile"] if given.profile else [])]
        return max(subprocess.call([sys.executable, __file__, f"--db={name}", *rest]) for name in DATABASES)
    title, database = DATABASES[given.db]
    with database():
        if given.profile:
            _profile(given.seconds)
            return 0
        _measure(1, 0.5)  # warm up
        for writers in (1, 4):
            began = time.process_time()
            found = _measure(writers, given.seconds)
            cpu = (time.process_time() - began) / len(found)
            rate, p50, p99 = len(found) / given.seconds, found[len(found) // 2], found[len(found) * 99 // 100]
            print(
                f"{title:12}{writers:>8}{rate:>11,.0f}{p50 * 1e3:>9.1f}{p99 * 1e3:>9.1f}{cpu * 1e3:>9.2f}", flush=True
            )
        from ensign.control.audit import inspect

        report = inspect.verify()
        # The rows here are nobody's flags: that no ruleset publishes them is the one thing to be found.
        if [finding for finding in report.findings if finding.check != "ruleset"]:
            print(f"{title}: the log does not verify: {report.findings[0]}")
            return 1
    return 0


def _profile(seconds: float) -> None:
    """Print where one writer spends its time."""
    profile = cProfile.Profile()
    _measure(1, 0.5)
    original = threading.Thread.run

    def run(self: threading.Thread) -> None:
        profile.runcall(original, self)

    threading.Thread.run = run  # type: ignore[method-assign]  # only to look inside
    _measure(1, seconds)
    threading.Thread.run = original  # type: ignore[method-assign]  # as above
    pstats.Stats(profile).sort_stats("tottime").print_stats(28)


if __name__ == "__main__":
    sys.exit(main())
