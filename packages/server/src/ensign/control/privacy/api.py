"""The API of the data map, of erasures and of what is held on somebody.

Erasing and exporting what is held on others need a session (``permissions.NEVER_BY_TOKEN``).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from ensign.control.access.decisions import require
from ensign.control.access.permissions import Permission
from ensign.control.api.pages import Page
from ensign.control.api.schemas import Input
from ensign.control.identity.web import caller
from ensign.control.kernel.errors import Denied
from ensign.control.privacy import erasure, holding, queries
from ensign.control.privacy.domain import ErasureView
from ensign.control.privacy.lines import SECTIONS
from ensign.control.privacy.outside import OUTSIDE

router = Router(tags=["privacy"])


class TableOut(Schema):
    """A table of the data map. ``personal_data_of``: "" when it holds nobody's in clear."""

    table: str
    section: str
    what: str
    personal_data_of: str
    purpose: str
    kept: str
    when_erased: str
    in_backup: str


class PlaceOut(Schema):
    """A place outside the database."""

    place: str
    where: str
    what: str
    personal_data_of: str
    kept: str
    when_erased: str


class MapOut(Schema):
    """The data map. ``keep_months``: how long the identity of somebody who left is kept at least."""

    tables: list[TableOut]
    outside: list[PlaceOut]
    keep_months: int


class AskIn(Input):
    """Asking for an erasure. ``early``: although evidence may still need to know who they were."""

    person: str
    reason: str
    early: bool = False


class ErasureOut(Schema):
    """An erasure. ``status``: asked, withdrawn or done; ``remaining``: objects whose text still named the person."""

    id: str
    person: str
    asked_by: str
    asked_at: datetime
    open_until: datetime
    early: bool
    status: str
    ended_by: str | None
    ended_at: datetime | None
    remaining: list[str]
    version: int

    @staticmethod
    def of(view: ErasureView) -> ErasureOut:
        """From its value."""
        return ErasureOut(**{**asdict(view), "remaining": list(view.remaining), "open_until": view.open_until})


class RulesIn(Input):
    """How many months identities are kept, and why."""

    keep_months: int
    reason: str


class RulesOut(Schema):
    """How many months identities are kept."""

    keep_months: int


@router.get("/privacy/map", response=MapOut, summary="The data map")
def data_map(request: HttpRequest) -> MapOut:  # noqa: ARG001  # whoever is signed in may see it
    """What is stored where, whose it is, for how long, and how it is erased. It names nobody."""
    tables = [
        TableOut(
            table=line.table, section=title, what=line.what, personal_data_of=line.whose, purpose=line.purpose,
            kept=line.kept, when_erased=line.erased or "stays", in_backup=line.backup,
        )
        for title, lines in SECTIONS
        for line in lines
    ]  # fmt: skip
    outside = [
        PlaceOut(
            place=line.place, where=line.where, what=line.what, personal_data_of=line.whose, kept=line.kept,
            when_erased=line.erased or "stays",
        )
        for line in OUTSIDE
    ]  # fmt: skip
    return MapOut(tables=tables, outside=outside, keep_months=queries.keep_months())


@router.put("/privacy/rules", response=RulesOut, summary="Set how long identities are kept")
def set_rules(request: HttpRequest, body: RulesIn) -> RulesOut:
    """Needs a session with a recent second factor."""
    actor, at = caller(request)
    return RulesOut(keep_months=erasure.set_rules(actor=actor, at=at, keep_months=body.keep_months, reason=body.reason))


@router.get("/privacy/me", response=dict[str, Any], summary="What is held on you")
def me(request: HttpRequest) -> dict[str, Any]:
    """Everything, by table; with a personal token, too."""
    actor, at = caller(request)
    if actor.kind != "person":
        raise Denied("Nothing is held on a service account as on a person.", permission="privacy:me", remedy="Sign in.")
    return holding.as_json(holding.dossier(actor.id, at=at))


@router.post("/privacy/people/{person_id}/export", response=dict[str, Any], summary="What is held on somebody")
def export(request: HttpRequest, person_id: str) -> dict[str, Any]:
    """Everything, by table, to answer them with; an entry. Needs a session."""
    actor, at = caller(request)
    return holding.as_json(holding.export(actor=actor, at=at, person_id=person_id))


@router.get("/privacy/erasures", response=Page[ErasureOut], summary="List erasures")
def list_erasures(request: HttpRequest, person: str | None = None) -> Page[ErasureOut]:
    """Newest first, by ids."""
    actor, at = caller(request)
    require(actor, Permission.ORG_READ, at=at)
    return Page[ErasureOut](items=[ErasureOut.of(view) for view in queries.erasures(person=person)])


@router.post("/privacy/erasures", response={201: ErasureOut}, summary="Ask to erase somebody who left")
def ask(request: HttpRequest, body: AskIn) -> Status[ErasureOut]:
    """Needs a session with a recent second factor; somebody else confirms it within two weeks."""
    actor, at = caller(request)
    made = erasure.ask(actor=actor, at=at, person_id=body.person, reason=body.reason, early=body.early)
    return Status(201, ErasureOut.of(made))


@router.post("/privacy/erasures/{erasure_id}/confirm", response=ErasureOut, summary="Erase the person")
def confirm(request: HttpRequest, erasure_id: str) -> ErasureOut:
    """By somebody other than who asked. Needs a session with a recent second factor. It cannot be taken back."""
    actor, at = caller(request)
    return ErasureOut.of(erasure.confirm(actor=actor, at=at, erasure_id=erasure_id))


@router.post("/privacy/erasures/{erasure_id}/withdraw", response=ErasureOut, summary="Withdraw an erasure")
def withdraw(request: HttpRequest, erasure_id: str) -> ErasureOut:
    """Before it is confirmed. Needs a session."""
    actor, at = caller(request)
    return ErasureOut.of(erasure.withdraw(actor=actor, at=at, erasure_id=erasure_id))
