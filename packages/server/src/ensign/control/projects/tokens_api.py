"""The API of client tokens' rotation and rules, and of the list of all tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, Field

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.api.pages import DEFAULT_LIMIT, Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.identity.domain import OVERLAP
from ensign.control.identity.web import caller
from ensign.control.projects import inventory, token_rotation, token_rules
from ensign.control.projects.api import NewTokenOut, TokenOut

router = Router(tags=["tokens"])

OVERLAP_MINUTES = int(OVERLAP.total_seconds() // 60)


class RotateIn(Input):
    """How to rotate. ``overlap_minutes``: 0 (at once) to 10,080 (seven days). The successor ends as is said, or lives
    as long as the token was made for.
    """

    overlap_minutes: int = Field(default=OVERLAP_MINUTES, ge=0, le=10_080)
    expires_at: AwareDatetime | None = None
    never: bool = False
    reason: str = ""


class RotatedOut(NewTokenOut):
    """The successor with its text, shown in this answer only, and the token that it takes the place of."""

    rotated: TokenOut


class DescribeIn(Input):
    """What to change; null or left out: as it is. ``owner``: id of an active person."""

    name: str | None = None
    purpose: str | None = None
    owner: str | None = None


class RulesIn(Input):
    """How long client tokens may live. ``never``: where one may live without an end (nowhere, unprotected,
    everywhere).
    """

    max_days: int
    never: str
    reason: str = ""


class RulesOut(Schema):
    """The rules in force."""

    max_days: int
    never: str


class ListedToken(Schema):
    """A token of any kind, as the export has it; a member that does not apply is empty."""

    id: str
    prefix: str
    fingerprint: str
    kind: str
    state: str
    name: str
    purpose: str
    owner: str
    owner_name: str
    acts_as: str
    acts_as_name: str
    scope: str
    environment: str
    permissions: str
    created_by: str
    created_by_name: str
    created_at: str
    approved_by: str
    approved_by_name: str
    approved_at: str
    expires_at: str
    last_used_at: str
    rotated_at: str
    predecessor: str
    successor: str
    revoked_at: str


class ExportIn(Input):
    """Which tokens, and as what (csv or json)."""

    format: str = "csv"
    kind: str = ""
    state: str = "all"


_Kind = Annotated[
    str, Query(max_length=20, description="personal, service, federated, directory, backend, frontend or edge.")
]
_State = Annotated[
    str, Query(max_length=20, description="active, rotating, expired, revoked or all; empty: those that count.")
]


@router.post("/client-tokens/{token}/rotate", response={201: RotatedOut})
def rotate_client_token(request: HttpRequest, response: HttpResponse, token: str, body: RotateIn) -> object:
    """Make a successor of a client token; the token itself is served until the overlap ends."""
    actor, at = caller(request)
    done = token_rotation.rotate_token(
        actor=actor,
        at=at,
        id=token,
        overlap=timedelta(minutes=body.overlap_minutes),
        expires_at=body.expires_at,
        never=body.never,
        reason=body.reason,
    )
    response["Cache-Control"] = "no-store"
    new, old = (
        {name: getattr(row, name) for name in TokenOut.model_fields} for row in (done.new.row, done.predecessor)
    )
    return Status(201, {**new, "token": done.new.text, "rotated": old})


@router.post("/client-tokens/{token}/describe", response=TokenOut)
def describe_client_token(request: HttpRequest, token: str, body: DescribeIn) -> object:
    """Change name, purpose or owner of a client token."""
    actor, at = caller(request)
    return token_rotation.describe_token(actor=actor, at=at, id=token, **body.dict())


@router.get("/client-token-rules", response=RulesOut)
def get_token_rules(request: HttpRequest) -> object:
    """How long client tokens may live."""
    actor, at = caller(request)
    require(actor, Permission.ORG_READ, at=at)
    return token_rules.current()


@router.put("/client-token-rules", response=RulesOut)
def choose_token_rules(request: HttpRequest, body: RulesIn) -> object:
    """Choose how long client tokens to come may live."""
    actor, at = caller(request)
    return token_rules.choose(actor=actor, at=at, **body.dict())


@router.get("/token-inventory", response=Page[ListedToken])
def list_all_tokens(
    request: HttpRequest, kind: _Kind = "", state: _State = "", limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> dict[str, Any]:
    """Every token of the installation, newest first, without secrets. For administrators and auditors."""
    actor, at = caller(request)
    position = decode(cursor)
    found = inventory.listed(actor=actor, at=at, kind=kind, state=state)
    rest = [one for one in found if position is None or one.id < str(position[0])]
    page = rest[:limit]
    return {
        "items": inventory.rows_of(page, at=at),
        "next_cursor": encode(page[-1].id) if len(rest) > limit else None,
    }


@router.post("/exports/tokens")
def export_all_tokens(request: HttpRequest, body: ExportIn) -> HttpResponse:
    """The list as a CSV (RFC 4180) or JSON file; the export is an entry with the file's SHA-256."""
    actor, at = caller(request)
    return as_response(inventory.export(actor=actor, at=at, **body.dict()))


def as_response(file: inventory.Exported) -> HttpResponse:
    """The file, to save."""
    response = HttpResponse(file.data, content_type=file.media_type)
    response["Content-Disposition"] = f'attachment; filename="{file.name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-SHA256"] = file.sha256
    return response
