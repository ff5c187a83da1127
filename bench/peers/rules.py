"""What all contenders are asked: one environment of flags of four kinds, and what their right answers look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

PLAIN, ROLLOUT, CONSTRAINTS, VARIANTS = "plain", "rollout", "constraints", "variants"
KINDS = (PLAIN, ROLLOUT, CONSTRAINTS, VARIANTS)

#: Case -> flag. The last one is among the thousand, and plain, as most flags are.
CASES = {
    "1 plain on": "plain",
    "2 50 % rollout": "rollout",
    "3 three constraints, 30 %": "constraints",
    "4 three variants": "variants",
    "5 one of 1,000": "flag-500",
}
ALL = "all 1,000 flags (ms)"
FLAGS = 1_000
PEOPLE = 2_000
"""Users whose answers are checked before anything is timed."""

COUNTRIES = tuple(f"c{number}" for number in range(10))
PLAN, VERSION = "pro", "1.2.3"
WEIGHTS = (("a", 333), ("b", 333), ("c", 334))
USER, SESSION, ADDRESS = "user-123", "5f1b8a52c0", "192.0.2.17"
ATTRIBUTES = {"country": "c7", "plan": PLAN, "version": "2.1.0", "device": "phone", "language": "nb-NO"}
"""What a web application knows of a request: a user, a session, an address, and these."""
STRANGERS = ({"country": "zz"}, {"plan": "free"}, {"version": "1.2.3"}, {"version": "1.1.9"})
"""Each breaks one of the three constraints."""


def kinds(flags: int = FLAGS) -> dict[str, str]:
    """Flag -> kind: one of each as the cases ask for them, then a mix of the four."""
    mix = [PLAIN] * 4 + [ROLLOUT] * 3 + [CONSTRAINTS] * 2 + [VARIANTS]
    found = {kind: kind for kind in KINDS}
    for number in range(flags - len(KINDS)):
        found[f"flag-{number}"] = mix[number % len(mix)]
    return found


def judged(answers: Mapping[str, Sequence[Any]], strangers: Sequence[Any], every: Mapping[str, Any]) -> list[str]:
    """What is wrong with a contender's answers; nothing, if they are as the rules say.

    `answers` by case for `PEOPLE` users, `strangers` to case 3, `every` flag's for one user (on or a variant's name).
    """
    wrong = []
    for case, kind in zip(CASES, (*KINDS, PLAIN), strict=True):
        given = answers[case]
        if kind == VARIANTS:
            shares = Counter(given)
            for name, weight in WEIGHTS:
                wrong += _share(f"{case}, variant {name}", shares.pop(name, 0) / len(given), weight / 1_000)
            wrong += [f"{case}: unknown answers {list(shares)[:3]}"] if shares else []
        else:
            wanted = {PLAIN: 1.0, ROLLOUT: 0.5, CONSTRAINTS: 0.3}[kind]
            wrong += [f"{case}: not a bool: {given[0]!r}"] if set(map(type, given)) != {bool} else []
            wrong += _share(case, sum(map(bool, given)) / len(given), wanted)
    if any(strangers):
        wrong.append("case 3 is on for somebody whom its constraints leave out")
    wanted_kinds = kinds()
    if set(every) != set(wanted_kinds):
        return [*wrong, f"all flags: {len(every)} instead of {len(wanted_kinds)}"]
    for kind, wanted in ((PLAIN, 1.0), (ROLLOUT, 0.5), (CONSTRAINTS, 0.3), (VARIANTS, 1.0)):
        found = [bool(every[name]) for name, its in wanted_kinds.items() if its == kind]
        # Fewer flags than people, and some SDKs hash the same user alike for all flags of a group.
        wrong += _share(f"all flags, {kind}", sum(found) / len(found), wanted, give=0.1)
    return wrong


def _share(what: str, found: float, wanted: float, *, give: float = 0.04) -> list[str]:
    """The shares of 0 and 1 hold exactly, others within about four standard deviations."""
    near = found == wanted if wanted in {0.0, 1.0} else abs(found - wanted) <= give
    return [] if near else [f"{what}: {found:.3f} instead of {wanted:.3f}"]
