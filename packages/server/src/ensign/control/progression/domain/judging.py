"""Whether a change may go on to an environment, as far as progression goes. Pure.

Judged is what the change makes of each flag, and of each segment, that it touches:

1. what reaches nobody afterwards passes: switching off, archiving, 0 %, editing a flag that is off;
2. what leaves the digest as it is, and lets nothing in that let nobody in before, passes: another percentage, another
   list of ids;
3. what this environment itself ran within the last 30 days passes: switching on again, reverting. What an emergency
   change brought there does not count, as nothing was asked of it;
4. all else must have run in each lower environment that the policy names, for so long without a break, until now or
   until at most 30 days ago; and, where the policy asks for tests, with a run that passed.

The rule is CM-05 (docs/controls/change-management).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ensign.control.flags.domain import FlagConfig
from ensign.control.progression.domain.exposure import begins, exposed
from ensign.control.progression.domain.periods import RECENT, Period, long_enough, of_digest
from ensign.control.progression.domain.runs import Evidence, Subject
from ensign.control.projects.demands import Demand

#: Why it needs no progression, in the order of the rules above; or how far it has come.
Verdict = Literal["reaches-nobody", "unchanged", "ran-here", "judged"]

_NO_RUNS = Evidence()

WHY: Mapping[Verdict, str] = {
    "reaches-nobody": "It reaches nobody afterwards.",
    "unchanged": "Only percentages and lists of ids differ.",
    "ran-here": "It ran here itself within the last 30 days.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A lower environment that a policy names: what it asks for, and what ran there, oldest first.

    ``periods`` None: there is no such environment. ``now``: the digest that runs there, None when none does.
    """

    environment: str
    hours: int
    periods: tuple[Period, ...] | None

    @property
    def now(self) -> str | None:
        """The digest that runs there at the moment."""
        last = self.periods[-1] if self.periods else None
        return None if last is None or last.until is not None else last.digest

    def met(self, digest: str, *, at: datetime) -> Period | None:
        """The period that meets what is asked for, or None."""
        return long_enough(self.periods or (), digest, hours=self.hours, at=at)

    def best(self, digest: str) -> Period | None:
        """The period that says most about the digest there, whether long enough or not."""
        return next(iter(of_digest(self.periods or (), digest)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One flag or segment that a change touches, judged for the environment ``target``."""

    subject: Subject
    target: str
    digest: str
    verdict: Verdict
    places: tuple[Place, ...] = ()
    evidence: Evidence = _NO_RUNS
    asks_tests: bool = False

    def missing(self, *, at: datetime) -> tuple[Place, ...]:
        """The places where it has not run for long enough."""
        return tuple(p for p in self.places if p.met(self.digest, at=at) is None) if self.verdict == "judged" else ()

    @property
    def untested(self) -> bool:
        """Whether tests are asked for and lacking."""
        return self.verdict == "judged" and self.asks_tests and not self.evidence.enough


def flag_verdict(
    *, before: FlagConfig | None, after: FlagConfig | None, old: str | None, new: str, here: Sequence[Period],
    at: datetime,
) -> Verdict:  # fmt: skip
    """The verdict on a flag. ``before`` and ``after`` are its content here, None when it is archived.

    ``old`` and ``new`` are their digests (``old`` None when it cannot be said); ``here`` is what ran here.
    """
    if after is None or not exposed(after):
        return "reaches-nobody"
    if before is not None and exposed(before) and old == new and not begins(before, after):
        return "unchanged"
    return "ran-here" if ran_here(here, new, at=at) else "judged"


def segment_verdict(*, used: bool, old: str, new: str, here: Sequence[Period], at: datetime) -> Verdict:
    """The verdict on a segment; ``used``: a flag that somebody may have refers to it here."""
    if not used:
        return "reaches-nobody"
    if old == new:
        return "unchanged"
    return "ran-here" if ran_here(here, new, at=at) else "judged"


def ran_here(here: Sequence[Period], digest: str, *, at: datetime) -> bool:
    """Whether this environment ran it itself a short while ago, and not by an emergency change."""
    return any(p.digest == digest and p.recent(at=at) and not p.emergency for p in here)


def demanded(demand: Demand) -> bool:
    """Whether a policy asks for anything of this."""
    return bool(demand.progression) or demand.requires_tests


def look_back(demand: Demand) -> timedelta:
    """How far back the log is read."""
    return RECENT + timedelta(hours=max((one.hours for one in demand.progression), default=0))


def hours_text(length: timedelta) -> str:
    """``3 hours``, ``40 minutes``, ``2 days 4 hours``."""
    minutes = int(length.total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    if days >= 2:
        return f"{days} days" + (f" {_plural(hours, 'hour')}" if hours else "")
    return _plural(minutes // 60, "hour") if minutes >= 60 else _plural(minutes, "minute")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def time_text(at: datetime) -> str:
    """``25 Nov 2026, 20:04 UTC``."""
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def not_progressed(finding: Finding, place: Place, *, at: datetime) -> tuple[str, str]:
    """What is missing there, since when, and what to do about it."""
    what, where = str(finding.subject), place.environment
    asked = f" The policy asks for {_plural(place.hours, 'hour')}." if place.hours else ""
    if place.periods is None:
        message = f"The policy wants {what} tried in {where} first, and there is no such environment."
        return message, "Ask whoever runs the project to correct the policy."
    best = place.best(finding.digest)
    if best is not None and best.until is None:
        ready = best.since + timedelta(hours=place.hours)
        return (
            f"{_first(what)}: {where} has run this configuration since {time_text(best.since)},"
            f" for {hours_text(best.length(at=at))}.{asked}",
            f"Apply it from {time_text(ready)} on, if it still runs there unchanged.",
        )
    remedy = f"Bring this configuration to {where} and leave it there, or promote what {where} runs."
    if best is not None and best.until is not None:
        age = "" if best.recent(at=at) else ", more than 30 days ago"
        return (
            f"{_first(what)}: {where} ran this configuration for {hours_text(best.length(at=at))}, until"
            f" {time_text(best.until)}{age}.{asked}",
            remedy,
        )
    now = "runs another configuration of it" if place.now else "does not run it now"
    return f"{_first(what)}: {where} has never run this configuration, and {now}.{asked}", remedy


def lacked(key: str, place: Place) -> str:
    """What was missing, in a phrase: ``new-checkout in staging for 24 hours before``."""
    hours = f" for {_plural(place.hours, 'hour')}" if place.hours else ""
    return f"{key} in {place.environment}{hours} before"


def untested(finding: Finding) -> tuple[str, str]:
    """What is lacking of tests, and what to do about it."""
    what = _first(str(finding.subject))
    if finding.evidence.failed:
        names = ", ".join(f"“{r.name}” on {time_text(r.reported_at)}" for r in finding.evidence.failed[:3])
        return (
            f"{what}: tests of this configuration failed: {names}.",
            "Repair it, and have CI report a run that passes.",
        )
    return (
        f"{what}: no test run of this configuration has passed.",
        "Have CI run the tests against the lower environment and report them: docs/howto/report-test-runs.",
    )


def _first(text: str) -> str:
    """A flag's key as it is; a sentence's first letter large."""
    return text.replace("the segment", "The segment", 1) if text.startswith("the segment ") else text


def fact(finding: Finding, *, at: datetime) -> dict[str, object]:
    """What stands in the log about a finding that let a change pass: small, ids only."""
    body: dict[str, object] = {
        finding.subject.kind: finding.subject.key,
        "target": finding.target,
        "digest": finding.digest,
        "verdict": finding.verdict,
    }
    if finding.verdict != "judged":
        return body
    ran = [(place, place.met(finding.digest, at=at)) for place in finding.places]
    body["ran"] = [
        {
            "environment": place.environment,
            "since": _stamp(period.since),
            "until": None if period.until is None else _stamp(period.until),
            "hours": place.hours,
        }
        for place, period in ran
        if period is not None
    ]
    if finding.asks_tests:
        body["runs"] = [run.id for run in finding.evidence.passed][:10]
    return body


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
