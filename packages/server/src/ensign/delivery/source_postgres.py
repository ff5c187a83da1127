"""The PostgreSQL source: LISTEN for speed, polling for truth. Apart from `source`, as psycopg is an extra."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import psycopg

from ensign.delivery.history import MAX_CHANGES, RevisionRow
from ensign.delivery.source import (
    FINGERPRINT,
    PROOFS,
    REVISIONS,
    TOKENS,
    VERSIONS,
    Reading,
    SourceError,
    Version,
    proof_versions,
)
from ensign.delivery.tokens import TokenRow

CHANNELS = ("ensign_revision", "ensign_token")


class PostgresSource:
    """Reads the tables in a repeatable-read snapshot; a NOTIFY on one of `CHANNELS` ends a wait at once.

    A notification can be lost with its connection, so every `POLL` seconds the tables are asked, too.
    """

    doubt = ""
    POLL = 0.5  # seconds: a revoked token is refused within one second

    def __init__(self, dsn: str) -> None:
        self.name = "PostgreSQL"
        self._dsn = dsn
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._fingerprint: tuple[object, ...] | None = None
        self._hinted = threading.Event()

    def read(self, known: Mapping[str, Version], since: int = 0) -> Reading | None:
        """See `Source`."""
        try:
            connection = self._open()
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                fingerprint = connection.execute(FINGERPRINT).fetchone()
                if fingerprint == self._fingerprint:
                    return None
                versions = {str(id): int(str(version)) for id, version in connection.execute(VERSIONS)}
                changed = [id for id, version in versions.items() if known.get(id) != version]
                rows = connection.execute("SELECT id, content FROM publishing_ruleset WHERE id = ANY(%s)", (changed,))
                contents = {str(id): str(content) for id, content in rows}
                versions["proofs"], above = proof_versions(0 if fingerprint is None else fingerprint[-1], known)
                proven = connection.execute(PROOFS.format("%s"), (above,))
                proofs = {str(id): str(document) for id, document in proven}
                tokens = tuple(TokenRow.read(row) for row in connection.execute(TOKENS))  # type: ignore[arg-type]  # as selected
                found = connection.execute(REVISIONS.format("%s"), (since, MAX_CHANGES))
                revisions = [RevisionRow(*row) for row in found]  # type: ignore[arg-type]  # as selected
            finally:
                connection.execute("ROLLBACK")
        except (psycopg.Error, OSError, ValueError) as problem:
            self.close()
            raise SourceError(f"{self.name}: {type(problem).__name__}") from problem
        self._fingerprint = fingerprint
        return Reading.of(versions, contents, tokens, since=since, rows=revisions, proofs=proofs)

    def wait(self, seconds: float) -> None:
        """See `Source`. In-process hints need no path of their own: the same commit notifies."""
        deadline = time.monotonic() + min(seconds, self.POLL)
        try:
            connection = self._open()
            while (left := deadline - time.monotonic()) > 0:
                if self._hinted.is_set():
                    self._hinted.clear()
                    return
                for _ in connection.notifies(timeout=min(left, 0.1), stop_after=1):
                    return
        except (psycopg.Error, OSError) as problem:
            self.close()
            raise SourceError(f"{self.name}: {type(problem).__name__}") from problem

    def hint(self) -> None:
        """See `Source`."""
        self._hinted.set()

    def close(self) -> None:
        """See `Source`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._fingerprint = None

    def _open(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None:
            # A server that vanished without a word is noticed within seconds, not after the kernel's two hours.
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=5,
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
                tcp_user_timeout=10_000,
                options="-c statement_timeout=10000 -c default_transaction_read_only=on",
                application_name="ensign-delivery",
            )
            for channel in CHANNELS:
                self._connection.execute(f"LISTEN {channel}")
        return self._connection
