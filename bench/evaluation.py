"""Evaluation speed against UnleashClient, in one interleaved run: `python bench/evaluation.py [--json FILE]`.

Every contender answers the same five questions and all flags of one environment, in turn, round after round,
so that a noisy machine disturbs them alike; the table shows each one's best round and the median over rounds
of the ratio to UnleashClient. Start-up (import, parsing, memory) is measured in a fresh process each.
How to read the numbers: bench/README.md.
"""

import argparse
import importlib.util
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Call = Callable[[], object]

CONTEXT: Json = {
    "userId": "user-123",
    "sessionId": "5f1b8a52c0",
    "remoteAddress": "192.0.2.17",
    "properties": {"country": "c7", "plan": "pro", "version": "2.1.0", "device": "phone", "language": "nb-NO"},
}
"""What a web application knows of a request: three fields and five attributes."""

CASES = {
    "1 plain on": ("plain", "enabled"),
    "2 50 % rollout": ("rollout", "enabled"),
    "3 three constraints, 30 %": ("constraints", "enabled"),
    "4 three variants": ("variants", "variant"),
    "5 one of 1,000": ("flag-500", "enabled"),
}
ALL = "all flags (ms)"
FLAGS = 1_000
CALLS = {"UnleashClient": 300}
"""Calls in one measurement; 20,000 where nothing is said."""


def _strategy(name: str, **more: Any) -> Json:
    return {"name": name, "constraints": [], "parameters": {}, "variants": [], **more}


def _rollout(percentage: int, **more: Any) -> Json:
    parameters = {"rollout": str(percentage), "stickiness": "default", "groupId": "bench"}
    return _strategy("flexibleRollout", parameters=parameters, **more)


def _shapes() -> dict[str, Json]:
    """The four kinds of flag that the cases ask for."""
    blank: Json = {"values": [], "inverted": False, "caseInsensitive": False}
    constraints = [
        {**blank, "contextName": "country", "operator": "IN", "values": [f"c{number}" for number in range(10)]},
        {**blank, "contextName": "plan", "operator": "IN", "values": ["pro"]},
        {**blank, "contextName": "version", "operator": "SEMVER_GT", "value": "1.2.3"},
    ]
    variants = [
        {"name": name, "weight": weight, "weightType": "variable", "stickiness": "default", "overrides": [],
         "payload": {"type": "string", "value": name}}
        for name, weight in (("a", 333), ("b", 333), ("c", 334))
    ]  # fmt: skip
    return {
        "plain": {"strategies": [_strategy("default")], "variants": []},
        "rollout": {"strategies": [_rollout(50)], "variants": []},
        "constraints": {"strategies": [_rollout(30, constraints=constraints)], "variants": []},
        "variants": {"strategies": [_rollout(100)], "variants": variants},
    }


def document(flags: int) -> str:
    """An environment of `flags` flags: the four of the cases, then a mix of those shapes, as JSON."""
    shapes = _shapes()
    mix = ["plain"] * 4 + ["rollout"] * 3 + ["constraints"] * 2 + ["variants"]
    named = dict(shapes)
    for number in range(flags - len(shapes)):
        named[f"flag-{number}"] = shapes[mix[number % len(mix)]]
    base = {"type": "release", "description": None, "enabled": True, "stale": False, "impressionData": False}
    features = [{"name": name, "project": "default", **base, **shape} for name, shape in named.items()]
    return json.dumps({"version": 2, "features": features, "segments": []})


@dataclass
class Contender:
    """`make` builds it from a document; `ask` gives a call for a flag; `everything` one for all flags."""

    name: str
    module: str
    make: Callable[[str], Any]
    ask: Callable[[Any, str, str], Call]
    everything: Callable[[Any], Call]


def _make_unleash(text: str) -> Any:
    # Imported here, so that start-up is measured with one contender in the process.
    from UnleashClient import UnleashClient  # type: ignore[attr-defined]  # it has no `__all__`
    from UnleashClient.cache import FileCache

    logging.disable(logging.CRITICAL)
    cache = FileCache("bench", directory=tempfile.mkdtemp(prefix="ensign-bench-"))
    cache.bootstrap_from_dict(json.loads(text))
    client = UnleashClient("http://127.0.0.1:9/api", "bench", cache=cache, disable_registration=True)
    client.initialize_client(fetch_toggles=False)
    return client


def _ask_unleash(client: Any, flag: str, question: str) -> Call:
    ask = client.get_variant if question == "variant" else client.is_enabled
    return lambda: ask(flag, CONTEXT)


def _every_unleash(client: Any) -> Call:
    names = [flag["name"] for flag in json.loads(document(FLAGS))["features"]]
    ask = client.is_enabled
    return lambda: {name: ask(name, CONTEXT) for name in names}


def _make_engine(text: str) -> Any:
    from ensign_engine import Ruleset

    return Ruleset.parse(text, static_context={"appName": "bench", "environment": "production"})


def _ask_engine(rules: Any, flag: str, question: str) -> Call:
    """The engine with counting, as an SDK's hot path does it."""
    table = rules.table

    def enabled() -> bool:
        found = table[flag]
        if found.decide(CONTEXT):
            found.counts[1] += 1
            return True
        found.counts[0] += 1
        return False

    def variant() -> object:
        found = table[flag]
        evaluation = found.choose(CONTEXT)
        found.counts[evaluation.enabled] += 1
        chosen = evaluation.variant
        counts = found.variant_counts
        counts[chosen.name] = counts.get(chosen.name, 0) + 1
        return chosen

    return variant if question == "variant" else enabled


def _every_engine(rules: Any) -> Call:
    return lambda: rules.evaluate_all(CONTEXT)


def _make_sdk(text: str) -> Any:
    from ensign_sdk import Client

    return Client.offline(json.loads(text), app_name="bench", environment="production")


def _ask_sdk(client: Any, flag: str, question: str) -> Call:
    ask = client.get_variant if question == "variant" else client.is_enabled
    return lambda: ask(flag, CONTEXT)


def _every_sdk(client: Any) -> Call:
    names = [flag["name"] for flag in json.loads(document(FLAGS))["features"]]
    ask = client.is_enabled
    return lambda: {name: ask(name, CONTEXT) for name in names}


BASE = "UnleashClient"
CONTENDERS = [
    Contender(BASE, "UnleashClient", _make_unleash, _ask_unleash, _every_unleash),
    Contender("ensign_engine", "ensign_engine", _make_engine, _ask_engine, _every_engine),
    Contender("ensign_sdk", "ensign_sdk", _make_sdk, _ask_sdk, _every_sdk),
]


def _available() -> list[Contender]:
    return [item for item in CONTENDERS if importlib.util.find_spec(item.module) is not None]


def _timed(call: Call, times: int) -> float:
    """Nanoseconds a call; the loop's own cost (about 20 ns) is included for everyone."""
    repeat = range(times)
    start = time.perf_counter_ns()
    for _ in repeat:
        call()
    return (time.perf_counter_ns() - start) / times


def compare(rounds: int) -> Json:
    """{case: {contender: {"best", "ratio"}}}: nanoseconds a call (milliseconds for all flags)."""
    text = document(FLAGS)
    made = [(item, item.make(text)) for item in _available()]
    calls = {
        case: {item.name: item.ask(instance, flag, question) for item, instance in made}
        for case, (flag, question) in CASES.items()
    }
    calls[ALL] = {item.name: item.everything(instance) for item, instance in made}
    _same_answers(calls)
    found: dict[str, dict[str, list[float]]] = {case: {item.name: [] for item, _ in made} for case in calls}
    for _ in range(rounds):
        for case, contenders in calls.items():
            for name, call in contenders.items():
                times = CALLS.get(name, 20_000)
                found[case][name].append(_timed(call, max(1, times // FLAGS) if case == ALL else times))
    return {case: _summary(by_name, 1e6 if case == ALL else 1.0) for case, by_name in found.items()}


def _summary(by_name: dict[str, list[float]], unit: float) -> Json:
    base = by_name.get(BASE)
    return {
        name: {
            "best": round(min(values) / unit, 3),
            "ratio": round(statistics.median(b / v for b, v in zip(base, values, strict=True)), 1) if base else None,
        }
        for name, values in by_name.items()
    }


def _same_answers(calls: dict[str, dict[str, Call]]) -> None:
    """Speed means nothing when the answers differ: every contender must say the same."""
    for case in CASES:
        answers = {name: _plain(call()) for name, call in calls[case].items()}
        if len(set(answers.values())) != 1:
            raise SystemExit(f"the contenders disagree on case {case}: {answers}")


def _plain(answer: object) -> object:
    return answer["name"] if isinstance(answer, dict) else getattr(answer, "name", answer)


def start_up(contender: Contender, flags: int, directory: Path) -> Json:
    """Import and init in milliseconds, resident memory in MiB, of one contender in a fresh process."""
    path = directory / f"{flags}.json"
    if not path.exists():
        path.write_text(document(flags), encoding="utf-8")
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, __file__, "--probe", contender.name, str(path)],
                capture_output=True,
                check=True,
                text=True,
                timeout=120,
            ).stdout
        )
        for _ in range(5)
    ]
    return {key: round(min(run[key] for run in runs), 1) for key in runs[0]}


def _probe(name: str, path: str) -> None:
    contender = next(item for item in CONTENDERS if item.name == name)
    text = Path(path).read_text(encoding="utf-8")
    start = time.perf_counter()
    __import__(contender.module)
    imported = time.perf_counter()
    contender.make(text)
    ready = time.perf_counter()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    sizes = {"import_ms": (imported - start) * 1e3, "init_ms": (ready - imported) * 1e3, "rss_mib": memory}
    print(json.dumps(sizes), flush=True)
    os._exit(0)  # a client's background threads must not keep the probe alive


def _print(report: Json) -> None:
    names = list(next(iter(report["cases"].values())))
    print(f"{'ns per call':28}" + "".join(f"{name:>24}" for name in names))
    for case, row in report["cases"].items():
        cells = (f"{row[n]['best']:>14,.2f} ({row[n]['ratio']:>5.0f}x)" if row[n]["ratio"] else "" for n in names)
        print(f"{case:28}" + "".join(f"{cell:>24}" for cell in cells))
    print(f"\n{'start-up':28}{'import ms':>12}{'init ms':>12}{'RSS MiB':>12}")
    for label, row in report["start_up"].items():
        print(f"{label:28}{row['import_ms']:>12}{row['init_ms']:>12}{row['rss_mib']:>12}")
    for goal, met in report["goals"].items():
        print(f"{'met ' if met else 'MISSED'}  {goal}")


def _goals(cases: Json, starts: Json) -> dict[str, bool]:
    mine = [name for name in next(iter(cases.values())) if name != BASE]
    goals: dict[str, bool] = {}
    for name in mine:
        goals[f"{name}: >= 60x {BASE} in every case"] = all(cases[case][name]["ratio"] >= 60 for case in CASES)
    engine = "ensign_engine"
    goals[f"{engine}: all {FLAGS:,} flags <= 1 ms"] = cases[ALL][engine]["best"] <= 1
    goals[f"{engine}: init <= 20 ms at 1,000 flags"] = starts[f"{engine}, 1,000 flags"]["init_ms"] <= 20
    goals[f"{engine}: init <= 150 ms at 10,000 flags"] = starts[f"{engine}, 10,000 flags"]["init_ms"] <= 150
    return goals


def main() -> int:
    """Run, print, and write JSON if asked; 0 whatever the numbers are (a benchmark is no test)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default 7)")
    parser.add_argument("--json", metavar="FILE", help="also write the report as JSON ('-' for standard output)")
    parser.add_argument("--probe", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.probe:
        _probe(*arguments.probe)
    with tempfile.TemporaryDirectory(prefix="ensign-bench-") as folder:
        starts = {
            f"{item.name}, {flags:,} flags": start_up(item, flags, Path(folder))
            for flags in (1_000, 10_000)
            for item in _available()
        }
    cases = compare(arguments.rounds)
    report = {"python": sys.version.split()[0], "cases": cases, "start_up": starts, "goals": _goals(cases, starts)}
    if arguments.json != "-":
        _print(report)
    if arguments.json:
        text = json.dumps(report, indent=1)
        print(text) if arguments.json == "-" else Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # UnleashClient's scheduler threads would hold the process


if __name__ == "__main__":
    sys.exit(main())
