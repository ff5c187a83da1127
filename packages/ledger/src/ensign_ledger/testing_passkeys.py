"""A passkey in memory, for tests: signs like an authenticator, and lies like one on demand."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from ensign_ledger.approval import About, Enrolment, Signature, approval_challenge, enrolment_challenge
from ensign_ledger.cose import EDDSA, ES256, RS256
from ensign_ledger.passkey import PRESENT, VERIFIED, Assertion, b64url

Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


class SimulatedPasskey:
    """One key at one host. ``sign`` answers a challenge; what is handed to it replaces what an honest one would say."""

    def __init__(
        self,
        algorithm: int = ES256,
        *,
        seed: int = 1,
        host: str = "flags.example.com",
        origin: str = "https://flags.example.com",
        private: Private | None = None,
    ) -> None:
        self.host, self.origin, self.counter = host, origin, 0
        self.credential_id = sha256(f"{algorithm} {seed}".encode()).digest()
        self.private = private if private is not None else _made(algorithm, seed)

    @property
    def credential(self) -> str:
        """The hash of the credential's id, as the log names it."""
        return sha256(self.credential_id).hexdigest()

    @property
    def public_key(self) -> bytes:
        """The COSE key."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            numbers = self.private.public_key().public_numbers()
            x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
            return cose_map((1, 2), (3, ES256), (-1, 1), (-2, x), (-3, y))
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return cose_map((1, 1), (3, EDDSA), (-1, 6), (-2, self.private.public_key().public_bytes_raw()))
        public = self.private.public_key().public_numbers()
        n = public.n.to_bytes((public.n.bit_length() + 7) // 8, "big")
        return cose_map((1, 3), (3, RS256), (-1, n), (-2, public.e.to_bytes(3, "big")))

    def sign(
        self,
        challenge: bytes,
        *,
        client_data: Mapping[str, Any] | None = None,
        flags: int = PRESENT | VERIFIED,
        host: str | None = None,
        extra: bytes = b"",
        length: int | None = None,
    ) -> Assertion:
        """Answer a challenge; ``client_data`` replaces members, ``extra`` follows the counter, ``length`` cuts."""
        self.counter += 1
        said = {"type": "webauthn.get", "challenge": b64url(challenge), "origin": self.origin, "crossOrigin": False}
        data = json.dumps({**said, **(client_data or {})}, separators=(",", ":")).encode()
        bound = sha256((self.host if host is None else host).encode()).digest()
        authenticator = (bound + bytes([flags]) + self.counter.to_bytes(4, "big") + extra)[:length]
        return Assertion(authenticator, data, self._signed(authenticator + sha256(data).digest()))

    def approve(self, about: About, *, key: str, shown: str, issued: str, expires: str, **lies: Any) -> Signature:
        """Sign an approval statement; ``lies`` go to :meth:`sign`."""
        nonce = f"nonce-{self.counter:020}"
        challenge = approval_challenge(about, shown=shown, nonce=nonce, issued=issued, expires=expires)
        return Signature(
            key=key, round=about.round, shown=shown, nonce=nonce, issued=issued, expires=expires,
            answer=self.sign(challenge, **lies),
        )  # fmt: skip

    def enrol(self, *, log: str, key: str, owner: str, issued: str, expires: str, **lies: Any) -> Enrolment:
        """Sign its own enrolment; ``lies`` go to :meth:`sign`."""
        said: dict[str, Any] = {
            "key": key, "owner": owner, "public_key": self.public_key, "credential": self.credential,
            "host": self.host, "origin": self.origin, "nonce": f"nonce-{self.counter:020}", "issued": issued,
            "expires": expires,
        }  # fmt: skip
        return Enrolment(**said, answer=self.sign(enrolment_challenge(log=log, **said), **lies))

    def _signed(self, message: bytes) -> bytes:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return self.private.sign(message, ec.ECDSA(hashes.SHA256()))
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(message)
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())


def cose_map(*members: tuple[int, int | bytes]) -> bytes:
    """A CBOR map of these members in this order, each item in the shortest form."""
    return _head(5, len(members)) + b"".join(_item(label) + _item(value) for label, value in members)


def _item(value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    return _head(0, value) if value >= 0 else _head(1, -1 - value)


def _head(kind: int, value: int) -> bytes:
    if value < 24:
        return bytes([kind << 5 | value])
    return bytes([kind << 5 | 24, value]) if value < 256 else bytes([kind << 5 | 25]) + value.to_bytes(2, "big")


def _made(algorithm: int, seed: int) -> Private:
    if algorithm == ES256:
        return ec.derive_private_key(seed + 1, ec.SECP256R1())
    if algorithm == EDDSA:
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
