"""The last good rules on disk, so that an application starts with its server gone.

One file per address, token and application: a first line of JSON (what the server said about the rules, and the
checksum of the rest), then the document. It is replaced as a whole and synced; a damaged one counts as none.
"""

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger("ensign_sdk")


class Origin(NamedTuple):
    """What the server said about a document. `scope` tells documents of different filters apart."""

    etag: str | None = None
    scope: str | None = None
    revision: tuple[int, int] | None = None


class DiskCache:
    """Reads and writes one file. Never raises; the first failure to write is logged."""

    def __init__(self, directory: Path, *, address: str, token: str, app_name: str) -> None:
        secret = hashlib.sha256(token.encode()).hexdigest()
        key = hashlib.sha256(f"{address}\0{secret}\0{app_name}".encode()).hexdigest()
        self._path = directory / f"{key[:32]}.rules"
        self._complained = False

    def load(self) -> tuple[bytes, Origin] | None:
        """The document and its origin, or None."""
        try:
            head, _, body = self._path.read_bytes().partition(b"\n")
        except OSError:
            return None
        try:
            kept = json.loads(head)
            if kept.pop("sha256") != hashlib.sha256(body).hexdigest():
                raise ValueError("the checksum does not match")
            revision = kept.pop("revision")
            return body, Origin(**kept, revision=None if revision is None else (int(revision[0]), int(revision[1])))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as problem:
            log.warning("Ensign ignores its damaged cache file %s: %s", self._path, problem)
            return None

    def save(self, body: bytes, origin: Origin) -> None:
        """Keep `body`."""
        head = json.dumps({**origin._asdict(), "sha256": hashlib.sha256(body).hexdigest()}).encode()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = f"{self._path}.{os.urandom(6).hex()}"
            # Readable by the owner alone, as rules may name customers; O_EXCL follows no link that waits there.
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(head + b"\n" + body)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self._path)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as problem:
            if not self._complained:
                log.warning("Ensign cannot keep its rules on disk (%s); it goes on without", problem)
            self._complained = True
