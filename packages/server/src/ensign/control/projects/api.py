"""Endpoints of projects, environments and client tokens."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import DEFAULT_LIMIT, Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound
from ensign.control.projects import operations, queries
from ensign.control.projects import tokens as client_tokens
from ensign.control.projects.policies import PolicyView, policies

router = Router(tags=["projects"])


class ProjectIn(Input):
    """A new project. Without ``preset`` it gets that of the installation."""

    key: str
    name: str
    description: str = ""
    default_stickiness: str = "default"
    preset: str | None = None
    compensating_control: str = ""


class ProjectChange(Input):
    """What to change; null or left out: as it is."""

    name: str | None = None
    description: str | None = None
    default_stickiness: str | None = None


class ProjectOut(Schema):
    """A project."""

    id: str
    version: int
    key: str
    name: str
    description: str
    default_stickiness: str
    status: str
    created_at: str


class EnvironmentIn(Input):
    """A new environment, last in the order. A protected one asks for one approval."""

    key: str
    name: str
    protected: bool = False


class EnvironmentChange(Input):
    """A new name."""

    name: str


class OrderIn(Input):
    """The keys of all environments in the order of progression."""

    order: list[str]


class PolicyOut(Schema):
    """What a change must meet. It changes through a change request (``policy.set``)."""

    id: str
    version: int
    approvals: int
    apply_on_last_approval: bool
    requires_reason: bool
    compensating_control: str
    preset: str
    enforced_since: datetime | None


class EnvironmentOut(Schema):
    """An environment with the policy in force."""

    id: str
    version: int
    project: str
    key: str
    name: str
    position: int
    protected: bool
    policy: PolicyOut


class TokenIn(Input):
    """A new client token for one environment of ``projects`` (keys, or ``["*"]``).

    Without ``expires_at`` it ends after the default lifetime; with ``never`` it does not end, where the rules allow.
    """

    name: str
    type: str
    projects: list[str]
    environment: str
    expires_at: AwareDatetime | None = None
    never: bool = False
    purpose: str = ""


class TokenOut(Schema):
    """A client token without its text. ``hint``: how its secret part begins; with a ``successor`` it ends when the
    overlap does.
    """

    id: str
    version: int
    name: str
    purpose: str
    owner: str
    hint: str
    type: str
    projects: list[str]
    environment: str
    status: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    predecessor: str | None
    successor: str | None
    rotated_at: datetime | None


class NewTokenOut(TokenOut):
    """A client token that was just made. ``token`` is never shown again."""

    token: str


class RevokeIn(Input):
    """Why, if you like."""

    reason: str = ""


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    return actor


@router.get("/projects", response=Page[ProjectOut])
def list_projects(request: HttpRequest, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> object:
    """Active projects that you may read, by key."""
    rights = held(_actor(request), at=clock.now())
    position = decode(cursor)
    rows = sorted(queries.projects(), key=lambda p: p.key)
    found = [p for p in rows if rights.allows(Permission.PROJECT_READ, Scope(p.key))]
    rest = [p for p in found if position is None or p.key > str(position[0])]
    page = rest[:limit]
    return {"items": page, "next_cursor": encode(page[-1].key) if len(rest) > limit else None}


@router.post("/projects", response={201: ProjectOut})
def create_project(request: HttpRequest, response: HttpResponse, body: ProjectIn) -> object:
    """Make a project with the environments development, staging and production."""
    row = operations.create_project(actor=_actor(request), at=clock.now(), **body.dict())
    etag.give(response, version=row.version)
    return Status(201, row)


@router.get("/projects/{project}", response=ProjectOut)
def get_project(request: HttpRequest, response: HttpResponse, project: str) -> object:
    """One project."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    row = queries.project(project)
    etag.give(response, version=row.version)
    return row


@router.patch("/projects/{project}", response=ProjectOut)
def update_project(request: HttpRequest, response: HttpResponse, project: str, body: ProjectChange) -> object:
    """Change a project's name, description or default stickiness."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    row = operations.update_project(
        actor=_actor(request), at=clock.now(), project=project, expected_version=etag.expected(request), **body.dict()
    )
    etag.give(response, version=row.version)
    return row


def _environment(row: queries.EnvironmentRow, policy: PolicyView) -> dict[str, object]:
    fields = ("id", "version", "project", "key", "name", "position", "protected")
    return {**{name: getattr(row, name) for name in fields}, "policy": policy}


@router.get("/projects/{project}/environments", response=list[EnvironmentOut])
def list_environments(request: HttpRequest, project: str) -> object:
    """The environments of a project in the order of progression, with their policies."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    queries.project(project)
    found = policies(project)
    return [_environment(row, found[row.key]) for row in queries.environments(project)]


@router.post("/projects/{project}/environments", response={201: EnvironmentOut})
def create_environment(request: HttpRequest, response: HttpResponse, project: str, body: EnvironmentIn) -> object:
    """Add an environment."""
    row = operations.create_environment(actor=_actor(request), at=clock.now(), project=project, **body.dict())
    etag.give(response, version=row.version)
    return Status(201, _environment(row, policies(project)[row.key]))


@router.get("/projects/{project}/environments/{environment}", response=EnvironmentOut)
def get_environment(request: HttpRequest, response: HttpResponse, project: str, environment: str) -> object:
    """One environment with the policy in force."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    row = queries.environment(project, environment)
    etag.give(response, version=row.version)
    return _environment(row, policies(project)[row.key])


@router.patch("/projects/{project}/environments/{environment}", response=EnvironmentOut)
def rename_environment(
    request: HttpRequest, response: HttpResponse, project: str, environment: str, body: EnvironmentChange
) -> object:
    """Rename an environment. Protection and policy change through change requests."""
    row = operations.rename_environment(
        actor=_actor(request),
        at=clock.now(),
        project=project,
        environment=environment,
        name=body.name,
        expected_version=etag.expected(request),
    )
    etag.give(response, version=row.version)
    return _environment(row, policies(project)[row.key])


@router.put("/projects/{project}/environment-order", response=list[EnvironmentOut])
def order_environments(request: HttpRequest, project: str, body: OrderIn) -> object:
    """Put the environments into another order of progression."""
    rows = operations.order_environments(actor=_actor(request), at=clock.now(), project=project, order=body.order)
    found = policies(project)
    return [_environment(row, found[row.key]) for row in rows]


@router.get("/projects/{project}/client-tokens", response=Page[TokenOut])
def list_tokens(request: HttpRequest, project: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> object:
    """Client tokens that reach a project, newest first."""
    require(_actor(request), Permission.PROJECT_TOKENS_READ, Scope(project), at=clock.now())
    queries.project(project)
    position = decode(cursor)
    rest = [row for row in queries.tokens(project) if position is None or row.id < str(position[0])]
    page = rest[:limit]
    return {"items": page, "next_cursor": encode(page[-1].id) if len(rest) > limit else None}


@router.post("/client-tokens", response={201: NewTokenOut})
def create_token(request: HttpRequest, response: HttpResponse, body: TokenIn) -> object:
    """Make a client token. Its text is in this answer and nowhere else."""
    made = client_tokens.create_token(actor=_actor(request), at=clock.now(), **body.dict())
    response["Cache-Control"] = "no-store"
    fields = {name: getattr(made.row, name) for name in TokenOut.model_fields}
    return Status(201, {**fields, "token": made.text})


@router.get("/client-tokens/{token}", response=TokenOut)
def get_token(request: HttpRequest, response: HttpResponse, token: str) -> object:
    """One client token."""
    row = queries.token(token)
    rights = held(_actor(request), at=clock.now())
    if not any(rights.allows(Permission.PROJECT_TOKENS_READ, Scope(key)) for key in row.projects):
        raise NotFound("There is no such client token.")
    etag.give(response, version=row.version)
    return row


@router.post("/client-tokens/{token}/revoke", response=TokenOut)
def revoke_token(request: HttpRequest, token: str, body: RevokeIn) -> object:
    """End a client token now."""
    return client_tokens.revoke_token(actor=_actor(request), at=clock.now(), id=token, reason=body.reason)
