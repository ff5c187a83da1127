"""Endpoints of approval keys. A key is made in the browser, by the passkey itself."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from ensign.control.access import approval_keys
from ensign.control.api.schemas import Input
from ensign.control.identity.approval_keys import operations
from ensign.control.identity.approval_keys.queries import KeyView
from ensign.control.identity.web import caller
from ensign.control.kernel import clock

router = Router(tags=["approval keys"])


class KeyOut(Schema):
    """An approval key: the public half, which verifies what its owner signed."""

    id: str
    owner: str
    algorithm: str
    public_key: str = Field(description="The COSE key in hexadecimal.")
    credential: str = Field(description="SHA-256 of WebAuthn's credential id.")
    host: str
    origin: str
    enrolled_at: str
    revoked_at: str | None
    because: str | None = Field(description="Why it ended: owner, factor, left or administrator.")
    entry: int = Field(description="The number of the ledger entry that wrote it last.")


class RevokeIn(Input):
    """Why, when it is somebody else's."""

    reason: str = ""


def to_out(view: KeyView) -> KeyOut:
    """The JSON of a key."""
    return KeyOut(
        id=view.id,
        owner=view.owner,
        algorithm=view.algorithm,
        public_key=view.public_key.hex(),
        credential=view.credential,
        host=view.host,
        origin=view.origin,
        enrolled_at=clock.text(view.enrolled_at),
        revoked_at=None if view.revoked_at is None else clock.text(view.revoked_at),
        because=view.because,
        entry=view.seq,
    )


@router.get("/approval-keys", response=list[KeyOut], summary="List approval keys")
def list_keys(
    request: HttpRequest,
    person: Annotated[str | None, Query(description="Somebody's id, or * for everybody's; left out: your own.")] = None,
) -> list[KeyOut]:
    """Your own; others' to who reads the log or manages people. Revoked ones stay in the list."""
    actor, at = caller(request)
    return [to_out(view) for view in approval_keys.visible(actor=actor, at=at, person_id=person)]


@router.post("/approval-keys/{key_id}/revoke", response=list[KeyOut], summary="Revoke an approval key")
def revoke(request: HttpRequest, key_id: str, body: RevokeIn) -> list[KeyOut]:
    """Your own, in a session with a recent second factor; somebody else's with ``org:people:manage``."""
    actor, at = caller(request)
    own = [view.id for view in approval_keys.visible(actor=actor, at=at)]
    if key_id in own:
        operations.revoke(actor=actor, at=at, key_id=key_id)
    else:
        approval_keys.revoke_for(actor=actor, at=at, key_id=key_id, reason=body.reason)
    return [to_out(view) for view in approval_keys.visible(actor=actor, at=at)]
