"""Endpoints of flags. What applications see of them changes through change requests."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import DEFAULT_LIMIT, Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.flags import listing, operations, queries, words
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import NotFound
from ensign.control.projects import queries as projects
from ensign.control.segments import queries as segments

router = Router(tags=["flags"])


class FlagIn(Input):
    """A new flag. ``owner`` is a person's or group's id; ``expected_removal_on`` an ISO date, "" for one that stays."""

    key: str
    type: str = "release"
    description: str = ""
    owner: str | None = None
    tags: list[str] = []
    expected_removal_on: str | None = None
    tier: str = "medium"


class FlagChange(Input):
    """What to change; null or left out: as it is. None of it reaches an application."""

    type: str | None = None
    description: str | None = None
    owner: str | None = None
    tags: list[str] | None = None
    expected_removal_on: str | None = None
    tier: str | None = None


class InfoOut(Schema):
    """A flag's shared part."""

    id: str
    version: int
    key: str
    project: str
    type: str
    description: str
    owner: str
    tags: list[str]
    impression_data: bool
    archived: bool
    created_at: str
    expected_removal_on: str | None
    tier: str
    stale: bool


class CellOut(Schema):
    """``state`` is ``on``, ``off`` or ``none`` (never configured there); ``rollout`` the widest share in per cent."""

    state: str
    rollout: int | None = None
    strategies: int = 0


class FlagRowOut(InfoOut):
    """A flag in a list, with its state in every environment."""

    environments: dict[str, CellOut]


class FlagOut(InfoOut):
    """A flag with its content in each environment: version, words, enabled, strategies, variants, dependencies."""

    environments: dict[str, Any]


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by control.api.auth
    return actor


def _info(row: queries.FlagRow) -> dict[str, Any]:
    stale = listing.stale(row.info, at=clock.now())
    return {"id": row.id, "version": row.version, **row.info.to_state(), "stale": stale}


def _whole(row: queries.FlagRow) -> dict[str, Any]:
    names = {s.info.key: s.info.name for s in segments.segments(row.info.project)}
    return {
        **_info(row),
        "environments": {
            key: {
                "version": config.version,
                "words": words.config(config.config, segments=names),
                **config.config.to_state(),
            }
            for key, config in queries.configs_of(row.info.key).items()
        },
    }


def _flag(project: str, key: str) -> queries.FlagRow:
    row = queries.flag(key)
    if row.info.project != project:
        raise NotFound(f"There is no flag “{key[:100]}” in the project “{project[:100]}”.")
    return row


@router.get("/projects/{project}/flags", response=Page[FlagRowOut])
def list_flags(
    request: HttpRequest,
    project: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    q: Annotated[str, Query(max_length=200, description="In the key, the description or a tag.")] = "",
    type: str = "",
    tier: str = "",
    tag: str = "",
    on: Annotated[str, Query(description="Key of an environment in which the flag is on.")] = "",
    off: Annotated[str, Query(description="Key of an environment in which the flag is not on.")] = "",
    stale: bool = False,
    archived: bool = False,
) -> object:
    """The flags of a project, by key, with their state in every environment."""
    at = clock.now()
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=at)
    projects.project(project)
    position = decode(cursor)
    filters = listing.Filters(text=q, type=type, tier=tier, tag=tag, on=on, off=off, stale=stale, archived=archived)
    after = "" if position is None else str(position[0])
    found = listing.read(filters, at=at, project=project, after=after, limit=limit)
    items = [
        {
            "id": row.id,
            "version": row.version,
            **row.info.to_state(),
            "stale": row.stale,
            "environments": {
                key: {"state": c.state, "rollout": c.rollout, "strategies": c.strategies}
                for key, c in row.cells.items()
            },
        }
        for row in found.rows
    ]
    return {"items": items, "next_cursor": encode(found.after) if found.after else None}


@router.post("/projects/{project}/flags", response={201: FlagOut})
def create_flag(request: HttpRequest, response: HttpResponse, project: str, body: FlagIn) -> object:
    """Make a flag. It is off everywhere."""
    row = operations.create_flag(actor=_actor(request), at=clock.now(), project=project, **body.dict())
    etag.give(response, version=row.version)
    return Status(201, _whole(row))


@router.get("/projects/{project}/flags/{flag}", response=FlagOut)
def get_flag(request: HttpRequest, response: HttpResponse, project: str, flag: str) -> object:
    """One flag with its content in every environment in which it was configured."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    row = _flag(project, flag)
    etag.give(response, version=row.version)
    return _whole(row)


@router.patch("/projects/{project}/flags/{flag}", response=FlagOut)
def update_flag(request: HttpRequest, response: HttpResponse, project: str, flag: str, body: FlagChange) -> object:
    """Change what people read of a flag."""
    require(_actor(request), Permission.PROJECT_READ, Scope(project), at=clock.now())
    _flag(project, flag)
    row = operations.update_flag(
        actor=_actor(request), at=clock.now(), key=flag, expected_version=etag.expected(request), **body.dict()
    )
    etag.give(response, version=row.version)
    return _whole(row)
