"""One contender in a process of its own: ``python -m bench.peers.child NAME``; asked line by line by `driver`.

It answers ``check`` with what it says to the users of `rules`, and ``time CASE MILLISECONDS`` with nanoseconds a call.
``python -m bench.peers.child NAME --probe FILE`` measures one start and ends.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from bench.peers import rules
from bench.peers.contender import Call, Contender


def found(name: str) -> type[Contender]:
    """The contender of a module of this folder."""
    kind: type[Contender] = importlib.import_module(f"bench.peers.{name}").This
    return kind


class Asked:
    """A contender with its calls, and how many of each take a given time."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.context = contender.context(rules.USER, rules.ATTRIBUTES)
        self.calls: dict[str, Call] = {case: contender.call(flag, self.context) for case, flag in rules.CASES.items()}
        self.calls[rules.ALL] = contender.everything(self.context)

    def check(self) -> dict[str, Any]:
        """Answers by case for everybody, for the strangers, and for all flags of one user."""
        this = self.contender
        people = [this.context(f"user-{number}", rules.ATTRIBUTES) for number in range(rules.PEOPLE)]
        answers = {
            case: [this.answer(this.run(this.call(flag, person))) for person in people]
            for case, flag in rules.CASES.items()
        }
        others = [
            this.context(f"user-{number}", {**rules.ATTRIBUTES, **change})
            for number in range(50)
            for change in rules.STRANGERS
        ]
        strangers = [this.answer(this.run(this.call("constraints", other))) for other in others]
        every = this.answers(this.run(self.calls[rules.ALL]))
        return {"answers": answers, "strangers": strangers, "every": every}

    def time(self, case: str, milliseconds: float) -> float:
        """Nanoseconds a call over about `milliseconds`, after a few calls that show how long one takes."""
        call = self.calls[case]
        few = 1 if case == rules.ALL else 20
        # Twice: after all the others have had their turn the first ones run on cold caches.
        guess = min(self.contender.timed(call, few) for _ in range(2))
        return self.contender.timed(call, max(1, int(milliseconds * 1e6 / max(guess, 1.0))))


def serve(name: str) -> None:
    """Answer until the driver has heard enough. Some SDKs print: what they print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    contender = found(name)(rules.kinds())
    with tempfile.TemporaryDirectory(prefix="ensign-bench-") as folder:
        contender.load(contender.document(contender.kinds), Path(folder))
        asked = Asked(contender)
        print(json.dumps({"checked": contender.checked}), file=out)
        for line in sys.stdin:
            command = json.loads(line)
            answer: Any = asked.check() if command == "check" else asked.time(*command)
            print(json.dumps(answer), file=out)


def probe(name: str, path: Path) -> None:
    """Milliseconds to import and to build a client, MiB resident afterwards."""
    kind, text = found(name), path.read_text(encoding="utf-8")
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="ensign-bench-") as folder:
        contender = kind(rules.kinds(1))
        start = time.perf_counter()
        importlib.import_module(kind.module)
        imported = time.perf_counter()
        contender.load(text, Path(folder))
        ready = time.perf_counter()
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        sizes = {"import_ms": (imported - start) * 1e3, "init_ms": (ready - imported) * 1e3, "rss_mib": memory}
        print(json.dumps(sizes), file=out)


def main() -> None:
    """Serve or probe; then leave at once, as some SDKs keep threads that would hold the process."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with contextlib.suppress(BrokenPipeError):
        if len(sys.argv) > 2:
            probe(sys.argv[1], Path(sys.argv[3]))
        else:
            serve(sys.argv[1])
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
