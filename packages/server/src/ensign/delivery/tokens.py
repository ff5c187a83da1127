"""Client tokens in memory, found by the SHA-256 of their text (wire contracts, section 1)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

BACKEND, FRONTEND, EDGE = "backend", "frontend", "edge"
_SYNONYMS = {"client": BACKEND}

ALL = ("*",)


@dataclass(frozen=True, slots=True)
class Token:
    """What a token may see. `projects` is sorted, or ("*",); `type` is backend, frontend or edge."""

    hash: str
    type: str
    environment: str
    projects: tuple[str, ...]
    expires_at: datetime | None

    def expired(self, at: datetime) -> bool:
        """Whether it no longer counts at `at`."""
        return self.expires_at is not None and self.expires_at <= at

    def alike(self, other: Token) -> bool:
        """Whether both see the same; their ends may differ, as one that is rotated gets another end."""
        return (self.type, self.environment, self.projects) == (other.type, other.environment, other.projects)


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A row of `projects_client_token` as the database has it."""

    hash: str
    type: str
    environment: str
    status: str
    expires_at: str | None
    projects: tuple[str, ...]

    @classmethod
    def read(cls, row: tuple[str, str, str, str, str | None, str]) -> TokenRow:
        """From (token_hash, type, environment, status, expires_at, content)."""
        token_hash, kind, environment, status, expires_at, content = row
        projects = json.loads(content).get("projects") or ()
        return cls(token_hash, kind, environment, status, expires_at, tuple(str(project) for project in projects))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an edge may know of: one environment and some projects, or all with ("*",)."""

    environment: str
    projects: tuple[str, ...]

    def sees(self, project: str, environment: str) -> bool:
        """Whether a ruleset, or a count, of this place is within it; `*` stands for all projects."""
        return environment == self.environment and (self.projects == ALL or project in self.projects)

    def holds(self, row: TokenRow | Token) -> bool:
        """Whether a token reaches nothing beyond it."""
        return row.environment == self.environment and (
            self.projects == ALL or (bool(row.projects) and set(row.projects) <= set(self.projects))
        )


def active(rows: Iterable[TokenRow]) -> dict[str, Token]:
    """The tokens that are not revoked, by hash. A row that cannot be understood is left out: nobody gets in by it."""
    found: dict[str, Token] = {}
    for row in rows:
        if row.status != "active" or not row.environment or not row.projects:
            continue
        try:
            expires = _instant(row.expires_at) if row.expires_at else None
        except ValueError:
            continue
        found[row.hash] = Token(
            hash=row.hash,
            type=_SYNONYMS.get(row.type, row.type),
            environment=row.environment,
            projects=ALL if "*" in row.projects else tuple(sorted(set(row.projects))),
            expires_at=expires,
        )
    return found


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def digest(text: str) -> str:
    """SHA-256 of a token's text, in hex; what the tables and the last-good file hold instead of the token."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def find(text: str, tokens: Mapping[str, Token]) -> Token | None:
    """The token whose text this is.

    The look-up goes by the digest, of which nobody can choose a prefix; the final comparison takes constant time.
    """
    wanted = digest(text)
    token = tokens.get(wanted)
    return token if token is not None and hmac.compare_digest(token.hash, wanted) else None
