"""Endpoints of export, import and clone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from ensign.control.api.schemas import Input
from ensign.control.changes import porting, queries
from ensign.control.changes.domain.tickets import MAX as MAX_TICKETS
from ensign.control.changes.porting import Imported, Origin
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor

router = Router(tags=["import and export"])

DryRun = Annotated[bool, Query(description="Say what it would do and need, and write nothing.")]


class ExportIn(Input):
    """Keys of the flags; without any, all that are in use."""

    flags: list[str] = Field([], max_length=1_000)


class ImportIn(Input):
    """A document of Ensign's own export or of Unleash's.

    ``source_environment``: which of the environments of an Unleash export to take. ``flags``: these alone.
    ``keep_off``: every flag is off, whatever the document says.
    """

    document: dict[str, Any]
    source_environment: str = ""
    flags: list[str] = Field([], max_length=1_000)
    keep_off: bool = False
    title: str = ""
    reason: str = ""
    tickets: list[str] = Field([], max_length=MAX_TICKETS)
    wish: Literal["apply", "submit", "draft"] = "submit"


class CloneIn(Input):
    """Where it is taken from, and under which ``key`` a flag's copy goes; without ``flags`` all that is there."""

    source_project: str
    source_environment: str
    flags: list[str] = Field([], max_length=1_000)
    key: str = ""
    keep_off: bool = False
    title: str = ""
    reason: str = ""
    tickets: list[str] = Field([], max_length=MAX_TICKETS)
    wish: Literal["apply", "submit", "draft"] = "submit"


class RowOut(Schema):
    """What becomes of a flag or segment: ``created``, ``changed``, ``unchanged`` or ``skipped``, and why."""

    kind: str
    key: str
    outcome: str
    why: str


class ImportOut(Schema):
    """The report, and the request with all content (null: nothing of it differs, or with ``dry_run``)."""

    request: str | None
    status: str
    rows: list[RowOut]
    notes: list[str]
    sentences: list[str]
    verdict: str


def _actor(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]  # set by the API's authentication
    return actor


def _out(made: Imported, *, dry_run: bool) -> Status[ImportOut]:
    request = None if made.proposed is None else made.proposed.request
    sentences: tuple[str, ...] = () if made.seen is None else made.seen.sentences
    if request is not None:
        sentences = queries.effect(request).sentences
    answer = ImportOut(
        request=None if request is None else request.id,
        status="" if request is None else request.status,
        rows=[RowOut(kind=r.kind, key=r.key, outcome=r.outcome, why=r.why) for r in made.rows],
        notes=list(made.notes),
        sentences=list(sentences),
        verdict="" if made.seen is None else made.seen.verdict,
    )
    return Status(200 if dry_run else 201, answer)


@router.post("/projects/{project}/environments/{environment}/export", summary="Export flags and segments")
def export(request: HttpRequest, project: str, environment: str, body: ExportIn) -> dict[str, Any]:
    """What the environment holds, as a document that an import takes. The export is an entry of the log."""
    return porting.export_environment(
        actor=_actor(request), at=clock.now(), project=project, environment=environment, keys=body.flags
    )


@router.post(
    "/projects/{project}/environments/{environment}/import",
    response={200: ImportOut, 201: ImportOut},
    summary="Import flags and segments",
)
def import_document(
    request: HttpRequest, project: str, environment: str, body: ImportIn, dry_run: DryRun = False
) -> Status[ImportOut]:
    """Makes what is missing, and one change request for all content; what cannot be taken is left out and says why."""
    found, source = porting.read(
        body.document, environment=body.source_environment, keys=body.flags, keep_off=body.keep_off
    )
    made = porting.bring(
        actor=_actor(request), at=clock.now(), project=project, environment=environment, document=found,
        source=source, digest=porting.sha256(body.document), title=body.title, reason=body.reason,
        tickets=body.tickets, wish=body.wish, dry_run=dry_run,
    )  # fmt: skip
    return _out(made, dry_run=dry_run)


@router.post(
    "/projects/{project}/environments/{environment}/clone",
    response={200: ImportOut, 201: ImportOut},
    summary="Clone a flag, or copy what an environment holds",
)
def clone(
    request: HttpRequest, project: str, environment: str, body: CloneIn, dry_run: DryRun = False
) -> Status[ImportOut]:
    """Into this environment. It takes the right to read there, and to make and draft here."""
    origin = Origin(project=body.source_project, environment=body.source_environment, flags=tuple(body.flags))
    made = porting.clone(
        actor=_actor(request), at=clock.now(), origin=origin, project=project, environment=environment, key=body.key,
        keep_off=body.keep_off, title=body.title, reason=body.reason, tickets=body.tickets, wish=body.wish,
        dry_run=dry_run,
    )  # fmt: skip
    return _out(made, dry_run=dry_run)
