"""Evaluation speed against everybody, in one interleaved run: `python bench/evaluation.py [--json FILE]`.

Every contender is a process of its own, with its rules from local data. Before anything is timed each answers for two
thousand users, and one that answers wrongly gets no numbers. Then, round after round, each does each case for about ten
milliseconds, one contender after the other, so that a noisy machine disturbs them alike; the tables show medians over
the rounds, of times and of the ratio to Ensign's SDK in the same round. Start-up is measured in fresh processes.
How to read the numbers: bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.peers import install, rules  # noqa: E402  # found by the path set above

Json = dict[str, Any]

OURS = {"ensign": "Ensign SDK", "engine": "Ensign engine"}
OTHERS = {
    "unleash": "UnleashClient",
    "eppo": "Eppo (Rust)",
    "statsig": "Statsig (Rust)",
    "launchdarkly": "LaunchDarkly",
    "flagd": "flagd in process",
    "growthbook": "GrowthBook async",
    "configcat": "ConfigCat",
    "flagsmith": "Flagsmith",
    "openfeature_constant": "OpenFeature, constant",
}
FLOOR = {"floor": "floor: call + dict"}
NAMES = {**OURS, **OTHERS, **FLOOR}
BASE, UNLEASH = "ensign", "unleash"
SLICE = 10.0
"""Milliseconds that a contender gets at a time."""
PATIENCE = 90.0
"""Seconds that a start may take before it is left out of the table."""
STARTS = 3
"""Fresh processes for each start-up that is shown; the best of them counts."""


@dataclass
class Running:
    """A contender's process. What it says on standard error is kept for when it fails."""

    name: str
    python: str
    errors: Any = field(default_factory=lambda: tempfile.TemporaryFile("w+"))  # noqa: SIM115  # see close

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [self.python, "-m", "bench.peers.child", self.name],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
        )  # fmt: skip
        self.checked = False

    def read(self) -> Any:
        """The next answer. Raises RuntimeError with what the process said last when there is none."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait(10)
        self.errors.seek(0)
        said = self.errors.read().strip().splitlines() or ["it ended without a word"]
        raise RuntimeError(said[-1][:300])

    def ask(self, what: Any) -> Any:
        """Put a question, and wait for its answer. Raises RuntimeError."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.read()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.errors.close()


def interpreters() -> tuple[dict[str, str], dict[str, str]]:
    """Contender -> the Python that it runs in, and who is missing -> why."""
    found = dict.fromkeys([*OURS, *FLOOR], sys.executable)
    try:
        python = str(install.python_peers())
    except install.Missing as problem:
        return found, dict.fromkeys(OTHERS, str(problem))
    return {**found, **dict.fromkeys(OTHERS, python)}, {}


def begin(pythons: dict[str, str], missing: dict[str, str]) -> dict[str, Running]:
    """Contenders that run and answer rightly; the others go into `missing` with the reason."""
    ready: dict[str, Running] = {}
    unleash: Json | None = None
    for name in [UNLEASH, *(other for other in NAMES if other != UNLEASH)]:
        if name not in pythons:
            continue
        running = Running(name, pythons[name])
        try:
            running.checked = running.read()["checked"]
            if running.checked:
                said = running.ask("check")
                unleash = said if name == UNLEASH else unleash
                wrong = rules.judged(**said)
                if name in OURS and unleash is not None and said != unleash:
                    wrong.append("its answers differ from UnleashClient's")
                if wrong:
                    raise RuntimeError("it answers wrongly: " + "; ".join(wrong))
            ready[name] = running
        except RuntimeError as problem:
            missing[name] = str(problem)
            running.close()
    return {name: ready[name] for name in NAMES if name in ready}


def compare(ready: dict[str, Running], *, rounds: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    """{case: {contender: nanoseconds a call, by round}}, for so many rounds or seconds, whichever is less."""
    cases = [*rules.CASES, rules.ALL]
    taken: dict[str, dict[str, list[float]]] = {case: {name: [] for name in ready} for case in cases}
    until = time.monotonic() + seconds
    for turn in range(rounds):
        if turn >= 3 and time.monotonic() > until:
            break
        for case in cases:
            for name, running in ready.items():
                taken[case][name].append(running.ask([case, SLICE]))
    return taken


def summary(taken: dict[str, dict[str, list[float]]]) -> Json:
    """{case: {contender: {"median", "best", "ratio"}}}; `ratio` is its time by that of Ensign's SDK, round by round."""
    return {
        case: {
            name: {
                "median": round(statistics.median(values) / (1e6 if case == rules.ALL else 1), 3),
                "best": round(min(values) / (1e6 if case == rules.ALL else 1), 3),
                "ratio": round(statistics.median(v / b for v, b in zip(values, by_name[BASE], strict=True)), 2),
            }
            for name, values in by_name.items()
        }
        for case, by_name in taken.items()
    }


def start_ups(pythons: dict[str, str], names: list[str], flags: int) -> Json:
    """Contender -> import and init in milliseconds, resident MiB, the best of some fresh processes."""
    found: Json = {}
    with tempfile.TemporaryDirectory(prefix="ensign-bench-") as folder:
        for name in names:
            path = Path(folder) / f"{name}.json"
            made = subprocess.run(
                [pythons[name], "-c", _DOCUMENT, name, str(flags), str(path)], cwd=ROOT, check=False, timeout=60
            )
            good: list[Json] = []
            for _ in range(0 if made.returncode else STARTS):
                run = _probe(pythons[name], name, path)
                good += [run] if run else []
                if not run or run["init_ms"] > 1_500:  # the longest take half a minute
                    break
            if good:
                found[name] = {key: round(min(run[key] for run in good), 1) for key in good[0]}
    return found


_DOCUMENT = """
import sys
from pathlib import Path
from bench.peers import child, rules
name, flags, path = sys.argv[1:]
Path(path).write_text(child.found(name).document(rules.kinds(int(flags))), encoding="utf-8")
"""


def _probe(python: str, name: str, path: Path) -> Json | None:
    command = [python, "-m", "bench.peers.child", name, "--probe", str(path)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None


def goals(cases: Json, starts: Json) -> dict[str, bool]:
    """Those of the project; one that cannot be told for want of a contender is not among them."""
    names = next(iter(cases.values()))
    found: dict[str, bool] = {}
    if UNLEASH in names:
        found["60 times as fast as UnleashClient in every case"] = all(
            cases[c][UNLEASH]["ratio"] >= 60 for c in rules.CASES
        )
    peers = [name for name in OTHERS if name in names and name not in {UNLEASH, "openfeature_constant"}]
    if peers:
        found["3 times as fast as the best peer in every case"] = all(
            min(cases[case][name]["ratio"] for name in peers) >= 3 for case in rules.CASES
        )
    found["all 1,000 flags within 1 ms"] = cases[rules.ALL][BASE]["median"] <= 1
    for flags, init, memory in (("1,000", 20, 25), ("10,000", 150, 50)):
        mine = starts[flags][BASE]
        found[f"init of {flags} flags within {init} ms, {memory} MiB resident"] = (
            mine["init_ms"] <= init and mine["rss_mib"] <= memory
        )
    found["import within 60 ms"] = starts["1,000"][BASE]["import_ms"] <= 60
    return found


def _head(case: str) -> str:
    """A case in eighteen letters."""
    return {"3 three constraints, 30 %": "3 constraints, 30 %", rules.ALL: "all flags, ms"}.get(case, case)[:18]


def show(report: Json) -> None:
    """Tables for people."""
    cases = report["cases"]
    names = list(next(iter(cases.values())))
    print(f"{'median, ns a call':24}" + "".join(f"{_head(case):>19}" for case in cases))
    for name in names:
        cells = (
            f"{by_name[name]['median']:>9,.{2 if case == rules.ALL else 0}f} ({by_name[name]['ratio']:>6.1f}x)"
            for case, by_name in cases.items()
        )
        print(f"{NAMES[name]:24}" + "".join(f"{cell:>19}" for cell in cells))
    print(f"In brackets: times {NAMES[BASE]}'s time, the median over {report['rounds']} rounds; all flags in ms.")
    print(f"\n{'start-up':24}{'import ms':>10}" + "".join(f"{f'init {n}':>14}{'MiB':>8}" for n in report["start_up"]))
    for name in names:
        rows = [by_name.get(name) for by_name in report["start_up"].values()]
        if all(rows):
            cells = "".join(f"{row['init_ms']:>14,.1f}{row['rss_mib']:>8.1f}" for row in rows if row)
            print(f"{NAMES[name]:24}{rows[0]['import_ms'] if rows[0] else 0:>10.1f}{cells}")
    for goal, met in report["goals"].items():
        print(f"{'met   ' if met else 'MISSED'}  {goal}")
    for name, reason in report["missing"].items():
        print(f"LEFT OUT: {NAMES[name]}: {reason}")


def main() -> int:
    """Run, print, and write JSON if asked; 0 however slow, 1 if Ensign itself answers wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25, help="interleaved rounds")
    parser.add_argument("--seconds", type=float, default=60, help="after which no further round begins")
    parser.add_argument("--json", metavar="FILE", help="also write the report as JSON")
    given = parser.parse_args()
    pythons, missing = interpreters()
    ready = begin(pythons, missing)
    try:
        if not all(name in ready for name in OURS):
            print("\n".join(f"{NAMES[name]}: {reason}" for name, reason in missing.items()))
            return 1
        taken = compare(ready, rounds=given.rounds, seconds=given.seconds)
    finally:
        for running in ready.values():
            running.close()
    starts = {f"{flags:,}": start_ups(pythons, list(ready), flags) for flags in (1_000, 10_000)}
    cases = summary(taken)
    report = {
        "python": sys.version.split()[0], "rounds": len(taken[rules.ALL][BASE]), "cases": cases, "start_up": starts,
        "goals": goals(cases, starts), "missing": missing,
    }  # fmt: skip
    show(report)
    if given.json:
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
