"""How fast evidence verifies: ``python bench/ledger_verify.py [entries]`` prints entries per second.

A log of entries of about 840 bytes (each an applied change with its approval) is written as a bundle, then
verified twice: hashes and signatures only, and with every entry read and its meaning checked.
"""

import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from ensign_ledger.report import Outcome
from ensign_ledger.testing import SimulatedLog
from ensign_ledger.verify import verify_bundle


def main() -> int:
    """Measure and print; the exit status is 1 if a bundle fails to verify."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    log = SimulatedLog()
    for i in range(count):
        log.change(f"flag:flg_{i % 1_000}", {"key": f"flag-{i % 1_000}", "rollout": i % 100})
    size = sum(map(len, log.entries)) // count
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        started = perf_counter()
        log.bundle(path, documents=[], claim="none")
        print(f"{count} entries of {size} bytes; written at {count / (perf_counter() - started):,.0f} entries/s")
        for name, semantics in (("hashes only", False), ("with meaning", True)):
            started = perf_counter()
            report = verify_bundle(path, keys=[log.signer.key.fingerprint], semantics=semantics)
            elapsed = perf_counter() - started
            if not report.valid or report.outcome(3) is not Outcome.VALID:
                print(f"{name}: the bundle does not verify: {report.first_failure}")
                return 1
            print(f"verify, {name}: {count / elapsed:,.0f} entries/s")
    print(
        f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB (mostly the log made here)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
