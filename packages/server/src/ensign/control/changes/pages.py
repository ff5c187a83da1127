"""Requests as pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.urls import reverse

from ensign.control.changes import actions, queries
from ensign.control.changes.domain import algebra, scheduling
from ensign.control.changes.domain.diff import Row
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.domain.world import Ref
from ensign.control.changes.loading import policy_for
from ensign.control.changes.moving import overtaken
from ensign.control.changes.policy_pages import policy_checks
from ensign.control.changes.queries import CommentView, Effect, RequestRow, Standing, Step
from ensign.control.identity import queries as identity
from ensign.control.identity.domain import former
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NeedsMfa
from ensign.control.projects.knowing import UNMEETABLE
from ensign.control.projects.pages import Place, places
from ensign.control.ui import looks
from ensign.control.ui.looks import Tone

#: Up to here a moment is named by its weekday.
_WEEK = timedelta(days=6)


def person(id: str, names: Mapping[str, str]) -> looks.Person:
    """Who did it."""
    name = names.get(id) or former(id)
    if id.startswith("svc_"):
        return looks.Person(name=name, kind="service")
    return looks.Person(name=name, kind="system" if id.startswith("sys_") else "person")


def difference(effect: Effect) -> looks.Difference:
    """The difference as the component shows it."""
    return looks.Difference(
        sentences=effect.sentences, rows=[row(r) for r in effect.rows], before=effect.before, after=effect.after
    )


def row(value: Row) -> looks.DiffRow:
    """One row of a difference."""
    return looks.DiffRow(what=value.path, before=value.before, after=value.after)


def object_words(name: str) -> str:
    """A base version's object in words: ``new-checkout in production``."""
    ref = Ref.parse(name)
    where = f" in {ref.environment}" if ref.environment else ""
    return {
        "config": f"{ref.key}{where}",
        "flag": f"{ref.key} (in every environment)",
        "segment": f"the segment {ref.key}{where}",
        "policy": f"the policy of {ref.environment}",
        "environment": f"the protection of {ref.environment}",
    }[ref.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A request in a list."""

    request: ChangeRequest
    href: str
    by: looks.Person
    environment: looks.Environment
    given: int
    needed: int
    status: str


def lines(rows: Sequence[RequestRow], *, at: datetime) -> list[Line]:
    """Requests of a list with names and environments; one query for names, two for each project.

    One of which something changed meanwhile is shown as in conflict, as on its own page.
    """
    names = identity.names(r.request.author for r in rows)
    late = overtaken([r.request for r in rows])
    known = {key: {p.row.key: p for p in places(key)} for key in {r.request.project for r in rows}}
    return [
        Line(
            request=r.request,
            href=address(r.request),
            by=person(r.request.author, names),
            environment=_look(known[r.request.project].get(r.request.environment), r.request.environment),
            given=len(r.request.approvals),
            needed=_needed(r.request, known[r.request.project].get(r.request.environment), at=at),
            status="conflicted" if r.request.id in late else r.request.status,
        )
        for r in rows
    ]


def _needed(request: ChangeRequest, place: Place | None, *, at: datetime) -> int:
    """How many approvals it takes; asked of the change itself where rules or further environments may ask for more."""
    if request.required is not None:
        return request.required
    if place is None:
        return 0
    if request.open and (place.policy.rules.conditional or algebra.reaches_project(request.operations)):
        return policy_for(request, at=at).required
    return place.policy.approvals


def _look(place: Place | None, key: str) -> looks.Environment:
    return looks.Environment(key=key, name=key, colour="slate") if place is None else place.look


def address(request: ChangeRequest) -> str:
    """The page of a request; a draft's is where it is edited."""
    return reverse("changes:detail", kwargs={"id": request.id})


def place_of(request: ChangeRequest) -> looks.Environment:
    """The environment of a request."""
    found = next((p for p in places(request.project) if p.row.key == request.environment), None)
    return _look(found, request.environment)


def people(request: ChangeRequest, comments: Sequence[CommentView], steps: Sequence[Step]) -> dict[str, str]:
    """The names of all who had to do with it."""
    ids = {*request.barred, *(d.person for d in request.decisions), *(c.author for c in comments)}
    ids |= {step.actor for step in steps} | set(request.reviewers)
    ids |= {c.resolved_by for c in comments if c.resolved_by}
    return identity.names({*ids, request.applied_by or ""} - {""})


def checks(request: ChangeRequest, standing: Standing, names: Mapping[str, str], *, at: datetime) -> list[looks.Check]:
    """What an open request has, and what it lacks."""
    verdict, policy = standing.verdict, standing.policy
    given = ", ".join(names.get(a.person) or former(a.person) for a in verdict.counted)
    kind = "signed approvals" if policy.demand.signed else "approvals"
    needed = f"{len(verdict.counted)} of {verdict.required} {kind}" if verdict.required else "No approval needed"
    found = [
        looks.Check(
            label=needed,
            met=verdict.enough if request.status != "draft" else None,
            detail=_counts(request, standing, given, now=at),
        ),
        looks.Check(
            label="Up to date" if not standing.moved else "Something changed meanwhile",
            met=not standing.moved,
            detail="" if not standing.moved else ", ".join(object_words(name) for name in standing.moved),
        ),
    ]
    for approval, why in verdict.lost:
        found.append(
            looks.Check(
                label=f"The approval of {names.get(approval.person) or former(approval.person)} no longer counts",
                met=False,
                detail=f"Because: {why}.",
            )
        )
    if len(policy.environments) > 1:
        found.append(
            looks.Check(
                label="Reaches every environment",
                met=None,
                detail=f"{', '.join(policy.environments)}: the strictest policy decides.",
            )
        )
    cautions = [text for text in request.warnings if not text.startswith(UNMEETABLE)]
    if cautions:
        found.append(looks.Check(label="May hold personal data", met=False, detail=" ".join(cautions)))
    unmeetable = [text.removeprefix(UNMEETABLE) for text in request.warnings if text.startswith(UNMEETABLE)]
    if unmeetable:
        found.append(looks.Check(label="Nobody could meet this policy", met=False, detail=" ".join(unmeetable)))
    return [*found, *policy_checks(request, standing, at=at)]


def _counts(request: ChangeRequest, standing: Standing, given: str, *, now: datetime) -> str:
    """By whom, and until when all of them count: an approval ends after a while."""
    verdict = standing.verdict
    lacks = "".join(f" {lack}" for lack in verdict.lacks)
    if not given:
        return lacks.strip() if verdict.required else "The policy asks for none here."
    ends = min(approval.at for approval in verdict.counted) + standing.policy.lifetime
    return f"By {given}." + (f" Counts until {until(ends, now=now)}." if request.open else "") + lacks


def until(at: datetime, *, now: datetime) -> str:
    """A moment that is awaited, as people name it: ``Friday 14:00 UTC``, or with its date when it is further off."""
    utc = at.astimezone(UTC)
    if timedelta(0) <= at - now <= _WEEK:
        return f"{utc:%A %H:%M} UTC"
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


_DECIDED = {
    "approve": ("approved it", "check", Tone.GOOD),
    "request_changes": ("asked for changes", "comment", Tone.WARN),
    "reject": ("rejected it", "failure", Tone.BAD),
}


_STEPS = {
    actions.REBASED.code: ("carried it over to what others changed", "history", Tone.INFO),
    actions.REVIEWERS_ASKED.code: ("asked people to look", "people", Tone.CALM),
    actions.EXPIRED.code: ("ended it: nobody applied it in time", "waiting", Tone.CALM),
    actions.EDITED.code: ("edited it", "edit", Tone.CALM),
    actions.SUBMITTED.code: ("submitted it for review", "eye", Tone.INFO),
    actions.WITHDRAWN.code: ("withdrew it", "withdrawn", Tone.CALM),
    actions.SCHEDULED.code: ("set its time", "schedule", Tone.VIOLET),
    actions.SCHEDULE_CANCELLED.code: ("took its time back", "undo", Tone.CALM),
    actions.SCHEDULE_FAILED.code: ("could not apply it at its time", "failure", Tone.BAD),
    actions.APPLIED.code: ("applied it", "on", Tone.GOOD),
    actions.APPROVAL_VOIDED.code: ("voided an approval: who gave it left", "blocked", Tone.WARN),
}


def timeline(
    request: ChangeRequest, comments: Sequence[CommentView], steps: Sequence[Step], names: Mapping[str, str]
) -> list[looks.Moment]:
    """What happened and who did it, newest first. The words of a decision stand beside it."""
    said = {(c.author, c.kind, c.at): c.text for c in comments}
    moments = [
        looks.Moment(title="drafted it", at=request.created_at, icon="draft", person=person(request.author, names))
    ]
    for d in request.decisions:
        title, icon, tone = _DECIDED[d.kind]
        moments.append(
            looks.Moment(
                title=f"{title} (round {d.round})",
                at=d.at,
                icon=icon,
                tone=tone,
                person=person(d.person, names),
                body=said.pop((d.person, d.kind, d.at), ""),
            )
        )
    for step in steps:
        if step.action in _STEPS:
            title, icon, tone = _STEPS[step.action]
            title += f": {step.due.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if step.due is not None else ""
            moments.append(
                looks.Moment(title=title, at=step.at, icon=icon, tone=tone, person=person(step.actor, names))
            )
    moments += [
        looks.Moment(
            title="replied" if c.parent else "commented" if c.anchor is None else f"commented on {c.anchor.path}",
            at=c.at,
            icon="comment",
            person=person(c.author, names),
            body=c.text,
        )
        for c in comments
        if (c.author, c.kind, c.at) in said
    ]
    # What happened in the same moment stands in the order of the lists above: an approval before the apply that it was.
    return sorted(moments, key=lambda m: m.at)[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An approval that somebody gave, and in words whether it counts."""

    person: looks.Person
    at: datetime
    note: str
    counts: bool | None
    """None: the request ended without it."""


def given(
    request: ChangeRequest, standing: Standing | None, steps: Sequence[Step], names: Mapping[str, str]
) -> list[Given]:
    """Every approval ever given, oldest first. What an open request's count now; an applied one's did or did not."""
    counted = {s.person for s in standing.verdict.counted} if standing is not None else set()
    lost = {(a.person, a.at): why for a, why in standing.verdict.lost} if standing is not None else {}
    binding = {(a.person, a.at) for a in request.approvals}
    back = {d.round for d in request.decisions if d.kind == "request_changes"}
    for step in steps:
        counted |= set(step.approvers) if step.action == actions.APPLIED.code else set()
    found = []
    for d in request.decisions:
        if d.kind != "approve":
            continue
        counts: bool | None = (d.person, d.at) in binding and d.person in counted
        if counts:
            note = "counts" if request.open else "counted when it applied"
        elif d.round != request.round:
            what = "sent back" if d.round in back else "edited"
            counts, note = False, f"no longer counts: the request was {what} since"
        elif request.open and (d.person, d.at) not in binding:
            counts, note = False, "no longer counts: it was voided"
        elif request.open:
            note = f"no longer counts: {lost.get((d.person, d.at), 'given twice')}"
        elif request.status == "applied":
            note = "did not count when it applied"
        else:
            counts, note = None, f"given before it was {request.status}"
        found.append(Given(person=person(d.person, names), at=d.at, note=note, counts=counts))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """What the reader may do with a request, and why not what they may not."""

    edit: bool
    submit: bool
    approve: bool
    why_not: str
    needs_mfa: bool
    stop: bool
    apply: bool
    withdraw: bool
    revert: bool


def acts(request: ChangeRequest, standing: Standing | None, *, reader: Actor, may: Mapping[str, bool]) -> Acts:
    """``may`` holds ``draft``, ``apply`` and ``stop``: what the reader's roles allow there."""
    involved = reader.id in request.authors
    refusal = standing.refusal if standing is not None else None
    ready = standing is not None and standing.verdict.enough and not standing.moved
    approved_it = standing is not None and any(a.person == reader.id for a in standing.verdict.counted)
    in_review = request.status in {"in_review", "approved", "scheduled"}
    timed = scheduling.pending(request)
    return Acts(
        edit=request.open and may["draft"] and (involved or request.status != "draft"),
        submit=involved and request.status in {"draft", "changes_requested"},
        approve=in_review and standing is not None and refusal is None and not standing.moved,
        why_not="" if refusal is None or not in_review else f"{refusal.message} {refusal.remedy}".strip(),
        needs_mfa=isinstance(refusal, NeedsMfa),
        stop=in_review and may["stop"] and not involved,
        apply=in_review and ready and may["apply"] and (involved or approved_it) and timed is None,
        withdraw=request.open and involved,
        revert=request.status == "applied" and may["draft"],
    )


def conflict(value: queries.ConflictView) -> dict[str, object]:
    """Both sides of a conflict."""
    return {
        "objects": [object_words(name) for name in value.objects],
        "theirs": looks.Difference(sentences=(), rows=[row(r) for r in value.theirs]),
        "mine": looks.Difference(sentences=(), rows=[row(r) for r in value.mine]),
        "refused": value.refused,
        "lines": sorted(value.lines, key=lambda line: line.state != "clash"),
        "clashes": sum(line.state == "clash" for line in value.lines),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """One line of the enforcement timeline: what was asked for, from when to when, and by which request."""

    sentence: str
    since: datetime
    until: datetime | None
    version: int
    request: str
    by: looks.Person
