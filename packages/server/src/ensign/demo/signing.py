"""Passkeys in the demo: a device in memory that answers as a browser's authenticator does, and what it signs.

Its key follows from the demo's seed. It stands in for the fingerprint of people who do not exist; what it signs is
checked by the same code as everybody's signature, and by `ensign-verify` afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from ensign.control.changes import operations as changes
from ensign.control.changes import signing
from ensign.control.changes.domain.requests import ChangeRequest
from ensign.control.changes.operations import Reviewed
from ensign.control.identity import factors, webauthn
from ensign.control.identity.approval_keys import operations as approval_keys
from ensign.control.identity.models import Account
from ensign.demo import cast, watching
from ensign.demo.company import Company

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SEEN: Final = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV


class Device:
    """The passkey of one person: an ES256 key, and a counter that grows with every answer."""

    def __init__(self, secret: str, person: str) -> None:
        number = hashlib.sha256(f"{secret} passkey of {person}".encode()).digest()
        self._key = ec.derive_private_key(int.from_bytes(number) % (_ORDER - 1) + 1, ec.SECP256R1())
        self._credential = hashlib.sha256(f"{secret} credential of {person}".encode()).digest()
        self._counter = 0

    def registers(self, options: Mapping[str, Any]) -> str:
        """Its answer to ``navigator.credentials.create``, as the page sends it."""
        asked = options["publicKey"]
        public = AttestedCredentialData.create(Aaguid.NONE, self._credential, self._public())
        data = self._data(asked["rp"]["id"], _SEEN | AuthenticatorData.FLAG.AT, public)
        said = {"attestationObject": websafe_encode(AttestationObject.create("none", data, {}))}
        return self._answer(said, self._client("webauthn.create", asked))

    def signs(self, options: Mapping[str, Any]) -> str:
        """Its answer to ``navigator.credentials.get``."""
        asked = options["publicKey"]
        client = self._client("webauthn.get", asked)
        self._counter += 1
        data = self._data(asked["rpId"], _SEEN)
        signature = self._key.sign(data + client.hash, ec.ECDSA(hashes.SHA256()))
        said = {"authenticatorData": websafe_encode(data), "signature": websafe_encode(signature)}
        return self._answer(said, client)

    def _public(self) -> ES256:
        key: ES256 = ES256.from_cryptography_key(self._key.public_key())  # type: ignore[no-untyped-call]  # fido2's
        return key

    def _client(self, kind: str, asked: Mapping[str, Any]) -> CollectedClientData:
        return CollectedClientData.create(kind, websafe_decode(asked["challenge"]), webauthn.origin())

    def _data(self, host: str, flags: AuthenticatorData.FLAG, credential: bytes = b"") -> AuthenticatorData:
        data: AuthenticatorData = AuthenticatorData.create(
            hashlib.sha256(host.encode()).digest(), flags, self._counter, credential
        )
        return data

    def _answer(self, said: Mapping[str, str], client: CollectedClientData) -> str:
        id = websafe_encode(self._credential)
        response = {"clientDataJSON": websafe_encode(client), **said}
        return json.dumps({"id": id, "rawId": id, "type": "public-key", "response": response})


class Signers:
    """Who signs what they approve."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._devices: dict[str, Device] = {}

    def enrol(self, key: str, at: datetime) -> None:
        """A passkey as a second factor, and as an approval key by its own signature."""
        device = self._devices[key] = Device(self._company.secret, key)
        actor = self._company.actor(key, at=at)
        account = Account.objects.select_related("person").get(person_id=actor.id)
        asked = webauthn.ask_to_register(account)
        factors.enrol_passkey(
            actor=actor, at=at, answer=device.registers(asked.options), state=asked.state, name="Laptop",
            password=cast.PASSWORD,
        )  # fmt: skip
        factor = factors.factors_of(actor.id)[-1].id
        question = approval_keys.ask_to_enrol(actor=actor, at=at, factor_id=factor)
        approval_keys.enrol(actor=actor, at=at, factor_id=factor, answer=device.signs(question))

    def approve(self, key: str, request: ChangeRequest, at: datetime, *, text: str = "") -> Reviewed:
        """Read the request as it is, and approve it with a signature over exactly that."""
        actor = self._company.actor(key, at=at)
        watching.reads(actor, request, at=at)
        question = signing.ask(actor=actor, at=at, request_id=request.id, digest=request.digest, round=request.round)
        return changes.review_and_apply(
            actor=actor, at=at, request_id=request.id, decision="approve", digest=request.digest, text=text,
            answer=self._devices[key].signs(question),
        )  # fmt: skip
