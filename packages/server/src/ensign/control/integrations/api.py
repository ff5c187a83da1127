"""Endpoints of notices, of how one is told, and of integrations with what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from ensign.control.access.decisions import held, require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api import etag
from ensign.control.api.pages import Cursor, Limit, Page, decode, encode
from ensign.control.api.schemas import Input
from ensign.control.changes import queries as changes
from ensign.control.identity.web import caller
from ensign.control.integrations import deliveries, inbox, operations, preferences, registry, ticket_status
from ensign.control.integrations.operations import Wish, require_managing

router = Router(tags=["integrations"])


class NoticeOut(Schema):
    """Something that you are to know of. ``sentence`` is null for a finding that was put right since."""

    id: int
    at: datetime
    topic: str
    urgency: str
    read: bool
    project: str
    environment: str
    action: str | None
    sentence: str | None
    url: str | None

    @staticmethod
    def of(line: inbox.Line) -> NoticeOut:
        """From its value."""
        said = line.message
        return NoticeOut(
            id=line.id,
            at=line.at,
            topic=line.topic,
            urgency=line.urgency,
            read=line.read,
            project=line.project,
            environment=line.environment,
            action=None if said is None else said.action,
            sentence=None if said is None else said.sentence,
            url=None if said is None else said.url,
        )


class MarkIn(Input):
    """Which notices; null is all of them. ``read`` false marks them as unread."""

    ids: list[int] | None = Field(None, max_length=1_000)
    read: bool = True


class MarkedOut(Schema):
    """How many were changed, and how many are unread now (100 stands for 100 or more)."""

    changed: int
    unread: int


class PreferencesOut(Schema):
    """How you are told by e-mail: topic -> ``now``, ``digest`` or ``never``."""

    mails: dict[str, str]


class PreferencesIn(Input):
    """What to choose; topics left out stay as they are."""

    mails: dict[str, str]


class IntegrationOut(Schema):
    """An integration; its address, secret and credentials are not told."""

    id: str
    version: int
    name: str
    kind: str
    project: str | None
    topics: list[str]
    environments: list[str]
    host: str
    base_url: str
    prefixes: list[str]
    status: str
    why: str
    secret_version: int
    rotated_at: datetime | None
    made_by: str
    made_at: datetime
    changed_by: str


class MadeOut(IntegrationOut):
    """With the secret of a webhook, this once."""

    secret: str | None = None


class _Said(Input):
    name: str
    topics: list[str] = Field(default_factory=list, max_length=20)
    environments: list[str] = Field(default_factory=list, max_length=50)
    url: str = Field("", description="Where messages are posted; on a change, empty keeps it.")
    base_url: str = ""
    prefixes: list[str] = Field(default_factory=list, max_length=50)
    token: str | None = Field(None, description="Reads the status of tickets; on a change, null keeps it.")

    def to_wish(self) -> Wish:
        """As the operation takes it."""
        return Wish(
            name=self.name,
            topics=tuple(self.topics),
            environments=tuple(self.environments),
            url=self.url,
            base_url=self.base_url,
            prefixes=tuple(self.prefixes),
            token=self.token,
        )


class MakeIn(_Said):
    """A new integration; ``project`` null: of the whole installation."""

    kind: str
    project: str | None = None


class ChangeIn(_Said):
    """What it is to say from now on, wholly."""


class ActIn(Input):
    """What to do with it."""

    act: Literal["enable", "disable", "archive", "test"]


class TryOut(Schema):
    """One try."""

    at: datetime
    status: int | None
    ms: int
    problem: str


class DeliveryOut(Schema):
    """A message and what came of it; ``id`` is its ``webhook-id``."""

    id: str
    action: str
    entry: int | None
    status: str
    tried: int
    tries: list[TryOut]
    next_at: datetime | None
    made_at: datetime


class TicketOut(Schema):
    """A ticket of a request. ``status`` is null where nobody is asked, or nobody answered (``problem`` says why)."""

    reference: str
    url: str
    key: str
    status: str | None
    read_at: datetime | None
    problem: str


@router.get("/notices", response=Page[NoticeOut], summary="Read your inbox")
def list_notices(
    request: HttpRequest,
    unread: bool = False,
    topic: str = "",
    project: str = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[NoticeOut]:
    """Newest first; what you may no longer see is left out."""
    actor, at = caller(request)
    position = decode(cursor)
    found = inbox.lines(
        held(actor, at=at), at=at, unread=unread, topic=topic, project=project,
        before=None if position is None else int(str(position[0])), limit=limit + 1,
    )  # fmt: skip
    items = [NoticeOut.of(line) for line in found[:limit]]
    return Page[NoticeOut](items=items, next_cursor=encode(items[-1].id) if len(found) > limit else None)


@router.post("/notices/mark", response=MarkedOut, summary="Mark notices as read or unread")
def mark_notices(request: HttpRequest, body: MarkIn) -> MarkedOut:
    """Your own alone."""
    actor, at = caller(request)
    rights = held(actor, at=at)
    changed = inbox.mark(rights, at=at, ids=body.ids, read=body.read)
    return MarkedOut(changed=changed, unread=inbox.unread(rights))


@router.get("/notification-preferences", response=PreferencesOut, summary="Read how you are told")
def read_preferences(request: HttpRequest) -> PreferencesOut:
    """By e-mail; in the inbox everything stands always."""
    actor, _ = caller(request)
    return PreferencesOut(mails={str(topic): mail for topic, mail in preferences.of(actor.id).items()})


@router.put("/notification-preferences", response=PreferencesOut, summary="Choose how you are told")
def choose_preferences(request: HttpRequest, body: PreferencesIn) -> PreferencesOut:
    """By e-mail: ``now``, ``digest`` or ``never`` for each topic."""
    actor, _ = caller(request)
    chosen = preferences.choose(actor=actor, wanted=body.mails)
    return PreferencesOut(mails={str(topic): mail for topic, mail in chosen.items()})


@router.get("/changes/{id}/tickets", response=list[TicketOut], summary="Read the tickets of a change request")
def list_tickets(request: HttpRequest, id: str) -> list[TicketOut]:
    """With their status, where credentials for their system are kept; asked at most every five minutes."""
    actor, at = caller(request)
    row = changes.request(id, reader=actor.id)
    require(actor, Permission.PROJECT_READ, Scope(row.request.project), at=at)
    return [
        TicketOut(
            reference=one.ticket.reference,
            url=one.ticket.url,
            key=one.ticket.key,
            status=(one.status.word or None) if one.status else None,
            read_at=one.status.at if one.status else None,
            problem=one.status.problem if one.status else "",
        )
        for one in ticket_status.seen(row.request.project, row.request.tickets, at=at)
    ]


@router.get("/integrations", response=list[IntegrationOut], summary="List integrations")
def list_integrations(
    request: HttpRequest,
    project: Annotated[str | None, Query(description="Of one project; left out: of the whole installation.")] = None,
) -> list[registry.View]:
    """Oldest first; archived ones are left out."""
    actor, at = caller(request)
    require_managing(actor, project, at=at)
    return registry.integrations(project=project)


@router.post("/integrations", response={201: MadeOut}, summary="Make an integration")
def make_integration(request: HttpRequest, response: HttpResponse, body: MakeIn) -> Status[MadeOut]:
    """A webhook's secret is in the answer, and nowhere else ever again."""
    actor, at = caller(request)
    made = operations.make(actor=actor, at=at, kind=body.kind, project=body.project, wish=body.to_wish())
    return Status(201, _made(response, made))


def _made(response: HttpResponse, made: operations.Made) -> MadeOut:
    etag.give(response, version=made.integration.version)
    response["Cache-Control"] = "no-store"
    shown = IntegrationOut.from_orm(made.integration).dict()
    return MadeOut(**shown, secret=made.secret or None)


def _found(request: HttpRequest, id: str) -> registry.View:
    """The integration, to who manages it."""
    actor, at = caller(request)
    found = registry.integration(id)
    require_managing(actor, found.project, at=at)
    etag.require_match(request, version=found.version)
    return found


@router.get("/integrations/{id}", response=IntegrationOut, summary="Read an integration")
def read_integration(request: HttpRequest, response: HttpResponse, id: str) -> registry.View:
    """Without its secrets."""
    found = _found(request, id)
    etag.give(response, version=found.version)
    return found


@router.put("/integrations/{id}", response=IntegrationOut, summary="Change an integration")
def change_integration(request: HttpRequest, response: HttpResponse, id: str, body: ChangeIn) -> registry.View:
    """Kind and project stay; address and credentials stay where they are left out."""
    actor, at = caller(request)
    seen = _found(request, id)
    changed = operations.change(actor=actor, at=at, id=id, wish=body.to_wish(), expected_version=seen.version)
    etag.give(response, version=changed.version)
    return changed


@router.post("/integrations/{id}/rotate", response=MadeOut, summary="Replace the secret of a webhook")
def rotate_secret(request: HttpRequest, response: HttpResponse, id: str) -> MadeOut:
    """For 24 hours the secret before signs, too."""
    actor, at = caller(request)
    return _made(response, operations.rotate(actor=actor, at=at, id=id))


@router.post(
    "/integrations/{id}/act", response=IntegrationOut, summary="Switch an integration off or on, try or archive it"
)
def act_on_integration(request: HttpRequest, id: str, body: ActIn) -> registry.View:
    """Archiving is final and forgets its secrets."""
    actor, at = caller(request)
    match body.act:
        case "enable":
            return operations.enable(actor=actor, at=at, id=id)
        case "disable":
            return operations.disable(actor=actor, at=at, id=id)
        case "archive":
            return operations.delete(actor=actor, at=at, id=id)
        case "test":
            operations.try_out(actor=actor, at=at, id=id)
    return registry.integration(id)


@router.get("/integrations/{id}/deliveries", response=Page[DeliveryOut], summary="List what was sent to an integration")
def list_deliveries(request: HttpRequest, id: str, limit: Limit = 50, cursor: Cursor = None) -> Page[DeliveryOut]:
    """Newest first, with every try of each; kept for 90 days."""
    _found(request, id)
    position = decode(cursor)
    found = deliveries.of(id, before=None if position is None else str(position[0]), limit=limit + 1)
    items = [DeliveryOut.from_orm(one) for one in found[:limit]]
    return Page[DeliveryOut](items=items, next_cursor=encode(items[-1].id) if len(found) > limit else None)


@router.post("/deliveries/{id}/redeliver", response=IntegrationOut, summary="Send a message again")
def redeliver(request: HttpRequest, id: str) -> registry.View:
    """With the same ``webhook-id``: a receiver that knows it already may drop it."""
    actor, at = caller(request)
    return operations.redeliver(actor=actor, at=at, delivery=id)
