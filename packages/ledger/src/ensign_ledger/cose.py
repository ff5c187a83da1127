"""Public keys of passkeys: COSE (RFC 9052 section 7) of the three algorithms that approvals are signed with.

ES256 (-7) on P-256, EdDSA (-8) on Ed25519, RS256 (-257) with 2048 to 4096 bits. A key has the form that WebAuthn gives
it (Level 2, section 5.8.5) and no other: a CBOR map of exactly the members of its kind, every item in the shortest
form, nothing after it. Other algorithms are refused, which keeps a verifier small enough to be read.
"""

from dataclasses import dataclass
from hashlib import sha256

from ensign_ledger import ed25519, p256

ES256, EDDSA, RS256 = -7, -8, -257
NAMES = {ES256: "ES256", EDDSA: "EdDSA", RS256: "RS256"}
"""The algorithms by their number in IANA's COSE registry."""

MAX_KEY = 600
"""Largest key in bytes: an RSA key of 4096 bits takes less."""

_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""The DER of a SHA-256 DigestInfo up to the digest (RFC 8017, section 9.2, note 1)."""


class PublicKeyError(ValueError):
    """A public key that is malformed, of another algorithm, or too weak."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key. ``numbers``: x and y (ES256), or n and e (RS256); ``point``: 32 bytes (EdDSA)."""

    algorithm: int
    numbers: tuple[int, int] = (0, 0)
    point: bytes = b""

    @property
    def name(self) -> str:
        """``ES256``, ``EdDSA`` or ``RS256``."""
        return NAMES[self.algorithm]

    def verify(self, *, message: bytes, signature: bytes) -> bool:
        """Tell whether ``signature``, as WebAuthn encodes it for this algorithm, is of this key over ``message``."""
        if self.algorithm == ES256:
            return p256.verify(public_key=self.numbers, message=message, signature=signature)
        if self.algorithm == EDDSA:
            return ed25519.verify(public_key=self.point, message=message, signature=signature)
        return _verify_rs256(*self.numbers, message=message, signature=signature)


def parse_key(data: bytes, /) -> PublicKey:
    """Read a COSE key; raises PublicKeyError saying what is wrong with it."""
    if len(data) > MAX_KEY:
        raise PublicKeyError(f"a key has at most {MAX_KEY} bytes")
    members = _map(data)
    match members.get(3), members.get(1), members.get(-1):
        case (-7, 2, 1) if members.keys() == {1, 3, -1, -2, -3}:
            x, y = _bytes(members, -2, 32), _bytes(members, -3, 32)
            numbers = int.from_bytes(x, "big"), int.from_bytes(y, "big")
            if not p256.on_curve(*numbers):
                raise PublicKeyError("the point is not on P-256")
            return PublicKey(ES256, numbers)
        case (-8, 1, 6) if members.keys() == {1, 3, -1, -2}:
            return PublicKey(EDDSA, point=_bytes(members, -2, 32))
        case (-257, 3, bytes()) if members.keys() == {1, 3, -1, -2}:
            return PublicKey(RS256, _rsa(_bytes(members, -1), _bytes(members, -2)))
    raise PublicKeyError("not an ES256, EdDSA or RS256 key")


def _rsa(modulus: bytes, exponent: bytes) -> tuple[int, int]:
    n, e = int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")
    if modulus[:1] == b"\0" or exponent[:1] == b"\0":
        raise PublicKeyError("a number begins with a zero byte")
    if not 2048 <= n.bit_length() <= 4096 or n.bit_length() % 8 or not n & 1:
        raise PublicKeyError("an RSA key has 2048 to 4096 bits, in whole bytes")
    if not 65537 <= e < 2**32 or not e & 1:
        raise PublicKeyError("the exponent is odd, at least 65537 and below 2^32")
    return n, e


def _verify_rs256(n: int, e: int, *, message: bytes, signature: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2.2): the encoded message is built and compared, never parsed."""
    size = n.bit_length() // 8
    s = int.from_bytes(signature, "big")
    if len(signature) != size or s >= n:
        return False
    info = _SHA256_INFO + sha256(message).digest()
    expected = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
    return pow(s, e, n).to_bytes(size, "big") == expected


def _bytes(members: dict[int, int | bytes], label: int, size: int | None = None) -> bytes:
    value = members[label]
    if not isinstance(value, bytes) or not value or (size is not None and len(value) != size):
        raise PublicKeyError(f"member {label} is not {f'{size} bytes' if size else 'bytes'}")
    return value


def _map(data: bytes) -> dict[int, int | bytes]:
    """A CBOR map of integers to integers and byte strings (RFC 8949), each in the shortest form, each key once."""
    kind, count, at = _head(data, 0)
    if kind != 5:
        raise PublicKeyError("not a CBOR map")
    members: dict[int, int | bytes] = {}
    for _ in range(count):
        label, at = _item(data, at)
        value, at = _item(data, at)
        if not isinstance(label, int) or label in members:
            raise PublicKeyError("a label is no number, or stands there twice")
        members[label] = value
    if at != len(data):
        raise PublicKeyError("bytes follow the key")
    return members


def _item(data: bytes, at: int) -> tuple[int | bytes, int]:
    kind, value, at = _head(data, at)
    if kind in (0, 1):
        return (-1 - value if kind else value), at
    if kind != 2 or at + value > len(data):
        raise PublicKeyError("neither a number nor a string of bytes, or cut short")
    return data[at : at + value], at + value


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Kind, number and what follows of the item that begins at ``at``."""
    if at >= len(data):
        raise PublicKeyError("cut short")
    kind, short = data[at] >> 5, data[at] & 31
    if short < 24:
        return kind, short, at + 1
    size = {24: 1, 25: 2}.get(short)
    if size is None or at + 1 + size > len(data):
        raise PublicKeyError("a number that no such key holds, or cut short")
    value = int.from_bytes(data[at + 1 : at + 1 + size], "big")
    if value < (24 if size == 1 else 256):
        raise PublicKeyError("a number that is not in its shortest form")
    return kind, value, at + 1 + size
