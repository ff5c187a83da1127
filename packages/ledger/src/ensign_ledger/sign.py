"""Signing with an Ed25519 key: the one module that needs ``cryptography`` (extra ``sign``)."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ensign_ledger.checkpoint import Checkpoint
from ensign_ledger.note import (
    ALGORITHM_ED25519,
    Note,
    NoteError,
    Signature,
    VerifierKey,
    b64decode,
    b64encode,
    parse_note,
)

_PREFIX = "PRIVATE+KEY+"


class Signer:
    """A named private key. Its ``repr`` shows the fingerprint only."""

    __slots__ = ("_private", "_seed", "key")

    def __init__(self, *, name: str, seed: bytes) -> None:
        """Use ``seed``, the 32 secret bytes of RFC 8032 section 5.1.5; raises NoteError."""
        if len(seed) != 32:
            raise NoteError("an Ed25519 seed has 32 bytes")
        self._seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.key = VerifierKey(name, self._private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, *, name: str) -> "Signer":
        """Return a new random key under ``name`` (a log's key is named by its origin)."""
        return cls(name=name, seed=os.urandom(32))

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._seed

    def sign(self, message: bytes, /) -> bytes:
        """Return the 64-byte signature over ``message``."""
        return self._private.sign(message)

    def sign_note(self, text: str, /) -> bytes:
        """Return a signed note over ``text``, which ends with a newline."""
        if not text.endswith("\n") or text == "\n":
            raise NoteError("a note's text is not empty and ends with a newline")
        return parse_note(Note(text, (self._signature(text),)).encode()).encode()

    def cosign(self, note: bytes, /) -> bytes:
        """Return ``note`` with this key's signature added (both sign during a rotation's overlap)."""
        parsed = parse_note(note)
        return Note(parsed.text, (*parsed.signatures, self._signature(parsed.text))).encode()

    def sign_checkpoint(self, checkpoint: Checkpoint, /) -> bytes:
        """Return the signed checkpoint's bytes."""
        return self.sign_note(checkpoint.text())

    def private_text(self) -> str:
        """Return the secret key in the note format: ``PRIVATE+KEY+<name>+<id>+<base64>`` and a newline."""
        data = b64encode(ALGORITHM_ED25519 + self._seed)
        return f"{_PREFIX}{self.key.name}+{self.key.key_id.hex()}+{data}\n"

    @classmethod
    def from_private_text(cls, text: str, /) -> "Signer":
        """Read what private_text wrote; raises NoteError, also if the key id does not match."""
        line = text.removesuffix("\n")
        name, _, rest = line.removeprefix(_PREFIX).partition("+")
        key_id, _, encoded = rest.partition("+")
        if not line.startswith(_PREFIX):
            raise NoteError("not a private key of a signed note")
        data = b64decode(encoded)
        if data[:1] != ALGORITHM_ED25519:
            raise NoteError("not an Ed25519 private key (type 0x01)")
        signer = cls(name=name, seed=data[1:])
        if signer.key.key_id.hex() != key_id:
            raise NoteError("the private key's id does not belong to its name and key")
        return signer

    def save(self, path: Path, /) -> None:
        """Write the secret key to a new file that only its owner can read; refuses to overwrite."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(self.private_text())
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path, /) -> "Signer":
        """Read a file that save wrote; raises NoteError or OSError."""
        return cls.from_private_text(path.read_text(encoding="utf-8"))

    def _signature(self, text: str) -> Signature:
        return Signature(self.key.name, self.key.key_id, self.sign(text.encode()))

    def __repr__(self) -> str:
        return f"Signer({self.key.name!r}, {self.key.fingerprint})"
