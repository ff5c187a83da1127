"""Endpoints of reviewing: threads on lines, reviewers, rounds, checks, conflicts and what a change would do."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.api.schemas import Input
from ensign.control.changes import asking, checking, discussing, estimating, queries, rebasing, rounds, trying
from ensign.control.changes.api import answer, found, operations_of, reads, who
from ensign.control.changes.api_schemas import RequestOut, RowOut
from ensign.control.changes.domain import algebra
from ensign.control.changes.domain.diff import keyed
from ensign.control.changes.domain.merging import Line, Merged, Side
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.tickets import MAX as MAX_TICKETS
from ensign.control.changes.domain.world import World
from ensign.control.kernel import clock
from ensign.control.kernel.errors import Invalid

router = Router(tags=["changes"])

_E = "/projects/{project}/environments/{environment}/changes"


class CheckIn(Input):
    """A change as it would be proposed."""

    operations: list[dict[str, Any]] = Field(min_length=1, max_length=200)
    title: str = ""
    reason: str = ""
    tickets: list[str] = Field(default_factory=list, max_length=MAX_TICKETS)


class FindingOut(Schema):
    """One thing that stands in the way. `blocks`: it cannot be submitted; `waits`: it cannot apply before this is
    there; `warns`: worth knowing. `rule` is the control that it would break."""

    level: Literal["blocks", "waits", "warns"]
    code: str
    message: str
    remedy: str
    rule: str
    href: str


class EstimateOut(Schema):
    """An estimate of whom a change affects: shares in per cent, evaluations of the last seven days."""

    flag: str
    before: int
    after: int
    narrowed: bool
    evaluations: int
    on: int
    per_day: int
    sentence: str
    reckoning: str


class CandidateOut(Schema):
    """Somebody who can be asked to look."""

    id: str
    name: str
    entitled: bool = Field(description="Whether they, or a member of the group, may approve it.")
    why: str = Field(description="Why they are suggested; empty where they are not.")


class CheckOut(Schema):
    """Everything that would stand in the way, and what the change would do. Nothing was written."""

    blocked: bool
    verdict: str
    findings: list[FindingOut]
    approvers: list[CandidateOut]
    policy: str | None
    required: int | None
    sentences: list[str]
    diff: list[RowOut]
    estimates: list[EstimateOut]


class LineOut(Schema):
    """A line that either side changed; `only` is the side that alone is possible."""

    key: str
    path: str
    base: str | None
    theirs: str | None
    mine: str | None
    state: Literal["mine", "theirs", "same", "clash"]
    taken: Literal["mine", "theirs"] | None
    only: Literal["mine", "theirs"] | None


class MergeOut(Schema):
    """A request beside what changed since: `open` counts the clashes that wait for a choice."""

    open: int
    clashes: int
    lines: list[LineOut]
    operations: list[dict[str, Any]] = Field(description="What would be proposed; empty while a clash is open.")


class ChoicesIn(Input):
    """Which side to take of each line that clashes, by its key."""

    choices: dict[str, Literal["mine", "theirs"]] = Field(default_factory=dict)


class LineIn(Input):
    """The line as you saw it: `digest` is the request's, `path` the line's key there."""

    digest: str
    path: str


class ThreadIn(Input):
    """A comment on a `line`, or in a thread that there is (`reply_to`); with neither on the whole request."""

    comment: str
    line: LineIn | None = None
    reply_to: str | None = None


class CommentOut(Schema):
    """A comment. `outdated`: its line was edited since."""

    id: str
    author: str
    text: str
    kind: str
    at: str
    round: int | None
    path: str | None
    parent: str | None
    resolved_by: str | None
    outdated: bool


class MadeOut(Schema):
    """What was made."""

    id: str


class ReviewersIn(Input):
    """The ids of all people and groups who are asked to look; whoever is left out is asked no more."""

    reviewers: list[str] = Field(max_length=20)


class RoundOut(Schema):
    """One round of a review: what was proposed in it."""

    round: int
    digest: str
    status: str
    began_at: str
    updated_at: str
    entry: int
    diff: list[RowOut]


class TryIn(Input):
    """Contexts as SDKs give them: `userId`, `properties`, …"""

    contexts: list[dict[str, Any]] = Field(min_length=1, max_length=trying.MAX_CONTEXTS)


class SideOut(Schema):
    """An answer."""

    enabled: bool
    variant: str
    payload: str
    reason: str


class TriedOut(Schema):
    """One flag for one context, before and after."""

    context: int
    flag: str
    before: SideOut
    after: SideOut
    differs: bool


def rows_out(rows: Any) -> list[RowOut]:
    """Rows of a difference."""
    return [RowOut(path=r.path, before=r.before, after=r.after) for r in rows]


def _report(report: checking.Report) -> CheckOut:
    seen = report.compiled
    told = () if seen is None else estimating.estimates(
        before=seen.before, after=seen.after, operations=seen.operations, at=clock.now()
    )  # fmt: skip
    return CheckOut(
        blocked=report.blocked,
        verdict=report.verdict,
        findings=[FindingOut(**{name: getattr(f, name) for name in FindingOut.model_fields}) for f in report.findings],
        approvers=[_candidate(c) for c in report.approvers],
        policy=None if report.policy is None else report.policy.ref,
        required=None if report.policy is None else report.policy.required,
        sentences=list(report.sentences),
        diff=rows_out(report.rows),
        estimates=[EstimateOut(**{name: getattr(e, name) for name in EstimateOut.model_fields}) for e in told],
    )


def _candidate(value: asking.Candidate) -> CandidateOut:
    return CandidateOut(id=value.id, name=value.name, entitled=value.entitled, why=value.why)


def _merge(value: Merged) -> MergeOut:
    return MergeOut(
        open=len(value.open),
        clashes=len(value.clashes),
        lines=[_line(line) for line in value.lines],
        operations=[operation.to_json() for operation in value.operations],
    )


def _line(line: Line) -> LineOut:
    return LineOut(**{name: getattr(line, name) for name in LineOut.model_fields})


@router.post(f"{_E}/check", response=CheckOut, summary="Say everything that would stand in a change's way")
def check(request: HttpRequest, project: str, environment: str, body: CheckIn) -> CheckOut:
    """What submission and apply ask, with the same words, and who could approve. Writes nothing."""
    actor = reads(request, project)
    return _report(
        checking.check(
            actor=actor, at=clock.now(), project=project, environment=environment,
            operations=operations_of(body.operations), title=body.title, reason=body.reason, tickets=body.tickets,
        )
    )  # fmt: skip


@router.get("/changes/{id}/check", response=CheckOut, summary="Say everything that stands in a request's way")
def check_request(request: HttpRequest, id: str) -> CheckOut:
    """The same for a request that is open."""
    row = found(request, id)
    return _report(checking.check_request(row.request, actor=who(request), at=clock.now()))


@router.get("/changes/{id}/threads", response=list[CommentOut], summary="Read what was said about a request")
def list_comments(request: HttpRequest, id: str) -> list[CommentOut]:
    """Oldest first; those of decisions, too."""
    row = found(request, id)
    return [
        CommentOut(
            id=c.id,
            author=c.author,
            text=c.text,
            kind=c.kind,
            at=clock.text(c.at),
            round=None if c.anchor is None else c.anchor.round,
            path=None if c.anchor is None else c.anchor.path,
            parent=c.parent,
            resolved_by=c.resolved_by,
            outdated=c.anchor is not None and c.anchor.digest != row.request.digest,
        )
        for c in queries.comments(id)
    ]


@router.post("/changes/{id}/threads", response={201: MadeOut}, summary="Comment on a line, or reply")
def say(request: HttpRequest, id: str, body: ThreadIn) -> Status[MadeOut]:
    """On a line of the difference as you saw it; after an edit in between nothing is said."""
    found(request, id)
    if body.line is not None and body.reply_to is not None:
        raise Invalid("Give a line or a thread, not both.", fields={"reply_to": "Leave it out for a new thread."})
    line = None if body.line is None else discussing.LineOf(digest=body.line.digest, path=body.line.path)
    made = discussing.comment(
        actor=who(request), at=clock.now(), request_id=id, text=body.comment, line=line, reply_to=body.reply_to
    )
    return Status(201, MadeOut(id=made))


def _resolve(request: HttpRequest, id: str, comment: str, *, resolved: bool) -> MadeOut:
    found(request, id)
    discussing.resolve(actor=who(request), at=clock.now(), request_id=id, comment_id=comment, resolved=resolved)
    return MadeOut(id=comment)


@router.post("/changes/{id}/threads/{comment}/resolve", response=MadeOut, summary="Resolve a thread")
def resolve(request: HttpRequest, id: str, comment: str) -> MadeOut:
    """Mark it as settled."""
    return _resolve(request, id, comment, resolved=True)


@router.post("/changes/{id}/threads/{comment}/reopen", response=MadeOut, summary="Reopen a thread")
def reopen(request: HttpRequest, id: str, comment: str) -> MadeOut:
    """It is not settled after all."""
    return _resolve(request, id, comment, resolved=False)


@router.get("/changes/{id}/reviewers", response=list[CandidateOut], summary="Who can be asked to review")
def list_candidates(request: HttpRequest, id: str) -> list[CandidateOut]:
    """Suggestions first, each with whether they may approve."""
    row = found(request, id)
    return [_candidate(c) for c in asking.candidates(row.request, at=clock.now())]


@router.put("/changes/{id}/reviewers", response=RequestOut, summary="Ask people and groups to review")
def ask(request: HttpRequest, response: HttpResponse, id: str, body: ReviewersIn) -> RequestOut:
    """Voids no approval. Nobody who had a part in the request, and nobody who may not see it."""
    row = found(request, id)
    asking.ask_reviewers(
        actor=who(request), at=clock.now(), request_id=id, reviewers=body.reviewers, expected_version=row.version
    )
    return answer(request, response, id)


@router.get("/changes/{id}/rounds", response=list[RoundOut], summary="Read the rounds of a request")
def list_rounds(request: HttpRequest, id: str) -> list[RoundOut]:
    """What was proposed in each round of its review, oldest first."""
    row = found(request, id)
    return [
        RoundOut(
            round=one.number,
            digest=one.request.digest,
            status=one.request.status,
            began_at=clock.text(one.began),
            updated_at=clock.text(one.request.updated_at),
            entry=one.seq,
            diff=[RowOut(path=key, before=r.before, after=r.after) for key, r in keyed(_rows(one.request))],
        )
        for one in rounds.rounds(row)
    ]


def _rows(value: ChangeRequest) -> Any:
    return queries.effect(value).rows


@router.post("/changes/{id}/merge", response=MergeOut, summary="Lay a request beside what changed since")
def merge(request: HttpRequest, id: str, body: ChoicesIn) -> MergeOut:
    """Line by line: base, theirs and mine, and what would come of a rebase with these choices. Writes nothing."""
    row = found(request, id)
    return _merge(rebasing.merged(row.request, choices=_sides(body)))


@router.post("/changes/{id}/rebase", response=RequestOut, summary="Carry a request over to what changed since")
def rebase(request: HttpRequest, response: HttpResponse, id: str, body: ChoicesIn) -> RequestOut:
    """A new round: every approval is void. Code `clash` while a line waits for a choice; `errors` names them."""
    row = found(request, id)
    rebasing.rebase(
        actor=who(request), at=clock.now(), request_id=id, choices=_sides(body), expected_version=row.version
    )
    return answer(request, response, id)


@router.post("/changes/{id}/revert/merge", response=MergeOut, summary="Lay an undoing beside what changed since")
def revert_merge(request: HttpRequest, id: str, body: ChoicesIn) -> MergeOut:
    """What undoing an applied request would propose; a line that was changed again clashes. Writes nothing."""
    row = found(request, id)
    return _merge(rebasing.inverse(row.request, choices=_sides(body)))


def _sides(body: ChoicesIn) -> dict[str, Side]:
    return dict(body.choices)


@router.post("/changes/{id}/try", response=list[TriedOut], summary="Evaluate contexts before and after a request")
def try_it(request: HttpRequest, id: str, body: TryIn) -> list[TriedOut]:
    """By the engine that SDKs have. The contexts are kept nowhere."""
    row = found(request, id)
    before, after = worlds(row.request)
    tried = trying.compare(before=before, after=after, operations=row.request.operations, contexts=body.contexts)
    return [
        TriedOut(context=t.context, flag=t.after.flag, before=_side(t.before), after=_side(t.after), differs=t.differs)
        for t in tried
    ]


def _side(value: Any) -> SideOut:
    return SideOut(enabled=value.enabled, variant=value.variant, payload=value.payload, reason=value.reason)


def worlds(value: ChangeRequest) -> tuple[World, World]:
    """The states before and after a request: of what it is based on, so that its page always says the same."""
    before = queries.world_of(value)
    return before, algebra.apply_all(before, value.operations)
