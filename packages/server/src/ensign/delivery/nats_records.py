"""How readings lie in a NATS key-value bucket: one record for each environment (docs/reference/planes.md).

`env.<environment>` holds a line of JSON, the head, and after it the reading in gzip; where that is larger than a
message may be, the head names the `part.…` keys that hold it. `alive` is written every few seconds, with the states of
all records, so that whoever missed one notices.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ensign.delivery.held import Copy, Held
from ensign.delivery.published import Revision
from ensign.delivery.readings import tokens_told, told

ALIVE = "alive"
ENVIRONMENTS = "env.*"
ROOM = 8 * 1024
"""Bytes of a message that are left for its head and for NATS."""

_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class NatsPlace:
    """Where the bucket is, and as whom to come. `credentials` is a file of NATS's own kind."""

    url: str
    bucket: str = "ENSIGN"
    credentials: str = ""
    environments: tuple[str, ...] = ()

    @classmethod
    def at(cls, url: str, *, bucket: str = "ENSIGN", credentials: str = "", environments: str = "") -> NatsPlace:
        """`environments` are keys separated by commas, none for all. Raises ValueError, saying what is wrong."""
        parts = urlsplit(url)
        if parts.scheme not in {"nats", "tls"} or not parts.hostname:
            raise ValueError("the address of NATS must be like nats://host:4222, or tls://host:4222")
        if not _KEY.match(bucket):
            raise ValueError("the name of a NATS bucket has letters, digits, - and _ alone")
        _ = parts.port  # raises ValueError for one that cannot be
        names = tuple(name.strip() for name in environments.split(",") if name.strip())
        return cls(url, bucket, credentials, names)

    @property
    def shown(self) -> str:
        """The address without user and password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or 4222}"


@dataclass(frozen=True, slots=True)
class Head:
    """What a record says of itself: the newest revision in it, a digest of rulesets and tokens, where its body is."""

    revision: Revision
    state: str
    sha256: str
    parts: tuple[str, ...] = ()

    def line(self) -> bytes:
        """As bytes, with the line's end."""
        return json.dumps([self.revision, self.state, self.sha256, self.parts]).encode() + b"\n"

    @classmethod
    def read(cls, value: bytes) -> tuple[Head, bytes]:
        """Head and what follows it. Raises ValueError, TypeError."""
        line, _, body = value.partition(b"\n")
        (epoch, number), state, sha256, parts = json.loads(line)
        return cls((int(epoch), int(number)), str(state), str(sha256), tuple(map(str, parts))), body


@dataclass(frozen=True, slots=True)
class Record:
    """One environment of what a node holds."""

    environment: str
    held: Held
    revision: Revision
    state: str

    def body(self) -> bytes:
        """The reading in gzip."""
        history = self.held.latest.history
        copies = _copies(self.held, self.environment)
        line = told(history, copies, history.floor)
        line |= {
            # No more is claimed than what this record holds: those of other environments come in theirs.
            "number": max(self.revision[1], history.floor),
            "contents": {id: copy.content for id, copy in copies.items()},
            "tokens": tokens_told(row for row in self.held.tokens if row.environment == self.environment),
        }
        return gzip.compress(json.dumps(line, separators=(",", ":")).encode(), compresslevel=3, mtime=0)


def records(held: Held, environments: Collection[str]) -> Iterator[Record]:
    """What `held` says of `environments` (none: of all), oldest publication first.

    The order matters: whoever has seen one record has seen all older publications of the others, too.
    """
    names = {copy.place[1] for copy in held.copies.values()} | {row.environment for row in held.tokens}
    found = []
    for name in names:
        if not _KEY.match(name) or (environments and name not in environments):
            continue
        copies = _copies(held, name)
        tokens = tokens_told(row for row in held.tokens if row.environment == name)
        versions = sorted((id, copy.version) for id, copy in copies.items())
        state = hashlib.sha256(json.dumps([versions, tokens]).encode()).hexdigest()
        revision = max((copy.revision for copy in copies.values()), default=(0, 0))
        found.append(Record(name, held, revision, state))
    return iter(sorted(found, key=lambda record: (record.revision, record.environment)))


def unpacked(head: Head, body: bytes) -> dict[str, Any]:
    """The reading out of a record's body. Raises ValueError for one that is not whole."""
    if hashlib.sha256(body).hexdigest() != head.sha256:
        raise ValueError("a record is not whole")
    try:
        line = json.loads(gzip.decompress(body))
    except (OSError, EOFError) as problem:
        raise ValueError("a record cannot be unpacked") from problem
    if not isinstance(line, dict):
        raise ValueError("a record is no object")
    return line


def _copies(held: Held, environment: str) -> dict[str, Copy]:
    return {id: copy for id, copy in held.copies.items() if copy.place[1] == environment}


async def quiet(_problem: Exception) -> None:
    """For nats-py, which prints what goes wrong: all of it is raised where it matters, too."""
