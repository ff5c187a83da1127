"""Secrets at rest: AES-256-GCM with table, column and row as associated data, under a versioned key."""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ensign.control.kernel.errors import Unavailable

_VERSION = "v1"


class Vault:
    """Seals and opens short texts. A sealed text moved to another row or column does not open."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: str, *, place: str) -> str:
        """``plain`` as ``v1:<base64>``; ``place`` names table, column and row."""
        nonce = secrets.token_bytes(12)
        sealed = self._cipher.encrypt(nonce, plain.encode(), place.encode())
        return f"{_VERSION}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, place: str) -> str:
        """The plain text.

        :raises Unavailable: when the key is another one or the text was altered or moved.
        """
        version, _, text = sealed.partition(":")
        try:
            raw = base64.urlsafe_b64decode(text)
            if version != _VERSION:
                raise ValueError(version)
            return self._cipher.decrypt(raw[:12], raw[12:], place.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise Unavailable(
                "A stored secret cannot be opened.", remedy="Restore secrets.key, the key it was sealed with."
            ) from error
