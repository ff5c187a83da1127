"""What pages and the API show of progression: where a configuration runs, since when, and which tests it passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ensign.control.audit.history import entry
from ensign.control.changes import queries as changes
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import OperationError, World
from ensign.control.changes.gates import Asked
from ensign.control.changes.loading import load_for, policy_for
from ensign.control.flags import queries as flags
from ensign.control.progression import judging as gate
from ensign.control.progression import reading
from ensign.control.progression.domain import digest as digests
from ensign.control.progression.domain import judging
from ensign.control.progression.domain.judging import Finding
from ensign.control.progression.domain.periods import RECENT, Period, of_digest
from ensign.control.progression.domain.runs import Run, Subject
from ensign.control.projects import queries as projects

#: Of how many flags and segments a request's page tells the history.
MAX_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """That an environment runs, or ran, a configuration. ``asked``: hours that the policy asks for, None for nothing;
    ``met``: whether that is met, None where nothing is asked.
    """

    environment: str
    since: datetime | None
    until: datetime | None
    length: str
    asked: int | None = None
    met: bool | None = None

    @property
    def running(self) -> bool:
        """Whether it runs there now."""
        return self.since is not None and self.until is None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Of one flag or segment that a change touches: how far the configuration that it brings has come."""

    subject: Subject
    target: str
    digest: str
    verdict: judging.Verdict
    why: str
    ran: tuple[Ran, ...]
    runs: tuple[Run, ...]
    asks_tests: bool
    problems: tuple[str, ...]


def of_request(request: ChangeRequest, *, at: datetime) -> tuple[History, ...]:
    """The history of an open request, on the state as it is; of one that cannot be applied to that, nothing.

    Told for flags and segments alike, whether the policy asks for it or not.
    """
    asked = _asked(request, at=at)
    if asked is None:
        return ()
    positions = {e.key: e.position for e in projects.environments(request.project)}
    mapped = reading.mapped(request.project)
    found = gate.findings(asked, always=True)[:MAX_SHOWN]
    return tuple(_history(f, project=request.project, positions=positions, mapped=mapped, at=at) for f in found)


def _asked(request: ChangeRequest, *, at: datetime) -> Asked | None:
    place = {"project": request.project, "environment": request.environment}
    try:
        before: World = load_for(operations=request.operations, **place).world
        after = algebra.apply_all(before, request.operations)
    except OperationError:
        return None
    policy = policy_for(request, at=at)
    return Asked(request=request, policy=policy, before=before, after=after, mode="request", at=at, phase="preview")


def _history(
    finding: Finding, *, project: str, positions: Mapping[str, int], mapped: frozenset[str], at: datetime
) -> History:
    asked = {place.environment: place for place in finding.places}
    lower = [key for key, place in sorted(positions.items(), key=lambda p: p[1]) if place < positions[finding.target]]
    since = at - RECENT
    ran: list[Ran] = []
    for key in [*lower, *(key for key in asked if key not in lower)]:
        place = asked.get(key)
        periods = (
            place.periods or ()
            if place is not None
            else reading.periods_of(finding.subject, project=project, environment=key, since=since, mapped_keys=mapped)
        )
        met = None if place is None else place.met(finding.digest, at=at)
        period = met or next(iter(of_digest(periods, finding.digest)), None)
        ran.append(_ran(key, period, at=at, asked=None if place is None else place.hours, met=met is not None))
    problems = [judging.not_progressed(finding, place, at=at)[0] for place in finding.missing(at=at)]
    problems += [judging.untested(finding)[0]] if finding.untested else []
    return History(
        subject=finding.subject,
        target=finding.target,
        digest=finding.digest,
        verdict=finding.verdict,
        why=judging.WHY.get(finding.verdict, ""),
        ran=tuple(ran),
        runs=tuple(reversed(reading.runs_of(finding.subject, project=project, digest=finding.digest)))[:MAX_SHOWN],
        asks_tests=finding.asks_tests,
        problems=tuple(problems),
    )


def _ran(environment: str, period: Period | None, *, at: datetime, asked: int | None, met: bool) -> Ran:
    return Ran(
        environment=environment,
        since=None if period is None else period.since,
        until=None if period is None else period.until,
        length="" if period is None else judging.hours_text(period.length(at=at)),
        asked=asked,
        met=None if asked is None else met,
    )


def as_applied(row: changes.RequestRow) -> Sequence[Mapping[str, Any]]:
    """What the entry that applied a request says of progression: as of then, and for good."""
    if row.request.status != "applied":
        return ()
    found: Sequence[Mapping[str, Any]] = entry(row.seq).detail.get("progression", ())
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A flag in one environment: the digest of its content, whether all of that runs, and since when."""

    environment: str
    name: str
    digest: str | None
    running: bool
    since: datetime | None
    length: str


def across(flag: str, *, project: str, at: datetime) -> tuple[Here, ...]:
    """A flag in every environment of its project, in their order. ``since`` is None where it does not run."""
    mapped = reading.mapped(project)
    subject = Subject(kind="flag", key=flag)
    found = []
    for place in projects.environments(project):
        config = flags.config(flag, place.key)
        used = {key for s in config.config.strategies for key in s.segments}
        contents = reading.contents(project, place.key, used)
        try:
            digest = digests.digest(config.config, contents, mapped=mapped) if config.version else None
        except KeyError:
            digest = None
        periods = reading.periods_of(
            subject, project=project, environment=place.key, since=at - RECENT - timedelta(days=60), mapped_keys=mapped
        )
        now = periods[-1] if periods and periods[-1].until is None else None
        found.append(
            Here(
                environment=place.key,
                name=place.name,
                digest=digest,
                running=now is not None,
                since=None if now is None else now.since,
                length="" if now is None else judging.hours_text(now.length(at=at)),
            )
        )
    return tuple(found)
