"""Reporting test runs, which alters nothing that an application sees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import urlsplit

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import Where, record
from ensign.control.audit.staging import stage
from ensign.control.flags import queries as flags
from ensign.control.kernel import ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Invalid, NotFound
from ensign.control.progression import actions, reading
from ensign.control.progression.domain import judging
from ensign.control.progression.domain.periods import RECENT, Period
from ensign.control.progression.domain.runs import Result, Run, Subject
from ensign.control.progression.models import ReportedRun
from ensign.control.projects import queries as projects
from ensign.control.projects.domain import check_name, check_text
from ensign.control.segments import queries as segments

#: By how much the clock of a CI machine may be ahead.
SKEW = timedelta(minutes=5)
#: How long a run may take; what began before is no longer asked of the log.
LONGEST = timedelta(days=7)

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A test run, and whether it was written now or had been reported before."""

    run: Run
    created: bool


@operation
def report_run(
    *,
    actor: Actor,
    at: datetime,
    project: str,
    subject: Subject,
    environment: str,
    name: str,
    result: str,
    url: str,
    commit: str = "",
    digest: str = "",
    started: datetime | None = None,
    finished: datetime | None = None,
) -> Reported:
    """Say that tests ran against what an environment runs, and how they ended.

    ``digest`` is the progression digest that was tested; without one, that which runs there now. A service account's
    run is evidence of CI; a person's, by session or token, is marked as manual. The same run reported again changes
    nothing.

    :raises Denied: without ``test:report`` there.
    :raises Invalid: naming the field that is wrong.
    :raises Conflict: code ``not-running`` when the environment runs nothing of it, ``other-configuration`` when it did
        not run this digest, or not all the time that the tests took.
    """
    scope = _scope(project, environment, subject)
    require(actor, Permission.TEST_REPORT, scope, at=at)
    projects.environment(project, environment)
    name = check_name(name, limit=100)
    commit, url = check_commit(commit), check_url(url)
    began, ended = _times(started, finished, at=at)
    if result not in {"passed", "failed"}:
        raise Invalid("The result is missing.", fields={"result": "Say passed or failed."})
    if digest and not _DIGEST.match(digest):
        raise Invalid("This is no digest.", fields={"digest": "64 hexadecimal digits, as `ensign tests digest` says."})
    tested = _tested(subject, project=project, environment=environment, digest=digest, began=began, ended=ended, at=at)
    run = Run(
        id=ids.new_id("run", at=at),
        project=project,
        subject=subject,
        environment=environment,
        digest=tested,
        name=name,
        result=cast(Result, result),
        source="ci" if actor.kind == "service" else "manual",
        commit=commit,
        url=url,
        by=actor.id,
        reported_at=at,
        started=started,
        finished=finished,
    )
    known = _same(run)
    if known is not None:
        return Reported(run=known, created=False)
    record(
        action=actions.RUN_REPORTED,
        actor=actor,
        at=at,
        staged=[stage(ReportedRun, id=run.id, state=run.to_state())],
        where=Where(project=project, environment=environment),
        detail={
            "run": run.id,
            subject.kind: subject.key,
            "digest": run.digest,
            "result": run.result,
            "source": run.source,
        },
    )
    return Reported(run=run, created=True)


def _scope(project: str, environment: str, subject: Subject) -> Scope:
    """Where it is asked, and of which flag.

    :raises NotFound: when the project has no such flag or segment.
    """
    if subject.kind == "segment":
        segments.segment(project, subject.key)
        return Scope(project, environment)
    row = flags.flag(subject.key)
    if row.info.project != project:
        raise NotFound(f"There is no flag “{subject.key[:100]}” in the project “{project[:100]}”.")
    return Scope(project, environment, row.info.facts)


def check_url(url: str) -> str:
    """The address of the run, trimmed: https, without a user's name or password in it.

    :raises Invalid: naming ``url``.
    """
    url = check_text(url, field="url", limit=500)
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or any(c.isspace() or c in "\"'<>\\" for c in url):
        raise Invalid("The run has no address.", fields={"url": "Give the run's address, beginning with https://."})
    if parts.username or parts.password:
        raise Invalid("The address holds a password.", fields={"url": "Leave out what stands before the @."})
    return url


def check_commit(commit: str) -> str:
    """The commit's hash, or empty.

    :raises Invalid: naming ``commit``.
    """
    commit = commit.strip()
    if commit and not _COMMIT.match(commit):
        raise Invalid("This is no commit.", fields={"commit": "Give its hash: 7 to 64 hexadecimal digits."})
    return commit.lower()


def _times(started: datetime | None, finished: datetime | None, *, at: datetime) -> tuple[datetime, datetime]:
    """From when to when the configuration must have run: now, where nothing is said."""
    for field, moment in (("started", started), ("finished", finished)):
        if moment is not None and moment > at + SKEW:
            raise Invalid("The run lies in the future.", fields={field: "Check the clock of the machine."})
    ended = min(finished or at, at)
    began = min(started or ended, at)
    if began > ended:
        raise Invalid("The run ended before it began.", fields={"started": "It must lie before the end."})
    if at - began > LONGEST:
        raise Invalid("The run is too old.", fields={"started": "Report a run within 7 days of its beginning."})
    return began, ended


def _tested(
    subject: Subject, *, project: str, environment: str, digest: str, began: datetime, ended: datetime, at: datetime
) -> str:
    """The digest that was tested; see :func:`report_run`."""
    ran = reading.periods_of(
        subject,
        project=project,
        environment=environment,
        since=at - RECENT,
        mapped_keys=reading.mapped(project),
    )
    now = ran[-1] if ran and ran[-1].until is None else None
    what = str(subject)
    if not digest:
        if now is None:
            raise Conflict(
                f"{environment} runs nothing of {what} now: it is off there, or a part of it is at 0 %.",
                remedy="Switch it on there, run the tests, then report them.",
                code="not-running",
            )
        digest = now.digest
    if not any(p.digest == digest and p.covers(began, ended) for p in ran):
        raise Conflict(_other(what, environment, digest, ran), remedy=_REMEDY, code="other-configuration")
    return digest


_REMEDY = "Run the tests again on what runs there now, and report that run."


def _other(what: str, environment: str, digest: str, ran: tuple[Period, ...]) -> str:
    mine = next((p for p in reversed(ran) if p.digest == digest), None)
    if mine is None:
        return f"{environment} did not run this configuration of {what} in the last 30 days."
    end = "" if mine.until is None else f" until {judging.time_text(mine.until)}"
    return (
        f"The configuration of {what} in {environment} changed while the tests ran: this one ran from"
        f" {judging.time_text(mine.since)}{end}."
    )


def _same(run: Run) -> Run | None:
    """The same run, reported before."""
    for known in reading.runs_of(run.subject, project=run.project, digest=run.digest):
        if all(
            getattr(known, name) == getattr(run, name)
            for name in ("environment", "name", "url", "commit", "result", "by", "started", "finished")
        ):
            return known
    return None
