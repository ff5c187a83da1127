"""Making a passkey an approval key, and ending that."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from allauth.mfa.models import Authenticator
from ensign_ledger.approval import Enrolment, enrolment_challenge, enrolment_problem
from ensign_ledger.cose import PublicKeyError, parse_key
from ensign_ledger.passkey import b64url, unb64url

from ensign.control.audit import checkpoints
from ensign.control.audit.door import operation
from ensign.control.audit.ledger import record
from ensign.control.audit.rows import rows
from ensign.control.audit.staging import Staged, stage
from ensign.control.identity import webauthn
from ensign.control.identity.adapters import relying_party
from ensign.control.identity.approval_keys import actions, queries, questions
from ensign.control.identity.approval_keys.models import ApprovalKey
from ensign.control.identity.operations import own_account
from ensign.control.kernel import clock, ids
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied, Invalid, NeedsMfa, NotFound

Because = Literal["owner", "factor", "left", "administrator"]
_ACT = "approval_key.enrol"


def ask_to_enrol(*, actor: Actor, at: datetime, factor_id: int) -> dict[str, Any]:
    """The question that a passkey answers to become an approval key; options for the browser.

    :raises NeedsMfa: unless a second factor was proved within the last 30 minutes.
    :raises NotFound: when it is no passkey of theirs. :raises Conflict: when it is an approval key already.
    :raises Invalid: when it is of a kind that approvals are not signed with.
    """
    _demand_mfa(actor, at=at)
    found = _passkey(actor, factor_id)
    body: dict[str, Any] = {
        "key": ids.new_id("apk", at=at),
        "owner": actor.id,
        "public_key": b64url(found.public_key),
        "credential": _hash(found.credential_id),
        "host": relying_party(),
        "origin": webauthn.origin(),
        "nonce": questions.new_nonce(),
        "issued": clock.text(at),
        "expires": clock.text(at + questions.LIFETIME),
    }
    challenge = enrolment_challenge(log=checkpoints.head().origin, **{**body, "public_key": found.public_key})
    questions.put(kind="enrol", person_id=actor.id, subject=str(factor_id), challenge=challenge, body=body, at=at)
    return questions.options(challenge, host=body["host"], credentials=(found.credential_id,))


@operation
def enrol(*, actor: Actor, at: datetime, factor_id: int, answer: str) -> str:
    """Make one of one's own passkeys an approval key, by its own signature; returns the key's id.

    :raises NeedsMfa: unless a second factor was proved within the last 30 minutes.
    :raises NotFound: when it is no passkey of theirs. :raises Conflict: when it is an approval key already.
    :raises Invalid: when the answer is to no open question. :raises Denied: when its signature does not hold.
    """
    _demand_mfa(actor, at=at)
    found = _passkey(actor, factor_id, lock=True)
    given = questions.read_answer(answer)
    asked = questions.take(given, kind="enrol", person_id=actor.id, subject=str(factor_id), at=at)
    if asked["credential"] != _hash(found.credential_id):
        raise Invalid("Another passkey answered.", remedy="Use the one that you chose.")
    enrolment = Enrolment(**{**asked, "public_key": unb64url(asked["public_key"])}, answer=given.assertion)
    wrong = enrolment_problem(enrolment, log=checkpoints.head().origin, at=clock.text(at))
    if wrong:
        raise Denied(
            f"This passkey did not become an approval key: {wrong}.",
            permission=_ACT,
            remedy="Reload the page and try again.",
            code="signature-refused",
        )
    webauthn.count_use(found.row, given.assertion.counter, at=at)
    state = {
        "owner": actor.id,
        "factor": factor_id,
        "credential": enrolment.credential,
        "algorithm": parse_key(enrolment.public_key).algorithm,
        "public_key": b64url(enrolment.public_key),
        "host": enrolment.host,
        "origin": enrolment.origin,
        "enrolled_at": clock.text(at),
        "status": "active",
        "revoked_at": None,
        "revoked_by": None,
        "because": None,
    }
    row = stage(ApprovalKey, id=enrolment.key, state=state)
    record(
        action=actions.ENROLLED, actor=actor, at=at, staged=[row], detail={**enrolment.to_entry(), "at": clock.text(at)}
    )
    return enrolment.key


@operation
def revoke(*, actor: Actor, at: datetime, key_id: str) -> None:
    """End one of one's own approval keys: approvals that it signed and that have not applied yet count no more.

    :raises NeedsMfa: unless a second factor was proved within the last 30 minutes.
    :raises NotFound: when it is not theirs. :raises Conflict: when it is revoked already.
    """
    _demand_mfa(actor, at=at)
    row = locked(key_id)
    if row is None or row.owner != actor.id:
        raise NotFound("There is no such approval key of yours.")
    record_revocation(row, actor=actor, at=at, because="owner")


def record_revocation(row: ApprovalKey, *, actor: Actor, at: datetime, because: Because, reason: str = "") -> None:
    """Write the end of a locked key, as an entry of its own. Whether the actor may is decided by the caller.

    :raises Conflict: when it is revoked already.
    """
    if row.status != "active":
        raise Conflict("This approval key is revoked already.")
    revoked = stage_revocation(row, actor=actor, at=at, because=because)
    detail = revocation_detail(row, because)
    record(action=actions.REVOKED, actor=actor, at=at, staged=[revoked], reason=reason or None, detail=detail)


def record_revocations(keys: Iterable[ApprovalKey], *, actor: Actor, at: datetime, because: Because) -> int:
    """:func:`record_revocation` for each; returns how many there were."""
    found = list(keys)
    for row in found:
        record_revocation(row, actor=actor, at=at, because=because)
    return len(found)


def stage_revocation(row: ApprovalKey, *, actor: Actor, at: datetime, because: Because) -> Staged:
    """The end of a locked key that still counts."""
    end = {"status": "revoked", "revoked_at": clock.text(at), "revoked_by": actor.id, "because": because}
    return stage(ApprovalKey, id=row.pk, state={**row.state, **end}, current=row)


def revocation_detail(row: ApprovalKey, because: Because) -> dict[str, Any]:
    """What the entry of a revocation says."""
    return {"key": row.pk, "owner": row.owner, "because": because}


def locked(key_id: str) -> ApprovalKey | None:
    """A key, held until the commit: whoever counts approvals locks it, too."""
    return next(iter(rows(ApprovalKey, lock="update", id=key_id)), None)


def locked_of(person_id: str, *, factor_id: int | None = None) -> list[ApprovalKey]:
    """A person's keys that count, held until the commit; only those of one passkey when ``factor_id`` is given."""
    found = rows(ApprovalKey, lock="update", owner=person_id, status="active")
    return [row for row in found if factor_id is None or row.state["factor"] == factor_id]


@dataclass(frozen=True, slots=True)
class _Passkey:
    row: Authenticator
    credential_id: bytes
    public_key: bytes


def _passkey(actor: Actor, factor_id: int, *, lock: bool = False) -> _Passkey:
    account = own_account(actor, act=_ACT)
    row = webauthn.passkey_of(account, factor_id, lock=lock)
    if row is None:
        raise NotFound("There is no such passkey of yours.", remedy="Look at the list of your second factors.")
    credential_id, public_key = webauthn.credential_of(row)
    try:
        parse_key(public_key)
    except PublicKeyError as error:
        raise Invalid(
            "This passkey is of a kind that approvals are not signed with.",
            remedy="Enrol another device: it must sign with ES256, EdDSA or RS256, as nearly all do.",
        ) from error
    if any(key.credential == _hash(credential_id) for key in queries.of_person(actor.id, active=True)):
        raise Conflict("This passkey is an approval key already.")
    return _Passkey(row, credential_id, public_key)


def _hash(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()


def _demand_mfa(actor: Actor, *, at: datetime) -> None:
    if not actor.recent_mfa(at=at):
        raise NeedsMfa(
            "An approval key needs a second factor, proved a short while ago.",
            permission=_ACT,
            remedy="Confirm it is you, then try again.",
        )
