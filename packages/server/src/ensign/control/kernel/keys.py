"""Key files of an installation: made on first use, readable by the owner alone.

``ENSIGN_KEYS_DIR`` (default: ``keys`` in the data directory) holds ``django.key``, ``ledger.key`` and
``secrets.key``, and in ``people`` a key for everybody who stands in a backup. Several server processes on one
PostgreSQL share the same files.
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


def load(directory: Path, name: str, *, size: int = 32) -> bytes | None:
    """The key ``name`` of ``size`` bytes, or None when there is none.

    :raises Unavailable: when the file cannot be read or has the wrong length.
    """
    return load_or_create(directory, name, size=size) if (directory / name).exists() else None


def destroy(directory: Path, name: str) -> None:
    """Overwrite the key ``name`` and remove it; nothing happens when there is none.

    What the disk itself keeps of overwritten blocks (an SSD, a snapshot of the volume) is beyond a program's reach.

    :raises Unavailable: when it cannot be removed.
    """
    path = directory / name
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable(f"The key file {path} cannot be destroyed: {error}", remedy="Remove it by hand.") from error
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(b"0" * 65)
            handle.flush()
            os.fsync(handle.fileno())
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"The key file {path} cannot be destroyed: {error}", remedy="Remove it by hand.") from error
