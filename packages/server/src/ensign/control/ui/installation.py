"""Facts about this installation, for the settings page: what runs, how the log is kept, what is stored where."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import django
from django.conf import settings
from django.db import connection

import ensign
from ensign.control.audit import anchors, checkpoints, history
from ensign.control.audit.history import EntryView

DRIFT: Final = "drift.checked"
BACKUP: Final = "backup.made"
_VENDORS: Final[Mapping[str, str]] = {"sqlite": "SQLite, embedded", "postgresql": "PostgreSQL"}
_ANCHORS: Final[Mapping[str, str]] = {"file": "A file", "webhook": "A webhook", "git": "A git repository"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What runs."""

    version: str
    python: str
    django: str
    address: str
    database: str
    vendor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """How the log is identified and kept. ``drift``, ``backup``: the entries of the last of each."""

    origin: str
    size: int
    key: str
    fingerprint: str
    anchors: Mapping[str, str]
    anchored_outside: bool
    anchored_at: datetime | None
    drift: EntryView | None
    backup: EntryView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Something that is stored, and where."""

    what: str
    where: str
    note: str


def runs() -> Runs:
    """Versions, address and database."""
    given = settings.DATABASES["default"]
    where = f", {given['HOST'] or 'local socket'}/{given['NAME']}" if connection.vendor == "postgresql" else ""
    return Runs(
        version=ensign.__version__,
        python=platform.python_version(),
        django=django.get_version(),
        address=settings.PUBLIC_URL,
        database=_VENDORS.get(connection.vendor, connection.vendor) + where,
        vendor=connection.vendor,
    )


def log() -> Log:
    """The log's identity and custody; five queries."""
    head = checkpoints.head()
    signer = checkpoints.signer(head.origin)
    targets = anchors.targets()
    beside = {"file": str(settings.DATA_DIR / "anchors.txt")}
    return Log(
        origin=head.origin,
        size=head.size,
        key=signer.key.vkey,
        fingerprint=signer.key.fingerprint,
        anchors={_ANCHORS[kind]: address for kind, address in targets.items()},
        anchored_outside=targets != beside,
        anchored_at=anchors.last_anchored_at(),
        drift=_last(DRIFT),
        backup=_last(BACKUP),
    )


def _last(action: str) -> EntryView | None:
    found = history.entries(history.Filters(action=action), limit=1)
    return found[0] if found else None


def places() -> list[Place]:
    """What is stored where."""
    database = settings.DATABASES["default"]
    file = connection.vendor == "sqlite"
    return [
        Place(
            what="Database",
            where=str(database["NAME"]) if file else f"{database['HOST'] or 'local socket'}/{database['NAME']}",
            note="People, projects, flags, requests and the log. Back it up with “ensign backup”.",
        ),
        Place(
            what="Keys",
            where=str(settings.KEYS_DIR),
            note="They sign the log and the sessions. Keep a copy apart from the database's backups: whoever has both"
            " could sign a forged log.",
        ),
        Place(
            what="Last good rulesets",
            where=str(Path(settings.DATA_DIR) / "last-good.json"),
            note="What applications get while the database is down. Made anew by itself.",
        ),
        Place(
            what="Static files",
            where=str(settings.STATIC_ROOT),
            note="Scripts and styles of these pages. Made anew by itself.",
        ),
    ]
