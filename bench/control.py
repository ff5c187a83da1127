"""How fast a change is on an installation with 1,000 flags: ``python bench/control.py [--json FILE]``.

Both databases, durable, each in a process of its own. A round is a four-eyes change of one strategy in production:
proposed, approved, applied, each one transaction with state, entry and (the last) the whole ruleset of 1,000 flags;
and one in development, where the policy asks for no approval, proposed and applied in one transaction.
Then the page that lists the 1,000 flags, and the API: through the whole of Django, in this process, without a socket.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from databases import DATABASES

FLAGS = 1_000
KEYS = [f"team-{n % 20}.feature-number-{n}" for n in range(FLAGS)]
GOALS = {"applied": 20.0, "page": 500.0}
"""Milliseconds at p95: a change applied, the list of 1,000 flags."""


def _content(percent: int) -> Any:
    """About what a flag in use holds: a rollout with two constraints, and variants."""
    from ensign.control.flags.domain import Constraint, FlagConfig, Variant  # deferred: after the set-up of Django
    from ensign_testkit.targets import rollout  # deferred: as above

    constraints = (
        Constraint(context_name="country", operator="IN", values=("SE", "NO", "DK", "FI", "IS")),
        Constraint(context_name="appVersion", operator="SEMVER_GTE", value="2.4.0"),
    )
    variants = tuple(Variant(name=name, weight=0) for name in ("blue", "green"))
    return FlagConfig(enabled=True, strategies=(rollout(percent, constraints=constraints, variants=variants),))


def _fill() -> Any:
    """The people of the tests' story and 1,000 flags with rules in development and production."""
    from ensign.control.flags.operations import create_flag  # deferred: after the set-up of Django
    from ensign_testkit.changing import story  # deferred: as above
    from ensign_testkit.targets import put  # deferred: as above

    cast = story()
    for key in KEYS:
        create_flag(actor=cast.dev, at=cast.at, project="shop", key=key, tags=("team:shop",))
    for environment in ("development", "production"):
        for start in range(0, FLAGS, 100):
            put({key: _content(10) for key in KEYS[start : start + 100]}, environment=environment)
    return cast


class Rounds:
    """Durations in milliseconds by step."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}

    def time(self, step: str, act: Callable[[], Any]) -> Any:
        """Do ``act``, and keep how long it took."""
        began = time.perf_counter()
        made = act()
        self.took.setdefault(step, []).append((time.perf_counter() - began) * 1e3)
        return made

    def figures(self) -> dict[str, dict[str, float]]:
        """p50 and p95 of every step."""
        return {
            step: {
                "p50_ms": round(statistics.median(took), 2),
                "p95_ms": round(statistics.quantiles(took, n=20)[-1], 2),
            }
            for step, took in self.took.items()
        }


def _widening(key: str, environment: str, n: int) -> tuple[Any, ...]:
    """Another share of users for the flag's first strategy than it has now."""
    from ensign.control.changes.domain.content_operations import StrategyUpdate  # deferred: after the set-up of Django
    from ensign.control.flags import queries  # deferred: as above

    strategy = queries.config(key, environment).config.strategies[0]
    wider = {**strategy.parameters, "rollout": str(11 + n % 89)}
    return (StrategyUpdate(flag=key, strategy=replace(strategy, parameters=wider)),)


def _change(cast: Any, rounds: Rounds, n: int) -> None:
    """One change with four eyes in production, one at once in development."""
    from ensign.control.changes import operations as door  # deferred: after the set-up of Django

    key = KEYS[(n * 37) % FLAGS]
    place = {"actor": cast.dev, "at": cast.at, "project": "shop", "reason": "The canary was fine."}
    steps = _widening(key, "production", n)
    request = rounds.time("proposed", lambda: door.propose(**place, environment="production", operations=steps)).request
    review = {"actor": cast.approver, "at": cast.at, "request_id": request.id, "digest": request.digest}
    rounds.time("approved", lambda: door.review(**review, decision="approve"))
    rounds.time("applied", lambda: door.apply(actor=cast.dev, at=cast.at, request_id=request.id))
    here = _widening(key, "development", n)
    rounds.time("at once", lambda: door.propose(**place, environment="development", operations=here))


def _page(cast: Any, rounds: Rounds, number: int) -> int:
    """Look at the list of 1,000 flags ``number`` times; returns its bytes."""
    from django.test import Client  # deferred: after the set-up of Django
    from ensign_testkit.people import sign_in  # deferred: as above

    client = sign_in(Client(headers={"Host": "localhost"}), cast.dev)
    for _ in range(number):
        answer = rounds.time("page", lambda: client.get("/projects/shop/flags"))
        if answer.status_code != 200 or KEYS[-1].encode() not in answer.content:
            raise SystemExit(f"the list of flags answered {answer.status_code}")
    return len(answer.content)


def _api(cast: Any, rounds: Rounds, number: int) -> None:
    """Make flags, and change one of the thousand in development, by a personal token."""
    from django.test import Client  # deferred: after the set-up of Django
    from ensign.control.access.tokens import TokenWish, create_personal  # deferred: as above
    from ensign.control.kernel import clock  # deferred: as above

    text = create_personal(actor=cast.dev, at=clock.now(), wish=TokenWish(name="bench")).text
    client = Client(headers={"Host": "localhost", "Authorization": f"Bearer {text}"})

    def post(step: str, address: str, body: Any) -> None:
        answer = rounds.time(
            step, lambda: client.post(f"/api/v1/projects/shop/{address}", json.dumps(body), "application/json")
        )
        if answer.status_code != 201:
            raise SystemExit(f"{address} answered {answer.status_code}: {answer.content[:300]!r}")

    for n in range(number):
        post("API: flag", "flags", {"key": f"made-{n}"})
        steps = [operation.to_json() for operation in _widening(KEYS[n], "development", n + 7)]
        post("API: change", "environments/development/changes", {"operations": steps, "reason": "Fine."})


def measure(name: str, *, number: int, profile: bool) -> dict[str, Any]:
    """All figures on one database, which this process then has used."""
    # What is measured is neither the limit of a token's requests nor the log of requests.
    os.environ |= {"ENSIGN_API_RATE": "1000000", "ENSIGN_API_WRITE_RATE": "1000000", "ENSIGN_LOG_LEVEL": "ERROR"}
    _, database = DATABASES[name]
    with database():
        cast, rounds = _fill(), Rounds()
        for n in range(5):
            _change(cast, Rounds(), 900 + n)  # warm up
        if profile:
            _profile(lambda: [_change(cast, rounds, n) for n in range(number)])
        else:
            for n in range(number):
                _change(cast, rounds, n)
            _page(cast, Rounds(), 1)
            rounds.took["page"] = []
            size = _page(cast, rounds, max(5, number // 5))
            _api(cast, rounds, number)
            return {"database": name, "flags": FLAGS, "page_bytes": size, "steps": rounds.figures()}
        return {"database": name, "flags": FLAGS, "steps": rounds.figures()}


def _profile(act: Callable[[], Any]) -> None:
    """Print where ``act`` spends its time."""
    profile = cProfile.Profile()
    profile.runcall(act)
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)
    pstats.Stats(profile).sort_stats("cumtime").print_stats(60)


def _show(found: dict[str, Any]) -> None:
    title = DATABASES[found["database"]][0]
    for step, figures in found["steps"].items():
        print(f"{title:12}{step:14}{figures['p50_ms']:>9.1f}{figures['p95_ms']:>9.1f}", flush=True)


def main() -> int:
    """Measure both databases, or the one named, and print a line for every step."""
    parser = argparse.ArgumentParser(description="Changes, the list of flags and the API at 1,000 flags.")
    parser.add_argument("--rounds", type=int, default=100, help="how many of everything")
    parser.add_argument("--db", choices=DATABASES, help="one database only (each has a process of its own)")
    parser.add_argument("--json", metavar="FILE", help="append the figures there, a JSON object a line")
    parser.add_argument("--profile", action="store_true", help="say where the time of changes goes instead")
    given = parser.parse_args()
    if given.db is None:
        print(f"{'':12}{'':14}{'p50 ms':>9}{'p95 ms':>9}", flush=True)
        return max(subprocess.call([sys.executable, __file__, f"--db={name}", *sys.argv[1:]]) for name in DATABASES)
    found = measure(given.db, number=given.rounds, profile=given.profile)
    _show(found)
    if given.json:
        with Path(given.json).open("a") as out:
            out.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
