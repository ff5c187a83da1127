"""OFREP's event streams: what they say, and the credential in their address (protocol ADR 0008; our ADR 0016).

A browser's EventSource sends no headers, so that the address itself must let it in. What it carries is no token: it
opens this one stream, says for how long, and ends with the token that it was made for.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import datetime

from ensign_engine.model import read_dependencies

from ensign.delivery.deltas import Latest
from ensign.delivery.http import Message
from ensign.delivery.outlet import body
from ensign.delivery.query import Query
from ensign.delivery.state import State
from ensign.delivery.tokens import ALL, Token

PATH = "/ofrep/v1/stream"
PARAMETER = "token"
"""A name that everybody who redacts addresses knows."""
PERIOD = 3600
"""Seconds for which one address is handed out; it opens streams for one period more."""
_SHAPE = re.compile(r"([0-9a-f]{16})\.([1-9][0-9]{0,9})\.([A-Za-z0-9_-]{22})\Z")
_EPOCH = 10**12
_REVISION = re.compile(r'\W{0,3}([0-9]{1,10})\.([0-9]{1,12})"?\Z')


class Expired(Exception):
    """The credential was good once: its holder gets a new one with the next answer."""


class Credentials:
    """Makes and checks them with a key that all nodes share; without one, those of before a restart are void."""

    def __init__(self, key: bytes | None, *, clock: Callable[[], datetime]) -> None:
        self._key = secrets.token_bytes(32) if key is None else key
        self._clock = clock

    def issue(self, token: Token) -> str:
        """One for `token`: the same for a whole period, so that an answer with it stays the same, too."""
        period = self._period() + 2
        return f"{token.hash[:16]}.{period}.{self._seal(token, period)}"

    def holder(self, text: str, state: State) -> Token | None:
        """The token that the credential was made for, None if it is none of ours. Raises Expired."""
        found = _SHAPE.match(text)
        if found is None:
            return None
        token = _by_prefix(state).get(found[1])
        if token is None or not hmac.compare_digest(self._seal(token, int(found[2])), found[3]):
            return None
        if int(found[2]) <= self._period():
            raise Expired
        return token

    def _period(self) -> int:
        return int(self._clock().timestamp()) // PERIOD

    def _seal(self, token: Token, period: int) -> str:
        sealed = hmac.digest(self._key, f"ensign ofrep stream 1\0{token.hash}\0{period}".encode(), "sha256")
        return urlsafe_b64encode(sealed[:16]).decode().rstrip("=")


class Refetch:
    """Tells that something changed, never what: whoever listens asks for its flags anew."""

    def newest(self, latest: Latest, query: Query) -> int:
        """See `Talk`."""
        return position(latest.state, query)

    def greeting(self, latest: Latest, query: Query, known: int | None) -> Iterator[bytes]:
        """See `Talk`. Who knows nothing is told to ask: a change since its last answer would be lost else."""
        newest = position(latest.state, query)
        yield b": connected\n\n" if known is not None and known >= newest else _event(newest)

    def update(self, latest: Latest, query: Query, position: int) -> Message | None:
        """See `Talk`."""
        newest = self.newest(latest, query)
        return body(_event(newest)) if newest > position else None

    def pieces(self, latest: Latest, query: Query, position: int) -> Iterator[bytes] | None:
        """See `Talk`."""
        newest = self.newest(latest, query)
        return iter([_event(newest)]) if newest > position else None

    def given(self, latest: Latest, query: Query, known: int | None) -> None:
        """See `Talk`: no rules ever."""
        del latest, query, known


REFETCH = Refetch()


def scope(token: Token) -> Query:
    """What `token` sees."""
    return Query(token.environment, None if token.projects == ALL else token.projects)


def position(state: State, query: Query) -> int:
    """The newest revision of all that answers for `query` depend on, as one number: a new epoch is above the old."""
    projects = query.projects if query.projects is None else (*query.projects, *_parents(state, query))
    rulesets = state.scope(projects, query.environment)
    epoch, number = max((ruleset.revision for ruleset in rulesets), default=(0, 0))
    return epoch * _EPOCH + number


def read_revision(text: str) -> int | None:
    """The position that an event's id or etag names; None for what is none of ours."""
    found = _REVISION.match(text)
    return None if found is None else int(found[1]) * _EPOCH + int(found[2])


def _event(position: int) -> bytes:
    revision = b"%d.%d" % divmod(position, _EPOCH)
    return b'id: %b\ndata: {"type":"refetchEvaluation","etag":"%b"}\n\n' % (revision, revision)


def _parents(state: State, query: Query) -> frozenset[str]:
    """Projects out of sight whose flags are parents of flags in sight: what happens there changes answers, too."""
    key = ("parents", query.environment, query.projects)
    found: frozenset[str] | None = state.memo.get(key)
    if found is None:
        seen = state.scope(query.projects, query.environment)
        wanted = {
            dependency.feature
            for ruleset in seen
            for feature in ruleset.features
            if "dependencies" in feature.raw
            for dependency in read_dependencies(feature.raw)
        }
        found = state.memo[key] = frozenset(
            ruleset.project
            for ruleset in (state.scope(None, query.environment) if wanted else ())
            if not wanted.isdisjoint(feature.name for feature in ruleset.features)
        )
    return found


def _by_prefix(state: State) -> dict[str, Token]:
    found: dict[str, Token] | None = state.memo.get("tokens by prefix")
    if found is None:
        found = state.memo["tokens by prefix"] = {token.hash[:16]: token for token in state.tokens.values()}
    return found
