"""All measurements one after the other, each in a process of its own: ``python -m bench [--quick] [--json FILE]``.

Nothing here fails because it is slow: exit status 1 says that a measurement could not be made, or that what it left
behind was wrong. How to read the numbers: bench/README.md; numbers of one run: docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


LIMIT = 900.0
"""Seconds after which a measurement is ended and counts as failed."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A program of this folder. ``quick`` replaces ``full`` with --quick; ``about`` is what it answers.

    ``figures`` says that it knows ``--json FILE``, so that its numbers are kept as numbers, too.
    """

    name: str
    about: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    figures: bool = False


#: In the order in which they run: what nothing else disturbs first.
MEASUREMENTS = (
    Measurement(
        name="evaluation",
        about="evaluating flags in an application, against ten others",
        quick=("--rounds", "3", "--seconds", "10"),
        figures=True,
    ),
    Measurement(
        name="delivery",
        about="delivering rules and answers, against the Unleash server and Unleash Edge",
        quick=("--rounds", "1", "--seconds", "1"),
        figures=True,
    ),
    Measurement(
        name="streams",
        about="streams, and a kill switch reaching every client",
        quick=("--streams", "1000", "--rounds", "5"),
        figures=True,
    ),
    Measurement(name="sdk", about="what the SDK costs at an application's start", quick=("--runs", "2")),
    Measurement(name="signed_approvals", about="verifying signed approvals offline", quick=("50",)),
    Measurement(name="ledger_verify", about="verifying evidence offline", quick=("20000",)),
    Measurement(name="ledger_commits", about="commits to the log", quick=("--seconds", "2")),
    Measurement(name="publishing", about="publishing a ruleset of 1,000 flags", quick=("--changes", "20")),
    Measurement(name="signing", about="signing rulesets, and verifying them in an SDK"),
    Measurement(name="decisions", about="deciding who may do what", quick=("--rounds", "2000"), figures=True),
    Measurement(
        name="control", about="changes, pages and the API at 1,000 flags", quick=("--rounds", "20"), figures=True
    ),
    Measurement(name="pages", about="pages in a browser at 1,000 flags", quick=("--rounds", "2"), figures=True),
    Measurement(
        name="answers",
        about="rules, evaluations and OFREP: answers a second",
        quick=("--seconds", "1", "--rounds", "2"),
    ),
    Measurement(
        name="edge",
        about="what an edge costs, and how long a change takes to it",
        quick=("--flags", "1000", "--rounds", "5"),
    ),
)


def machine() -> dict[str, Any]:
    """What the numbers were taken on: they mean little without it."""
    load = os.getloadavg()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_before": [round(value, 1) for value in load],
    }


def run(measurement: Measurement, *, quick: bool) -> dict[str, Any]:
    """Run one program, showing what it prints as it comes; returns its lines, numbers, seconds and exit status."""
    arguments = measurement.quick if quick else measurement.full
    began, lines = time.monotonic(), list[str]()
    with tempfile.TemporaryDirectory(prefix="ensign-bench-") as folder:
        kept = Path(folder) / "figures.json"
        command = [sys.executable, str(HERE / f"{measurement.name}.py"), *arguments]
        command += ["--json", str(kept)] if measurement.figures else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            ending = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGKILL))
            ending.start()
            for line in process.stdout or ():
                print("  " + line, end="", flush=True)
                lines.append(line.rstrip())
            process.wait()
            ending.cancel()
        figures = _figures(kept.read_text(encoding="utf-8")) if kept.exists() else None
    return {
        "about": measurement.about,
        "arguments": list(arguments),
        "seconds": round(time.monotonic() - began, 1),
        "status": process.returncode,
        "figures": figures,
        "lines": lines,
    }


def _figures(text: str) -> Any:
    """One JSON document, or one a line from a program that runs itself once a database."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def main() -> int:
    """Run them, then say in a table which ran."""
    parser = argparse.ArgumentParser(description="All measurements of Ensign, one after the other.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that all of it runs")
    parser.add_argument("--json", metavar="FILE", help="write what was printed there, with the machine")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[m.name for m in MEASUREMENTS])
    given = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "quick": given.quick, "measurements": {}}
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    for measurement in MEASUREMENTS:
        if given.only and measurement.name not in given.only:
            continue
        print(f"\n{measurement.name}: {measurement.about}", flush=True)
        report["measurements"][measurement.name] = run(measurement, quick=given.quick)
    print(f"\n{'measurement':18}{'seconds':>9}  ")
    for name, made in report["measurements"].items():
        print(f"{name:18}{made['seconds']:>9}  {'done' if made['status'] == 0 else 'FAILED'}")
    if given.json:
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return int(any(made["status"] for made in report["measurements"].values()))


if __name__ == "__main__":
    sys.exit(main())
