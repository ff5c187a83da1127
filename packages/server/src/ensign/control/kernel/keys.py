"""Key files of an installation: made on first use, readable by the owner alone.

``ENSIGN_KEYS_DIR`` (default: ``keys`` in the data directory) holds ``django.key``, ``ledger.key`` and
``secrets.key``. Several server processes on one PostgreSQL share the same files.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ensign.control.kernel.errors import Unavailable


def load_or_create(directory: Path, name: str, *, size: int = 32) -> bytes:
    """The key ``name`` of ``size`` bytes, created with mode 0600 if it does not exist.

    :raises Unavailable: when the file can be neither read nor made, or has the wrong length.
    """
    path = directory / name
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = bytes.fromhex(path.read_text("ascii").strip())
        else:
            key = secrets.token_bytes(size)
            with os.fdopen(descriptor, "w", encoding="ascii") as handle:
                handle.write(key.hex() + "\n")
                handle.flush()
                os.fsync(handle.fileno())
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"The key file {path} cannot be used: {error}",
            remedy="Make the data directory writable for Ensign, or restore the key file from your backup.",
        ) from error
    if len(key) != size:
        raise Unavailable(
            f"The key file {path} has {len(key)} bytes instead of {size}.",
            remedy="Restore it from your backup.",
        )
    return key
