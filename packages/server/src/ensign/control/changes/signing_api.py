"""Endpoints of signed approvals: the question for a passkey, and the signatures that a request has."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from ensign.control.access.decisions import require
from ensign.control.access.domain import Scope
from ensign.control.access.permissions import Permission
from ensign.control.api.schemas import Input
from ensign.control.changes import queries, signing, signing_pages
from ensign.control.identity.web import caller
from ensign.control.kernel import clock

router = Router(tags=["changes"])


class QuestionIn(Input):
    """The request as you have seen it."""

    digest: str
    round: int


class SignatureOut(Schema):
    """A signed approval: what the passkey signed, and whether it holds now."""

    person: str
    at: str
    holds: bool
    problem: str = Field(description="Why it does not hold; empty when it does.")
    key: str
    algorithm: str
    key_enrolled_at: str
    round: int
    digest: str
    policy: str
    shown: str = Field(description="The digest of what was shown: words, sentences and rows.")
    sentences: list[str]
    nonce: str
    issued: str
    expires: str
    challenge: str = Field(description="SHA-256 of the approval statement, in hexadecimal.")


@router.post("/changes/{id}/approval-question", response=dict[str, Any], summary="Ask a passkey to sign an approval")
def question(request: HttpRequest, id: str, body: QuestionIn) -> dict[str, Any]:
    """Options for the browser's ``navigator.credentials.get``; its answer goes into ``approve``. In a session only."""
    actor, at = caller(request)
    row = queries.request(id, reader=actor.id)
    require(actor, Permission.PROJECT_READ, Scope(row.request.project), at=at)
    return signing.ask(actor=actor, at=at, request_id=id, digest=body.digest, round=body.round)


@router.get("/changes/{id}/signatures", response=list[SignatureOut], summary="List the signatures of a request")
def signatures(request: HttpRequest, id: str) -> list[SignatureOut]:
    """Those of the approvals that it has now; the log keeps every one."""
    actor, at = caller(request)
    row = queries.request(id, reader=actor.id)
    require(actor, Permission.PROJECT_READ, Scope(row.request.project), at=at)
    return [
        SignatureOut(
            person=one.person,
            at=clock.text(one.at),
            holds=not one.problem,
            problem=one.problem,
            key=one.key,
            algorithm=one.algorithm,
            key_enrolled_at=clock.text(one.enrolled_at),
            round=one.round,
            digest=one.digest,
            policy=one.policy,
            shown=one.shown,
            sentences=list(one.sentences),
            nonce=one.nonce,
            issued=one.issued,
            expires=one.expires,
            challenge=one.challenge,
        )
        for one in signing_pages.signed(row.request)
    ]
