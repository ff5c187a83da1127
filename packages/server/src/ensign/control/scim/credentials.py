"""The directory's tokens in the form that all tokens share: for the list of all tokens, its export and the findings."""

from __future__ import annotations

from ensign.control.access.credentials import Credential
from ensign.control.identity.queries import DIRECTORY, FINGERPRINT
from ensign.control.scim.models import DirectoryToken
from ensign.control.scim.tokens import DirectoryTokenView, tokens


def credentials() -> list[Credential]:
    """Every token of the directory, ended ones included. Whoever made one answers for it."""
    found = tokens()
    successors = {one.replaces: one for one in found if one.replaces is not None}
    hashes = dict(DirectoryToken.objects.values_list("pk", "token_hash"))
    return [_credential(one, successors.get(one.id), hashes[one.id]) for one in found]


def _credential(one: DirectoryTokenView, successor: DirectoryTokenView | None, token_hash: str) -> Credential:
    return Credential(
        id=one.id,
        kind="directory",
        name=one.name,
        hint=one.hint,
        fingerprint=token_hash[:FINGERPRINT],
        acts_as=DIRECTORY,
        owner=one.created_by,
        purpose=one.name,
        projects=(),
        environment=None,
        permissions=None,
        created_by=one.created_by,
        created_at=one.created_at,
        approved_by=one.created_by,
        approved_at=one.created_at,
        expires_at=one.expires_at,
        last_used_at=one.last_used_at,
        rotated_at=None if successor is None else successor.created_at,
        predecessor=one.replaces,
        successor=None if successor is None else successor.id,
        revoked_at=None,
        revoked=one.status == "revoked",
        known_to=(one.created_by,),
        href="/directory",
    )
