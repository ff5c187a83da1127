"""C2SP signed notes (c2sp.org/signed-note) with Ed25519 keys, type 0x01, read strictly.

Strict: exact newlines, no control characters, base64 that encodes back to the same text (no malleable
trailing bits), nothing after the last signature line. Unknown keys' signatures are ignored as the
specification demands; a known key whose signature fails condemns the whole note.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from ensign_ledger import ed25519

ALGORITHM_ED25519 = b"\x01"
MAX_SIGNATURES = 64
"""More than the 16 that a verifier must accept at least, few enough to check in pure Python."""

MAX_NOTE = 64 * 1024
"""Largest note in bytes."""

_DASH = "\u2014 "


class NoteError(ValueError):
    """A note, key or fingerprint that is malformed, or a note that no known key signed."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key (32 bytes) under a name without spaces or plus signs."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.public_key) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name || 0x0A || 0x01 || public key)."""
        return sha256(self.name.encode() + b"\n" + ALGORITHM_ED25519 + self.public_key).digest()[:4]

    @property
    def vkey(self) -> str:
        """The C2SP verifier key: ``name+<key id in hex>+<base64 of 0x01 || public key>``."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ALGORITHM_ED25519 + self.public_key)}"

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and the unpadded base64 of the SHA-256 of the 32 public key bytes (43 characters)."""
        return "SHA256:" + b64encode(sha256(self.public_key).digest()).rstrip("=")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who claims to have signed, and the bytes after the key id."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """Return the signature line with its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note; ``text`` includes its final newline and is what the signatures cover (UTF-8)."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Return the note's bytes."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()


def b64encode(data: bytes, /) -> str:
    """Return standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str, /) -> bytes:
    """Read standard base64 in its only accepted spelling; raises NoteError for any other."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NoteError("not base64") from None
    if b64encode(data) != text:
        raise NoteError("base64 in another than its canonical spelling")
    return data


def check_key_name(name: str, /) -> None:
    """Raise NoteError unless ``name`` is a key name: not empty, no Unicode space, plus or control."""
    if not name or "+" in name or any(c.isspace() or c < " " or c == "\x7f" for c in name):
        raise NoteError("a key name is not empty and has neither spaces, plus signs nor control characters")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise NoteError("a key name is valid Unicode") from None


def parse_vkey(text: str, /) -> VerifierKey:
    """Read a C2SP verifier key; raises NoteError, also if its key id does not match."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    data = b64decode(encoded)
    if data[:1] != ALGORITHM_ED25519 or len(data) != 33:
        raise NoteError("not an Ed25519 verifier key (type 0x01, 32 bytes)")
    key = VerifierKey(name, data[1:])
    if key.key_id.hex() != key_id:
        raise NoteError("the verifier key's id does not belong to its name and public key")
    return key


def parse_fingerprint(text: str, /) -> str:
    """Return a fingerprint in its standard spelling; accepts base64 with or without ``=``, or 64 hex digits.

    Raises NoteError for anything else.
    """
    prefix, colon, digest = text.strip().partition(":")
    if prefix.upper() != "SHA256" or not colon:
        raise NoteError("a key fingerprint looks like SHA256:<43 characters of base64, or 64 hex digits>")
    if len(digest) == 64:
        try:
            raw = bytes.fromhex(digest)
        except ValueError:
            raise NoteError("the fingerprint is not hexadecimal") from None
    else:
        raw = b64decode(digest.rstrip("=") + "=")
    if len(raw) != 32:
        raise NoteError("a SHA-256 fingerprint has 32 bytes")
    return "SHA256:" + b64encode(raw).rstrip("=")


def parse_note(data: bytes, /) -> Note:
    """Split a note into text and signatures; raises NoteError. Verifies nothing: see signers_of."""
    if len(data) > MAX_NOTE:
        raise NoteError(f"a note has at most {MAX_NOTE} bytes")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("a note is valid UTF-8") from None
    if any(c < " " and c != "\n" for c in whole):
        raise NoteError("a note has no control characters but newline")
    head, blank, tail = whole.rpartition("\n\n")
    if not blank or not head:
        raise NoteError("a note has a text, an empty line and signatures")
    if not tail.endswith("\n"):
        raise NoteError("a note's last signature line ends with a newline")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(head + "\n", tuple(_parse_signature(line) for line in lines))


def signers_of(note: Note, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
    """Return which of ``keys`` signed the note, each once, in the note's order.

    Raises NoteError if a known key's signature fails or no known key signed (signed-note, Signatures).
    """
    known = {(key.name, key.key_id): key for key in keys}
    message = note.text.encode()
    signers: list[VerifierKey] = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not ed25519.verify(public_key=key.public_key, message=message, signature=signature.value):
            raise NoteError(f"the signature of {key.name} ({key.fingerprint}) does not verify")
        if key not in signers:
            signers.append(key)
    if not signers:
        raise NoteError("no known key has signed this note")
    return signers


def _parse_signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise NoteError("a signature line starts with an em dash and a space")
    name, space, encoded = line[len(_DASH) :].partition(" ")
    if not space:
        raise NoteError("a signature line has a name and a signature")
    check_key_name(name)
    data = b64decode(encoded)
    if len(data) < 5:
        raise NoteError("a signature has a key id of 4 bytes and a value")
    return Signature(name, data[:4], data[4:])
