"""How fast signed approvals verify: ``python bench/signed_approvals.py [approvals]``.

First the three algorithms alone, in plain Python as an auditor's verifier runs them; then a bundle of a log in which
that many requests were approved with a passkey and applied: its writing, and its verification by hashes alone and with
every signature.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from ensign_ledger.cose import EDDSA, ES256, NAMES, RS256, parse_key
from ensign_ledger.passkey import problem
from ensign_ledger.report import Outcome
from ensign_ledger.testing_passkeys import SimulatedPasskey
from ensign_ledger.testing_signed import SignedLog
from ensign_ledger.verify import verify_bundle

ROUNDS = 5
CHALLENGE = bytes(range(32))


def best(act: Callable[[], object], times: int) -> float:
    """Seconds for one call, the best of some rounds of ``times`` calls."""
    taken = []
    for _ in range(ROUNDS):
        started = perf_counter()
        for _ in range(times):
            act()
        taken.append((perf_counter() - started) / times)
    return min(taken)


def algorithms() -> bool:
    """Print verifications a second of each algorithm; False if an honest answer is refused."""
    for algorithm in (ES256, EDDSA, RS256):
        passkey = SimulatedPasskey(algorithm)
        key, answer = parse_key(passkey.public_key), passkey.sign(CHALLENGE)

        def judge() -> str | None:
            return problem(answer, key=key, challenge=CHALLENGE, host=passkey.host, origin=passkey.origin)  # noqa: B023  # called at once

        if judge() is not None:
            return False
        print(f"{NAMES[algorithm]}: {1 / best(judge, 40):,.0f} answers verified a second")
    return True


def main() -> int:
    """Measure and print; the exit status is 1 if something honest fails to verify."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    if not algorithms():
        return 1
    log = SignedLog()
    log.enrol()
    for i in range(count):
        log.approve(request=f"crq_{i}")
        log.apply(request=f"crq_{i}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        started = perf_counter()
        log.bundle(path)
        print(f"{count} signed approvals, {len(log.entries)} entries; written in {perf_counter() - started:.2f} s")
        for name, semantics in (("hashes only", False), ("with every signature", True)):
            started = perf_counter()
            report = verify_bundle(path, keys=[log.signer.key.fingerprint], semantics=semantics)
            elapsed = perf_counter() - started
            if not report.valid or (semantics and report.outcome(17) is not Outcome.VALID):
                print(f"{name}: the bundle does not verify: {report.first_failure}")
                return 1
            print(f"verify, {name}: {elapsed:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
