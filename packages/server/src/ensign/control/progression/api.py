"""Endpoints of progression: what runs where since when, test runs, and promoting."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api.schemas import Input
from ensign.control.changes import previewing
from ensign.control.changes import queries as changes
from ensign.control.changes.domain.tickets import MAX as MAX_TICKETS
from ensign.control.flags import queries as flags
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Invalid, NotFound
from ensign.control.progression import operations, promoting, queries, reading
from ensign.control.progression.domain.runs import Kind, Run, Subject
from ensign.control.segments import queries as segments

router = Router(tags=["progression"])

_FLAG = "/projects/{project}/flags/{flag}"
_SEGMENT = "/projects/{project}/segments/{segment}"
_MAX_RUNS = 200


class RunIn(Input):
    """A run of tests that has ended. Times are RFC 3339 with a zone."""

    environment: str = Field(description="Where the tests ran: a lower environment.")
    name: str = Field("tests", description="Of this name the newest run counts.")
    result: Literal["passed", "failed"]
    url: str = Field(description="The run's address, https.")
    commit: str = Field("", description="The hash of the commit that was tested.")
    digest: str = Field("", description="The progression digest that was tested; else what runs there now.")
    started: str | None = Field(None, description="When the tests began: the configuration must have run all the time.")
    finished: str | None = None


class RunOut(Schema):
    """A test run. ``source``: ``ci`` when a service account reported it, else ``manual``."""

    id: str
    project: str
    kind: Kind
    key: str
    environment: str
    digest: str
    name: str
    result: str
    source: str
    commit: str
    url: str
    by: str
    reported_at: str
    started: str | None
    finished: str | None


class HereOut(Schema):
    """A flag in one environment. ``digest`` null: never configured there; ``running``: all of it is in effect."""

    environment: str
    digest: str | None
    running: bool
    since: datetime | None


class ProgressionOut(Schema):
    """A flag in every environment, in their order, and its newest test runs."""

    environments: list[HereOut]
    runs: list[RunOut]


class RanOut(Schema):
    """``asked``: hours that the policy asks for, null for nothing; ``met``: whether it has them."""

    environment: str
    since: datetime | None
    until: datetime | None
    asked: int | None
    met: bool | None


class HistoryOut(Schema):
    """How far the configuration that a change brings has come. ``problems`` say what is missing."""

    kind: Kind
    key: str
    target: str
    digest: str
    verdict: str
    ran: list[RanOut]
    runs: list[RunOut]
    asks_tests: bool
    problems: list[str]


class ChangeProgressionOut(Schema):
    """``history`` of an open request as things stand; ``applied``: what let it pass, as its entry says for good."""

    history: list[HistoryOut]
    applied: list[dict[str, Any]]


class PromoteIn(Input):
    """Take what ``source`` runs of these flags. ``switch_on``: switch them on, too, where they are off."""

    flags: list[str] = Field(min_length=1, max_length=100)
    source: str
    switch_on: bool = False
    title: str = ""
    reason: str = ""
    tickets: list[str] = Field([], max_length=MAX_TICKETS)
    wish: Literal["apply", "submit", "draft"] = "submit"


class PromotedOut(Schema):
    """The request that was made; with ``dry_run`` without an id. Read it at ``/changes/{id}``."""

    id: str | None
    status: str
    title: str
    environment: str
    sentences: list[str]
    operations: list[dict[str, Any]]
    verdict: str = ""


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def _reads(request: HttpRequest, project: str) -> Actor:
    actor = _actor(request)
    require(actor, Permission.PROJECT_READ, Scope(project), at=clock.now())
    return actor


def run_out(run: Run) -> RunOut:
    """A run as the API says it."""
    return RunOut(id=run.id, **run.to_state())


def _time(value: str | None, field: str) -> datetime | None:
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid("This is no time.", fields={field: "Write it like 2026-11-25T20:00:00Z, with a zone."})
    return found


def _report(request: HttpRequest, project: str, subject: Subject, body: RunIn) -> Status[RunOut]:
    done = operations.report_run(
        actor=_actor(request),
        at=clock.now(),
        project=project,
        subject=subject,
        environment=body.environment,
        name=body.name,
        result=body.result,
        url=body.url,
        commit=body.commit,
        digest=body.digest,
        started=_time(body.started, "started"),
        finished=_time(body.finished, "finished"),
    )
    return Status(201 if done.created else 200, run_out(done.run))


@router.post(f"{_FLAG}/test-runs", response={200: RunOut, 201: RunOut}, summary="Report a test run of a flag")
def report_flag_run(request: HttpRequest, project: str, flag: str, body: RunIn) -> Status[RunOut]:
    """From CI by a service account's token; what a person reports is marked as manual. Again: the same answer."""
    return _report(request, project, Subject(kind="flag", key=flag), body)


@router.post(f"{_SEGMENT}/test-runs", response={200: RunOut, 201: RunOut}, summary="Report a test run of a segment")
def report_segment_run(request: HttpRequest, project: str, segment: str, body: RunIn) -> Status[RunOut]:
    """As for a flag, of a segment's own content."""
    return _report(request, project, Subject(kind="segment", key=segment), body)


@router.get(f"{_FLAG}/progression", response=ProgressionOut, summary="What of a flag runs where, since when")
def flag_progression(request: HttpRequest, project: str, flag: str) -> ProgressionOut:
    """With the digest in each environment and the newest test runs."""
    _reads(request, project)
    if flags.flag(flag).info.project != project:
        raise NotFound(f"There is no flag “{flag[:100]}” in the project “{project[:100]}”.")
    subject = Subject(kind="flag", key=flag)
    found = queries.across(flag, project=project, at=clock.now())
    return ProgressionOut(
        environments=[
            HereOut(environment=h.environment, digest=h.digest, running=h.running, since=h.since) for h in found
        ],
        runs=[run_out(run) for run in reading.newest_runs(subject, project=project, limit=_MAX_RUNS)],
    )


@router.get(f"{_SEGMENT}/test-runs", response=list[RunOut], summary="The newest test runs of a segment")
def segment_runs(request: HttpRequest, project: str, segment: str) -> list[RunOut]:
    """Newest first, 200 at most."""
    _reads(request, project)
    segments.segment(project, segment)
    found = reading.newest_runs(Subject(kind="segment", key=segment), project=project, limit=_MAX_RUNS)
    return [run_out(run) for run in found]


@router.get("/changes/{id}/progression", response=ChangeProgressionOut, summary="How far a change's content has come")
def change_progression(request: HttpRequest, id: str) -> ChangeProgressionOut:
    """Where the same configuration runs, since when, which tests it passed, and what is missing."""
    row = changes.request(id, reader=_actor(request).id)
    _reads(request, row.request.project)
    history = queries.of_request(row.request, at=clock.now()) if row.request.open else ()
    return ChangeProgressionOut(
        history=[history_out(one) for one in history], applied=[dict(fact) for fact in queries.as_applied(row)]
    )


def history_out(one: queries.History) -> HistoryOut:
    """A history as the API says it."""
    ran = [RanOut(environment=r.environment, since=r.since, until=r.until, asked=r.asked, met=r.met) for r in one.ran]
    return HistoryOut(
        kind=one.subject.kind, key=one.subject.key, target=one.target, digest=one.digest, verdict=one.verdict, ran=ran,
        runs=[run_out(run) for run in one.runs], asks_tests=one.asks_tests, problems=list(one.problems),
    )  # fmt: skip


@router.post(
    "/projects/{project}/environments/{environment}/promote",
    response={200: PromotedOut, 201: PromotedOut},
    summary="Promote flags from another environment",
)
def promote(
    request: HttpRequest,
    project: str,
    environment: str,
    body: PromoteIn,
    dry_run: Annotated[bool, Query(description="Say what it would do and need, and write nothing.")] = False,
) -> Status[PromotedOut]:
    """A change request with what the other environment runs; percentages and lists of ids stay as they are."""
    actor, at = _reads(request, project), clock.now()
    if dry_run:
        steps = promoting.promotion(
            project=project, keys=body.flags, source=body.source, target=environment, at=at, switch_on=body.switch_on
        )
        seen = previewing.preview(actor=actor, at=at, project=project, environment=environment, operations=steps)
        answer = PromotedOut(
            id=None, status="", title=body.title, environment=environment, sentences=list(seen.sentences),
            operations=[o.to_json() for o in seen.operations], verdict=seen.verdict,
        )  # fmt: skip
        return Status(200, answer)
    done = promoting.promote(
        actor=actor, at=at, project=project, flags=body.flags, source=body.source, target=environment,
        switch_on=body.switch_on, title=body.title, reason=body.reason, tickets=body.tickets,
        wish=body.wish,
    )  # fmt: skip
    made = done.request
    answer = PromotedOut(
        id=made.id, status=made.status, title=made.title, environment=environment,
        sentences=list(changes.effect(made).sentences), operations=[o.to_json() for o in made.operations],
    )  # fmt: skip
    return Status(201, answer)
