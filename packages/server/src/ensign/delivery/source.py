"""Where rulesets and tokens come from: the two tables in which the planes meet (docs/reference/planes.md)."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ensign.delivery.history import MAX_CHANGES, RevisionRow
from ensign.delivery.tokens import Bounds, TokenRow

#: Says in one row whether anything changed; each part comes from an index or a small table.
FINGERPRINT = (
    "SELECT (SELECT COALESCE(MAX(number), 0) FROM publishing_revision),"
    " (SELECT COUNT(*) FROM projects_client_token),"
    " (SELECT COALESCE(MAX(ledger_seq), 0) FROM projects_client_token),"
    " (SELECT COALESCE(MAX(ledger_seq), 0) FROM publishing_ruleset),"
    " (SELECT COALESCE(MAX(serial), 0) FROM publishing_proof)"
)
VERSIONS = "SELECT id, ledger_seq FROM publishing_ruleset"
PROOFS = "SELECT ruleset, document FROM publishing_proof WHERE serial > {0}"
TOKENS = "SELECT token_hash, type, environment, status, expires_at, content FROM projects_client_token"
#: The newest publications above a number, newest first; a delta that is too large for the ring is left out.
REVISIONS = (
    "SELECT number, epoch, project, environment, CASE WHEN LENGTH(delta) <= 262144 THEN delta END"
    " FROM publishing_revision WHERE number > {0} ORDER BY number DESC LIMIT {0}"
)


Version = int | str
"""What tells one content of a ruleset from another; compared for equality only. In the database `ledger_seq`."""


def proof_versions(newest: object, known: Mapping[str, Version]) -> tuple[int, int]:
    """The newest proof's serial, and above which the unknown ones are: above 0 where a restore has gone back."""
    serial, before = int(str(newest)), int(known.get("proofs", 0))
    return serial, before if before <= serial else 0


class SourceError(Exception):
    """The source cannot be read now; the text says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in one consistent snapshot.

    `contents` maps the id of each ruleset whose version differs from the known one to its JSON; `versions` maps all
    ids to their versions, to be passed to the next `read`. `revisions` are the publications above `floor`, oldest
    first, up to `number`, which is that of the newest one. `proofs` maps ids of rulesets to proofs that are new.

    `bounds` says for which tokens `tokens` is all there is: what stands outside it stays as it was; None is everything.
    """

    versions: Mapping[str, Version]
    contents: Mapping[str, str]
    tokens: tuple[TokenRow, ...]
    revisions: tuple[RevisionRow, ...] = ()
    floor: int = 0
    number: int = 0
    proofs: Mapping[str, str] = field(default_factory=dict)
    bounds: tuple[Bounds, ...] | None = None

    @classmethod
    def of(
        cls,
        versions: Mapping[str, Version],
        contents: Mapping[str, str],
        tokens: tuple[TokenRow, ...],
        *,
        since: int,
        rows: Sequence[RevisionRow],
        proofs: Mapping[str, str] | None = None,
    ) -> Reading:
        """With the rows of `REVISIONS`, asked for what is above `since` and no more than `MAX_CHANGES`."""
        floor = since if len(rows) < MAX_CHANGES else rows[-1].number - 1
        newest = rows[0].number if rows else since
        return cls(versions, contents, tokens, tuple(reversed(rows)), floor, newest, proofs or {})


class Source(Protocol):
    """A place to read from. One thread calls `read` and `wait`; any thread may call `hint`.

    `doubt` says why what was read last may be old, although it was read well; empty for a source that is the truth.
    """

    name: str
    doubt: str

    def read(self, known: Mapping[str, Version], since: int = 0) -> Reading | None:
        """What changed since the last successful `read`, or None when nothing did. Raises SourceError.

        `known` are the versions and `since` the number that the last reading gave.
        """

    def wait(self, seconds: float) -> None:
        """Return when something may have changed, at the latest after `seconds`. Raises SourceError."""

    def hint(self) -> None:
        """Something was probably published just now: end the present or the next `wait`."""

    def close(self) -> None:
        """Let go of connections; `read` may open new ones."""


class SqliteSource:
    """Reads a SQLite file through a read-only connection of its own, and watches `PRAGMA data_version`."""

    doubt = ""
    POLL = 0.1  # seconds; one pragma takes about 5 microseconds

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = f"SQLite file {path}"
        self._path = Path(path).absolute()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._fingerprint: tuple[object, ...] | None = None
        self._hinted = threading.Event()

    def read(self, known: Mapping[str, Version], since: int = 0) -> Reading | None:
        """See `Source`."""
        try:
            connection = self._open()
            connection.execute("BEGIN")
            try:
                fingerprint = tuple(connection.execute(FINGERPRINT).fetchone())
                if fingerprint == self._fingerprint:
                    return None
                versions: dict[str, int] = dict(connection.execute(VERSIONS))
                contents = {
                    id: connection.execute("SELECT content FROM publishing_ruleset WHERE id = ?", (id,)).fetchone()[0]
                    for id, version in versions.items()
                    if known.get(id) != version
                }
                versions["proofs"], above = proof_versions(fingerprint[-1], known)
                proofs: dict[str, str] = dict(connection.execute(PROOFS.format("?"), (above,)))
                tokens = tuple(map(TokenRow.read, connection.execute(TOKENS)))
                found = connection.execute(REVISIONS.format("?"), (since, MAX_CHANGES))
                rows = [RevisionRow(*row) for row in found]
            finally:
                connection.execute("ROLLBACK")
        except (sqlite3.Error, OSError, ValueError) as problem:
            self.close()
            raise SourceError(f"{self.name}: {problem}") from problem
        self._fingerprint = fingerprint
        return Reading.of(versions, contents, tokens, since=since, rows=rows, proofs=proofs)

    def wait(self, seconds: float) -> None:
        """See `Source`."""
        deadline = time.monotonic() + seconds
        try:
            connection = self._open()
            before = connection.execute("PRAGMA data_version").fetchone()
            while (left := deadline - time.monotonic()) > 0:
                if self._hinted.wait(min(left, self.POLL)):
                    self._hinted.clear()
                    return
                if self._open() is not connection or connection.execute("PRAGMA data_version").fetchone() != before:
                    return
        except (sqlite3.Error, OSError) as problem:
            self.close()
            raise SourceError(f"{self.name}: {problem}") from problem

    def hint(self) -> None:
        """See `Source`."""
        self._hinted.set()

    def close(self) -> None:
        """See `Source`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._fingerprint = None

    def _open(self) -> sqlite3.Connection:
        """The connection; a new one when a restore has put another file into the place of the old."""
        found = self._path.stat()
        identity = (found.st_dev, found.st_ino)
        if self._connection is None or identity != self._identity:
            self.close()
            self._connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None, check_same_thread=False
            )
            self._identity = identity
        return self._connection
