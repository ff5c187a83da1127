"""Guards of ramps: names in a plan that something above judges. Who judges says so by :func:`register`.

::

    def judge(question: Question) -> Mapping[str, Judgement]: ...   # of the names that it knows; the others left out
    guards.register("safeguards", judge)

A judge is asked inside the write door, before every step and at every beat: it reads what was found before, and fetches
nothing. What no judge knows is refused when a plan is submitted, and pauses a ramp that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.control.releases.domain import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which guards are asked, about which flag where, and when; ``since`` is when the step in force was reached.

    ``ramp`` is its id, or empty while the plan is not yet approved.
    """

    names: tuple[str, ...]
    project: str
    environment: str
    flag: str
    at: datetime
    since: datetime
    ramp: str = ""


Judge = Callable[[Question], Mapping[str, Judgement]]

_judges: dict[str, Judge] = {}


def register(name: str, judge: Judge) -> None:
    """Ask ``judge`` about guards from now on. Once for each name, while Django starts.

    :raises ValueError: when the name is taken.
    """
    if name in _judges:
        raise ValueError(f"{name} judges guards already")
    _judges[name] = judge


def judge(question: Question) -> Mapping[str, Judgement]:
    """What is said of the guards that somebody knows; of two judges that know a name, the worse word counts."""
    found: dict[str, Judgement] = {}
    if not question.names:
        return found
    order = ("good", "unknown", "bad")
    for one in _judges.values():
        for name, said in one(question).items():
            if name not in found or order.index(said.state) > order.index(found[name].state):
                found[name] = said
    return found


def unknown(names: Sequence[str], said: Mapping[str, Judgement]) -> tuple[str, ...]:
    """Those of ``names`` that nobody knows."""
    return tuple(name for name in names if name not in said)
