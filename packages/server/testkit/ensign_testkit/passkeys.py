"""Passkeys of people in tests: enrolled as second factors, made approval keys, and signing, through the operations."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from allauth.mfa.models import Authenticator
from ensign.control.changes import operations as door
from ensign.control.changes import signing
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.identity import webauthn
from ensign.control.identity.adapters import relying_party
from ensign.control.identity.approval_keys import operations as keys
from ensign.control.identity.models import Account
from ensign.control.kernel import clock
from ensign.control.kernel.actor import Actor
from ensign_ledger.cose import ES256
from ensign_ledger.passkey import Assertion, b64url, unb64url
from ensign_ledger.testing_passkeys import SimulatedPasskey
from fido2 import cbor
from fido2.utils import websafe_encode


def add_passkey(actor: Actor, *, seed: int = 1, algorithm: int = ES256, name: str = "laptop") -> SimulatedPasskey:
    """A passkey among the person's second factors, as enrolling in a browser leaves it."""
    passkey = SimulatedPasskey(algorithm, seed=seed, host=relying_party(), origin=webauthn.origin())
    id = passkey.credential_id
    data = sha256(passkey.host.encode()).digest() + b"\x45" + bytes(4)
    data += bytes(16) + len(id).to_bytes(2, "big") + id + passkey.public_key
    client = {"type": "webauthn.create", "challenge": b64url(bytes(32)), "origin": passkey.origin}
    document = {
        "id": websafe_encode(id),
        "rawId": websafe_encode(id),
        "type": "public-key",
        "response": {
            "clientDataJSON": b64url(json.dumps(client).encode()),
            "attestationObject": b64url(cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})),
        },
    }
    Authenticator.objects.create(
        user=Account.objects.get(person_id=actor.id),
        type=Authenticator.Type.WEBAUTHN,
        data={"name": name, "credential": document, "credential_id": websafe_encode(id), "sign_count": 0},
    )
    return passkey


def factor_of(passkey: SimulatedPasskey) -> int:
    """The number of the passkey among second factors."""
    return int(Authenticator.objects.get(data__credential_id=websafe_encode(passkey.credential_id)).pk)


def make_key(actor: Actor, passkey: SimulatedPasskey, *, at: datetime | None = None, **lies: Any) -> str:
    """Make the passkey an approval key; returns the key's id. ``lies`` go to the passkey."""
    at = at or clock.now()
    asked = keys.ask_to_enrol(actor=actor, at=at, factor_id=factor_of(passkey))
    answer = as_browser(passkey, passkey.sign(challenge_in(asked), **lies))
    return keys.enrol(actor=actor, at=at, factor_id=factor_of(passkey), answer=answer)


def signer(actor: Actor, *, seed: int = 1, algorithm: int = ES256, at: datetime | None = None) -> SimulatedPasskey:
    """A passkey of theirs that is an approval key, made two days ago unless ``at`` says when."""
    passkey = add_passkey(actor, seed=seed, algorithm=algorithm)
    made = at or clock.now() - timedelta(days=2)
    make_key(Actor(kind="person", id=actor.id, via="session", mfa_at=made), passkey, at=made)
    return passkey


def signed_answer(actor: Actor, passkey: SimulatedPasskey, request: ChangeRequest, *, at: datetime, **lies: Any) -> str:
    """The passkey's answer to the question about the request as it is. ``lies`` go to the passkey."""
    asked = signing.ask(actor=actor, at=at, request_id=request.id, digest=request.digest, round=request.round)
    return as_browser(passkey, passkey.sign(challenge_in(asked), **lies))


def approve_signed(
    actor: Actor, passkey: SimulatedPasskey, request: ChangeRequest, *, at: datetime, **lies: Any
) -> door.Reviewed:
    """Approve with a signature."""
    answer = signed_answer(actor, passkey, request, at=at, **lies)
    return door.review(
        actor=actor, at=at, request_id=request.id, decision="approve", digest=request.digest, answer=answer
    )


def challenge_in(asked: dict[str, Any]) -> bytes:
    """The challenge of what the browser is asked."""
    return unb64url(asked["publicKey"]["challenge"])


def as_browser(passkey: SimulatedPasskey, assertion: Assertion) -> str:
    """The assertion as the page sends it."""
    return json.dumps(
        {
            "id": b64url(passkey.credential_id),
            "rawId": b64url(passkey.credential_id),
            "type": "public-key",
            "response": {
                "authenticatorData": b64url(assertion.authenticator_data),
                "clientDataJSON": b64url(assertion.client_data),
                "signature": b64url(assertion.signature),
            },
        }
    )
