"""Delivery against the Unleash server and Unleash Edge, in one run: `python bench/delivery.py [--json FILE]`.

Each server is a real one on this machine with the same thousand flags: Ensign and the Unleash server on one PostgreSQL,
Unleash Edge offline. Their answers are compared before anything is timed. Then each gets ten connections for some
seconds at a time, in turn, round after round; the table shows medians over the rounds, and the ratio to the Unleash
server in the same round. How to read the numbers: bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import load  # noqa: E402  # found by the path set above
import servers  # noqa: E402  # as above
from load import Fired, Shot  # noqa: E402  # as above
from servers import Target  # noqa: E402  # as above

from bench.peers import install, rules  # noqa: E402  # as above

Json = dict[str, Any]
OURS, BASE = "Ensign", "Unleash server"
MEMORY = 150.0
"""MiB, the goal with 1,000 flags; with 5,000 streams it is measured by `streams`."""
SETTLING = 90.0
"""Seconds that servers may take until all of them serve what they were given: some refresh by the minute."""
CHECKED = 20
"""Users whose answers must be the same everywhere."""
QUERY = "&".join(f"properties%5B{name}%5D={value}" for name, value in rules.ATTRIBUTES.items())


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is asked. `against` names the case that a ratio compares with, where the other server has no such thing."""

    name: str
    status: int = 200
    goal: float | None = None
    against: str | None = None
    ours: bool = False

    def shot(self, target: Target, tag: str) -> Shot:
        """The request to `target`, whose features have the ETag `tag`."""
        sdk = {"Authorization": target.backend, "unleash-appname": "bench", "unleash-sdk": "bench:1",
               "Unleash-Client-Spec": "5.2.0", "Accept": "application/json"}  # fmt: skip
        browser = {"Authorization": target.frontend, "Accept": "application/json"}
        gzip = {"Accept-Encoding": "gzip"}
        person = {"targetingKey": "user-{n}", **rules.ATTRIBUTES}
        provider = {"Authorization": f"Bearer {target.backend}", "Content-Type": "application/json"}
        match self.name:
            case "features, gzip":
                return Shot(path="/api/client/features", headers={**sdk, **gzip})
            case "features, plain":
                return Shot(path="/api/client/features", headers=sdk)
            case "features, 304":
                return Shot(path="/api/client/features", headers={**sdk, "If-None-Match": tag})
            case "front-end, all flags":
                return Shot(path=f"/api/frontend?userId=user-{{n}}&{QUERY}", headers=browser)
            case "front-end, gzip":
                return Shot(path=f"/api/frontend?userId=user-{{n}}&{QUERY}", headers={**browser, **gzip})
            case "OFREP, all flags":
                body = json.dumps({"context": person})
                return Shot(path="/ofrep/v1/evaluate/flags", method="POST", headers=provider, body=body)
            case "OFREP, one flag":
                body = json.dumps({"context": person})
                return Shot(path="/ofrep/v1/evaluate/flags/constraints", method="POST", headers=provider, body=body)
        headers = {**sdk, "Content-Type": "application/json"}
        return Shot(path="/api/client/metrics", method="POST", headers=headers, body=_report())


CASES = (
    Case(name="features, gzip", goal=5),
    Case(name="features, plain", goal=5),
    Case(name="features, 304", status=304, goal=2),
    Case(name="front-end, all flags", goal=10),
    Case(name="front-end, gzip", goal=10),
    Case(name="OFREP, all flags", goal=10, against="front-end, all flags", ours=True),
    Case(name="OFREP, one flag", ours=True),
    Case(name="metrics of 20 flags", status=202, goal=3),
)


def _report() -> str:
    """What an SDK sends once a minute."""
    now = datetime.now(UTC)
    toggles = {name: {"yes": 120, "no": 30, "variants": {}} for name in list(rules.kinds())[:20]}
    bucket = {"start": (now - timedelta(minutes=1)).isoformat(), "stop": now.isoformat(), "toggles": toggles}
    return json.dumps({"appName": "bench", "instanceId": "one", "environment": "production", "bucket": bucket})


def differing(targets: list[Target]) -> list[str]:
    """What is not the same at the others as at ours: flags that are on for some users, and their variants."""
    said: dict[str, list[Any]] = {}
    for target in targets:
        for number in range(CHECKED):
            path = f"/api/frontend?userId=user-{number}&{QUERY}"
            status, body = target.ask("GET", path, {"Authorization": target.frontend})
            if status != 200:
                return [f"{target.name} answers {status} to a front-end request"]
            found = {toggle["name"]: toggle["variant"]["name"] for toggle in json.loads(body)["toggles"]}
            said.setdefault(target.name, []).append(found)
    mine = said[OURS]
    if not all(400 < len(one) < 900 for one in mine):
        return ["Ensign's own answers are not what the rules say"]
    return [f"{name} answers differently" for name, its in said.items() if its != mine]


def shots(case: Case, target: Target, tag: str) -> Shot | None:
    """The request, if the server answers it as it should."""
    if case.ours and target.name != OURS:
        return None
    shot = case.shot(target, tag)
    body = None if shot.body is None else shot.body.replace("{n}", "1")
    status, _ = target.ask(shot.method, shot.path.replace("{n}", "1"), shot.headers, body)
    if status == case.status:
        return shot
    print(f"LEFT OUT: {case.name} of {target.name}: it answers {status}", flush=True)
    return None


def measure(targets: list[Target], *, rounds: int, seconds: float) -> dict[str, dict[str, list[Fired]]]:
    """{case: {server: one result a round}}."""
    plain = next(case for case in CASES if case.name == "features, plain")
    tags = {target.name: target.etag(plain.shot(target, "")) for target in targets}
    plan = [(case, target, shot) for case in CASES for target in targets
            if (shot := shots(case, target, tags[target.name])) is not None]  # fmt: skip
    found: dict[str, dict[str, list[Fired]]] = {}
    for _ in range(rounds):
        for case, target, shot in plan:
            fired = load.fire(target.port, shot, seconds=seconds)
            found.setdefault(case.name, {}).setdefault(target.name, []).append(fired)
    return found


def summary(found: dict[str, dict[str, list[Fired]]]) -> Json:
    """{case: {server: figures}}, with the ratio to the Unleash server where there is one to compare with."""
    cases = {case.name: case for case in CASES}
    report: Json = {}
    for name, by_server in found.items():
        base = found.get(cases[name].against or name, {}).get(BASE)
        for server, fired in by_server.items():
            pairs = zip(fired, base, strict=True) if base else ()
            ratios = [mine.per_second / its.per_second for mine, its in pairs]
            report.setdefault(name, {})[server] = {
                "per_second": round(statistics.median(one.per_second for one in fired), 1),
                "ratio": round(statistics.median(ratios), 2) if ratios else None,
                "p50_ms": round(statistics.median(one.p50_ms for one in fired), 2),
                "p99_ms": round(statistics.median(one.p99_ms for one in fired), 2),
                "kib": round(fired[0].kib, 1),
                "refused_or_broken": sum(one.refused + one.broken for one in fired),
                "generator_share": round(statistics.median(one.generator for one in fired), 2),
            }
    return report


def show(report: Json) -> None:
    """Tables for people."""
    print(
        f"\n{'requests a second':24}{'server':16}{'/s':>10}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'KiB':>8}{'wrk':>6}"
    )
    for case, by_server in report["cases"].items():
        for server, row in by_server.items():
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.1f}x"
            wrong = f"  {row['refused_or_broken']} refused or broken" if row["refused_or_broken"] else ""
            print(f"{case:24}{server:16}{row['per_second']:>10,.0f}{ratio:>8}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}"
                  f"{row['kib']:>8.1f}{row['generator_share']:>6.2f}{wrong}")  # fmt: skip
    print("ratio: to the Unleash server (OFREP: to its front-end API); wrk: the generator's share of a core.")
    print(f"\n{'resident MiB':24}{'idle':>10}{'after load':>12}")
    for server, row in report["memory"].items():
        print(f"{server:24}{row['idle']:>10.0f}{row['after']:>12.0f}")
    for goal, met in report["goals"].items():
        print(f"{'met   ' if met else 'MISSED'}  {goal}")
    for missing in report["missing"]:
        print(f"LEFT OUT: {missing}")


def goals(report: Json) -> dict[str, bool]:
    """Those of the project."""
    found = {}
    for case in CASES:
        mine = report["cases"].get(case.name, {}).get(OURS)
        if case.goal and mine and mine["ratio"] is not None:
            found[f"{case.name}: {case.goal:g} times the {BASE}"] = mine["ratio"] >= case.goal
    found[f"resident memory within {MEMORY:g} MiB under this load"] = report["memory"][OURS]["after"] <= MEMORY
    return found


def _targets(stack: ExitStack, cluster: servers.Cluster, folder: Path, missing: list[str]) -> list[Target]:
    ours = stack.enter_context(servers.ensign(cluster, folder))
    status, body = ours.ask("GET", "/api/client/features", {"Authorization": ours.backend})
    if status != 200:
        raise SystemExit(f"Ensign answers {status}")
    features = json.loads(body)
    found = [ours]
    for name, begin in (
        (BASE, lambda: servers.unleash(cluster, folder, features["features"])),
        ("Unleash Edge", lambda: servers.edge(folder, features)),
    ):
        try:
            found.append(stack.enter_context(begin()))
        except (install.Missing, RuntimeError, OSError) as problem:
            missing.append(f"{name}: {problem}")
    return found


def main() -> int:
    """Run, print, and write JSON if asked; 0 however slow, 1 if servers that should agree do not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="for each server and case in a round")
    parser.add_argument("--json", metavar="FILE", help="also write the report as JSON")
    given = parser.parse_args()
    load.wrk()
    missing: list[str] = []
    cluster = servers.Cluster(durable=True)
    try:
        with tempfile.TemporaryDirectory(prefix="ensign-bench-") as folder, ExitStack() as stack:
            targets = _targets(stack, cluster, Path(folder), missing)
            until = time.monotonic() + SETTLING
            while (wrong := differing(targets)) and time.monotonic() < until:
                time.sleep(1)
            if wrong:
                print("\n".join(wrong))
                return 1
            time.sleep(2)  # what servers do after their start is none of the load
            idle = {target.name: target.memory() for target in targets}
            before = os.getloadavg()[0]
            found = measure(targets, rounds=given.rounds, seconds=given.seconds)
            memory = {t.name: {"idle": round(idle[t.name], 1), "after": round(t.memory(), 1)} for t in targets}
    finally:
        cluster.close()
    report: Json = {"cases": summary(found), "memory": memory, "missing": missing, "load_before": round(before, 1)}
    report["goals"] = goals(report)
    show(report)
    if given.json:
        Path(given.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
