"""Approving with a passkey: the question that is asked, and the answer as a signature."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ensign_ledger.approval import About, Signature, approval_challenge

from ensign.control.audit import checkpoints
from ensign.control.changes import queries
from ensign.control.changes.domain import signing
from ensign.control.changes.domain.requests import ChangeRequest, PolicyInForce
from ensign.control.changes.loading import policy_for
from ensign.control.identity import webauthn
from ensign.control.identity.approval_keys import queries as keys
from ensign.control.identity.approval_keys import questions, using
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign.control.kernel.errors import Conflict, Denied


def ask(*, actor: Actor, at: datetime, request_id: str, digest: str, round: int) -> dict[str, Any]:
    """The question whose answer is the actor's approval: options for the browser, good once and for five minutes.

    ``digest`` and ``round`` are those of the request as the actor has seen it. Whoever calls has checked that they may
    see the request; whether they may approve it is checked when they do.

    :raises Denied: for a token. :raises NotFound: when there is no such request.
    :raises Conflict: when it changed meanwhile, is not in review, or the actor has no approval key for this address.
    """
    if not actor.interactive:
        raise Denied(
            "A token cannot approve: approval is an act of a person in a session.",
            permission="change:approve",
            remedy="Ask a person to sign in and look at the request.",
            code="approval-by-token",
        )
    request = queries.request(request_id, reader=actor.id).request
    if request.status not in {"in_review", "approved", "scheduled"}:
        raise Conflict(
            f"This request is {request.status.replace('_', ' ')}; it cannot be approved.", code="wrong-state"
        )
    if (digest, round) != (request.digest, request.round):
        raise Conflict(
            "This request changed since you looked at it. Nothing was approved.",
            remedy="Look at it as it is now, then decide.",
            code="digest-mismatch",
        )
    usable = usable_keys(actor.id)
    if not usable:
        raise Conflict(
            "You have no approval key.",
            remedy="Make a passkey an approval key under Your account → Approval keys, then approve.",
            code="no-approval-key",
        )
    effect = queries.effect(request)
    shown = signing.shown_as(effect.sentences, effect.rows, nonce=questions.new_nonce())
    said = {
        "shown": signing.shown_now(request, shown),
        "nonce": questions.new_nonce(),
        "issued": clock.text(at),
        "expires": clock.text(at + questions.LIFETIME),
    }
    challenge = approval_challenge(_about(request, actor, policy_for(request, at=at)), **said)
    body = {**said, "round": round, "shown_as": shown}
    questions.put(kind="approve", person_id=actor.id, subject=request.id, challenge=challenge, body=body, at=at)
    credentials = using.credential_ids(actor.id, [key.credential for key in usable])
    return questions.options(challenge, host=usable[0].host, credentials=credentials)


def usable_keys(person_id: str) -> list[keys.KeyView]:
    """A person's keys that count and were made at the address where Ensign is now."""
    here = webauthn.origin()
    return [key for key in keys.of_person(person_id, active=True) if key.origin == here]


def accept(request: ChangeRequest, *, actor: Actor, at: datetime, answer: str) -> dict[str, Any]:
    """The signature in a browser's answer, as an approval keeps it. Call it inside the write door, with the request
    locked; whether it is a signature of this request by this key is judged where the approval is made
    (``domain.trust``).

    :raises Invalid: when it cannot be read, answers no open question of this person about this request, or the
        passkey's counter says that it was copied.
    :raises Denied: when it is by no approval key of theirs.
    """
    given = questions.read_answer(answer)
    asked = questions.take(given, kind="approve", person_id=actor.id, subject=request.id, at=at)
    key = using.answering(actor.id, given.credential_id)
    if key is None or key.origin != webauthn.origin():
        raise Denied(
            "The passkey that answered is not an approval key of yours.",
            permission="change:approve",
            scope=f"{request.project}/{request.environment}",
            remedy="Make it one under Your account → Approval keys, then approve.",
            code="signature-refused",
        )
    signature = Signature(
        key=key.id,
        round=asked["round"],
        **{name: asked[name] for name in ("shown", "nonce", "issued", "expires")},
        answer=given.assertion,
    )
    using.count_use(actor.id, key, given.assertion.counter, at=at)
    return {**signature.to_entry(), "shown_as": asked["shown_as"]}


def _about(request: ChangeRequest, actor: Actor, policy: PolicyInForce) -> About:
    return About(
        log=checkpoints.head().origin,
        request=request.id,
        round=request.round,
        approver=actor.id,
        digest=request.digest,
        policy=policy.ref,
    )
