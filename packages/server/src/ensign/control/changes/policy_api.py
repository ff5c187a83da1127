"""Endpoints of policies: whole, with their history; as code: export, plan, apply. They change through requests."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.schemas import Input
from ensign.control.changes import policy_plans, timelines
from ensign.control.changes.domain.tickets import MAX as MAX_TICKETS
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects import queries as projects
from ensign.control.projects.demands import frozen_by, frozen_until
from ensign.control.projects.knowing import spelled
from ensign.control.projects.policies import PolicyView, policies, policy
from ensign.control.projects.policy_words import members

router = Router(tags=["policies"])


class WholePolicy(Schema):
    """What changes of an environment must meet. ``rules`` is the body of the operation ``policy.set``."""

    environment: str
    id: str
    version: int
    protected: bool
    enforced_since: str | None
    rules: dict[str, Any]
    words: dict[str, str] = Field(description="Everything that it asks for, by label, in words.")
    frozen_until: str | None = Field(description="When it is frozen now: until when.")


class SpanOut(Schema):
    """One value of one member, from when to when; null is not asked for. ``entry`` of the log set it."""

    member: str
    value: str | None
    since: str
    until: str | None
    version: int
    by: str
    entry: int
    request: str


class FileIn(Input):
    """Policies as YAML (docs/reference/policies)."""

    yaml: str = Field(max_length=300_000)


class ApplyIn(FileIn):
    """The same, with why and for which tickets."""

    reason: str = ""
    tickets: list[str] = Field([], max_length=MAX_TICKETS)


class ExportIn(Input):
    """What to export: all policies of the project as YAML, or the timeline of one environment."""

    format: Literal["yaml", "timeline-csv", "timeline-json"] = "yaml"
    environment: str | None = None


class PolicyRow(Schema):
    """One thing that would differ; null where a side does not ask for it."""

    member: str
    before: str | None
    after: str | None


class DifferenceOut(Schema):
    """A change that would have been decided differently, and what it lacks on the side that holds it back."""

    request: str
    title: str
    status: str
    at: str
    held: bool
    lacks: list[str]


class PlanOut(Schema):
    """What a file would change in one environment, and what it would have decided over the last 90 days.

    ``looked``: changes applied or refused in that time; ``held_now``, ``held_then``: those of the applied that the
    present policy, and the proposed one, would hold back. Roles and groups of approvers are those of today.
    """

    environment: str
    rows: list[PolicyRow]
    weakens: list[str]
    looked: int
    held_now: int
    held_then: int
    differences: list[DifferenceOut]
    unsaid: dict[str, int]
    left_out: int


class MadeOut(Schema):
    """What became of a file in one environment: a change request, or why there is none."""

    environment: str
    request: str
    status: str
    refused: str


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    return actor


def _reads(request: HttpRequest, project: str) -> Actor:
    actor = _actor(request)
    require(actor, Permission.PROJECT_POLICY_READ, Scope(project), at=clock.now())
    return actor


def _whole(view: PolicyView) -> WholePolicy:
    at = clock.now()
    state = view.rules.to_state()
    since = state.pop("enforced_since")
    said = members(view.rules)
    freezes = view.rules.freezes
    return WholePolicy(
        environment=view.environment,
        id=view.id,
        version=view.version,
        protected=view.protected,
        enforced_since=since or None,
        rules=state,
        words=dict(zip(spelled(said), spelled(said.values()), strict=True)),
        frozen_until=clock.text(frozen_until(freezes, at)) if frozen_by(freezes, at) else None,
    )


@router.get("/projects/{project}/policies", response=list[WholePolicy], summary="Policies of a project")
def list_policies(request: HttpRequest, project: str) -> list[WholePolicy]:
    """Whole, in the order of the environments."""
    _reads(request, project)
    projects.project(project)
    found = policies(project)
    return [_whole(found[row.key]) for row in projects.environments(project)]


@router.get("/projects/{project}/environments/{environment}/policy", response=WholePolicy, summary="Read a policy")
def read_policy(request: HttpRequest, response: HttpResponse, project: str, environment: str) -> WholePolicy:
    """Propose another with the operation ``policy.set``, whose members are ``rules``."""
    _reads(request, project)
    view = policy(project, environment)
    etag.give(response, version=view.version)
    return _whole(view)


@router.get(
    "/projects/{project}/environments/{environment}/policy/timeline",
    response=list[SpanOut],
    summary="Every value that a policy ever had",
)
def timeline(request: HttpRequest, project: str, environment: str) -> list[SpanOut]:
    """For each member, from the beginning until now without a gap."""
    _reads(request, project)
    projects.environment(project, environment)
    return [
        SpanOut(
            member=one.member,
            value=one.value,
            since=clock.text(one.since),
            until=None if one.until is None else clock.text(one.until),
            version=one.version,
            by=one.by,
            entry=one.seq,
            request=one.request,
        )
        for one in timelines.spans(project, environment)
    ]


@router.post("/projects/{project}/policies/export", summary="Export policies", response={200: None})
def export(request: HttpRequest, project: str, body: ExportIn) -> HttpResponse:
    """A file; that it was exported becomes an entry."""
    actor, at = _actor(request), clock.now()
    if body.format == "yaml":
        text = policy_plans.export(actor=actor, at=at, project=project)
        return HttpResponse(text, content_type="application/yaml; charset=utf-8")
    kind = body.format.removeprefix("timeline-")
    data = timelines.export(actor=actor, at=at, project=project, environment=body.environment or "", format=kind)
    return HttpResponse(data, content_type="application/json" if kind == "json" else "text/csv; charset=utf-8")


@router.post("/projects/{project}/policies/plan", response=list[PlanOut], summary="What policies would change")
def plan(request: HttpRequest, project: str, body: FileIn) -> list[PlanOut]:
    """What would differ, and what would have been decided differently over the last 90 days. Writes nothing."""
    found = policy_plans.plan(actor=_actor(request), at=clock.now(), project=project, text=body.yaml)
    return [
        PlanOut(
            environment=one.environment,
            rows=[PolicyRow(member=label, before=before, after=after) for label, before, after in one.rows],
            weakens=list(one.weakens),
            looked=one.looked,
            held_now=one.held_now,
            held_then=one.held_then,
            differences=[
                DifferenceOut(
                    request=d.request, title=d.title, status=d.status, at=clock.text(d.at), held=d.held,
                    lacks=list(d.lacks),
                )
                for d in one.differences
            ],
            unsaid=dict(one.unsaid),
            left_out=one.left_out,
        )
        for one in found
    ]  # fmt: skip


@router.post("/projects/{project}/policies/apply", response={201: list[MadeOut]}, summary="Propose policies")
def apply(request: HttpRequest, project: str, body: ApplyIn) -> Status[list[MadeOut]]:
    """A change request for each environment that differs. The policies in force decide about them."""
    made = policy_plans.apply(
        actor=_actor(request), at=clock.now(), project=project, text=body.yaml, reason=body.reason, tickets=body.tickets
    )
    return Status(
        201,
        [MadeOut(environment=m.environment, request=m.request, status=m.status, refused=m.refused) for m in made],
    )
