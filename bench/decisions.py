"""What deciding costs: ``python bench/decisions.py [--rounds N] [--json FILE]``.

A person holds 200 grants in 40 projects: built-in and custom roles, in the organisation, in projects, in environments,
every fourth narrowed to flags of some tags. Warm: what they hold was read, as it is once for each request. Measured are
``Held.decide`` for a question that is allowed, for one that is not, and of a flag; 200 different questions, as a long
page asks them; and, on a real SQLite database, reading what they hold and asking one question.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from databases import DATABASES

GRANTS, PROJECTS, QUESTIONS = 200, 40, 200
GOAL = 20.0
"""Microseconds for one question, warm."""


def _grants() -> Any:
    from ensign.control.access.domain import GrantView, Narrowing, Scope  # deferred: after the set-up of Django
    from ensign.control.access.permissions import Permission  # deferred: as above
    from ensign.control.access.roles import ROLES, Role  # deferred: as above
    from ensign.control.kernel import clock  # deferred: as above

    custom = Role(
        key="lead",
        name="Lead",
        description="",
        permissions=frozenset({Permission.PROJECT_READ, Permission.CHANGE_DRAFT, Permission.CHANGE_SWITCH}),
        builtin=False,
    )
    roles = [*(ROLES[key] for key in ("developer", "requester", "approver", "viewer")), custom]
    start = clock.parse("2026-01-01T00:00:00.000000Z")
    made = []
    for n in range(GRANTS):
        role, project = roles[n % len(roles)], f"p{n % PROJECTS}"
        environment = (None, "development", "production")[n // PROJECTS % 3]
        made.append(
            GrantView(
                id=f"grt_{n}", subject="usr_x", role=role.key, definition=role, scope=Scope(project, environment),
                granted_by="usr_y", starts_at=start, ends_at=None, status="active", version=1, ledger_seq=n,
                narrowing=Narrowing(tags=frozenset({f"team-{n}"}) if n % 4 == 0 else frozenset()),
            )
        )  # fmt: skip
    return made


def _time(act: Callable[[], Any], rounds: int, *, per: int = 1) -> dict[str, float]:
    """p50 and p95 in microseconds of one of ``per`` acts that ``act`` does."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1e6 / per)
    return {"p50_us": round(statistics.median(took), 2), "p95_us": round(statistics.quantiles(took, n=20)[-1], 2)}


def warm(rounds: int) -> dict[str, dict[str, float]]:
    """Questions asked of what was read."""
    from ensign.control.access.decisions import Held  # deferred: after the set-up of Django
    from ensign.control.access.domain import FlagFacts, Scope  # deferred: as above
    from ensign.control.access.permissions import Level, Permission  # deferred: as above
    from ensign.control.kernel import clock  # deferred: as above
    from ensign.control.kernel.actor import Actor  # deferred: as above

    at = clock.parse("2026-03-01T12:00:00.000000Z")
    grants, actor = tuple(_grants()), Actor(kind="person", id="usr_x", via="session")

    def held() -> Any:
        return Held(actor=actor, at=at, grants=grants)

    holds = held()
    asked = [
        (permission, Scope(f"p{n % PROJECTS}", ("development", "production")[n % 2]))
        for n in range(QUESTIONS)
        for permission in [[p for p in Permission if p.level is not Level.ORGANISATION][n % 30]]
    ]
    flag = Scope("p0", "production", FlagFacts("release", frozenset({"team-0"})))
    assert holds.allows(Permission.CHANGE_DRAFT, flag)
    allowed = next(q for q in asked if holds.allows(*q))
    refused = (Permission.CHANGE_APPROVE, Scope("nowhere", "production"))

    def page() -> None:
        fresh = held()
        for question in asked:
            fresh.allows(*question)

    return {
        "allowed": _time(lambda: holds.decide(*allowed), rounds),
        "refused": _time(lambda: holds.decide(*refused), rounds),
        "of a flag": _time(lambda: holds.decide(Permission.CHANGE_DRAFT, flag), rounds),
        "200 different questions, each": _time(lambda: [holds.allows(*q) for q in asked], rounds // 50, per=QUESTIONS),
        "a page of 200 questions, index included": _time(page, rounds // 50),
    }


def cold(rounds: int) -> dict[str, dict[str, float]]:
    """Reading what the person holds from SQLite, and asking one question."""
    from ensign.control.access.decisions import decide, held  # deferred: after the set-up of Django
    from ensign.control.access.domain import Scope  # deferred: as above
    from ensign.control.access.permissions import Permission  # deferred: as above
    from ensign.control.kernel import clock  # deferred: as above
    from ensign_testkit.people import add_person, give  # deferred: as above

    person = add_person("Ann")
    for grant in _grants():
        role = "viewer" if grant.role == "lead" else grant.role
        give(person.id, role, project=grant.scope.project, environment=grant.scope.environment)
    at, scope = clock.now(), Scope("p1", "production")
    return {
        "read 200 grants": _time(lambda: held(person, at=at), rounds // 50),
        "read and decide": _time(lambda: decide(person, Permission.CHANGE_APPLY, scope, at=at), rounds // 50),
    }


def main() -> None:
    """Measure on a fresh SQLite database, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000)
    parser.add_argument("--json", metavar="FILE", help="keep the figures there as a JSON object")
    given = parser.parse_args()
    with DATABASES["sqlite"][1]():
        figures = warm(given.rounds) | cold(given.rounds)
    for name, took in figures.items():
        print(f"{name:42} p50 {took['p50_us']:9.2f} µs   p95 {took['p95_us']:9.2f} µs")
    met = all(figures[name]["p95_us"] <= GOAL for name in ("allowed", "refused", "of a flag"))
    print(f"the goal of {GOAL:.0f} µs for one question, warm, is {'met' if met else 'missed'}")
    if given.json:
        Path(given.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
