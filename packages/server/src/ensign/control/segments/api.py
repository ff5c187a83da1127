"""Endpoints of segments. Their constraints change through change requests (``segment.set``)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import DEFAULT_LIMIT, Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.projects import queries as projects
from ensign.control.segments import operations, queries

router = Router(tags=["segments"])


class SegmentIn(Input):
    """A new segment, without constraints."""

    key: str
    name: str
    description: str = ""


class SegmentChange(Input):
    """What to change; null or left out: as it is."""

    name: str | None = None
    description: str | None = None


class SegmentOut(Schema):
    """A segment. ``environments`` maps keys of environments to its constraints there, where it is defined."""

    id: str
    version: int
    key: str
    project: str
    name: str
    description: str
    wire_id: int
    created_at: str
    mapped: bool
    environments: dict[str, Any]


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    return actor


def _out(row: queries.SegmentRow, configs: dict[str, queries.SegmentConfigRow]) -> dict[str, Any]:
    environments = {key: {"version": c.version, **c.config.to_state()} for key, c in configs.items()}
    return {"id": row.id, "version": row.version, **row.info.to_state(), "environments": environments}


@router.get("/projects/{project}/segments", response=Page[SegmentOut])
def list_segments(request: HttpRequest, project: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> object:
    """The segments of a project, by key."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    projects.project(project)
    position = decode(cursor)
    rows = sorted(queries.segments(project), key=lambda s: s.info.key)
    rest = [row for row in rows if position is None or row.info.key > str(position[0])]
    configs: dict[str, dict[str, queries.SegmentConfigRow]] = {}
    for config in queries.configs(project):
        configs.setdefault(config.segment, {})[config.environment] = config
    page = rest[:limit]
    return {
        "items": [_out(row, configs.get(row.info.key, {})) for row in page],
        "next_cursor": encode(page[-1].info.key) if len(rest) > limit else None,
    }


@router.post("/projects/{project}/segments", response={201: SegmentOut})
def create_segment(request: HttpRequest, response: HttpResponse, project: str, body: SegmentIn) -> object:
    """Make a segment. It counts for nobody until a change defines it in an environment."""
    row = operations.create_segment(actor=_actor(request), at=clock.now(), project=project, **body.dict())
    etag.give(response, version=row.version)
    return Status(201, _out(row, {}))


@router.get("/projects/{project}/segments/{segment}", response=SegmentOut)
def get_segment(request: HttpRequest, response: HttpResponse, project: str, segment: str) -> object:
    """One segment with its constraints in every environment."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    row = queries.segment(project, segment)
    etag.give(response, version=row.version)
    return _out(row, queries.configs_of(project, segment))


@router.patch("/projects/{project}/segments/{segment}", response=SegmentOut)
def update_segment(
    request: HttpRequest, response: HttpResponse, project: str, segment: str, body: SegmentChange
) -> object:
    """Change a segment's name or description."""
    row = operations.update_segment(
        actor=_actor(request),
        at=clock.now(),
        project=project,
        key=segment,
        expected_version=etag.expected(request),
        **body.dict(),
    )
    etag.give(response, version=row.version)
    return _out(row, queries.configs_of(project, segment))
