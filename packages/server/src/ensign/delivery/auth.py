"""Who may ask: tokens of requests (wire contracts, 1.1 to 1.4), and a bound on refusals."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ensign.delivery.feed import Feed
from ensign.delivery.http import Header, Refusal, Request, bad_data
from ensign.delivery.tokens import EDGE, Bounds, Token, digest, find
from ensign.delivery.usage import Usage

log = logging.getLogger("ensign.delivery")

_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)
#: Tokens of people and service accounts: valid elsewhere, never here.
_FOREIGN = ("user:", "ensign_pat_", "ensign_svc_", "ensign_fed_", "ensign_scim_")

MAX_TOKENS = 100
"""Tokens of one edge; each reaches one environment."""

UNAUTHENTICATED = (
    "This endpoint requires an API token. Please add an authorization header to your request with a valid token"
)
WRONG_TYPE = "invalid token: expected a different token type for this endpoint"
WARMING_UP = "The rulesets are not loaded yet. Please try again."


def unavailable(message: str = WARMING_UP) -> Refusal:
    """503: the truth is not known now. SDKs stop for good at 401 and 403, so those are never said in doubt."""
    return Refusal(503, "ServiceUnavailableError", message, headers=((b"retry-after", b"2"),))


class Refusals:
    """Counts refusals per address and minute; beyond `limit` the answer is 429. Valid tokens are never touched."""

    def __init__(self, usage: Usage, *, limit: int = 60, now: Callable[[], float] = time.monotonic) -> None:
        self.usage = usage
        self._limit = limit
        self._now = now
        self._minute = 0
        self._counts: dict[str, int] = {}

    def refuse(self, client: str, status: int, message: str, reason: str) -> Refusal:
        """The refusal to answer with; counted, and logged as a sum at the end of the minute."""
        minute = int(self._now() // 60)
        if minute != self._minute:
            if self._counts:
                total = sum(self._counts.values())
                log.warning("%d requests from %d addresses were refused within a minute", total, len(self._counts))
            self._minute, self._counts = minute, {}
        seen = self._counts.get(client, 0)
        if len(self._counts) < 10_000 or seen:
            self._counts[client] = seen + 1
        self.usage.refused(f"{status} {reason}")
        if seen >= self._limit:
            left = str(60 - int(self._now() % 60)).encode()
            limit = str(self._limit).encode()
            wait: tuple[Header, ...] = (
                (b"retry-after", left),
                # draft-ietf-httpapi-ratelimit-headers, as Unleash sends them
                (b"ratelimit-limit", limit), (b"ratelimit-remaining", b"0"), (b"ratelimit-reset", left),
            )  # fmt: skip
            return Refusal(429, "RateLimitError", "Too many refused requests; check the token.", headers=wait)
        return Refusal(status, "", message)


@dataclass(frozen=True, slots=True)
class EdgeToken:
    """A token that an edge sent, by its hash: what it reaches, or None when it counts no more."""

    hash: str
    token: Token | None


def bounds(tokens: Sequence[EdgeToken]) -> tuple[Bounds, ...]:
    """What an edge with these tokens may know of."""
    return tuple(Bounds(one.token.environment, one.token.projects) for one in tokens if one.token is not None)


class Gate:
    """Finds the token of a request and decides whether it may pass."""

    def __init__(self, feed: Feed, refusals: Refusals, *, clock: Callable[[], datetime]) -> None:
        self._feed = feed
        self._refusals = refusals
        self._usage = refusals.usage
        self._clock = clock

    def admit(self, request: Request, *wanted: str, text: str | None = None) -> Token:
        """The token, if it is of a type in `wanted` and valid at this instant. Raises Refusal: 401, 403, 429 or 503.

        `text` is the token's where it stands elsewhere than in `Authorization`.

        1. Without rulesets nothing can be said: 503.
        2. No token: 401. A person's or service account's token: 403.
        3. An unknown or expired one: 401, but 503 while the source does not answer, since it may be new.
        4. Of the wrong type: 403.
        """
        feed = self._feed
        if not feed.warm:
            raise unavailable()
        if text is None:
            text = bare(request.header(b"authorization"))
        client = request.client
        if not text:
            raise self._refusals.refuse(client, 401, UNAUTHENTICATED, "no token")
        if text.startswith(_FOREIGN):
            raise self._refusals.refuse(client, 403, WRONG_TYPE, "token of a person or service account")
        token = find(text, feed.latest.state.tokens)
        if token is None:
            if not feed.current:
                raise unavailable("The tokens cannot be checked now. Please try again.")
            raise self._refusals.refuse(client, 401, UNAUTHENTICATED, "unknown token")
        if token.expired(self._clock()):
            raise self._refusals.refuse(client, 401, UNAUTHENTICATED, "expired token")
        if token.type not in wanted:
            raise self._refusals.refuse(client, 403, WRONG_TYPE, "token of the wrong type")
        self._usage.recency.used(token.hash, self._clock())
        return token

    def refused(self, request: Request, reason: str) -> Refusal:
        """401 for whoever has no valid credential of another kind; counted as all refusals are."""
        return self._refusals.refuse(request.client, 401, UNAUTHENTICATED, reason)

    def used(self, text: str) -> None:
        """An edge says that this token was used there; unknown ones count nothing."""
        if (token := self.valid(text)) is not None:
            self._usage.recency.used(token.hash, self._clock())

    def used_below(self, places: tuple[Bounds, ...], uses: Mapping[str, datetime]) -> None:
        """Nodes below say when they let tokens in; of each the hash. Counted are those that `places` hold."""
        for token_hash, at in uses.items():
            token = self._feed.latest.state.tokens.get(token_hash)
            if token is not None and any(place.holds(token) for place in places):
                self._usage.recency.used(token_hash, min(at, self._clock()))

    def edges(self, request: Request) -> tuple[EdgeToken, ...]:
        """The tokens of an edge, which sends all of them, if at least one of them counts. Raises Refusal.

        As with `admit`, what may be new is met with 503 and never refused in doubt.
        """
        feed, at, client = self._feed, self._clock(), request.client
        if not feed.warm:
            raise unavailable()
        texts = [text.strip() for text in bare(request.header(b"authorization")).split(",") if text.strip()]
        if len(texts) > MAX_TOKENS:
            raise bad_data(f"An edge has at most {MAX_TOKENS} tokens.")
        found = [find(text, feed.latest.state.tokens) for text in texts]
        if None in found and not feed.current:
            raise unavailable("The tokens cannot be checked now. Please try again.")
        good = [None if token is None or token.type != EDGE or token.expired(at) else token for token in found]
        if any(good):
            for token in good:
                if token is not None:
                    self._usage.recency.used(token.hash, at)
            return tuple(EdgeToken(digest(text), token) for text, token in zip(texts, good, strict=True))
        if any(token is not None and token.type != EDGE for token in found):
            raise self._refusals.refuse(client, 403, WRONG_TYPE, "token of the wrong type")
        if any(text.startswith(_FOREIGN) for text in texts):
            raise self._refusals.refuse(client, 403, WRONG_TYPE, "token of a person or service account")
        raise self._refusals.refuse(client, 401, UNAUTHENTICATED, "unknown token" if texts else "no token")

    def valid(self, text: str) -> Token | None:
        """The token of an SDK of this text if it counts now; for `/edge/validate`."""
        token = find(text.strip(), self._feed.latest.state.tokens)
        return None if token is None or token.expired(self._clock()) or token.type == EDGE else token


def bare(header: str) -> str:
    """The token out of an Authorization header, with or without `Bearer`."""
    found = _BEARER.match(header)
    return (header[found.end() :] if found else header).strip()
