"""Filling an empty database with the demo, with a progress bar."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ensign.control.audit import anchors, boot, checkpoints, inspect, schema
from ensign.control.audit.models import Entry
from ensign.control.changes import expiring
from ensign.control.identity import sessions
from ensign.control.identity.models import Person
from ensign.control.kernel import clock
from ensign.control.kernel.actor import system
from ensign.control.kernel.errors import Conflict
from ensign.demo import cast, reaching, told, usage, watching
from ensign.demo.company import Company, found, secret_of
from ensign.demo.story import Calendar
from ensign.demo.year import Year

LENGTH = timedelta(days=365)
WATCHED = 30
"""Days before the end of which it is known how fast applications took what was published."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was made: ``counts`` says how often what happened, ``people`` who is there with which roles by now."""

    origin: str
    entries: int
    secret: str
    counts: dict[str, int]
    people: tuple[cast.Player, ...]


def require_empty() -> None:
    """The demo never mixes with anything real.

    :raises Conflict: naming what the database holds.
    """
    tables = set(connection.introspection.table_names())
    if not tables:
        return
    held = [f"{len(tables)} tables"]
    if "ledger_entry" in tables:
        held.append(f"a log of {Entry.objects.count():,} entries")
    if "identity_person" in tables:
        held.append(f"{Person.objects.count():,} people")
    raise Conflict(
        f"The demo needs an empty database; this one holds {', '.join(held)}.",
        remedy="Point ENSIGN_DATA_DIR (or DATABASE_URL) at an empty place: ENSIGN_DATA_DIR=demo ensign demo",
        code="not-empty",
    )


def fill(*, seed: int, now: datetime, application_role: str | None = None, console: Console) -> Filled:
    """Fill the database. The same seed tells the same story up to ``now``; ids, keys and secrets differ.

    :raises Conflict: when the database is not empty.
    """
    require_empty()
    begin = (now - LENGTH).replace(hour=8, minute=30, second=0, microsecond=0)
    origin = f"ensign-demo/{secrets.token_hex(8)}"
    with clock.simulated(begin):
        boot.migrate(at=begin, origin=origin, application_role=application_role)
    company = Company(secret=secret_of(seed))
    calendar = Calendar(
        rng=random.Random(seed),  # noqa: S311  # the demo's dice, not a secret
        begin=begin,
        end=now - timedelta(minutes=2),
    )
    year = Year(company, calendar)
    with _fast(), _bar(console, begin, calendar.end) as progress:
        with clock.simulated(begin):
            found(company, at=begin + timedelta(minutes=20))
        year.plan()
        for week in range(2, LENGTH.days // 7 + 1):
            calendar.put(begin + timedelta(weeks=week, hours=-6), _anchor)
        for week in range(1, LENGTH.days // 7 + 1):
            morning = begin + timedelta(weeks=week, hours=3)
            if morning < calendar.end - timedelta(days=1):  # what came since is nobody's yet
                calendar.put(morning, partial(watching.watch, company))
            calendar.put(morning + timedelta(hours=1), _expire)
        calendar.put(calendar.end - timedelta(hours=20), partial(watching.sharpen, company))
        for half_hour in range(1, 2 * 24 * WATCHED):
            calendar.put(calendar.end - timedelta(minutes=30 * half_hour), reaching.catch_up)
        for month in range(1, 12):
            calendar.put(begin + timedelta(days=30 * month, hours=-5), _compare)
        calendar.run(progress)
        with clock.simulated(calendar.end):
            watching.follow(at=calendar.end)
            _expire(calendar.end)
            sessions.end_due(at=calendar.end)  # else the worker ends them all in the first minute
        reaching.catch_up(now)
        usage.fill(company, rng=calendar.rng, now=now)
        told.fill(company, now=now)
        _anchor(now)
    schema.check()
    counts = dict(sorted(year.requests.counts.items()))
    people = tuple(company.here.get(player.key, player) for player in (cast.FIRST, *cast.PLAYERS))
    return Filled(origin, checkpoints.head().size, company.secret, counts, people)


def _anchor(at: datetime) -> None:
    anchors.anchor(actor=system("anchor"), at=at)


def _expire(at: datetime) -> None:
    expiring.end_due(at=at)


def _compare(at: datetime) -> None:
    inspect.check_drift(actor=system("drift"), at=at)


@contextmanager
def _fast() -> Iterator[None]:
    """A demo that a power cut halves is made again, so nothing waits for the disk."""
    on, off = (
        ("SET synchronous_commit = off", "SET synchronous_commit = on")
        if connection.vendor == "postgresql"
        else ("PRAGMA synchronous = OFF", "PRAGMA synchronous = FULL")
    )
    with connection.cursor() as cursor:
        cursor.execute(on)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(off)


@contextmanager
def _bar(console: Console, begin: datetime, end: datetime) -> Iterator[Callable[[datetime], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"A year at {cast.ORGANISATION}", total=(end - begin).total_seconds())

        def at(moment: datetime) -> None:
            progress.update(task, completed=(moment - begin).total_seconds())

        yield at
