"""Which tables hold personal data, as far as backups must know, and the keys of people that seal it there.

A backup is a copy that Ensign cannot reach again. What it holds about somebody is sealed under a key of theirs, which
lies in the keys directory and never in a backup: when the key is destroyed, that part of every copy is unreadable,
while the digests in the log stay and verify (docs/adr/0028).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from django.conf import settings

from ensign.control.kernel import clock
from ensign.control.kernel.errors import Unavailable
from ensign.control.kernel.keys import destroy, load, load_or_create

_ERASED = "erased.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """How a table goes into a backup: its rows sealed, each under its person's key, or not at all.

    ``subject`` is SQL over the table as ``t`` that gives the person's id; rows without one are not sealed.
    """

    table: str
    how: Literal["sealed", "left out"]
    subject: str = "NULL"


_tables: dict[str, Personal] = {}
_replay: list[Callable[[Mapping[str, Iterable[Lost]], datetime], None]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a backup held of somebody whose key is gone: a governed row (``table``, ``id``, ``version``), or the
    document of a digest (``table`` is ``ledger_document``)."""

    table: str
    id: str
    version: int = 0


def declare(personal: Personal) -> None:
    """Let backups seal a table or leave it out.

    :raises ValueError: when it was declared before.
    """
    if personal.table in _tables:
        raise ValueError(f"{personal.table} is declared twice")
    _tables[personal.table] = personal


def declared() -> Mapping[str, Personal]:
    """Table -> how it goes into a backup; all others go as they are."""
    return MappingProxyType(_tables)


def sealed(table: str) -> bool:
    """Whether the table's rows are somebody's, so that copies hold them sealed or not at all."""
    return table in _tables


def on_restore(replay: Callable[[Mapping[str, Iterable[Lost]], datetime], None]) -> None:
    """Let a higher layer put something into the place of what a restored backup could not open (person -> lost)."""
    _replay.append(replay)


def replay(lost: Mapping[str, Iterable[Lost]], *, at: datetime) -> None:
    """Call who registered by :func:`on_restore`."""
    for call in _replay:
        call(lost, at)


def _directory() -> Path:
    return Path(settings.KEYS_DIR) / "people"


def key_of(person_id: str) -> bytes:
    """The person's data key, made on first use.

    :raises Unavailable: when it cannot be read or made, or the person was erased.
    """
    if person_id in erased():
        raise Unavailable(f"{person_id} was erased; their key is not made again.", remedy="Restore the latest backup.")
    return load_or_create(_directory(), f"{person_id}.key")


def existing_key(person_id: str) -> bytes | None:
    """The person's data key, or None when there is none."""
    return load(_directory(), f"{person_id}.key")


def has_key(person_id: str) -> bool:
    """Whether the person's data key lies here."""
    return (_directory() / f"{person_id}.key").exists()


def erased() -> frozenset[str]:
    """Ids of the people whose erasure is on the list beside the keys."""
    return frozenset(line["person"] for line in _list())


def forgotten(person_id: str) -> frozenset[str]:
    """Digests of the documents that were forgotten with an erased person."""
    return frozenset(digest for line in _list() if line["person"] == person_id for digest in line["digests"])


def _list() -> list[dict[str, Any]]:
    """The list of erased people. A line that a crash cut short was not the last word: it is written again."""
    path = Path(settings.KEYS_DIR) / _ERASED
    found = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def forget_key(person_id: str, *, digests: Iterable[str], at: datetime) -> None:
    """Put the person on the list of erased people, with what was forgotten, and destroy their key. Done twice it does
    nothing more.

    The list is written first: a crash in between leaves a key that the next call destroys.

    :raises Unavailable: when the keys directory cannot be written.
    """
    if person_id not in erased():
        path = Path(settings.KEYS_DIR) / _ERASED
        line = "\n" + json.dumps({"person": person_id, "at": clock.text(at), "digests": sorted(digests)}) + "\n"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8") as handle:
                handle.write(line)
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise Unavailable(
                f"The list of erased people cannot be written: {error}", remedy="Make the keys directory writable."
            ) from error
    destroy(_directory(), f"{person_id}.key")
